// Matrix product of two activations, one for each batch slice: the scores and the weighted sums of attention.
//
//   y(..., m, n) = act( alpha * sum over k of a(..., m, k) * b(..., k, n) )
//
// transpose_a: a is (..., k, m); transpose_b: b is (..., n, k). a, b: f32 both, then y is f32; or u8 both, with any
// scales and zero points, then y is u8 or f32. Batch extents (...) broadcast: see broadcast.hpp. An innermost extent of
// a or b cannot be bounded, nor can k and n. On u8 the sum is exact in s32:
//   acc = sum (q_a - zp_a) * (q_b - zp_b),   q_y = clamp(rne(fma(acc, m, 0)) + zp_y),   m = alpha s_a s_b / s_y
// A depth k above 33 025, whose sum could leave s32, is refused. On f32 the sum is one chain of fma from 0 over k, then
// fma(sum, alpha, 0).
#pragma once

#include "octavo/op/broadcast.hpp"
#include "octavo/op/conv2d.hpp"

namespace octavo::op {

/// A matrix product in a graph.
struct matmul {
  static constexpr std::string_view name = "matmul";
  static constexpr port inputs[] = {{"a"}, {"b"}};
  static constexpr bool sums_products = true;

  bool transpose_b = false;
  activation act{};
  bool transpose_a = false;
  float alpha = 1.0f;

  /// The axis of a that is summed over, and the one that becomes y's second innermost.
  constexpr int k_axis_of_a(const dims& a) const { return a.rank - (transpose_a ? 2 : 1); }
  constexpr int m_axis(const dims& a) const { return a.rank - (transpose_a ? 1 : 2); }
  /// The axis of b that is summed over, and the one that becomes y's innermost.
  constexpr int k_axis(const dims& b) const { return b.rank - (transpose_b ? 1 : 2); }
  constexpr int n_axis(const dims& b) const { return b.rank - (transpose_b ? 2 : 1); }

  static constexpr auto fields =
      std::tuple{field{"transpose_a", &matmul::transpose_a}, field{"transpose_b", &matmul::transpose_b},
                 field{"alpha", &matmul::alpha}, field{"act", &matmul::act}};
};

/// The extents without those of the matrices.
constexpr dims batch_of(const dims& x) {
  dims batch;
  for (int i = 0; i + 2 < x.rank; ++i) batch.push_back(x.encoded(i));
  return batch;
}

/// Which matrix of an operand of extents `o` matrix `i` of a result of extents `y` is made of: where `o` is broadcast,
/// the same for several.
inline int matrix_of(const dims& o, const dims& y, int i) {
  int matrix = 0, step = 1;
  for (int axis = 3; axis <= o.rank; ++axis) {  // from the innermost
    const int extent = y[y.rank - axis], at = i % extent;
    i /= extent;
    if (o[o.rank - axis] == 1) continue;
    matrix += at * step;
    step *= extent;
  }
  return matrix;
}

/// Whether matrices of these extents can be multiplied.
constexpr bool fits(const matmul& f, const dims& a, const dims& b) {
  if (a.rank < 2 || b.rank < 2 || a[f.k_axis_of_a(a)] != b[f.k_axis(b)]) return false;
  if (a.is_bounded(a.rank - 1) || a.is_bounded(f.k_axis_of_a(a))) return false;
  if (b.is_bounded(b.rank - 1) || b.is_bounded(b.rank - 2)) return false;
  return broadcasts(batch_of(a), batch_of(b));
}

/// Extents of the output.
constexpr dims infer(const matmul& f, const dims& a, const dims& b) {
  if (!fits(f, a, b)) return a;  // which check() refuses
  dims y = broadcast(batch_of(a), batch_of(b));
  y.push_back(a.encoded(f.m_axis(a)));
  y.push_back(b[f.n_axis(b)]);
  return y;
}

/// m above; alpha for f32. Throws octavo::error when it is out of range.
inline float multiplier_of(const matmul& f, const signature& s) {
  const auto alpha = static_cast<double>(f.alpha);
  if (!s.src[0].is_u8()) return checked_ratio(alpha, 1.0, matmul::name);
  return checked_ratio(static_cast<double>(s.src[0].q.scale) * static_cast<double>(s.src[1].q.scale) * alpha,
                       s.dst->is_u8() ? static_cast<double>(s.dst->q.scale) : 1.0, matmul::name);
}

/// Throws octavo::error, naming what is wrong, unless `s` describes a product that can be run.
inline void check(const matmul& f, const signature& s) {
  require(s.src.size() == 2, "matmul: expected 2 inputs, found ", s.src.size());
  const dims &a = s.src[0].extents, &b = s.src[1].extents;
  require(fits(f, a, b), "matmul: cannot multiply ", a, f.transpose_a ? " transposed" : "", " by ", b,
          f.transpose_b ? " transposed" : "",
          ": depth must be equal, batch extents equal or 1, and depth and columns not bounded");
  require(s.dst->extents == infer(f, a, b), "matmul: output must be ", infer(f, a, b), ", found ", s.dst->extents);
  require(s.src[0].is_number() && s.src[0].type == s.src[1].type, "matmul: inputs must be both f32 or both u8, found ",
          s.src[0], " and ", s.src[1]);
  require(s.dst->type == element::f32 || (s.src[0].is_u8() && s.dst->is_u8()),
          "matmul: output must be f32, or u8 where the inputs are, found ", *s.dst);
  constexpr int deepest = std::numeric_limits<std::int32_t>::max() / (255 * 255);
  const int depth = a[f.k_axis_of_a(a)];
  require(!s.src[0].is_u8() || depth <= deepest, "matmul: depth ", depth,
          " could overflow a 32-bit sum, expected at most ", deepest);
  multiplier_of(f, s);
}

namespace detail {

template <class T, class Acc>
void evaluate_matmul(const matmul& f, const signature& s, const arguments& args) {
  const operand &a = args.src[0], &b = args.src[1];
  const dims& y = args.dst->extents;
  const int k = a.extents[f.k_axis_of_a(a.extents)], n = y.back(), m = y[y.rank - 2];
  const int matrices = static_cast<int>(y.rows()) / m;
  const auto value = [](const operand& o, const tensor_type& t, int row, int column) {
    return static_cast<Acc>(o.row<T>(static_cast<std::size_t>(row))[column]) -
           static_cast<Acc>(t.is_u8() ? t.q.zero_point : 0);
  };
  const channel_scale scale{multiplier_of(f, s), 0.0f};
  for (int matrix = 0; matrix < matrices; ++matrix) {
    const int of_a = matrix_of(a.extents, y, matrix), of_b = matrix_of(b.extents, y, matrix);
    for (int row = 0; row < m; ++row)
      for (int column = 0; column < n; ++column) {
        Acc acc = 0;
        for (int i = 0; i < k; ++i)
          acc = multiply_add(
              f.transpose_a ? value(a, s.src[0], of_a * k + i, row) : value(a, s.src[0], of_a * m + row, i),
              f.transpose_b ? value(b, s.src[1], of_b * n + column, i) : value(b, s.src[1], of_b * k + i, column), acc);
        store_output(s, f.act, scale, static_cast<float>(acc), args, false, static_cast<std::size_t>(matrix * m + row),
                     static_cast<std::size_t>(column));
      }
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
