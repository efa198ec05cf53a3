// One vector for each sequence of a batch: over the steps that count,
//   mean, sum, max:  y(n, c) = mean, sum or max over t of x(n, t, c);  last:  y(n, c) = x(n, length - 1, c)
// x: (N, T, C) f32 or u8; lengths: (N), see lengths.hpp; y: (N, C). A sequence of length 0 gives zeros.
//
// Arithmetic is that of reduce.hpp along T: on f32 one step after the other, the mean is the sum times
// float(1 / length); on u8 q = clamp(rne(float(sum(q_x - zp_x)) m) + zp_y), with m = s_x / s_y, for the mean
// s_x / (s_y length); max and last move bytes.
#pragma once

#include "octavo/op/lengths.hpp"
#include "octavo/op/reduce.hpp"

namespace octavo::op {

/// Pooling over time in a graph.
struct sequence_pool {
  static constexpr std::string_view name = "sequence_pool";
  static constexpr port inputs[] = {{"x"}, {"lengths", port_rule::untouched, port_count::optional}};
  enum kind_type : std::uint8_t { mean, sum, max, last };
  kind_type kind = mean;

  static constexpr std::string_view kind_names[] = {"mean", "sum", "max", "last"};
  friend std::ostream& operator<<(std::ostream& out, kind_type k) { return out << kind_names[k]; }
  bool moves() const { return kind == max || kind == last; }

  static constexpr auto fields = std::tuple{field{"kind", &sequence_pool::kind}};
};

inline attribute to_attribute(sequence_pool::kind_type k) { return std::string(sequence_pool::kind_names[k]); }
inline void from_attribute(const attribute& from, sequence_pool::kind_type& k) {
  const auto& name = octavo::detail::attribute_as<std::string>(from, "mean, sum, max or last");
  const auto* found = std::find(std::begin(sequence_pool::kind_names), std::end(sequence_pool::kind_names), name);
  require(found != std::end(sequence_pool::kind_names), "expected mean, sum, max or last, found '", name, "'");
  k = static_cast<sequence_pool::kind_type>(found - std::begin(sequence_pool::kind_names));
}

inline port_rule rule_of(const sequence_pool& o, std::size_t input) {
  if (input > 0) return port_rule::untouched;
  return o.moves() ? port_rule::moved : port_rule::quantized;
}

/// (N, C).
constexpr dims pooled_extents(const dims& x) {
  return x.rank == 3 ? dims{x.encoded(0), x.encoded(2)} : x;  // others check() refuses
}
inline std::vector<tensor_type> infer(const sequence_pool&, std::span<const tensor_type> src) {
  return {{src[0].type, pooled_extents(src[0].extents), src[0].q}};
}

/// Throws octavo::error, naming what is wrong, unless `s` describes a pooling that can be run.
inline void check(const sequence_pool& o, const signature& s) {
  check_lengths(s, sequence_pool::name);
  const tensor_type &x = s.src[0], &y = *s.dst;
  require(x.is_number() && y.is_number(), "sequence_pool: input and output must be f32 or u8, found ", x, " and ", y);
  require(x.extents.rank == 3, "sequence_pool: expected an input of (N, T, C), found ", x);
  require(y.extents == pooled_extents(x.extents), "sequence_pool: output must be ", pooled_extents(x.extents),
          ", found ", y.extents);
  if (o.moves())
    require(x.type == y.type && (!x.is_u8() || x.q == y.q), "sequence_pool: ", o.kind,
            " moves elements, so input and output must have the same type; found ", x, " and ", y);
  constexpr int most = std::numeric_limits<std::int32_t>::max() / 255;
  require(!x.is_u8() || x.extents[1] <= most, "sequence_pool: a sum of ", x.extents[1],
          " u8 could overflow 32 bits, expected at most ", most);
  if (!o.moves()) checked_ratio(x.is_u8() ? x.q.scale : 1, y.is_u8() ? y.q.scale : 1, sequence_pool::name);
}

namespace detail {

/// The multiplier of sums over `length` steps: m above.
inline float pooling_multiplier(const sequence_pool& o, const signature& s, int length) {
  const double x = s.src[0].is_u8() ? static_cast<double>(s.src[0].q.scale) : 1.0;
  const double y = s.dst->is_u8() ? static_cast<double>(s.dst->q.scale) : 1.0;
  return static_cast<float>(o.kind == sequence_pool::mean ? x / y / static_cast<double>(length) : x / y);
}

inline constexpr int pooled_at_once = 64;  ///< channels, so that the steps are read row by row

/// Pools `count` channels from `first` on over `length` > 0 steps; what is moved stays a byte of u8.
template <class X>
void pool_channels(const sequence_pool& o, const operand& x, std::size_t first_row, int length, std::ptrdiff_t first,
                   int count, int zero_point, float m, float* y) noexcept {
  const auto row = [&](int t) { return x.row<const X>(first_row + static_cast<std::size_t>(t)) + first; };
  if (o.moves()) {
    const X* from = row(o.kind == sequence_pool::last ? length - 1 : 0);
    for (int c = 0; c < count; ++c) y[c] = static_cast<float>(from[c]);
    for (int t = 1; o.kind == sequence_pool::max && t < length; ++t)
      for (int c = 0; c < count; ++c) y[c] = combine(reduce::max, y[c], static_cast<float>(row(t)[c]));
    return;
  }
  std::conditional_t<std::is_same_v<X, float>, float, std::int32_t> sum[pooled_at_once] = {};
  for (int t = 0; t < length; ++t)
    for (int c = 0; c < count; ++c)
      if constexpr (std::is_same_v<X, float>)
        sum[c] += row(t)[c];
      else
        sum[c] += row(t)[c] - zero_point;
  for (int c = 0; c < count; ++c) y[c] = static_cast<float>(sum[c]) * m;
}

}  // namespace detail

/// Writes sequence `n` of the output.
inline void pool_steps(const sequence_pool& o, const signature& s, const arguments& a, std::size_t n) noexcept {
  const operand &x = a.src[0], &y = *a.dst;
  const std::size_t first_row = n * static_cast<std::size_t>(x.extents[1]);
  const int length = sequence_length(s, a, n), zero_point = s.src[0].is_u8() ? s.src[0].q.zero_point : 0;
  const float m = detail::pooling_multiplier(o, s, std::max(length, 1));
  for (int first = 0; first < y.extents.back(); first += detail::pooled_at_once) {
    const int count = std::min(detail::pooled_at_once, y.extents.back() - first);
    float pooled[detail::pooled_at_once] = {};
    const auto pool = s.src[0].is_u8() ? detail::pool_channels<std::uint8_t> : detail::pool_channels<float>;
    if (length > 0) pool(o, x, first_row, length, first, count, zero_point, m, pooled);
    for (int c = 0; c < count; ++c)
      if (!s.dst->is_u8())
        y.row<float>(n)[first + c] = pooled[c];
      else if (o.moves() && length > 0)
        y.row<std::uint8_t>(n)[first + c] = static_cast<std::uint8_t>(pooled[c]);
      else
        y.row<std::uint8_t>(n)[first + c] = saturate_u8(pooled[c], {s.dst->q.zero_point, 0, 255});
  }
}

/// Reference evaluation.
inline void evaluate(const sequence_pool& o, const signature& s, const arguments& a) {
  for (std::size_t n = 0; n < static_cast<std::size_t>(a.dst->extents[0]); ++n) pool_steps(o, s, a, n);
}

}  // namespace octavo::op
