// Attention's reference evaluation against the operators that it is made of.
#include "octavo/op/attention.hpp"

#include <doctest/doctest.h>

#include "octavo/graph/builder.hpp"
#include "support/evaluate.hpp"
#include "support/random.hpp"
#include "temporary_folder.hpp"

using namespace octavo;
using namespace octavo::test;

namespace {

tensor random_f32(const dims& e, random_numbers& random) { return random_tensor(element::f32, e, random, -2.0f, 2.0f); }

}  // namespace

TEST_CASE("attention: on f32 the bits of matmul, add, softmax and matmul") {
  graph whole, parts;
  const auto inputs = [](graph& g) {
    return std::tuple{g.input<float, shape<2, 5, 12>>("q"), g.input<float, shape<2, 7, 12>>("k"),
                      g.input<float, shape<2, 7, 6>>("v"), g.input<float, shape<2, 1, 1, 7>>("mask"),
                      g.input<std::int32_t, shape<2>>("lengths")};
  };
  {
    const auto [q, k, v, mask, lengths] = inputs(whole);
    whole.output(attention<3>(q, k, v, {.mask = mask, .lengths = lengths, .alpha = 0.3f}), "y");
  }
  {
    const auto [q, k, v, mask, lengths] = inputs(parts);
    const auto heads = [](auto x) {
      using S = typename decltype(x)::shape_type;
      return transpose<0, 2, 1, 3>(reshape<shape<2, S::value[1], 3, S::value[2] / 3>>(x));
    };
    const auto p = softmax(matmul_transposed(heads(q), heads(k), 0.3f) + mask, lengths);
    parts.output(reshape<shape<2, 5, 6>>(transpose<0, 2, 1, 3>(matmul(p, heads(v)))), "y");
  }
  random_numbers random(2);
  std::vector<tensor> in = list_of(random_f32({2, 5, 12}, random), random_f32({2, 7, 12}, random),
                                   random_f32({2, 7, 6}, random), random_f32({2, 1, 1, 7}, random));
  in.push_back(tensor::of<std::int32_t>({2}, std::vector<std::int32_t>{4, 7}));
  CHECK(whole.nodes.size() == 6);
  CHECK(same_bits(reference_outputs(whole, in), reference_outputs(parts, in)));
}

TEST_CASE("attention: u8 near f32, also where all of many positions count alike") {
  for (const float spread : {0.0f, 0.3f, 1.0f}) {
    random_numbers random(4);
    const int positions = 300;
    const dims q{1, 4, 32}, k{1, positions, 32};
    signature f32{{{element::f32, q, {}}, {element::f32, k, {}}, {element::f32, k, {}}}, {element::f32, q, {}}, {}};
    signature u8 = f32;
    std::vector<tensor> real, bytes;
    for (std::size_t i = 0; i < 3; ++i) {
      real.push_back(
          random_tensor(element::f32, f32.src[i].extents, random, i < 2 ? -spread : 0.25f, i < 2 ? spread : 1));
      u8.src[i].type = element::u8, u8.src[i].q = {1.0f / 127, i < 2 ? 128 : 0};
      tensor& b = bytes.emplace_back(element::u8, u8.src[i].extents);
      for (std::size_t c = 0; c < b.bytes().size(); ++c) {
        b.as<std::uint8_t>()[c] = quantize_u8(real[i].as<float>()[c], u8.src[i].q);
        real[i].as<float>()[c] = dequantize_u8(b.as<std::uint8_t>()[c], u8.src[i].q);
      }
    }
    const op::attention o{2, 1.0f};
    // Each of many probabilities is off by at most half a step of 1/255 of the largest; most errors cancel out.
    CHECK(largest_difference(reference_output(o, f32, real), reference_output(o, u8, bytes)) < 2e-3f);
  }
}

TEST_CASE("attention: what it refuses, by name") {
  const auto f32 = [](const dims& d) { return tensor_type{element::f32, d, {}}; };
  const auto refusal = [](const op::attention& o, const signature& s) {
    return failure_of([&] { check(operation(o), s); });
  };
  const tensor_type q = f32({2, 5, 12}), k = f32({2, 7, 12}), v = f32({2, 7, 6}), y = f32({2, 5, 6});
  CHECK_FALSE(refusal({3}, {{q, k, v}, y, {}}));
  check_failure(refusal({5}, {{q, k, v}, y, {}}), "attention: q 2x5x12", "5 heads");
  check_failure(refusal({3}, {{q, k, y}, y, {}}), "v 2x5x6");
  check_failure(refusal({3}, {{q, k, v}, q, {}}), "attention: output must be 2x5x6, found 2x5x12");
  check_failure(refusal({3}, {{q, k, v, f32({2, 1, 5, 1})}, y, {}}), "attention: mask must be f32 that broadcasts");
  check_failure(refusal({3}, {{q, k, v, f32({1, 2, 3, 5, 7})}, y, {}}), "attention: mask must be f32 that broadcasts");
  check_failure(refusal({3}, {{q, k, v, no_tensor, {element::s32, {3}, {}}}, y, {}}),
                "attention: lengths must be s32[2]");
  const tensor_type u8{element::u8, {2, 5, 12}, {}};
  check_failure(refusal({3}, {{u8, k, v}, y, {}}), "attention: q, k and v must be all f32 or all u8");
  check_failure(refusal({3, HUGE_VALF}, {{q, k, v}, y, {}}), "multiplier");
  const tensor_type deep{element::u8, {1, 1, 33026}, {}}, short_y{element::u8, {1, 1, 33026}, {}};
  check_failure(refusal({1}, {{deep, deep, deep}, short_y, {}}), "33026 could overflow a 32-bit sum");
}
