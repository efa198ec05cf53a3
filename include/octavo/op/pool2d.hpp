// Pooling windows over NHWC images.
//   max:      y(n, oh, ow, c) = max of x(n, ih, iw, c) over the window's pixels inside the image
//   average:  y(n, oh, ow, c) = sum of the same / count; count is the number of those pixels, or with count_padding the
//             number of pixels of the window inside the padded image
// x: (N, H, W, C), y: (N, OH, OW, C), f32 or u8. Global pooling is a window of H x W.
// On u8, max moves bytes, so x and y share their affine map; average is q = clamp(rne(sum(q_x - zp_x) * m[count]) +
// zp_y) with an exact integer sum and m[count] = s_x / (s_y count). On f32 the pixels are added in raster order.
#pragma once

#include "octavo/op/elementwise.hpp"
#include "octavo/op/window.hpp"

namespace octavo {

/// How a pooling is done. A stride of 0 means "as the kernel".
struct pool {
  hw kernel = 1;
  hw stride = 0;
  padding pad{};
  bool ceil_mode = false;
  bool count_padding = false;
  friend constexpr bool operator==(const pool&, const pool&) = default;

  /// The stride with its default filled in.
  constexpr hw steps() const { return {stride.h ? stride.h : kernel.h, stride.w ? stride.w : kernel.w}; }
};

namespace op {

/// A pooling in a graph; its padding and stride are explicit.
struct pool2d : pool {
  static constexpr std::string_view name = "pool2d";
  static constexpr port inputs[] = {{"x"}};
  enum kind_type : std::uint8_t { max, average };
  kind_type kind = max;

  friend std::ostream& operator<<(std::ostream& out, kind_type k) { return out << (k == max ? "max" : "average"); }

