// The arena: buffers that live at the same step never share a byte, others do.
#include "octavo/plan/memory_plan.hpp"

#include <doctest/doctest.h>

#include <limits>

#include "support/random.hpp"
#include "temporary_folder.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

std::size_t end_of(const memory_layout& layout, const std::vector<buffer_life>& buffers, std::size_t i) {
  return layout.offset[i] + buffers[i].bytes;
}

/// The most bytes that live at one step: no layout can do with less.
std::size_t least_bytes(const std::vector<buffer_life>& buffers) {
  std::size_t least = 0;
  for (const buffer_life& at : buffers) {
    std::size_t sum = 0;
    for (const buffer_life& b : buffers)
      if (b.first <= at.first && at.first <= b.last) sum += round_up(b.bytes, cache_line);
    least = std::max(least, sum);
  }
  return least;
}

void check_layout(const std::vector<buffer_life>& buffers) {
  const memory_layout layout = lay_out(buffers);
  REQUIRE(layout.offset.size() == buffers.size());
  std::size_t sum = 0, end = 0;
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    CHECK(layout.offset[i] % cache_line == 0);
    sum += round_up(buffers[i].bytes, cache_line);
    end = std::max(end, round_up(end_of(layout, buffers, i), cache_line));
    for (std::size_t k = 0; k < i; ++k) {
      const bool same_time = buffers[i].first <= buffers[k].last && buffers[k].first <= buffers[i].last;
      const bool same_bytes =
          layout.offset[i] < end_of(layout, buffers, k) && layout.offset[k] < end_of(layout, buffers, i);
      CHECK_FALSE((same_time && same_bytes));
    }
  }
  CHECK(layout.bytes == end);
  CHECK(layout.bytes_without_reuse == sum);
  CHECK(layout.bytes <= sum);
  CHECK(layout.bytes >= least_bytes(buffers));
}

}  // namespace

TEST_CASE("memory plan: nothing needs nothing") {
  CHECK(lay_out({}).bytes == 0);
  CHECK(lay_out({{0, 0, 3}, {64, 1, 2}}).bytes == 64);
}

TEST_CASE("memory plan: a chain needs two buffers in turn") {
  std::vector<buffer_life> chain;
  for (int i = 0; i < 10; ++i) chain.push_back({1000, i, i + 1});  // read by the step after the one that wrote it
  const memory_layout layout = lay_out(chain);
  CHECK(layout.bytes == 2 * 1024);
  CHECK(layout.bytes_without_reuse == 10 * 1024);
  check_layout(chain);
}

TEST_CASE("memory plan: a buffer that outlives the others keeps its bytes") {
  const std::vector<buffer_life> shortcut{{256, 0, 5}, {128, 1, 2}, {128, 2, 3}, {128, 3, 4}, {256, 5, 6}};
  CHECK(lay_out(shortcut).bytes == 512);
  check_layout(shortcut);
}

TEST_CASE("memory plan: a gap between two living buffers is used when it is large enough") {
  // 4 cache lines, a hole of 2 from step 2 on, 4 cache lines.
  const std::vector<buffer_life> buffers{{320, 0, 9}, {256, 0, 1}, {192, 0, 9}, {128, 2, 3}, {64, 2, 3}, {64, 2, 3}};
  CHECK(lay_out(buffers).bytes == 320 + 256 + 192);
  check_layout(buffers);
}

TEST_CASE("memory plan: random lives") {
  std::size_t planned = 0, without_reuse = 0;
  for (unsigned seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    random_numbers random(seed);
    std::vector<buffer_life> buffers;
    const int count = random.between(1, 40), steps = random.between(1, 30);
    for (int i = 0; i < count; ++i) {
      const int first = random.below(steps);
      buffers.push_back({static_cast<std::size_t>(random.chance(50) ? random.between(1, 70) : random.between(1, 5000)),
                         first, std::min(first + random.below(random.chance(80) ? 4 : steps), steps - 1)});
    }
    check_layout(buffers);
    planned += lay_out(buffers).bytes;
    without_reuse += lay_out(buffers).bytes_without_reuse;
  }
  CHECK(planned < without_reuse / 2);
}

TEST_CASE("memory plan: sizes and lives that cannot be") {
  check_failure(failure_of([] { lay_out({{64, 3, 2}}); }), "buffer 0", "from step 3 to 2");
  const std::size_t huge = std::numeric_limits<std::size_t>::max();
  check_failure(failure_of([&] { lay_out({{64, 0, 1}, {huge, 0, 1}}); }), "buffer 1");
  check_failure(failure_of([&] {
                  lay_out(std::vector<buffer_life>(64, {most_bytes, 0, 1}));
                }),
                "larger than any memory");
  const int least = std::numeric_limits<int>::min(), most = std::numeric_limits<int>::max();
  CHECK(lay_out({{64, least, most}, {64, 0, 0}, {64, most, most}}).bytes == 128);
}
