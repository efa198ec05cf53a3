// Padding's reference evaluation. (ONNX's Pad has no vectors here.)
#include "octavo/op/pad.hpp"

#include <doctest/doctest.h>

#include "octavo/op/operation.hpp"
#include "support/evaluate.hpp"
#include "support/random.hpp"
#include "temporary_folder.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

tensor padded(const op::pad& p, const tensor& x, affine q = {}) {
  return reference_output(p, {{{x.type(), x.extents(), q}}, {x.type(), op::infer(p, x.extents()), q}, {}},
                          list_of(x.reshaped(x.extents())));
}
std::vector<float> padded(const op::pad& p, const std::vector<float>& x) {
  const std::span<const float> all(x);
  const tensor y = padded(p, tensor::of({static_cast<int>(x.size())}, all));
  return {y.as<float>().begin(), y.as<float>().end()};
}

}  // namespace

TEST_CASE("pad: each mode on one axis, and fewer elements") {
  const std::vector<float> x{1, 2, 3};
  CHECK(padded({{2}, {1}}, x) == std::vector<float>{0, 0, 1, 2, 3, 0});
  CHECK(padded({{1}, {0}, op::pad::constant, -7.5f}, x) == std::vector<float>{-7.5f, 1, 2, 3});
  CHECK(padded({{2}, {3}, op::pad::edge}, x) == std::vector<float>{1, 1, 1, 2, 3, 3, 3, 3});
  CHECK(padded({{2}, {2}, op::pad::reflect}, x) == std::vector<float>{3, 2, 1, 2, 3, 2, 1});
  CHECK(padded({{-1}, {-1}}, x) == std::vector<float>{2});
  CHECK(padded({{-1}, {2}, op::pad::reflect}, x) == std::vector<float>{2, 3, 2, 1});
  CHECK(padded({{2}, {-2}, op::pad::edge}, x) == std::vector<float>{1, 1, 1});
}

TEST_CASE("pad: several axes") {
  const tensor x = tensor::of<float>({2, 2}, std::vector<float>{1, 2, 3, 4});
  CHECK(std::ranges::equal(padded({{1, 0}, {0, 1}}, x).as<float>(), std::vector<float>{0, 0, 0, 1, 2, 0, 3, 4, 0}));
  CHECK(std::ranges::equal(padded({{1, 1}, {0, 0}, op::pad::edge}, x).as<float>(),
                           std::vector<float>{1, 1, 2, 1, 1, 2, 3, 3, 4}));
  CHECK(std::ranges::equal(padded({{1, 1}, {0, 0}, op::pad::reflect}, x).as<float>(),
                           std::vector<float>{4, 3, 4, 2, 1, 2, 4, 3, 4}));
  CHECK(std::ranges::equal(padded(op::channel_padding(2, 1, 2), x).as<float>(),
                           std::vector<float>{0, 1, 2, 0, 0, 0, 3, 4, 0, 0}));
  CHECK(same_bits(padded({{0, 0}, {0, 0}}, x), x));
}

TEST_CASE("pad: on u8 the value is quantized, so zero is the zero point; other integers take it as it is") {
  const tensor x = tensor::of<std::uint8_t>({2, 1}, std::vector<std::uint8_t>{7, 0});
  for (int zp : {0, 128, 255}) {
    const auto z = static_cast<std::uint8_t>(zp);
    CHECK(std::ranges::equal(padded(op::channel_padding(2, 2, 1), x, {0.1f, zp}).as<std::uint8_t>(),
                             std::vector<std::uint8_t>{z, z, 7, z, z, z, 0, z}));
  }
  CHECK(padded({{0, 1}, {0, 0}, op::pad::constant, 2.0f}, x, {0.5f, 10}).as<std::uint8_t>()[0] == 14);
  CHECK(padded({{0, 1}, {0, 0}, op::pad::constant, 1e9f}, x, {0.5f, 10}).as<std::uint8_t>()[0] == 255);
  const tensor ids = tensor::of<std::int64_t>({1}, std::vector<std::int64_t>{1LL << 40});
  CHECK(std::ranges::equal(padded({{1}, {1}, op::pad::constant, -3.0f}, ids).as<std::int64_t>(),
                           std::vector<std::int64_t>{-3, 1LL << 40, -3}));
}

TEST_CASE("pad: what it refuses, by name") {
  const tensor_type x{element::u8, {2, 3}, {0.5f, 1}}, y{element::u8, {2, 6}, {0.5f, 1}};
  const auto failure = [](const op::pad& p, const signature& s) { return failure_of([&] { check(operation(p), s); }); };
  CHECK_FALSE(failure({{0, 1}, {0, 2}}, {{x}, y, {}}));
  check_failure(failure({{0, 1}, {0, 1}}, {{x}, y, {}}), "pad: output must be 2x5, found 2x6");
  check_failure(failure({{1}, {2}}, {{x}, y, {}}), "pad: expected paddings of each axis of 2x3, found 1 before");
  check_failure(failure({{0, -3}, {0, 6}}, {{x}, y, {}}), "pad: -3 and 6 elements more on axis 1 of 2x3");
  check_failure(failure({{0, 3}, {0, 0}, op::pad::reflect}, {{x}, y, {}}), "pad: axis 1 of 2x3 is too short");
  check_failure(failure({{0, 1}, {0, 2}}, {{x}, {element::u8, {2, 6}, {0.25f, 1}}, {}}),
                "must have the same type and scale");
  const tensor_type batch{element::f32, {upto<4>, 3}, {}}, ids{element::s32, {3}, {}};
  check_failure(failure({{1, 0}, {0, 0}}, {{batch}, batch, {}}), "pad: axis 0 of <=4x3 is bounded");
  check_failure(failure({{0, 0}, {0, 0}, op::pad::constant, NAN}, {{batch}, batch, {}}), "pad: the value nan");
  check_failure(failure({{0}, {0}, op::pad::constant, 0.5f}, {{ids}, ids, {}}), "pad: the value 0.5 is none of s32");
}
