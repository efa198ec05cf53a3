// Matrix product of two activations, one for each batch slice: the scores and the weighted sums of attention.
//
//   y(..., m, n) = act( alpha * sum over k of a(..., m, k) * b(..., k, n) [+ residual(..., m, n)] )
//
// transpose_a: a is (..., k, m); transpose_b: b is (..., n, k). interleave_x, for x of a, b or y: the rows of the
// matrices along the innermost of the batch axes take turns, so x is (..., rows, h, columns) and not (..., h, rows,
// columns), as the heads of attention lie in (N, T, H, D). a, b: f32 both, then y is f32; or u8 both, with any
// scales and zero points, then y is u8 or f32. residual: of y's type and extents. Batch extents (...) broadcast: see
// broadcast.hpp. An innermost extent of a or b cannot be bounded, nor can k and n. On u8 the sum is exact in s32:
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
  static constexpr port inputs[] = {{"a"}, {"b"}, {"residual", port_rule::as_output, port_count::optional}};
  static constexpr bool sums_products = true;

  bool transpose_b = false;
  activation act{};
  bool transpose_a = false;
  float alpha = 1.0f;
  bool interleave_a = false, interleave_b = false, interleave_y = false;
  bool residual = false;  ///< src[2] is added before the activation

  // The axes are those of matrices that lie one after the other: see matrices_of().

  /// The axis of a that is summed over, and the one that becomes y's second innermost.
  constexpr int k_axis_of_a(const dims& a) const { return a.rank - (transpose_a ? 2 : 1); }
  constexpr int m_axis(const dims& a) const { return a.rank - (transpose_a ? 1 : 2); }
  /// The axis of b that is summed over, and the one that becomes y's innermost.
  constexpr int k_axis(const dims& b) const { return b.rank - (transpose_b ? 1 : 2); }
  constexpr int n_axis(const dims& b) const { return b.rank - (transpose_b ? 2 : 1); }

  static constexpr auto fields =
      std::tuple{field{"transpose_a", &matmul::transpose_a},   field{"transpose_b", &matmul::transpose_b},
                 field{"interleave_a", &matmul::interleave_a}, field{"interleave_b", &matmul::interleave_b},
                 field{"interleave_y", &matmul::interleave_y}, field{"alpha", &matmul::alpha},
                 field{"residual", &matmul::residual},         field{"act", &matmul::act}};
};

/// The extents (..., h, rows, columns) of matrices that lie as (..., rows, h, columns) where they are interleaved, and
/// the other way round. Nothing for less than three axes, which cannot be interleaved.
constexpr dims matrices_of(const dims& x, bool interleaved) {
  if (!interleaved) return x;
  dims y;
  for (int i = 0; i < x.rank && x.rank > 2; ++i)
    y.push_back(x.encoded(i + 3 == x.rank ? i + 1 : i + 2 == x.rank ? i - 1 : i));
  return y;
}

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

/// Which of an operand's innermost rows the rows of a matrix are: first, first + step, ...
struct matrix_rows {
  std::ptrdiff_t first, step;

  std::ptrdiff_t operator[](std::ptrdiff_t row) const { return first + row * step; }
};

/// The rows of matrix `i` of an operand of the matrices `x`.
inline matrix_rows rows_of_matrix(const dims& x, bool interleaved, int i) {
  const std::ptrdiff_t rows = x[x.rank - 2];
  if (!interleaved) return {i * rows, 1};
  const int turns = x[x.rank - 3];
  return {i / turns * rows * turns + i % turns, turns};
}

/// Whether matrices of these extents can be multiplied.
constexpr bool fits(const matmul& f, const dims& a_extents, const dims& b_extents) {
  const dims a = matrices_of(a_extents, f.interleave_a), b = matrices_of(b_extents, f.interleave_b);
  if (a.rank < 2 || b.rank < 2 || a[f.k_axis_of_a(a)] != b[f.k_axis(b)]) return false;
  if (a.is_bounded(a.rank - 1) || a.is_bounded(f.k_axis_of_a(a))) return false;
  if (b.is_bounded(b.rank - 1) || b.is_bounded(b.rank - 2)) return false;
  if (f.interleave_y && a.rank == 2 && b.rank == 2) return false;
  return broadcasts(batch_of(a), batch_of(b));
}

/// Extents of the output.
constexpr dims infer(const matmul& f, const dims& a_extents, const dims& b_extents) {
  if (!fits(f, a_extents, b_extents)) return a_extents;  // which check() refuses
  const dims a = matrices_of(a_extents, f.interleave_a), b = matrices_of(b_extents, f.interleave_b);
  dims y = broadcast(batch_of(a), batch_of(b));
  y.push_back(a.encoded(f.m_axis(a)));
  y.push_back(b[f.n_axis(b)]);
  return matrices_of(y, f.interleave_y);
}

/// k above.
inline int depth_of(const matmul& f, const dims& a) {
  const dims matrices = matrices_of(a, f.interleave_a);
  return matrices[f.k_axis_of_a(matrices)];
}

