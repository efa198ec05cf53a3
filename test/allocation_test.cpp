// A run allocates nothing: every allocation of the process is counted while networks run.
#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

#include "octavo/octavo.hpp"
#include "support/quantized_graph.hpp"
#include "support/recurrent_graph.hpp"
#include "support/worker_threads.hpp"

namespace {

std::atomic<long> allocations{0};
thread_local bool counting = true;
void count_one() { allocations += counting; }

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

void* malloc(std::size_t bytes) noexcept { return count_one(), __libc_malloc(bytes); }
void* calloc(std::size_t count, std::size_t bytes) noexcept { return count_one(), __libc_calloc(count, bytes); }
void* realloc(void* p, std::size_t bytes) noexcept { return count_one(), __libc_realloc(p, bytes); }
void* memalign(std::size_t alignment, std::size_t bytes) noexcept {
  return count_one(), __libc_memalign(alignment, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept {
  return count_one(), __libc_memalign(alignment, bytes);
}
int posix_memalign(void** p, std::size_t alignment, std::size_t bytes) noexcept {
  count_one();
  *p = __libc_memalign(alignment, bytes);
  return *p ? 0 : 12;  // ENOMEM
}
}

#else

void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  count_one();
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

/// Every operator, with images that are up to 3: what is fused, and what is not.
graph network_of_all_operators() {
  graph g;
  const params w = random_params(3);
  auto x = g.input<float, nhwc<upto<3>, 6, 6, 4>>("x");
  auto a = relu(batch_norm(conv2d<conv{.out = 32, .kernel = 3, .pad = 1}>(x, w / "conv"), w / "bn"));
  auto b = depthwise_conv2d<conv{.kernel = 3, .pad = 1}>(a, w / "dw") + a;
  auto c = conv2d<conv{.out = 32, .kernel = 3, .pad = 1}>(b, w / "winograd") + b;
  auto grouped = conv2d<conv{.out = 6, .kernel = 3, .stride = 2, .pad = 1, .groups = 2}>(c, w / "grouped");
  auto pooled = max_pool2d<pool{.kernel = 3, .stride = 1, .pad = 1}>(x);
  auto mean = average_pool2d<pool{.kernel = 3, .stride = 1, .pad = 1}>(x);
  auto both = concat(relu(pooled + mean), pad_channels<1, 1>(mean));
  auto rows = bias_add(batch_norm(concat<1>(both, relu6(both)), w / "rows_bn"), w / "rows_bias");
  auto gated =
      sub(pooled * sigmoid(average_pool2d<pool{.kernel = 6}>(pooled)), scale(prelu(pooled, w / "prelu"), w / "scale"));
  auto curved = mish(gelu(pow(abs(tanh(hard_swish(pooled))), 1.5f)));
  auto attention = matmul(softmax(matmul_transposed(x, max(pooled, gated))), curved);
  auto places = argmax(softmax<1>(rows));
  auto [best, best_places] = top_k<2, 2>(log_softmax(reduce_mean<axis_numbers{-1}, true>(rows)));
  auto tokens = layer_norm(reshape<ntc<x.extents.encoded(0), 36, 4>>(x), w / "layer_norm");
  auto seen = reduce_mean<axis_numbers{1}>(octavo::attention<2>(tokens, tokens, tokens));
  auto features = concat(global_average_pool(c), flatten(grouped), global_max_pool(attention), flatten(best), seen);
  g.output(softmax(fc<10>(features, w / "fc")), "y");
  g.output(rows, "rows");
  auto [left, right] = split_equally<-1, 2>(pooled);
  auto planes = transpose<0, 3, 1, 2>(concat(left, shuffle_channel<2>(mean), slice<-1, 1, 2>(right)));  // (N, 7, 6, 6)
  auto edges = pad<axis_numbers{0, 1, 0, 0}, axis_numbers{0, 0, 1, 1}>(planes, op::pad::edge);          // (N, 8, 7, 7)
  auto table = constant_value<float, shape<3, 4>>(g, "table", std::vector<float>(12, 0.5f));
  auto which = constant_value<std::int32_t, shape<2>>(g, "which", std::array{2, -3});
  auto looked_up = tile<3, 2, 9>(unsqueeze<0>(expand<shape<2, 4>>(gather<0>(table, which))));  // (3, 4, 36)
  auto blocks = depth_to_space<2>(space_to_depth<2>(slice<-1, 0, 4>(pad_channels<1, 0>(x))));
  blocks = interp2d<6, 6>(interp2d<4, 9>(blocks, op::interp2d::bilinear), op::interp2d::nearest);
  g.output(relu(concat(flatten(slice<1, 0, 4, 2>(edges)), flatten(blocks))), "moved");
  g.output(looked_up, "looked_up");
  g.output(places, "places");
  return g;
}

/// What runs the tasks of a session: the calling thread alone, or three others.
struct no_threads {
  parallel_for& get() { return serial(); }
};
struct three_threads {
  /// Starting threads allocates, which is not the session's doing; what they run is counted.
  class quiet_workers : public worker_threads {
   public:
    quiet_workers() : worker_threads(3, 1) {}
    void run(int tasks, task_body body, void* context) noexcept override {
      counting = false;
      worker_threads::run(tasks, body, context);
      counting = true;
    }
  } workers;
  parallel_for& get() { return workers; }
};

/// Runs `net` some times and checks that nothing but the session's construction allocated.
template <class Threads>
void check_no_allocation(const network& net) {
  Threads threads;
  session run(net, threads.get());
  std::vector<float> x(3 * 6 * 6 * 4, 0.5f), y(3 * 10), rows(3 * 12 * 6 * 10), moved(3 * 242), table(3 * 4 * 36);
  std::vector<std::int64_t> places(3 * 12 * 6);
  const view<std::int64_t> two_places{places.data(), {2, 12, 6}};
  const view<float> two{x.data(), {2, 6, 6, 4}}, two_y{y.data(), {2, 10}}, two_rows{rows.data(), {2, 12, 6, 10}},
      two_moved{moved.data(), {2, 242}};
  const long before = allocations;
  for (int i = 0; i < 3; ++i) run(x, y, rows, moved, table, places).or_throw();
  run(two, two_y, two_rows, two_moved, table, two_places).or_throw();
  CHECK(run(x, y, y, moved, table, places).code() == run_status::wrong_extents);
  run.enable_profile(true);
  run(x, y, rows, moved, table, places).or_throw();
  CHECK(allocations == before);
}

/// Where there are kernels nothing is left to the reference.
void check_kernels_of(const network& net, const kernel_list& kernels) {
  for (const step& s : net->steps)
    CHECK_MESSAGE((s.kernel == reference_kernel.name) == kernels.empty(), s.name, ": ", s.kernel);
}

void check_all(const graph& g, const kernel_list& kernels) {
  for (const graph& planned : {fold(g), quantized_graph(g)}) {
    const network net = plan_graph(planned, kernels);
    check_kernels_of(net, kernels);
    check_no_allocation<no_threads>(net);
    check_no_allocation<three_threads>(net);
  }
}

/// The same for recurrent layers.
template <class Threads>
void check_recurrent(const kernel_list& kernels) {
  const graph g = recurrent_graph();
  for (const graph& planned : {fold(g), quantized_graph(g)}) {
    const network net = plan_graph(planned, kernels);
    check_kernels_of(net, kernels);
    Threads threads;
    session run(net, threads.get());
    std::vector<float> x(9 * 5 * 7, 0.5f), y(9 * 5 * 4), h(9 * 20), c(9 * 42);
    const long before = allocations;
    for (int i = 0; i < 3; ++i) run(x, y, h, c).or_throw();
    CHECK(allocations == before);
  }
}

/// The same for what is done with sequences.
template <class Threads>
void check_sequences(const kernel_list& kernels) {
  graph g;
  const params w = random_params(1);
  auto x = g.input<float, ntc<upto<5>, 8, 6>>("x");
  auto lengths = g.input<std::int32_t, shape<upto<5>>>("lengths");
  g.output(crf_decode(x, w / "crf", lengths).tags, "tags");
  g.output(ctc_greedy_decode(x, lengths).labels, "greedy");
  g.output(ctc_beam_decode<3>(log_softmax(x), lengths).labels, "beams");
  g.output(sequence_pool(reverse_sequence(x, lengths), lengths), "pooled");
  Threads threads;
  session run(plan_graph(g, kernels), threads.get());
  const std::vector<std::int32_t> length{8, 0, 3, 8, 5};
  std::vector<float> in(5 * 8 * 6, 0.5f), pooled(5 * 6);
  std::vector<std::int64_t> tags(5 * 8), greedy(5 * 8), beams(5 * 3 * 8);
  const long before = allocations;
  for (int i = 0; i < 3; ++i) run(in, length, tags, greedy, beams, pooled).or_throw();
  CHECK(allocations == before);
}

}  // namespace

TEST_CASE("allocation: allocations are counted") {
  const long before = allocations;
  ::operator delete(::operator new(10));  // called by name: the compiler may leave out a new-expression
  CHECK(allocations == before + 1);
}

TEST_CASE("allocation: a run of the reference evaluations allocates nothing") {
  check_all(network_of_all_operators(), {});
  check_recurrent<no_threads>({});
  check_sequences<no_threads>({});
}

TEST_CASE("allocation: a run of native kernels allocates nothing") {
  const graph g = network_of_all_operators();
  for (isa i : {isa::portable, isa::avx2, isa::avx_vnni, isa::avx512_vnni, isa::amx}) {
    CAPTURE(name_of(i));
    if (x86::runs(i)) {
      check_all(g, native_kernels(i));
      check_recurrent<no_threads>(native_kernels(i));
      check_recurrent<three_threads>(native_kernels(i));
      check_sequences<three_threads>(native_kernels(i));
    } else
      MESSAGE("skipped: this CPU has no " << name_of(i));
  }
}
