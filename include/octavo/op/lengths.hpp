// How much of each sequence of a batch counts: an input "lengths" (N), s32 or s64, beside sequences (N, T, ...). Where
// it is left out all T steps count. A length below 0 or above T counts as 0 or T, and the run is refused
// (arguments::refuse).
#pragma once

#include <algorithm>

#include "octavo/op/signature.hpp"

namespace octavo::op {

/// Throws octavo::error, beginning with `name`, unless input 0 is (N, T, ...) and input 1, where it is there, (N).
inline void check_lengths(const signature& s, std::string_view name) {
  require(!s.src.empty(), name, ": expected an input, found none");
  const dims& x = s.src[0].extents;
  require(x.rank >= 2, name, ": expected sequences of (N, T, ...), found ", x);
  if (!s.has(1)) return;
  const tensor_type& lengths = s.src[1];
  require(lengths.type == element::s32 || lengths.type == element::s64, name, ": lengths must be s32 or s64, found ",
          lengths);
  const dims expected{x.encoded(0)};
  require(lengths.extents == expected, name, ": lengths must be of ", expected, ", one for each sequence, found ",
          lengths.extents);
}

/// How many steps of sequence `n` count, from 0 to T.
inline int sequence_length(const signature& s, const arguments& a, std::size_t n) noexcept {
  const int steps = a.src[0].extents[1];
  if (!s.has(1)) return steps;
  const operand& lengths = a.src[1];
  const std::int64_t given =
      s.src[1].type == element::s32 ? lengths.as<std::int32_t>()[n] : lengths.as<std::int64_t>()[n];
  if (given < 0 || given > steps) a.refuse();
  return static_cast<int>(std::clamp<std::int64_t>(given, 0, steps));
}

}  // namespace octavo::op
