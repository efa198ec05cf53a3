// The arithmetic rule: rounding, saturation, choice of maps, folding of scales.
#include "octavo/quant/requantize.hpp"

#include <doctest/doctest.h>

#include <limits>

#include "octavo/quant/fold.hpp"
#include "octavo/quant/weights.hpp"
#include "support/onnx_vectors.hpp"
#include "support/random.hpp"
#include "support/rounding.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
constexpr float greatest = std::numeric_limits<float>::max();

}  // namespace

TEST_CASE("saturate_u8: ties go to even") {
  const saturation all{};
  for (int i = 0; i < 255; ++i) {
    CHECK(saturate_u8(static_cast<float>(i), all) == i);
    CHECK(saturate_u8(static_cast<float>(i) + 0.5f, all) == (i % 2 ? i + 1 : i));
    CHECK(saturate_u8(std::nextafterf(static_cast<float>(i) + 0.5f, infinity), all) == i + 1);
    CHECK(saturate_u8(std::nextafterf(static_cast<float>(i) + 0.5f, -infinity), all) == i);
  }
}

TEST_CASE("saturate_u8: the zero point is added after rounding") {
  CHECK(saturate_u8(-0.5f, {1, 0, 255}) == 1);  // 0.5 before rounding would be a tie that goes to 0
  CHECK(saturate_u8(-1.5f, {1, 0, 255}) == 0);
  CHECK(saturate_u8(0.5f, {1, 0, 255}) == 1);
  CHECK(saturate_u8(2.5f, {101, 0, 255}) == 103);
  CHECK(saturate_u8(-2.5f, {101, 0, 255}) == 99);
}

TEST_CASE("saturate_u8: bounds") {
  CHECK(saturate_u8(-1.0f, {}) == 0);
  CHECK(saturate_u8(256.0f, {}) == 255);
  CHECK(saturate_u8(-50.0f, {40, 40, 255}) == 40);  // relu
  CHECK(saturate_u8(0.4f, {40, 40, 100}) == 40);
  CHECK(saturate_u8(60.4f, {40, 40, 100}) == 100);
  CHECK(saturate_u8(61.0f, {40, 40, 100}) == 100);
  CHECK(saturate_u8(0.0f, {255, 0, 255}) == 255);
  CHECK(saturate_u8(-255.0f, {255, 0, 255}) == 0);
  CHECK(saturate_u8(7.0f, {0, 5, 5}) == 5);
}

TEST_CASE("saturate_u8: infinities, huge numbers, NaN") {
  for (const saturation& s : {saturation{}, saturation{128, 0, 255}, saturation{30, 30, 90}}) {
    CHECK(saturate_u8(infinity, s) == s.upper);
    CHECK(saturate_u8(greatest, s) == s.upper);
    CHECK(saturate_u8(1e10f, s) == s.upper);
    CHECK(saturate_u8(-infinity, s) == s.lower);
    CHECK(saturate_u8(-greatest, s) == s.lower);
    CHECK(saturate_u8(not_a_number, s) == s.lower);
    CHECK(saturate_u8(-not_a_number, s) == s.lower);
  }
}

TEST_CASE("saturate_u8: random numbers against rounding by hand") {
  random_numbers random(1);
  for (int i = 0; i < 20000; ++i) {
    const int zp = random.byte(), a = random.byte(), b = random.byte();
    const saturation s{zp, std::min(a, b), std::max(a, b)};
    const float x = random.chance(30) ? static_cast<float>(random.between(-600, 600)) * 0.5f : random.real(-300, 300);
    CHECK(saturate_u8(x, s) ==
          std::clamp(rounded_to_even(static_cast<double>(x)) + zp, double(s.lower), double(s.upper)));
  }
}

TEST_CASE("quantize_u8: the division is a multiplication by the rounded inverse") {
  random_numbers random(2);
  for (int i = 0; i < 20000; ++i) {
    const affine a{random.real(1e-3f, 1.0f), random.byte()};
    const float x = random.real(-100, 100), scaled = x * static_cast<float>(1.0 / static_cast<double>(a.scale));
    CHECK(quantize_u8(x, a) == std::clamp(rounded_to_even(static_cast<double>(scaled)) + a.zero_point, 0.0, 255.0));
  }
  CHECK(quantize_u8(infinity, {0.5f, 3}) == 255);
  CHECK(quantize_u8(-infinity, {0.5f, 3}) == 0);
  CHECK(quantize_u8(not_a_number, {0.5f, 3}) == 0);
  CHECK(quantize_u8(0.0f, {smallest_scale, 77}) == 77);
  CHECK(quantize_u8(1.0f, {smallest_scale, 77}) == 255);
}

