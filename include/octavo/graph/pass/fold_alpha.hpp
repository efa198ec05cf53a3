// A factor before or after a matrix product goes into its alpha:
//   gain matmul(a, b) -> matmul'(a, b),   matmul(gain a, b) -> matmul'(a, b),   matmul(a, gain b) -> matmul'(a, b)
// Where gain is a power of two the result keeps its bits; else one rounding, of alpha, replaces those of each element.
#pragma once

#include "octavo/graph/pass/fold_affine.hpp"

namespace octavo::pass {
namespace detail {

/// alpha times the line's factor, if it is nothing but one factor for all, and the product a normal number.
inline std::optional<float> scaled_alpha(const op::matmul& m, const channel_line& line) {
  if (line.is_shifted() || !line.is_uniform()) return std::nullopt;
  const double alpha = static_cast<double>(m.alpha) * line.gain[0];
  if (std::fabs(alpha) < std::numeric_limits<float>::min() || std::fabs(alpha) > largest_multiplier)
    return std::nullopt;
  return static_cast<float>(alpha);
}

/// matmul(gain a, b) -> matmul'(a, b), and the same for b.
inline bool fold_factor_of_input(folding& f, node& n, op::matmul& m) {
  for (std::size_t k = 0; k < 2; ++k) {
    const node* before = f.sole_producer(n.src[k]);
    const std::optional<channel_line> line = before ? bare_line_of(f, *before) : std::nullopt;
    const std::optional<float> alpha = line ? scaled_alpha(m, *line) : std::nullopt;
    if (!alpha) continue;
    m.alpha = *alpha;
    f.read_through(n, k, line->input);
    return true;
  }
  return false;
}

}  // namespace detail

/// The pass.
inline graph fold_alpha(graph g) {
  return folding(std::move(g)).run([](folding& f, std::size_t i) {
    if (op::matmul* m = f.at(i).as<op::matmul>()) return detail::fold_factor_of_input(f, f.at(i), *m);
    const std::optional<channel_line> line = line_of(f, f.at(i));
    node* producer = line ? f.sole_producer(f.at(i).src[line->input]) : nullptr;
    op::matmul* m = producer ? producer->as<op::matmul>() : nullptr;
    const std::optional<float> alpha = m && is_bare(*producer) ? detail::scaled_alpha(*m, *line) : std::nullopt;
    if (!alpha) return false;
    m->alpha = *alpha;
    m->act = *fused_activation(f.at(i).op);
    f.absorb(*producer, i);
    return true;
  });
}

}  // namespace octavo::pass
