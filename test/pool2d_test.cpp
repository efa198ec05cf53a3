// Pooling's reference evaluation.
#include "octavo/op/pool2d.hpp"

#include <doctest/doctest.h>

#include <limits>

#include "octavo/op/operation.hpp"
#include "support/onnx_vectors.hpp"
#include "support/random.hpp"
#include "support/rounding.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

op::pool2d pooling(pool p, op::pool2d::kind_type kind, const dims& x) {
  op::pool2d o{p};
  o.stride = p.steps();
  o.pad = resolve(p.pad, x[1], x[2], p.kernel, o.stride, 1);
  o.kind = kind;
  return o;
}

tensor pooled(const pool& p, op::pool2d::kind_type kind, const tensor& x, affine q_x = {}, affine q_y = {}) {
  const op::pool2d o = pooling(p, kind, x.extents());
  const tensor_type in{x.type(), x.extents(), q_x},
      out{x.type(), op::infer(o, x.extents()), kind == op::pool2d::max ? q_x : q_y};
  return reference_output(o, {{in}, out, {}}, list_of(x.reshaped(x.extents())));
}

bool equal(const tensor& t, std::vector<float> expected) { return std::ranges::equal(t.as<float>(), expected); }

/// The numbers that a window covers in the image, and how many it covers in the padded image. In ceil mode the last
/// window may reach beyond the padding: what lies there counts for nothing.
struct window_content {
  std::vector<int> values;
  int padded = 0;
};
window_content content(const op::pool2d& o, const tensor& x, int n, int oh, int ow, int c) {
  window_content all;
  const dims& e = x.extents();
  for (int kh = 0; kh < o.kernel.h; ++kh)
    for (int kw = 0; kw < o.kernel.w; ++kw) {
      const int ih = oh * o.stride.h + kh - o.pad.top, iw = ow * o.stride.w + kw - o.pad.left;
      if (ih >= e[1] + o.pad.bottom || iw >= e[2] + o.pad.right) continue;
      ++all.padded;
      if (ih >= 0 && ih < e[1] && iw >= 0 && iw < e[2])
        all.values.push_back(x.as<std::uint8_t>()[static_cast<std::size_t>(((n * e[1] + ih) * e[2] + iw) * e[3] + c)]);
    }
  return all;
}

tensor integer_pooling(const op::pool2d& o, const signature& s, const tensor& x) {
  tensor out(s.dst->type, s.dst->extents);
  const dims& y = s.dst->extents;
  const int zp = s.src[0].q.zero_point;
  std::size_t at = 0;
  for (int n = 0; n < y[0]; ++n)
    for (int oh = 0; oh < y[1]; ++oh)
      for (int ow = 0; ow < y[2]; ++ow)
        for (int c = 0; c < y[3]; ++c, ++at) {
          const window_content w = content(o, x, n, oh, ow, c);
          REQUIRE_FALSE(w.values.empty());
          if (o.kind == op::pool2d::max) {
            out.as<std::uint8_t>()[at] = static_cast<std::uint8_t>(std::ranges::max(w.values));
            continue;
          }
          std::int64_t sum = 0;
          for (int v : w.values) sum += v - zp;
          const double s_y = s.dst->is_u8() ? static_cast<double>(s.dst->q.scale) : 1.0;
          const int count = o.count_padding ? w.padded : static_cast<int>(w.values.size());
          const float m = static_cast<float>(static_cast<double>(s.src[0].q.scale) / s_y / count);
          const float mean = static_cast<float>(sum) * m;
          if (s.dst->is_u8())
            out.as<std::uint8_t>()[at] = static_cast<std::uint8_t>(output_grid{s_y, s.dst->q.zero_point}(mean));
          else
            out.as<float>()[at] = mean;
        }
  return out;
}

pool pool_of(const onnx_vector& v) {
  const hw kernel = v.pair("kernel_shape", 1);
  return {.kernel = kernel,
          .stride = v.pair("strides", 1),
          .pad = v.padding_of_window(),
          .ceil_mode = v.attribute("ceil_mode", 0) != 0,
          .count_padding = v.attribute("count_include_pad", 0) != 0};
}

}  // namespace

