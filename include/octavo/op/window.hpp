// Sliding windows, shared by convolution and pooling.
//   padded = in + before + after
//   out    = (padded - ((k - 1) * dilation + 1)) / stride + 1, rounded down (up in ceil mode)
// "same" is TensorFlow's: out = ceil(in / stride), the odd pixel of padding goes after (same_lower: before).
// All of them are floor((in + a) / stride), so that a bounded extent gives a bounded one: see axis_form.hpp.
#pragma once

#include <algorithm>
#include <limits>

#include "octavo/op/attribute.hpp"

namespace octavo {

/// A pair (height, width); {3} or 3 means both.
struct hw {
  int h = 1;
  int w = 1;
  constexpr hw() = default;
  constexpr hw(int both) : h(both), w(both) {}
  constexpr hw(int height, int width) : h(height), w(width) {}
  friend constexpr bool operator==(const hw&, const hw&) = default;
  friend std::ostream& operator<<(std::ostream& out, const hw& a) { return out << a.h << "x" << a.w; }
};

/// As an attribute: height, width.
inline attribute to_attribute(const hw& a) { return std::vector<std::int64_t>{a.h, a.w}; }
inline void from_attribute(const attribute& from, hw& a) {
  const auto& v = detail::attribute_as<std::vector<std::int64_t>>(from, "a list of height and width");
  require(v.size() == 2, "expected height and width, found ", v.size(), " numbers");
  a = {detail::attribute_as_int(v[0]), detail::attribute_as_int(v[1])};
}

/// Padding of a window: explicit numbers of rows and columns, or a rule that finds them from the extents.
struct padding {
  enum rule_type : std::uint8_t { explicit_, same_upper, same_lower };
  int top = 0, left = 0, bottom = 0, right = 0;
  rule_type rule = explicit_;

