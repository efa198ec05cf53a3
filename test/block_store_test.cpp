// Packed weights in blocks: own ones, and those that a store keeps by key.
#include "octavo/op/block_store.hpp"

#include <doctest/doctest.h>

#include "octavo/plan/compile.hpp"
#include "octavo/plan/digest.hpp"
#include "support/kernel_run.hpp"
#include "support/quantized_graph.hpp"
#include "support/random_graph.hpp"
#include "support/recurrent_graph.hpp"
#include "support/run.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

/// Counts how often it has what is wanted, and how often it must be filled.
class counting_store final : public block_store {
 public:
  packed_block find_or_fill(const std::string& key, std::size_t bytes, const fill_block& fill) override {
    ++asked;
    return kept.find_or_fill(key, bytes, [&](std::byte* to) {
      ++filled;
      fill(to);
    });
  }
  memory_store kept;
  int asked = 0, filled = 0;
};

}  // namespace

TEST_CASE("block_store: a network planned again does not pack again, and computes the same") {
  int blocks = 0;
  for (const kernel& k : all_kernels()) {
    CAPTURE(k.name);
    const kernel list[] = {k};
    for (unsigned seed = 0; seed < 12; ++seed) {
      CAPTURE(seed);
      const graph fp32 = fold(random_graph(seed, 12));
      const graph g = seed % 3 == 0 ? fp32 : quantized_graph(fp32);
      counting_store store;
      const network own = plan_graph(g, list), first = plan_graph(g, list, {}, &store);
      CHECK(store.filled == store.asked);
      blocks += store.filled;
      const network second = plan_graph(g, list, {}, &store);
      CHECK(store.asked == 2 * store.filled);
      const std::vector<tensor> inputs = random_inputs(g, seed);
      const std::vector<tensor> expected = outputs_of(own, inputs);
      for (const network& net : {first, second}) {
        const std::vector<tensor> got = outputs_of(net, inputs);
        REQUIRE(got.size() == expected.size());
        for (std::size_t i = 0; i < got.size(); ++i) CHECK(std::ranges::equal(got[i].bytes(), expected[i].bytes()));
      }
    }
  }
  CHECK(blocks > 0);
}

TEST_CASE("block_store: a layer that a recurrent kernel runs together with its own keeps its blocks there too") {
  const graph g = quantized_graph(recurrent_graph());
  memory_store store;
  const network own = plan_graph(g, native_kernels()), first = plan_graph(g, native_kernels(), {}, &store);
  std::set<std::string> inputs;
  class looking_store final : public block_store {
   public:
    looking_store(memory_store& kept, std::set<std::string>& inputs) : kept_(kept), inputs_(inputs) {}
    packed_block find_or_fill(const std::string& key, std::size_t bytes, const fill_block&) override {
      if (key.find("/input/") != std::string::npos) inputs_.insert(key);
      return kept_.find_or_fill(key, bytes, [](std::byte*) { FAIL("packed again"); });
    }

   private:
    memory_store& kept_;
    std::set<std::string>& inputs_;
  } looking(store, inputs);
  const network second = plan_graph(g, native_kernels(), {}, &looking);
  CHECK(inputs.size() >= 4);
  const std::vector<tensor> x = random_inputs(g, 1);
  CHECK(same_bits(outputs_of(own, x), outputs_of(second, x)));
}

TEST_CASE("block_store: other weights under the same names are other blocks") {
  counting_store store;
  const auto composed = [](float weight, float bound) {
    graph g;
    const int x = g.append(op::input{}, "x", {}, tensor_type{element::f32, {1, 4}, {}});
    g.outputs.push_back(
        {g.append(op::fc{.out = 1, .act = {0, bound}}, "fc", {x}, {values({1, 4}, {1, 2, 3, weight}), nullptr}), "y"});
    return g;
  };
  const kernel_list list = native_kernels();
  plan_graph(composed(4, 1), list, {}, &store);
  const int once = store.filled;
  CHECK(once > 0);
  plan_graph(composed(4, 1), list, {}, &store);
  CHECK(store.filled == once);
  plan_graph(composed(4.5f, 1), list, {}, &store);
  CHECK(store.filled == 2 * once);
  plan_graph(composed(4, std::nextafter(1.0f, 2.0f)), list, {}, &store);  // a kernel might pack the bound too
  CHECK(store.filled == 3 * once);
}

TEST_CASE("digest_of: every byte counts, and where it stands") {
  std::vector<std::byte> bytes(100);
  std::set<std::uint64_t> seen;
  for (std::size_t size = 0; size <= bytes.size(); ++size)
    CHECK(seen.insert(digest_of(std::span(bytes).first(size))).second);
  for (std::size_t i = 0; i < bytes.size(); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      bytes[i] ^= std::byte{1} << bit;
      CHECK(seen.insert(digest_of(bytes)).second);
      bytes[i] ^= std::byte{1} << bit;
    }
  CHECK(seen.insert(digest_of(bytes, 1)).second);
}