TEST_CASE("pool2d: FP32 by hand") {
  const tensor x = tensor::of<float>({1, 3, 3, 1}, std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8, -9});
  constexpr auto max = op::pool2d::max, average = op::pool2d::average;
  CHECK(equal(pooled({.kernel = 2, .stride = 1}, max, x), {5, 6, 8, 8}));
  CHECK(equal(pooled({.kernel = 2}, max, x), {5}));  // the stride is the kernel's
  CHECK(equal(pooled({.kernel = 2, .ceil_mode = true}, max, x), {5, 6, 8, -9}));
  CHECK(equal(pooled({.kernel = 2, .stride = 1}, average, x), {3, 4, 6, 2.5f}));
  CHECK(equal(pooled({.kernel = 2, .ceil_mode = true}, average, x), {3, 4.5f, 7.5f, -9}));
  CHECK(equal(pooled({.kernel = 2, .pad = {1, 1, 0, 0}}, average, x), {1, 2.5f, 5.5f, 2.5f}));
  CHECK(equal(pooled({.kernel = 2, .pad = {1, 1, 0, 0}, .count_padding = true}, average, x),
              {0.25f, 1.25f, 2.75f, 2.5f}));
  CHECK(equal(pooled({.kernel = 2, .pad = {1, 1, 0, 0}}, max, x), {1, 3, 7, 8}));
  CHECK(equal(pooled({.kernel = 3}, average, x), {3}));
  CHECK(equal(pooled({.kernel = {1, 3}}, max, x), {3, 6, 8}));
  CHECK(equal(pooled({.kernel = 1, .stride = 2}, max, x), {1, 3, 7, -9}));
}

TEST_CASE("pool2d: padding is never a maximum; infinities are values") {
  constexpr float inf = std::numeric_limits<float>::infinity();
  const tensor x = tensor::of<float>({1, 1, 2, 2}, std::vector<float>{-5, -inf, -7, -inf});
  CHECK(equal(pooled({.kernel = {1, 2}, .stride = 1, .pad = {0, 1}}, op::pool2d::max, x),
              {-5, -inf, -5, -inf, -7, -inf}));
}

// Not expressible: maxpool_2d_dilations and averagepool_2d_dilations (no dilated pooling), three dimensions; of
// maxpool_with_argmax only the maxima, of which storage_order says nothing.
TEST_CASE("pool2d: ONNX MaxPool") {
  for (const onnx_vector& v :
       onnx_vectors({"maxpool_1d_default", "maxpool_2d_ceil", "maxpool_2d_ceil_output_size_reduce_by_one",
                     "maxpool_2d_default", "maxpool_2d_pads", "maxpool_2d_precomputed_pads",
                     "maxpool_2d_precomputed_same_upper", "maxpool_2d_precomputed_strides", "maxpool_2d_same_lower",
                     "maxpool_2d_same_upper", "maxpool_2d_strides", "maxpool_2d_uint8",
                     "maxpool_with_argmax_2d_precomputed_pads", "maxpool_with_argmax_2d_precomputed_strides"})) {
    CAPTURE(v.name);
    CHECK(same_bits(pooled(pool_of(v), op::pool2d::max, channels_last(v.x())), channels_last(v.y())));
  }
}

TEST_CASE("pool2d: ONNX AveragePool and GlobalAveragePool") {
  for (const onnx_vector& v :
       onnx_vectors({"averagepool_1d_default", "averagepool_2d_ceil", "averagepool_2d_ceil_last_window_starts_on_pad",
                     "averagepool_2d_default", "averagepool_2d_pads", "averagepool_2d_pads_count_include_pad",
                     "averagepool_2d_precomputed_pads", "averagepool_2d_precomputed_pads_count_include_pad",
                     "averagepool_2d_precomputed_same_upper", "averagepool_2d_precomputed_strides",
                     "averagepool_2d_same_lower", "averagepool_2d_same_upper", "averagepool_2d_strides",
                     "globalaveragepool", "globalaveragepool_precomputed"})) {
    CAPTURE(v.name);
    const tensor x = channels_last(v.x());
    const pool p = v.name.starts_with("global") ? pool{.kernel = {x.extents()[1], x.extents()[2]}} : pool_of(v);
    const tensor y = pooled(p, op::pool2d::average, x), expected = channels_last(v.y());
    // At most 25 numbers, added and divided in another order there: a few roundings of 2^-24 of the largest. The
    // numbers of this one test are written with four digits.
    const float tolerance =
        v.name == "averagepool_2d_ceil_last_window_starts_on_pad" ? 1e-4f : 1e-6f * largest_magnitude(x);
    CHECK(largest_difference(y, expected) <= tolerance);
  }
}

TEST_CASE("pool2d: u8 against the formulas") {
  unsigned seed = 0;
  for (int zero_point : {0, 1, 128, 255})
    for (hw kernel : {hw{1, 1}, hw{2, 2}, hw{3, 2}, hw{5, 6}})
      for (int stride : {1, 2, 3})
        for (bool ceil : {false, true})
          for (bool count : {false, true}) {
            CAPTURE(seed);
            random_numbers random(++seed);
            const tensor x = random_tensor(element::u8, {2, 5, 6, 3}, random);
            pool p{.kernel = kernel, .stride = stride, .ceil_mode = ceil, .count_padding = count};
            p.pad = {random.below(kernel.h), random.below(kernel.w), random.below(kernel.h), random.below(kernel.w)};
            for (auto kind : {op::pool2d::max, op::pool2d::average})
              for (bool f32_out : {false, true}) {
                if (f32_out && kind == op::pool2d::max) continue;
                const op::pool2d o = pooling(p, kind, x.extents());
                const affine q_x{0.1f, zero_point},
                    q_y = kind == op::pool2d::max ? q_x : affine{0.07f, 255 - zero_point};
                const signature s{
                    {{element::u8, x.extents(), q_x}},
                    {f32_out ? element::f32 : element::u8, op::infer(o, x.extents()), f32_out ? affine{} : q_y},
                    {}};
                CHECK(same_bits(reference_output(o, s, list_of(x.reshaped(x.extents()))), integer_pooling(o, s, x)));
              }
          }
}