  constexpr padding() = default;
  constexpr padding(int all) : top(all), left(all), bottom(all), right(all) {}
  constexpr padding(int height, int width) : top(height), left(width), bottom(height), right(width) {}
  constexpr padding(int t, int l, int b, int r) : top(t), left(l), bottom(b), right(r) {}
  constexpr explicit padding(rule_type r) : rule(r) {}
  friend constexpr bool operator==(const padding&, const padding&) = default;
  friend std::ostream& operator<<(std::ostream& out, const padding& p) {
    if (p.rule != explicit_) return out << (p.rule == same_upper ? "same" : "same_lower");
    return out << p.top << "," << p.left << "," << p.bottom << "," << p.right;
  }
};

/// As an attribute: top, left, bottom, right, or the name of the rule.
inline attribute to_attribute(const padding& p) {
  if (p.rule != padding::explicit_) return std::string(p.rule == padding::same_upper ? "same" : "same_lower");
  return std::vector<std::int64_t>{p.top, p.left, p.bottom, p.right};
}
inline void from_attribute(const attribute& from, padding& p) {
  if (const std::string* rule = std::get_if<std::string>(&from)) {
    require(*rule == "same" || *rule == "same_lower", "expected 'same' or 'same_lower', found '", *rule, "'");
    p = padding(*rule == "same" ? padding::same_upper : padding::same_lower);
    return;
  }
  const auto& v = detail::attribute_as<std::vector<std::int64_t>>(from, "a list of top, left, bottom and right");
  require(v.size() == 4, "expected top, left, bottom and right, found ", v.size(), " numbers");
  p = {detail::attribute_as_int(v[0]), detail::attribute_as_int(v[1]), detail::attribute_as_int(v[2]),
       detail::attribute_as_int(v[3])};
}

/// out = ceil(in / stride); the odd pixel of padding goes after, as in TensorFlow and ONNX's SAME_UPPER.
inline constexpr padding same{padding::same_upper};
/// out = ceil(in / stride); the odd pixel of padding goes before, as in ONNX's SAME_LOWER.
inline constexpr padding same_lower{padding::same_lower};
/// No padding.
inline constexpr padding valid{};

/// Whether the numbers of a window are in their ranges: 1 to 2^15, padding from 0, so that sums and products of them
/// with an image's extents stay within int.
constexpr bool is_window(hw kernel, hw stride, hw dilation, const padding& p) {
  constexpr int most = 1 << 15;
  for (const int n : {kernel.h, kernel.w, stride.h, stride.w, dilation.h, dilation.w})
    if (n < 1 || n > most) return false;
  for (const int n : {p.top, p.left, p.bottom, p.right})
    if (n < 0 || n > most) return false;
  return true;
}

/// Extent of a dilated kernel: (k - 1) * dilation + 1.
constexpr int dilated(int k, int dilation) { return (k - 1) * dilation + 1; }

/// `p` with its rule replaced by the numbers that it gives for an input of h x w.
constexpr padding resolve(const padding& p, int h, int w, hw kernel, hw stride, hw dilation) {
  if (p.rule == padding::explicit_) return p;
  const auto total = [](int in, int k, int s, int d) {
    return std::max(((in + s - 1) / s - 1) * s + dilated(k, d) - in, 0);
  };
  const int th = total(h, kernel.h, stride.h, dilation.h), tw = total(w, kernel.w, stride.w, dilation.w);
  if (p.rule == padding::same_upper) return {th / 2, tw / 2, th - th / 2, tw - tw / 2};
  return {th - th / 2, tw - tw / 2, th / 2, tw / 2};
}

/// Whether `p` is the same numbers for all extents that an input of (N, H, W, C) may have: what a rule gives for
/// strides depends on them.
constexpr bool has_fixed_padding(const padding& p, const dims& x, hw kernel, hw stride) {
  if (p.rule == padding::explicit_ || x.rank != 4) return true;
  return (!x.is_bounded(1) || kernel.h == 1 || stride.h == 1) && (!x.is_bounded(2) || kernel.w == 1 || stride.w == 1);
}

/// out = floor((in + add) / div); 0 or less where the kernel does not fit.
struct window_form {
  std::int64_t add, div;
};

/// The form of an output extent along one axis. In ceil mode the last window may be larger than what is left of the
/// padded image; one that would start in the padding after the image is dropped, as everywhere.
constexpr window_form window_form_of(int before, int after, int k, int stride, int dilation, bool ceil_mode = false) {
  const std::int64_t beyond = std::int64_t{after} - dilated(k, dilation) + stride;
  return {before + (ceil_mode ? std::min<std::int64_t>(beyond, 0) + stride - 1 : beyond), stride};
}

/// Output extent along one axis; 0 where the kernel does not fit.
constexpr int window_count(int in, int before, int after, int k, int stride, int dilation, bool ceil_mode = false) {
  if (std::int64_t{in} + before + after > std::numeric_limits<int>::max()) return 0;
  const window_form f = window_form_of(before, after, k, stride, dilation, ceil_mode);
  return in + f.add < 0 ? 0 : static_cast<int>((in + f.add) / f.div);
}

/// `x` after windows have slid along an axis. Throws octavo::error where a bounded extent has no form: see
/// axis_form::then.
constexpr dims slide_window(dims x, int axis, int before, int after, int k, int stride, int dilation,
                            bool ceil_mode = false) {
  const int count = window_count(x[axis], before, after, k, stride, dilation, ceil_mode);
  const window_form f = window_form_of(before, after, k, stride, dilation, ceil_mode);
  const axis_form form = x.form(axis);
  x[axis] = count;
  if (x.is_bounded(axis) && count > 0) x.bind(axis, form.then(f.add, f.div));
  return x;
}

/// (N, H, W, C) -> (N, OH, OW, C) for windows with padding in numbers. Throws as slide_window() does.
constexpr dims slide_windows(const dims& x, hw kernel, hw stride, hw dilation, const padding& p,
                             bool ceil_mode = false) {
  const dims lines = slide_window(x, 1, p.top, p.bottom, kernel.h, stride.h, dilation.h, ceil_mode);
  return slide_window(lines, 2, p.left, p.right, kernel.w, stride.w, dilation.w, ceil_mode);
}

}  // namespace octavo
