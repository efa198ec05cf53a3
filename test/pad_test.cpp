// Channel padding's reference evaluation. (ONNX's Pad has no vectors.)
#include "octavo/op/pad.hpp"

#include <doctest/doctest.h>

#include "octavo/op/operation.hpp"
#include "support/evaluate.hpp"
#include "support/random.hpp"
#include "temporary_folder.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

tensor padded(int before, int after, const tensor& x, affine q = {}) {
  const op::pad_channels p{before, after};
  return reference_output(p, {{{x.type(), x.extents(), q}}, {x.type(), op::infer(p, x.extents()), q}, {}},
                          list_of(x.reshaped(x.extents())));
}

}  // namespace

TEST_CASE("pad_channels: zeros before and after each row") {
  const tensor x = tensor::of<float>({2, 2}, std::vector<float>{1, 2, 3, 4});
  CHECK(std::ranges::equal(padded(1, 2, x).as<float>(), std::vector<float>{0, 1, 2, 0, 0, 0, 3, 4, 0, 0}));
  CHECK(std::ranges::equal(padded(0, 1, x).as<float>(), std::vector<float>{1, 2, 0, 3, 4, 0}));
  CHECK(same_bits(padded(0, 0, x), x));
}

TEST_CASE("pad_channels: on u8, zero is the zero point") {
  const tensor x = tensor::of<std::uint8_t>({2, 1}, std::vector<std::uint8_t>{7, 0});
  for (int zp : {0, 128, 255}) {
    const auto z = static_cast<std::uint8_t>(zp);
    CHECK(std::ranges::equal(padded(2, 1, x, {0.1f, zp}).as<std::uint8_t>(),
                             std::vector<std::uint8_t>{z, z, 7, z, z, z, 0, z}));
  }
}

TEST_CASE("pad_channels: random extents, strided") {
  for (unsigned seed = 0; seed < 50; ++seed) {
    random_numbers random(seed);
    const int rows = random.between(1, 5), c = random.between(1, 9), before = random.below(5), after = random.below(5);
    const std::size_t in = static_cast<std::size_t>(c) + 2, out = static_cast<std::size_t>(before + c + after) + 3;
    const tensor x = random_tensor(element::u8, {rows, static_cast<int>(in)}, random);
    std::vector<std::uint8_t> y(static_cast<std::size_t>(rows) * out, 99);
    const op::pad_channels p{before, after};
    const dims from{rows, c}, to = op::infer(p, from);
    const operand src{const_cast<std::uint8_t*>(x.as<std::uint8_t>().data()), from, static_cast<std::ptrdiff_t>(in)};
    op::evaluate(p, {{{element::u8, from, {1, 50}}}, {element::u8, to, {1, 50}}, {}},
                 {{&src, 1}, operand{y.data(), to, static_cast<std::ptrdiff_t>(out)}});
    for (std::size_t i = 0; i < y.size(); ++i) {
      const int column = static_cast<int>(i % out) - before;
      const int expected = column + before >= before + c + after ? 99
                           : column < 0 || column >= c
                               ? 50
                               : x.as<std::uint8_t>()[i / out * in + static_cast<std::size_t>(column)];
      CHECK(y[i] == expected);
    }
  }
}

TEST_CASE("pad_channels: what it refuses, by name") {
  const tensor_type x{element::u8, {2, 3}, {0.5f, 1}}, y{element::u8, {2, 6}, {0.5f, 1}};
  const auto failure = [](op::pad_channels p, const signature& s) {
    return failure_of([&] { check(operation(p), s); });
  };
  CHECK_FALSE(failure({1, 2}, {{x}, y, {}}));
  check_failure(failure({1, 1}, {{x}, y, {}}), "pad_channels: output must be 2x5");
  check_failure(failure({-1, 4}, {{x}, y, {}}), "pad_channels: needs one input and no negative padding");
  check_failure(failure({1, 2}, {{x}, {element::u8, {2, 6}, {0.25f, 1}}, {}}),
                "pad_channels: input and output must have the same type");
}
