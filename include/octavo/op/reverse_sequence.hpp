// The steps of each sequence in reverse order, what lies behind its length as it is:
//   y(n, t, ..) = x(n, length - 1 - t, ..) for t < length, else x(n, t, ..)
// x, y: (N, T, ...) of any type; lengths: (N), see lengths.hpp.
#pragma once

#include <cstring>

#include "octavo/op/lengths.hpp"
#include "octavo/op/position.hpp"

namespace octavo::op {

/// Reversal of sequences in a graph.
struct reverse_sequence {
  static constexpr std::string_view name = "reverse_sequence";
  static constexpr port inputs[] = {{"x", port_rule::moved}, {"lengths", port_rule::untouched, port_count::optional}};
  static constexpr auto fields = std::tuple{};
};

/// Type of the output.
inline std::vector<tensor_type> infer(const reverse_sequence&, std::span<const tensor_type> src) { return {src[0]}; }

/// Throws octavo::error, naming what is wrong, unless `s` describes a reversal that can be run.
inline void check(const reverse_sequence&, const signature& s) {
  check_lengths(s, reverse_sequence::name);
  check_moved(s, s.src.size(), s.src[0].extents, reverse_sequence::name);
}

/// Writes sequence `n` of the output.
inline void reverse_steps(const reverse_sequence&, const signature& s, const arguments& a, std::size_t n) noexcept {
  const dims& d = a.src[0].extents;
  const std::size_t steps = static_cast<std::size_t>(d[1]), length = static_cast<std::size_t>(sequence_length(s, a, n));
  const std::size_t element = size_of(s.dst->type);
  // A step is some rows, or, of (N, T), an element of the row that the sequence is.
  const std::size_t rows = d.rank == 2 ? 1 : d.rows() / (static_cast<std::size_t>(d[0]) * steps);
  const std::size_t bytes = d.rank == 2 ? element : static_cast<std::size_t>(d.back()) * element;
  const auto row_of = [&](const operand& o, std::size_t t, std::size_t r) {
    const std::size_t number = d.rank == 2 ? n : (n * steps + t) * rows + r;
    return o.as<std::byte>() + number * static_cast<std::size_t>(o.stride) * element + (d.rank == 2 ? t * element : 0);
  };
  for (std::size_t t = 0; t < steps; ++t)
    for (std::size_t r = 0; r < rows; ++r)
      std::memcpy(row_of(*a.dst, t, r), row_of(a.src[0], t < length ? length - 1 - t : t, r), bytes);
}

/// Reference evaluation.
inline void evaluate(const reverse_sequence& o, const signature& s, const arguments& a) {
  for (std::size_t n = 0; n < static_cast<std::size_t>(a.src[0].extents[0]); ++n) reverse_steps(o, s, a, n);
}

}  // namespace octavo::op