TEST_CASE("dequantize_u8 and back") {
  for (const affine& a : {affine{1, 0}, affine{0.1f, 128}, affine{3.7f, 255}, affine{1e-12f, 9}, affine{1e30f, 100}})
    for (int q = 0; q < 256; ++q) CHECK(quantize_u8(dequantize_u8(static_cast<std::uint8_t>(q), a), a) == q);
}

TEST_CASE("choose_affine: values that are never negative") {
  CHECK(choose_affine({0, 255}) == affine{1.0f, 0});
  CHECK(choose_affine({0, 6}) == affine{static_cast<float>(6.0 / 255), 0});
  CHECK(choose_affine({2, 510}) == affine{2.0f, 0});  // widened to contain 0
}

TEST_CASE("choose_affine: symmetric ranges") {
  CHECK(choose_affine({-127, 127}) == affine{1.0f, 128});
  CHECK(choose_affine({-0.5f, 0.5f}) == affine{static_cast<float>(0.5 / 127), 128});
  CHECK(quantize_u8(-127, choose_affine({-127, 127})) == 1);
  CHECK(quantize_u8(127, choose_affine({-127, 127})) == 255);
}

TEST_CASE("choose_affine: any other range") {
  CHECK(choose_affine({-255, 0}) == affine{1.0f, 255});
  CHECK(choose_affine({-510, -3}) == affine{2.0f, 255});
  CHECK(choose_affine({-55, 200}) == affine{1.0f, 55});
  CHECK(choose_affine({-1, 254}) == affine{1.0f, 1});
  CHECK(choose_affine({-0.5f, 254.5f}) == affine{1.0f, 0});  // 0.5 is a tie
  CHECK(choose_affine({-1.5f, 253.5f}) == affine{1.0f, 2});
}

TEST_CASE("choose_affine: zero is exact, the whole range is covered to half a step") {
  random_numbers random(3);
  for (int i = 0; i < 20000; ++i) {
    const float scale = std::ldexp(1.0f, random.between(-30, 30));
    const float a = random.real(-1, 1) * scale, b = random.chance(10) ? -a : random.real(-1, 1) * scale;
    const range r{std::min(a, b), std::max(a, b)};
    const affine q = choose_affine(r);
    CAPTURE(r.lower);
    CAPTURE(r.upper);
    CHECK(q.zero_point >= 0);
    CHECK(q.zero_point <= 255);
    CHECK(quantize_u8(0.0f, q) == q.zero_point);
    CHECK(dequantize_u8(quantize_u8(0.0f, q), q) == 0.0f);
    // Half a step, and the roundings of scale and products, 2^-24 of up to 255 steps each.
    for (float end : {r.lower, r.upper})
      CHECK(std::fabs(dequantize_u8(quantize_u8(end, q), q) - end) <= q.scale * (0.5f + 255 * 4 * 0x1p-24f));
  }
}

TEST_CASE("choose_affine: degenerate ranges") {
  CHECK(choose_affine({0, 0}) == affine{smallest_scale, 0});
  CHECK(choose_affine({-0.0f, 0}).zero_point == 0);
  CHECK(choose_affine({1e-38f, 1e-38f}).scale == smallest_scale);
  CHECK(choose_affine({-1e-38f, 1e-38f}) == affine{smallest_scale, 128});
  CHECK(choose_affine({-1e-38f, 0}).zero_point == 0);  // no step of the smallest scale is needed below 0
  CHECK(choose_affine({5, 5}) == choose_affine({0, 5}));
  const affine widest = choose_affine({-greatest, greatest});
  CHECK(std::isfinite(widest.scale));
  CHECK(widest.zero_point == 128);
  CHECK(std::isfinite(choose_affine({-greatest, greatest / 2}).scale));
}

TEST_CASE("choose_affine: what it refuses") {
  for (const range& r :
       {range{1, 0}, range{-infinity, 0}, range{0, infinity}, range{not_a_number, 1}, range{0, not_a_number}})
    check_failure(failure_of([&] { choose_affine(r); }), "cannot quantize the range", "finite and not empty");
}