TEST_CASE("pool2d: u8 averages round ties to even and saturate") {
  const auto mean = [](std::vector<std::uint8_t> list, affine q_x, affine q_y) {
    const tensor x = tensor::of<std::uint8_t>({1, 1, static_cast<int>(list.size()), 1}, list);
    return int{
        pooled({.kernel = {1, static_cast<int>(list.size())}}, op::pool2d::average, x, q_x, q_y).as<std::uint8_t>()[0]};
  };
  CHECK(mean({1, 2}, {1, 0}, {1, 0}) == 2);
  CHECK(mean({2, 3}, {1, 0}, {1, 0}) == 2);
  CHECK(mean({2, 3}, {1, 5}, {1, 5}) == 3);  // -2.5 rounds to -2
  CHECK(mean({255, 255, 255}, {1, 0}, {0.5f, 0}) == 255);
  CHECK(mean({0, 0, 0}, {1, 255}, {0.5f, 255}) == 0);
  CHECK(mean(std::vector<std::uint8_t>(49, 255), {1, 0}, {1, 0}) == 255);
  CHECK(mean(std::vector<std::uint8_t>(49, 200), {0.02f, 100}, {0.02f, 100}) == 200);
}

TEST_CASE("pool2d: the largest u8 window") {
  const int side = 256;  // 65536 pixels of 255: the sum is below 2^24
  tensor x(element::u8, {1, side, side, 1});
  std::ranges::fill(x.as<std::uint8_t>(), std::uint8_t{255});
  CHECK(pooled({.kernel = side}, op::pool2d::average, x, {1, 0}, {1, 0}).as<std::uint8_t>()[0] == 255);
  const op::pool2d o = pooling({.kernel = {257, 257}}, op::pool2d::average, {1, 257, 257, 1});
  check_failure(failure_of([&] {
                  check(operation(o), {{{element::u8, {1, 257, 257, 1}, {}}}, {element::u8, {1, 1, 1, 1}, {}}, {}});
                }),
                "pool2d: a u8 window of 257x257");
}

TEST_CASE("pool2d: what it refuses, by name") {
  op::pool2d o = pooling({.kernel = 3, .stride = 2, .pad = 1}, op::pool2d::max, {1, 5, 5, 2});
  signature s{{{element::u8, {1, 5, 5, 2}, {0.5f, 1}}}, {element::u8, {1, 3, 3, 2}, {0.5f, 1}}, {}};
  const auto failure = [&] { return failure_of([&] { check(operation(o), s); }); };
  CHECK_FALSE(failure());
  SUBCASE("another scale of maxima") {
    s.dst->q.scale = 0.25f;
    check_failure(failure(), "pool2d: max moves elements", "scale 0.5 zp 1", "scale 0.25 zp 1");
    o.kind = op::pool2d::average;
    CHECK_FALSE(failure());
  }
  SUBCASE("another type of maxima") {
    s.dst = {element::f32, s.dst->extents, {}};
    check_failure(failure(), "pool2d: max moves elements");
  }
  SUBCASE("padding as large as the kernel") {
    o.pad.right = 3;
    check_failure(failure(), "pool2d: padding 1,1,1,3 must be smaller than the kernel 3x3");
  }
  SUBCASE("another output") {
    s.dst->extents = {1, 2, 2, 2};
    check_failure(failure(), "pool2d: output must be 1x3x3x2, found 1x2x2x2");
  }
  SUBCASE("another rank") {
    s.src[0].extents = {5, 5, 2};
    check_failure(failure(), "pool2d: input must be (N, H, W, C)");
  }
  SUBCASE("a stride of 0") {
    o.stride = 0;
    check_failure(failure(), "pool2d: kernel and stride must be at least 1");
  }
  SUBCASE("bounded channels") {
    s.src[0].extents = {1, 5, 5, upto<2>};
    check_failure(failure(), "pool2d: the innermost axis cannot be bounded");
  }
  SUBCASE("padding that depends on a bounded height") {
    o.pad = same, s.src[0].extents = {1, upto<5>, 5, 2};
    check_failure(failure(), "pool2d: padding 'same' with stride 2x2 depends on the extents of 1x<=5x5x2");
  }
}
