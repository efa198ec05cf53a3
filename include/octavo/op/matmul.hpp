// Matrix product of two activations, one for each batch slice: the scores and the weighted sums of attention.
//
//   y(..., m, n) = act( sum over k of a(..., m, k) * b(..., k, n) )        transpose_b: b is (..., n, k)
//
// a, b: f32 both, then y is f32; or u8 both, with any scales and zero points, then y is u8 or f32. Batch extents (...)
// are equal; an innermost extent of a or b cannot be bounded, nor can b's k and n. On u8 the sum is exact in s32:
//   acc = sum (q_a - zp_a) * (q_b - zp_b),   q_y = clamp(rne(fma(acc, m, 0)) + zp_y),   m = s_a s_b / s_y
// A depth k above 33 025, whose sum could leave s32, is refused. On f32 the sum is one chain of fma from 0 over k, then
// + 0.
#pragma once

#include "octavo/op/conv2d.hpp"

namespace octavo::op {

/// A matrix product in a graph.
struct matmul {
  static constexpr std::string_view name = "matmul";
  static constexpr port inputs[] = {{"a"}, {"b"}};
  static constexpr bool sums_products = true;

  bool transpose_b = false;
  activation act{};

  /// The axis of b that is summed over, and the one that becomes y's innermost.
  constexpr int k_axis(const dims& b) const { return b.rank - (transpose_b ? 1 : 2); }
  constexpr int n_axis(const dims& b) const { return b.rank - (transpose_b ? 2 : 1); }

  static constexpr auto fields = std::tuple{field{"transpose_b", &matmul::transpose_b}, field{"act", &matmul::act}};
};

/// Whether matrices of these extents can be multiplied.
constexpr bool fits(const matmul& f, const dims& a, const dims& b) {
  if (a.rank < 2 || a.rank != b.rank || a.back() != b[f.k_axis(b)]) return false;
  if (a.is_bounded(a.rank - 1) || b.is_bounded(b.rank - 1) || b.is_bounded(b.rank - 2)) return false;
  for (int i = 0; i + 2 < a.rank; ++i)
    if (a.encoded(i) != b.encoded(i)) return false;
  return true;
}

/// Extents of the output.
constexpr dims infer(const matmul& f, const dims& a, const dims& b) {
  dims y = a;
  if (!fits(f, a, b)) return y;  // which check() refuses
  y[y.rank - 1] = b[f.n_axis(b)];
  return y;
}

/// m above; 1 for f32. Throws octavo::error when it is out of range.
inline float multiplier_of(const matmul&, const signature& s) {
  if (!s.src[0].is_u8()) return 1.0f;
  return checked_ratio(static_cast<double>(s.src[0].q.scale) * static_cast<double>(s.src[1].q.scale),
                       s.dst->is_u8() ? static_cast<double>(s.dst->q.scale) : 1.0, matmul::name);
}

/// Throws octavo::error, naming what is wrong, unless `s` describes a product that can be run.
inline void check(const matmul& f, const signature& s) {
  require(s.src.size() == 2, "matmul: expected 2 inputs, found ", s.src.size());
  const dims &a = s.src[0].extents, &b = s.src[1].extents;
  require(fits(f, a, b), "matmul: cannot multiply ", a, " by ", b, f.transpose_b ? " transposed" : "",
          ": batch extents and depth must be equal, and depth and columns not bounded");
  require(s.dst->extents == infer(f, a, b), "matmul: output must be ", infer(f, a, b), ", found ", s.dst->extents);
  require(s.src[0].is_number() && s.src[0].type == s.src[1].type, "matmul: inputs must be both f32 or both u8, found ",
          s.src[0], " and ", s.src[1]);
  require(s.dst->type == element::f32 || (s.src[0].is_u8() && s.dst->is_u8()),
          "matmul: output must be f32, or u8 where the inputs are, found ", *s.dst);
  constexpr int deepest = std::numeric_limits<std::int32_t>::max() / (255 * 255);
  require(!s.src[0].is_u8() || a.back() <= deepest, "matmul: depth ", a.back(),
          " could overflow a 32-bit sum, expected at most ", deepest);
  multiplier_of(f, s);
}

namespace detail {

template <class T, class Acc>
void evaluate_matmul(const matmul& f, const signature& s, const arguments& args) {
  const operand &a = args.src[0], &b = args.src[1];
  const auto k = static_cast<std::size_t>(a.extents.back()), n = static_cast<std::size_t>(args.dst->extents.back());
  const auto m = static_cast<std::size_t>(a.extents[a.extents.rank - 2]);
  const auto value = [](const operand& o, const tensor_type& t, std::size_t row, std::size_t column) {
    return static_cast<Acc>(o.row<T>(row)[column]) - static_cast<Acc>(t.is_u8() ? t.q.zero_point : 0);
  };
  const channel_scale scale{multiplier_of(f, s), 0.0f};
  for (std::size_t row = 0; row < a.extents.rows(); ++row)
    for (std::size_t column = 0; column < n; ++column) {
      const std::size_t slice = row / m;
      Acc acc = 0;
      for (std::size_t i = 0; i < k; ++i)
        acc = multiply_add(
            value(a, s.src[0], row, i),
            f.transpose_b ? value(b, s.src[1], slice * n + column, i) : value(b, s.src[1], slice * k + i, column), acc);
      store_output(s, f.act, scale, static_cast<float>(acc), args, false, row, column);
    }
}

}  // namespace detail

/// Reference evaluation.
inline void evaluate(const matmul& f, const signature& s, const arguments& a) {
  if (s.src[0].is_u8())
    detail::evaluate_matmul<std::uint8_t, std::int32_t>(f, s, a);
  else
    detail::evaluate_matmul<float, float>(f, s, a);
}

}  // namespace octavo::op