// Scale and zero point of the data's range, then quantization. ONNX computes the scale in binary32.
TEST_CASE("choose_affine: ONNX DynamicQuantizeLinear") {
  for (const onnx_vector& v : onnx_vectors(
           {"dynamicquantizelinear", "dynamicquantizelinear_max_adjusted", "dynamicquantizelinear_min_adjusted"})) {
    CAPTURE(v.name);
    const auto x = v.x().as<float>();
    const affine q = choose_affine({*std::ranges::min_element(x), *std::ranges::max_element(x)});
    CHECK(q.scale == doctest::Approx(v.outputs[1]->as<float>()[0]).epsilon(1e-7));  // one rounding there, two here
    CHECK(q.zero_point == integer_at(*v.outputs[2], 0));
    // ONNX divides, quantize_u8 multiplies by the rounded inverse: that can decide a near tie (-2.5 at a scale of
    // 5/255).
    for (std::size_t i = 0; i < x.size(); ++i)
      CHECK(std::abs(quantize_u8(x[i], q) - v.y().as<std::uint8_t>()[i]) <= (x[i] == -2.5f));
  }
}

TEST_CASE("fold_output_scales: against the formulas") {
  for (unsigned seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    random_numbers random(seed);
    const int channels = random.between(1, 5), depth = random.between(1, 300);
    const tensor w = random_tensor(element::s8, {channels, depth}, random),
                 scales = random_tensor(element::f32, {channels}, random, 1e-4f, 0.1f),
                 bias = random_tensor(element::f32, {channels}, random, -5, 5);
    const affine x{random.real(1e-3f, 1.0f), random.byte()};
    const float y_scale = random.chance(30) ? 1.0f : random.real(1e-3f, 1.0f),
                r_scale = random.chance(50) ? 0.0f : random.real(1e-3f, 1.0f);
    const bool with_bias = random.chance(70);
    const output_scales fold =
        fold_output_scales(w.as<std::int8_t>(), scales.as<float>(),
                           with_bias ? bias.as<float>() : std::span<const float>{}, x, y_scale, r_scale, "test");
    CHECK(fold.residual_multiplier == static_cast<float>(static_cast<double>(r_scale) / static_cast<double>(y_scale)));
    REQUIRE(fold.multiplier.size() == static_cast<std::size_t>(channels));
    REQUIRE(fold.offset.size() == static_cast<std::size_t>(channels));
    for (std::size_t c = 0; c < fold.multiplier.size(); ++c) {
      std::int64_t sum = 0;
      for (std::size_t i = 0; i < static_cast<std::size_t>(depth); ++i)
        sum += w.as<std::int8_t>()[c * static_cast<std::size_t>(depth) + i];
      const folded_channel expected(x.scale, x.zero_point, scales.as<float>()[c], sum,
                                    with_bias ? bias.as<float>()[c] : 0.0f, static_cast<double>(y_scale));
      CHECK(fold.multiplier[c] == expected.m);
      CHECK(fold.offset[c] == expected.b);
    }
  }
}

TEST_CASE("fold_output_scales: sums that could leave 32 bits are refused, either sign, the largest that fit are not") {
  // 2^31 - 1 = 255 * 8421504 + 127
  const auto folded = [](std::int64_t sum_of_weights) {
    const std::int64_t one = sum_of_weights < 0 ? -127 : 127;
    std::vector<std::int8_t> w;
    for (; sum_of_weights / one > 0; sum_of_weights -= one) w.push_back(static_cast<std::int8_t>(one));
    w.push_back(static_cast<std::int8_t>(sum_of_weights));
    const float scale = 1.0f;
    return failure_of([&] { fold_output_scales(w, {&scale, 1}, {}, {1, 0}, 1, 0, "the layer"); });
  };
  CHECK_FALSE(folded(8421504));
  CHECK_FALSE(folded(-8421504));
  check_failure(folded(8421505), "the layer: channel 0", "could overflow its 32-bit sum (2147483775 > 2147483647)");
  check_failure(folded(-8421505), "the layer: channel 0", "2147483775 > 2147483647");
  // Weights of both signs: each sign alone must fit, since a prefix of the sum can be all of one sign.
  std::vector<std::int8_t> both(2 * 66312, 127);
  std::fill(both.begin() + 66312, both.end(), std::int8_t{-127});
  const float scale = 1.0f;
  check_failure(failure_of([&] {
                  fold_output_scales(both, {&scale, 1}, {}, {1, 0}, 1, 0, "both");
                }),
                "both: channel 0");
}

