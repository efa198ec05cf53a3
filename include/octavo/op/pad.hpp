// Padding of the innermost axis with zeros (the zero point on u8).
//   y(..., c) = x(..., c - before) for before <= c < before + C, else 0
#pragma once

#include "octavo/op/signature.hpp"

namespace octavo::op {

/// Zero channels before and after the input's.
struct pad_channels {
  static constexpr std::string_view name = "pad_channels";
  static constexpr port inputs[] = {{"x", port_rule::moved}};
  int before = 0;
  int after = 0;

  static constexpr auto fields =
      std::tuple{field{"before", &pad_channels::before}, field{"after", &pad_channels::after}};
};

/// Extents of the output: the innermost axis grows by before + after.
constexpr dims infer(const pad_channels& p, const dims& x) {
  dims y = x;
  if (x.rank > 0) y[x.rank - 1] += p.before + p.after;
  return y;
}

/// Throws octavo::error, naming what is wrong, unless `s` describes a padding.
inline void check(const pad_channels& p, const signature& s) {
  require(s.src.size() == 1 && p.before >= 0 && p.after >= 0, "pad_channels: needs one input and no negative padding");
  check_channels(s.src[0], pad_channels::name);
  require(std::int64_t{p.before} + p.after + s.src[0].extents.back() <= std::numeric_limits<int>::max(),
          "pad_channels: ", p.before, " and ", p.after, " channels more than ", s.src[0].extents, " are too many");
  require(s.dst->extents == infer(p, s.src[0].extents), "pad_channels: output must be ", infer(p, s.src[0].extents));
  require(s.src[0].type == s.dst->type && (!s.dst->is_u8() || s.dst->q == s.src[0].q),
          "pad_channels: input and output must have the same type");
}

/// Reference evaluation. Real 0 is all zero bits on f32.
inline void evaluate(const pad_channels& p, const signature& s, const arguments& a) {
  const std::size_t bytes = size_of(s.dst->type), columns = static_cast<std::size_t>(a.src[0].extents.back()) * bytes;
  const int zero = s.dst->is_u8() ? s.dst->q.zero_point : 0;
  const std::size_t before = static_cast<std::size_t>(p.before) * bytes,
                    after = static_cast<std::size_t>(p.after) * bytes;
  for (std::size_t r = 0; r < a.dst->extents.rows(); ++r) {
    std::byte* y = a.dst->as<std::byte>() + r * static_cast<std::size_t>(a.dst->stride) * bytes;
    const std::byte* x = a.src[0].as<std::byte>() + r * static_cast<std::size_t>(a.src[0].stride) * bytes;
    std::memset(y, zero, before);
    std::memcpy(y + before, x, columns);
    std::memset(y + before + columns, zero, after);
  }
}

}  // namespace octavo::op