/// Whether all matrices of a product with a b of these extents are one of more rows: they have b in common, and the
/// rows of a and y have the same order.
inline bool is_one_product(const matmul& f, const dims& b) {
  return !f.transpose_a && f.interleave_a == f.interleave_y && batch_of(matrices_of(b, f.interleave_b)).count() == 1;
}

/// The matrices of a run, whose extents may be below their bounds.
class matrix_product {
 public:
  struct rows_of {
    matrix_rows a, b, y;
  };

  /// `as_one`: what is_one_product() says, or false.
  matrix_product(const matmul& f, const arguments& args, bool as_one)
      : f_(f),
        a_(matrices_of(args.src[0].extents, f.interleave_a)),
        b_(matrices_of(args.src[1].extents, f.interleave_b)),
        y_(matrices_of(args.dst->extents, f.interleave_y)),
        m_(as_one ? static_cast<int>(y_.rows()) : y_[y_.rank - 2]),
        count_(static_cast<int>(y_.rows()) / m_),
        as_one_(as_one) {}

  int m() const { return m_; }
  int n() const { return y_.back(); }
  /// How many there are.
  int count() const { return count_; }

  /// Matrix `i` of the product, and those that it is made of.
  rows_of matrix(int i) const {
    const matrix_rows b = rows_of_matrix(b_, f_.interleave_b, matrix_of(b_, y_, i));
    if (as_one_) return {{0, 1}, b, {0, 1}};
    return {rows_of_matrix(a_, f_.interleave_a, matrix_of(a_, y_, i)), b, rows_of_matrix(y_, f_.interleave_y, i)};
  }

 private:
  const matmul& f_;
  dims a_, b_, y_;
  int m_, count_;
  bool as_one_;
};

/// m above; alpha for f32. Throws octavo::error when it is out of range.
inline float multiplier_of(const matmul& f, const signature& s) {
  const auto alpha = static_cast<double>(f.alpha);
  if (!s.src[0].is_u8()) return checked_ratio(alpha, 1.0, matmul::name);
  return checked_ratio(static_cast<double>(s.src[0].q.scale) * static_cast<double>(s.src[1].q.scale) * alpha,
                       s.dst->is_u8() ? static_cast<double>(s.dst->q.scale) : 1.0, matmul::name);
}

/// Throws octavo::error, naming what is wrong, unless `s` describes a product that can be run.
inline void check(const matmul& f, const signature& s) {
  require(s.src.size() == (f.residual ? 3u : 2u), "matmul: expected ", f.residual ? 3 : 2, " inputs, found ",
          s.src.size());
  const dims &a = s.src[0].extents, &b = s.src[1].extents;
  const auto how = [](bool transposed, bool interleaved) {
    return text(transposed ? " transposed" : "", interleaved ? " interleaved" : "");
  };
  require(fits(f, a, b), "matmul: cannot multiply ", a, how(f.transpose_a, f.interleave_a), " by ", b,
          how(f.transpose_b, f.interleave_b),
          ": depth must be equal, batch extents equal or 1, and depth and columns not bounded");
  require(s.dst->extents == infer(f, a, b), "matmul: output must be ", infer(f, a, b), ", found ", s.dst->extents);
  require(s.src[0].is_number() && s.src[0].type == s.src[1].type, "matmul: inputs must be both f32 or both u8, found ",
          s.src[0], " and ", s.src[1]);
  require(s.dst->type == element::f32 || (s.src[0].is_u8() && s.dst->is_u8()),
          "matmul: output must be f32, or u8 where the inputs are, found ", *s.dst);
  if (f.residual) check_residual(s, matmul::name);
  constexpr int deepest = std::numeric_limits<std::int32_t>::max() / (255 * 255);
  const int depth = depth_of(f, a);
  require(!s.src[0].is_u8() || depth <= deepest, "matmul: depth ", depth,
          " could overflow a 32-bit sum, expected at most ", deepest);
  multiplier_of(f, s);
}

namespace detail {

template <class T, class Acc>
void evaluate_matmul(const matmul& f, const signature& s, const arguments& args) {
  const matrix_product product(f, args, false);
  const int k = depth_of(f, args.src[0].extents);
  const auto value = [&](std::size_t input, const matrix_rows& rows, bool transposed, int row, int column) {
    if (transposed) std::swap(row, column);
    const tensor_type& t = s.src[input];
    return static_cast<Acc>(args.src[input].row<T>(static_cast<std::size_t>(rows[row]))[column]) -
           static_cast<Acc>(t.is_u8() ? t.q.zero_point : 0);
  };
  const channel_scale scale{multiplier_of(f, s), 0.0f};
  for (int i = 0; i < product.count(); ++i) {
    const matrix_product::rows_of rows = product.matrix(i);
    for (int row = 0; row < product.m(); ++row)
      for (int column = 0; column < product.n(); ++column) {
        Acc acc = 0;
        for (int d = 0; d < k; ++d)
          acc = multiply_add(value(0, rows.a, f.transpose_a, row, d), value(1, rows.b, f.transpose_b, d, column), acc);
        store_output(s, f.act, scale, static_cast<float>(acc), args, f.residual, static_cast<std::size_t>(rows.y[row]),
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