  static constexpr auto fields =
      std::tuple{field{"kind", &pool2d::kind},           field{"kernel", &pool2d::kernel},
                 field{"stride", &pool2d::stride},       field{"pad", &pool2d::pad},
                 field{"ceil_mode", &pool2d::ceil_mode}, field{"count_padding", &pool2d::count_padding}};
};

inline attribute to_attribute(pool2d::kind_type k) { return std::string(k == pool2d::max ? "max" : "average"); }
inline void from_attribute(const attribute& from, pool2d::kind_type& k) {
  const auto& name = octavo::detail::attribute_as<std::string>(from, "'max' or 'average'");
  require(name == "max" || name == "average", "expected 'max' or 'average', found '", name, "'");
  k = name == "max" ? pool2d::max : pool2d::average;
}

/// The larger of two elements is one of them: bytes move.
constexpr port_rule rule_of(const pool2d& p, std::size_t) {
  return p.kind == pool2d::max ? port_rule::moved : port_rule::quantized;
}

/// Whether a pooling's output for an input of (N, H, W, C) can be told; check() refuses the others.
constexpr bool is_inferable(const pool& p, const dims& x) {
  return x.rank == 4 && is_window(p.kernel, p.steps(), 1, p.pad) && has_fixed_padding(p.pad, x, p.kernel, p.steps());
}

/// `p` with stride and padding in numbers.
constexpr pool2d resolved(pool2d p, const dims& x) {
  p.stride = p.steps();
  if (is_inferable(p, x)) p.pad = resolve(p.pad, x[1], x[2], p.kernel, p.stride, 1);
  return p;
}

/// Extents of a pooling's output for an input of (N, H, W, C).
constexpr dims infer(const pool& p, const dims& x) {
  if (!is_inferable(p, x)) return x;
  const hw s = p.steps();
  return slide_windows(x, p.kernel, s, 1, resolve(p.pad, x[1], x[2], p.kernel, s, 1), p.ceil_mode);
}

/// Whether every window has a pixel inside the image: padding that a rule finds always leaves one.
constexpr bool is_padding_inside(const padding& p, hw kernel) {
  return std::max(p.top, p.bottom) < kernel.h && std::max(p.left, p.right) < kernel.w;
}

/// Throws octavo::error, naming what is wrong, unless `s` describes a pooling that can be run.
inline void check(const pool2d& p, const signature& s) {
  require(s.src.size() == 1 && s.src[0].extents.rank == 4, "pool2d: input must be (N, H, W, C)");
  require(s.src[0].is_number() && s.dst->is_number(), "pool2d: input and output must be f32 or u8");
  check_channels(s.src[0], pool2d::name);
  detail::rescale(s.src[0], *s.dst, pool2d::name);
  require(has_fixed_padding(p.pad, s.src[0].extents, p.kernel, p.stride), "pool2d: padding '", p.pad, "' with stride ",
          p.stride, " depends on the extents of ", s.src[0].extents,
          ": give a bounded height or width padding in numbers");
  require(p.pad.rule == padding::explicit_, "pool2d: padding must be explicit: resolve() finds it");
  require(is_window(p.kernel, p.stride, 1, p.pad),
          "pool2d: kernel and stride must be at least 1, padding not negative, and all at most 32768; found ", p.kernel,
          ", ", p.stride, " and ", p.pad);
  require(is_padding_inside(p.pad, p.kernel), "pool2d: padding ", p.pad, " must be smaller than the kernel ", p.kernel);
  const dims y = infer(p, s.src[0].extents);
  require(y[1] > 0 && y[2] > 0 && s.dst->extents == y, "pool2d: output must be ", y, ", found ", s.dst->extents);
  require(!s.src[0].is_u8() || std::int64_t{p.kernel.h} * p.kernel.w <= 65793, "pool2d: a u8 window of ", p.kernel,
          " could exceed the integers that binary32 holds exactly");
  if (p.kind == pool2d::max)
    require(s.dst->type == s.src[0].type && (!s.dst->is_u8() || s.dst->q == s.src[0].q),
            "pool2d: max moves elements, so input and output must have the same type; found ", s.src[0], " and ",
            *s.dst);
}

/// The pixels of one axis that window `o` covers: [begin, end) inside the image, and how many inside the padded one.
struct window_span {
  int begin, end, padded;
};
constexpr window_span window_at(int o, int in, int before, int after, int k, int stride) {
  const int start = o * stride - before;
  return {std::max(start, 0), std::min(start + k, in), std::min(start + k, in + after) - start};
}

/// Reference evaluation.
inline void evaluate(const pool2d& p, const signature& s, const arguments& a) {
  const dims &x = a.src[0].extents, &y = a.dst->extents;
  const double m = static_cast<double>(s.src[0].is_u8() ? s.src[0].q.scale : 1.0f) /
                   static_cast<double>(s.dst->is_u8() ? s.dst->q.scale : 1.0f);
  std::size_t out = 0;
  for (int n = 0; n < y[0]; ++n)
    for (int oh = 0; oh < y[1]; ++oh)
      for (int ow = 0; ow < y[2]; ++ow, ++out)
        for (int c = 0; c < y[3]; ++c) {
          const window_span h = window_at(oh, x[1], p.pad.top, p.pad.bottom, p.kernel.h, p.stride.h);
          const window_span w = window_at(ow, x[2], p.pad.left, p.pad.right, p.kernel.w, p.stride.w);
          const auto pixel = [&](int ih, int iw) { return static_cast<std::size_t>((n * x[1] + ih) * x[2] + iw); };
          const auto channel = static_cast<std::size_t>(c);
          float largest = -std::numeric_limits<float>::infinity(), sum = 0;  // u8 sums are integers below 2^24
          std::size_t from = pixel(h.begin, w.begin);
          for (int ih = h.begin; ih < h.end; ++ih)
            for (int iw = w.begin; iw < w.end; ++iw) {
              const float v = detail::load(s.src[0], a.src[0], pixel(ih, iw), channel);
              sum += v;
              if (v > largest) largest = v, from = pixel(ih, iw);
            }
          if (p.kind == pool2d::max) {
            if (s.dst->is_u8())
              a.dst->row<std::uint8_t>(out)[c] = a.src[0].row<std::uint8_t>(from)[c];
            else
              a.dst->row<float>(out)[c] = a.src[0].row<float>(from)[c];
            continue;
          }
          const int count = p.count_padding ? h.padded * w.padded : (h.end - h.begin) * (w.end - w.begin);
          const float mean = sum * static_cast<float>(m / count);
          if (s.dst->is_u8())
            a.dst->row<std::uint8_t>(out)[c] = saturate_u8(mean, {s.dst->q.zero_point, 0, 255});
          else
            a.dst->row<float>(out)[c] = mean;
        }
}

}  // namespace op
}  // namespace octavo
