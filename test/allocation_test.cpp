// A run allocates nothing: every allocation of the process is counted while networks run.
#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

#include "octavo/exec/session.hpp"
#include "octavo/graph/builder.hpp"
#include "octavo/plan/compile.hpp"
#include "support/quantized_graph.hpp"

namespace {

std::atomic<long> allocations{0};

}  // namespace

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define OCTAVO_TEST_SANITIZER
#endif
#endif
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && \
    !defined(OCTAVO_TEST_SANITIZER)

// glibc lets a program define the functions of malloc's family; operator new ends there too.
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void* malloc(std::size_t bytes) noexcept { return ++allocations, __libc_malloc(bytes); }
void* calloc(std::size_t count, std::size_t bytes) noexcept { return ++allocations, __libc_calloc(count, bytes); }
void* realloc(void* p, std::size_t bytes) noexcept { return ++allocations, __libc_realloc(p, bytes); }
void* memalign(std::size_t alignment, std::size_t bytes) noexcept {
  return ++allocations, __libc_memalign(alignment, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept {
  return ++allocations, __libc_memalign(alignment, bytes);
}
int posix_memalign(void** p, std::size_t alignment, std::size_t bytes) noexcept {
  ++allocations;
  *p = __libc_memalign(alignment, bytes);
  return *p ? 0 : 12;  // ENOMEM
}
}

#else

void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(bytes ? bytes : 1);
}
void* operator new(std::size_t bytes) {
  if (void* p = operator new(bytes, std::nothrow)) return p;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }

#endif

namespace {

using namespace octavo;
using namespace octavo::test;

/// The kernels under test. The reference evaluations of these networks' operators allocate nothing.
kernel_list kernels() { return {}; }

/// Pool, add, convert, concat (free and copying), softmax, pad, reshape.
graph moving_network() {
  graph g;
  auto x = g.input<float, nhwc<upto<3>, 6, 6, 4>>("x");
  auto pooled = max_pool2d<pool{.kernel = 3, .stride = 1, .pad = 1}>(x);
  auto mean = average_pool2d<pool{.kernel = 3, .stride = 1, .pad = 1}>(x);
  auto both = concat(relu(pooled + mean), pad_channels<1, 1>(mean));
  auto rows = concat<1>(both, relu6(both));
  g.output(softmax(global_average_pool(rows)), "y");
  g.output(rows, "rows");
  return g;
}

/// Runs `g` some times and checks that only the first session's construction allocated.
void check_no_allocation(const graph& g) {
  session run(plan_graph(g, kernels()));
  std::vector<float> x(3 * 6 * 6 * 4, 0.5f), y(3 * 10), rows(3 * 12 * 6 * 10);
  const view<float> two{x.data(), {2, 6, 6, 4}}, two_y{y.data(), {2, 10}}, two_rows{rows.data(), {2, 12, 6, 10}};
  const long before = allocations;
  for (int i = 0; i < 3; ++i) run(x, y, rows).or_throw();
  run(two, two_y, two_rows).or_throw();
  CHECK(run(x, y, y).code() == run_status::wrong_extents);
  run.enable_profile(true);
  run(x, y, rows).or_throw();
  CHECK(allocations == before);
}

}  // namespace

TEST_CASE("allocation: allocations are counted") {
  const long before = allocations;
  ::operator delete(::operator new(10));  // called by name: the compiler may leave out a new-expression
  CHECK(allocations == before + 1);
}

TEST_CASE("allocation: an FP32 run allocates nothing") { check_no_allocation(moving_network()); }

TEST_CASE("allocation: an INT8 run allocates nothing") { check_no_allocation(quantized_graph(moving_network())); }

TEST_CASE("allocation: a run with convolutions allocates nothing") {
  if (kernels().empty()) {  // the reference's convolutions allocate
    MESSAGE("skipped: only the reference kernel");
    return;
  }
  graph g;
  const params w = random_params(3);
  auto x = g.input<float, nhwc<upto<3>, 6, 6, 4>>("x");
  auto a = relu(batch_norm(conv2d<conv{.out = 10, .kernel = 3, .pad = 1}>(x, w / "conv"), w / "bn"));
  auto b = depthwise_conv2d<conv{.kernel = 3, .pad = 1}>(a, w / "dw") + a;
  g.output(fc<10>(global_average_pool(b), w / "fc"), "y");
  g.output(concat<1>(a, b), "rows");
  SUBCASE("FP32") { check_no_allocation(fold(g)); }
  SUBCASE("INT8") { check_no_allocation(quantized_graph(g)); }
}
