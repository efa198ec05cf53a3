// matmul(x, constant) -> fc(x): what is known before the first run becomes weights, packed once, in INT8 with a scale
// for each column; a bias, a line and a residual then fold into it.
//   W(n, k) = alpha b(k, n)
#pragma once

#include "octavo/graph/pass/fuse.hpp"

namespace octavo::pass {
namespace detail {

/// W above.
inline constant weights_of(const op::matmul& m, const constant& b) {
  if (m.transpose_b && m.alpha == 1.0f) return b;
  const dims& e = b->extents();
  const int k = e[m.k_axis(e)], n = e[m.n_axis(e)];
  const std::size_t row = m.transpose_b ? static_cast<std::size_t>(k) : 1,
                    column = m.transpose_b ? 1 : static_cast<std::size_t>(n);
  tensor weights(element::f32, {n, k});
  float* w = weights.as<float>().data();
  for (std::size_t o = 0; o < static_cast<std::size_t>(n); ++o)
    for (std::size_t i = 0; i < static_cast<std::size_t>(k); ++i) *w++ = b->as<float>()[o * row + i * column] * m.alpha;
  return make_constant(std::move(weights));
}

}  // namespace detail

/// The pass.
inline graph replace_matmul(graph g) {
  return folding(std::move(g)).run([](folding& f, std::size_t i) {
    node& n = f.at(i);
    const op::matmul* m = n.as<op::matmul>();
    if (!m || m->residual) return false;
    const node& b = f.producer(n.src[1]);
    const tensor_type& type = f.type(n.src[1]);
    if (!op::is_one_product(*m, type.extents)) return false;
    if (!b.as<op::constant>() || type.type != element::f32 || type.extents.rank != 2) return false;
    n.constants = {detail::weights_of(*m, b.constants[0]), nullptr};
    n.op = op::fc{.out = type.extents[m->n_axis(type.extents)], .act = m->act};
    f.drop_source(n, 1);
    return true;
  });
}

}  // namespace octavo::pass