TEST_CASE("fold_output_scales: a weight of -128 is refused") {
  const std::int8_t w[] = {1, -127, 5, -128};
  const float scales[] = {1, 1};
  CHECK_THROWS_WITH_AS(fold_output_scales(w, scales, {}, {1, 0}, 1, 0, "the layer"),
                       "the layer: a weight of channel 1 is -128, expected [-127, 127]", octavo::error);
}

TEST_CASE("fold_output_scales: multipliers out of range are refused") {
  const std::int8_t w[] = {1, 2};
  const auto folded = [&](float w_scale, std::vector<float> bias, affine x, float y_scale, float r_scale) {
    return failure_of([&] { fold_output_scales(w, {&w_scale, 1}, bias, x, y_scale, r_scale, "layer"); });
  };
  CHECK_FALSE(folded(1, {0}, {1, 0}, 1, 0));
  check_failure(folded(1, {}, {1, 0}, 0, 0), "layer: multiplier");
  check_failure(folded(not_a_number, {}, {1, 0}, 1, 0), "layer: multiplier nan");
  check_failure(folded(infinity, {}, {1, 0}, 1, 0), "layer: multiplier inf");
  check_failure(folded(1, {infinity}, {1, 0}, 1, 0), "layer: multiplier inf");
  check_failure(folded(1, {not_a_number}, {1, 0}, 1, 0), "layer: multiplier nan");
  check_failure(folded(1e10f, {}, {1e10f, 0}, 1, 0), "layer: multiplier 1e+20 is out of range (1e+20 / 1)");
  check_failure(folded(1, {}, {1, 0}, 1e-20f, 0), "layer: multiplier");
  check_failure(folded(1, {}, {1, 0}, 1, 1e20f), "layer: multiplier 1e+20");
}

TEST_CASE("quantize_weights: symmetric, per output channel") {
  const quantized_weights q =
      quantize_weights(*values({4, 3}, {127, -63.5f, 1.5f, -2, 1, 0.5f, 0, 0, 0, 1e-40f, 0, -1e-40f}), "w");
  CHECK(std::ranges::equal(q.scales.as<float>(), std::vector<float>{1, 2.0f / 127, 1, smallest_scale}));
  CHECK(std::ranges::equal(q.values.as<std::int8_t>(),
                           std::vector<std::int8_t>{127, -64, 2, -127, 64, 32, 0, 0, 0, 0, 0, 0}));
  CHECK(q.values.extents() == dims{4, 3});
  check_failure(failure_of([&] {
                  quantize_weights(*values({2, 1}, {1, infinity}), "w");
                }),
                "w: a weight of output channel 1 is not finite");
  check_failure(failure_of([&] {
                  quantize_weights(*values({2, 1}, {not_a_number, 1}), "w");
                }),
                "w: a weight of output channel 0 is not finite");
}

TEST_CASE("quantize_weights: within half a step, the largest weight at 127") {
  random_numbers random(4);
  const tensor w = random_tensor(element::f32, {20, 50}, random);
  const quantized_weights q = quantize_weights(w, "w");
  for (std::size_t c = 0; c < 20; ++c) {
    int largest = 0;
    for (std::size_t i = c * 50; i < (c + 1) * 50; ++i) {
      const float scale = q.scales.as<float>()[c];
      largest = std::max(largest, std::abs(int{q.values.as<std::int8_t>()[i]}));
      // The quotient is rounded to binary32 before it is rounded to an integer: 2^-24 of 127.
      CHECK(std::fabs(static_cast<float>(q.values.as<std::int8_t>()[i]) * scale - w.as<float>()[i]) <=
            scale * (0.5f + 127 * 0x1p-22f));
    }
    CHECK(largest == 127);
  }
}

TEST_CASE("rounding by hand agrees with fma, so the tests' own arithmetic is right") {
  random_numbers random(5);
  for (int i = 0; i < 100000; ++i) {
    const float a = random.real(-1e6f, 1e6f), b = std::ldexp(random.real(-1, 1), random.between(-20, 5)),
                c = std::ldexp(random.real(-1, 1), random.between(-10, 25));
    CHECK(fused_multiply_add(a, b, c) == std::fmaf(a, b, c));
  }
}
