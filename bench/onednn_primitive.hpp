// Operators as primitives of oneDNN, in the cheapest form that it has: those of the backend, and others that only
// benchmarks run there. On u8:
//   - a function of one number is a sum with a constant whose result goes through the function: oneDNN's own primitive
//     for it takes no scales;
//   - a product with a factor whose zero point is not 0 likewise, multiplied by the other factor after the sum;
//   - what has no place for a zero point does without, as the comments say: only times mean something there.
#pragma once

#include <numeric>

#include "octavo/backends/onednn/node_primitive.hpp"

namespace octavo::bench {

using onednn::form;
using onednn::node_primitive;
using onednn::operand_layouts;

/// A dense tensor as one of `rank` axes, those that it has not being 1: from 3 on as (N, C, ...) in the order N, ...,
/// C. With `chosen` oneDNN chooses the order.
inline dnnl::memory::desc onednn_memory(const tensor_type& t, int rank, bool chosen = false) {
  dnnl::memory::dims extents(static_cast<std::size_t>(rank - t.extents.rank), 1),
      strides(static_cast<std::size_t>(rank), 1);
  for (int i = 0; i < t.extents.rank; ++i) extents.push_back(t.extents[i]);
  for (std::size_t i = extents.size() - 1; i > 0; --i) strides[i - 1] = strides[i] * extents[i];
  if (rank >= 3) {
    std::rotate(extents.begin() + 1, extents.end() - 1, extents.end());
    std::rotate(strides.begin() + 1, strides.end() - 1, strides.end());
  }
  const auto type = onednn::data_type_of(t.type);
  if (chosen) return {extents, type, dnnl::memory::format_tag::any};
  return {extents, type, strides};
}
inline dnnl::memory::desc onednn_memory(const tensor_type& t) { return onednn_memory(t, t.extents.rank); }

/// oneDNN's number of axis `axis` of a tensor of `rank` axes in that order.
inline int onednn_axis(int axis, int rank) { return rank < 3 || axis == 0 ? axis : axis == rank - 1 ? 1 : axis + 1; }

/// Dense operands, all of the output's rank.
inline operand_layouts dense_layouts(const problem& p) {
  operand_layouts lie{{}, onednn_memory(*p.dst)};
  for (const tensor_type& t : p.src) lie.src.push_back(onednn_memory(t, std::max(t.extents.rank, p.dst->extents.rank)));
  return lie;
}

namespace detail {

using dnnl::algorithm;
using onednn::detail::append_clamp;
using onednn::detail::append_linear;
using onednn::detail::describe_primitive;
using onednn::detail::make_attributes;
using onednn::detail::scale_of;
using onednn::detail::spatial_window;
using onednn::detail::zero_of;
inline constexpr auto inference = dnnl::prop_kind::forward_inference;

/// Functions of one number, one after the other.
struct eltwise_step {
  algorithm function;
  float alpha = 0, beta = 0;
};

/// What `o` does to each element. Throws octavo::error where oneDNN has no such function.
inline std::vector<eltwise_step> steps_of(const operation& o) {
  using enum algorithm;
  if (const auto* f = o.as<op::activate>()) {
    if (f->act == relu_activation) return {{eltwise_relu}};
    return {{eltwise_clip, f->act.lower, f->act.upper}};
  }
  if (const auto* f = o.as<op::leaky_relu>()) return {{eltwise_relu, f->alpha}};
  if (const auto* f = o.as<op::elu>()) return {{eltwise_elu, f->alpha}};
  if (const auto* f = o.as<op::hard_sigmoid>())
    return {{eltwise_linear, f->alpha, f->beta}, {eltwise_clip, 0.0f, 1.0f}};
  if (const auto* f = o.as<op::swish>()) return {{eltwise_swish, f->beta}};
  if (const auto* f = o.as<op::gelu>()) return {{f->approximate_tanh ? eltwise_gelu_tanh : eltwise_gelu_erf}};
  if (const auto* f = o.as<op::pow>()) return {{eltwise_pow, 1.0f, f->exponent}};
  if (o.is<op::hard_swish>()) return {{eltwise_hardswish, 1.0f / 6, 0.5f}};
  if (o.is<op::softplus>()) return {{eltwise_soft_relu, 1.0f}};
  if (o.is<op::sigmoid>()) return {{eltwise_logistic}};
  if (o.is<op::mish>()) return {{eltwise_mish}};
  if (o.is<op::tanh>()) return {{eltwise_tanh}};
  if (o.is<op::exp>()) return {{eltwise_exp}};
  if (o.is<op::log>()) return {{eltwise_log}};
  if (o.is<op::sqrt>()) return {{eltwise_sqrt}};
  if (o.is<op::square>()) return {{eltwise_square}};
  if (o.is<op::abs>()) return {{eltwise_abs}};
  if (o.is<op::round>()) return {{eltwise_round}};
  fail("no oneDNN primitive for ", name_of(o));
}

/// x_0 m and a constant, combined by `sum`, then `after`.
inline node_primitive make_with_constant(algorithm sum, float m, float constant, const dnnl::post_ops& after,
                                         operand_layouts lie, int rank) {
  const dnnl::memory::dims one(static_cast<std::size_t>(rank), 1);
  lie.src.resize(1);
  lie.src.emplace_back(one, dnnl::memory::data_type::f32, one);
  node_primitive l = onednn::detail::make_binary(sum, {m, 1.0f}, after, lie);
  const dnnl::memory value(lie.src[1], onednn::cpu());
  *static_cast<float*>(value.get_data_handle()) = constant;
  l.constants.emplace_back(DNNL_ARG_SRC_1, value);
  l.src = {DNNL_ARG_SRC_0};
  return l;
}

inline node_primitive make_function(const problem& p, const operand_layouts& lie) {
  const std::vector<eltwise_step> steps = steps_of(p.op);
  const tensor_type &x = p.src[0], &y = *p.dst;
  node_primitive l;
  if (!x.is_u8() && !y.is_u8() && steps.size() == 1) {
    const auto& [function, alpha, beta] = steps[0];
#if DNNL_VERSION_MAJOR >= 3
    l.primitive = describe_primitive<dnnl::eltwise_forward>(make_attributes(), inference, function, lie.src[0], lie.dst,
                                                            alpha, beta);
#else
    l.primitive =
        describe_primitive<dnnl::eltwise_forward>(make_attributes(), inference, function, lie.src[0], alpha, beta);
#endif
    return l;
  }
  // A straight line that comes first is part of the sum: oneDNN 2.6 gives all lines after it the numbers of the first.
  const bool line = steps[0].function == algorithm::eltwise_linear;
  const float m = scale_of(x) * (line ? steps[0].alpha : 1.0f);
  dnnl::post_ops after;
  for (std::size_t i = line; i < steps.size(); ++i)
    onednn::detail::append_eltwise(after, steps[i].function, steps[i].alpha, steps[i].beta);
  append_linear(after, 1.0f / scale_of(y), zero_of(y));
  return make_with_constant(algorithm::binary_add, m, (line ? steps[0].beta : 0.0f) - m * zero_of(x), after, lie,
                            x.extents.rank);
}

/// y = ((x_0 - zp_0) x_1) m + zp.
inline node_primitive make_shifted_product(const problem& p, float m, const activation& act,
                                           const operand_layouts& lie) {
  dnnl::post_ops after;
  after.append_binary(algorithm::binary_mul, lie.src[1]);
  append_linear(after, m, zero_of(*p.dst));
  append_clamp(after, act, *p.dst);
  node_primitive l =
      make_with_constant(algorithm::binary_add, 1.0f, -zero_of(p.src[0]), after, lie, p.dst->extents.rank);
  l.src.push_back(DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1);
  return l;
}

template <class F>
constexpr algorithm binary_algorithm = std::is_same_v<F, op::add>   ? algorithm::binary_add
                                       : std::is_same_v<F, op::sub> ? algorithm::binary_sub
                                       : std::is_same_v<F, op::mul> ? algorithm::binary_mul
                                       : std::is_same_v<F, op::div> ? algorithm::binary_div
                                       : std::is_same_v<F, op::min> ? algorithm::binary_min
                                                                    : algorithm::binary_max;

/// Sources that are divided, or compared, have zero point 0, as has the smaller factor of a product.
template <class F>
node_primitive make_arithmetic(const F& f, const problem& p, const operand_layouts& lie) {
  constexpr bool is_sum = std::is_same_v<F, op::add> || std::is_same_v<F, op::sub>;
  const op::operand_multipliers m = op::multipliers<F>(p);
  const float zero_0 = zero_of(p.src[0]), zero_1 = zero_of(p.src[1]);
  if (std::is_same_v<F, op::mul> && zero_0 != 0 && zero_1 == 0) return make_shifted_product(p, m.m0, f.act, lie);
  require(is_sum || (zero_0 == 0 && zero_1 == 0), "no oneDNN ", F::name, " with zero points");
  const float sign = std::is_same_v<F, op::sub> ? -1.0f : 1.0f;
  dnnl::post_ops after;
  append_linear(after, 1.0f, zero_of(*p.dst) - m.m0 * zero_0 - sign * m.m1 * zero_1);
  append_clamp(after, f.act, *p.dst);
  return onednn::detail::make_binary(binary_algorithm<F>, {m.m0, m.m1}, after, lie);
}

/// One multiplier for the whole result.
inline void set_scale(node_primitive& l, dnnl::primitive_attr& attr, float m) {
  if (m == 1.0f) return;
#if DNNL_VERSION_MAJOR >= 3
  attr.set_scales_mask(DNNL_ARG_SRC, 0);
  l.constants.emplace_back(DNNL_ARG_ATTR_SCALES | DNNL_ARG_SRC, onednn::detail::constant_of(std::vector<float>{m}));
#else
  (void)l;
  attr.set_output_scales(0, {m});
#endif
}

/// A copy to another layout, type, scale or zero point.
inline node_primitive make_copy(const tensor_type& from, const tensor_type& to, const dnnl::memory::desc& x,
                                const dnnl::memory::desc& y) {
  node_primitive l;
  dnnl::primitive_attr attr = make_attributes();
  set_scale(l, attr, scale_of(from) / scale_of(to));
  const bool same = from.type == to.type && from.q == to.q;
  for (const auto& [argument, t] : {std::pair(DNNL_ARG_SRC, &from), std::pair(DNNL_ARG_DST, &to)}) {
    if (zero_of(*t) == 0 || same) continue;
#if DNNL_VERSION_MAJOR >= 3
    attr.set_zero_points_mask(argument, 0);
    l.constants.emplace_back(DNNL_ARG_ATTR_ZERO_POINTS | argument,
                             onednn::detail::constant_of(std::vector<std::int32_t>{t->q.zero_point}));
#else
    attr.set_zero_points(argument, 0, {t->q.zero_point});
#endif
  }
  l.primitive = dnnl::reorder::primitive_desc(onednn::cpu(), x, onednn::cpu(), y, attr);
  return l;
}

/// On u8 an activation is a change of scale and zero point, whose saturation does the rest, or else a function.
inline node_primitive make_activation(const op::activate& a, const problem& p, const operand_layouts& lie) {
  if (!p.dst->is_u8()) return make_function(p, lie);
  const saturation s = saturation_of(a.act, p.dst->q);
  if (s.lower != 0 || s.upper != 255) return make_function(p, lie);
  return make_copy(p.src[0], *p.dst, lie.src[0], lie.dst);
}

inline node_primitive make_transpose(const op::transpose& t, const problem& p) {
  const int rank = p.dst->extents.rank;
  dnnl::memory::dims extents, strides(static_cast<std::size_t>(rank), 1), permuted(static_cast<std::size_t>(rank), 1);
  std::ptrdiff_t x = 1, y = 1;
  for (int i = 0; i < rank; ++i) extents.push_back(p.src[0].extents[i]);
  for (int i = rank; i-- > 0;) {
    const auto from = static_cast<std::size_t>(op::source_axis(t, i, rank));
    strides[static_cast<std::size_t>(i)] = x, x *= extents[static_cast<std::size_t>(i)];
    permuted[from] = y, y *= extents[from];
  }
  const auto type = onednn::data_type_of(p.dst->type);
  return make_copy(p.src[0], *p.dst, {extents, type, strides}, {extents, type, permuted});
}

inline node_primitive make_concat(const op::concat& c, const problem& p, const operand_layouts& lie) {
  const int axis = onednn_axis(c.axis, p.dst->extents.rank);
  node_primitive l;
#if DNNL_VERSION_MAJOR >= 3
  l.primitive = dnnl::concat::primitive_desc(onednn::cpu(), lie.dst, axis, lie.src, make_attributes());
#else
  l.primitive = dnnl::concat::primitive_desc(lie.dst, axis, lie.src, onednn::cpu(), make_attributes());
#endif
  l.src.resize(lie.src.size());
  std::iota(l.src.begin(), l.src.end(), DNNL_ARG_MULTIPLE_SRC);
  return l;
}

inline node_primitive make_reduction(const op::reduce& r, const problem& p) {
  using enum algorithm;
  constexpr algorithm kinds[] = {reduction_mean, reduction_sum, reduction_mul, reduction_max, reduction_min};
  const tensor_type& x = p.src[0];
  tensor_type y = *p.dst;
  y.extents = op::without_axes(x.extents, r.axes, true);
  dnnl::primitive_attr attr = make_attributes();
  dnnl::post_ops after;
  const float m = scale_of(x) / scale_of(y);
  const float count = r.kind == op::reduce::sum ? static_cast<float>(op::reduced_count(r, x.extents)) : 1.0f;
  append_linear(after, m, zero_of(y) - m * count * zero_of(x));
  attr.set_post_ops(after);
  node_primitive l;
  l.primitive =
      describe_primitive<dnnl::reduction>(attr, kinds[r.kind], onednn_memory(x), onednn_memory(y), 0.0f, 0.0f);
  return l;
}

inline node_primitive make_resampling(const op::interp2d& o, const operand_layouts& lie) {
  require(o.coordinates == op::interp2d::half_pixel, "no oneDNN resampling with coordinates ", o.coordinates);
  const auto kind = o.mode == op::interp2d::nearest ? algorithm::resampling_nearest : algorithm::resampling_linear;
  node_primitive l;
  l.primitive = describe_primitive<dnnl::resampling_forward>(make_attributes(), inference, kind, lie.src[0], lie.dst);
  return l;
}

/// Without weight and bias, which would cost oneDNN a little more.
inline node_primitive make_layer_norm(const op::layer_norm& o, const problem& p) {
  require(!p.src[0].is_u8() && !p.dst->is_u8(), "no oneDNN layer normalisation of u8");
  const dnnl::memory::desc rows =
      onednn::memory_of({element::f32, {static_cast<int>(p.dst->extents.rows()), p.dst->extents.back()}, {}});
  node_primitive l;
#if DNNL_VERSION_MAJOR >= 3
  l.primitive = describe_primitive<dnnl::layer_normalization_forward>(make_attributes(), inference, rows, rows, o.eps,
                                                                      dnnl::normalization_flags::none);
#else
  l.primitive = describe_primitive<dnnl::layer_normalization_forward>(make_attributes(), inference, rows, o.eps,
                                                                      dnnl::normalization_flags::none);
#endif
  return l;
}

/// oneDNN takes no u8 for b: s8 for the same time. Zero points are left out.
inline node_primitive make_product(const op::matmul& f, const problem& p) {
  require(!f.residual && !f.interleave_a && !f.interleave_b && !f.interleave_y && f.act.is_none() &&
              p.src[0].extents.rank == p.dst->extents.rank && p.src[1].extents.rank == p.dst->extents.rank,
          "no oneDNN product with a residual, an activation, interleaved matrices, or operands of different ranks");
  const auto matrices = [](const tensor_type& t, bool transposed, dnnl::memory::data_type type) {
    dnnl::memory::dims extents, strides(static_cast<std::size_t>(t.extents.rank), 1);
    for (int i = 0; i < t.extents.rank; ++i) extents.push_back(t.extents[i]);
    for (std::size_t i = extents.size() - 1; i > 0; --i) strides[i - 1] = strides[i] * extents[i];
    if (transposed)
      std::iter_swap(extents.end() - 1, extents.end() - 2), std::iter_swap(strides.end() - 1, strides.end() - 2);
    return dnnl::memory::desc(extents, type, strides);
  };
  using dt = dnnl::memory::data_type;
  const bool u8 = p.src[0].is_u8();
  const dnnl::memory::desc a = matrices(p.src[0], f.transpose_a, u8 ? dt::u8 : dt::f32),
                           b = matrices(p.src[1], f.transpose_b, u8 ? dt::s8 : dt::f32),
                           y = matrices(*p.dst, false, onednn::data_type_of(p.dst->type));
  node_primitive l;
  dnnl::primitive_attr attr = make_attributes();
  set_scale(l, attr, op::multiplier_of(f, p));
  l.primitive = describe_primitive<dnnl::matmul>(attr, a, b, y);
  l.src = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS};
  return l;
}

inline node_primitive make_convolution(const op::conv1d& c, const problem& p, const operand_layouts& lie) {
  const spatial_window w{{c.kernel}, {c.stride}, {c.dilation}, {c.pad.before}, {c.pad.after}};
  return onednn::detail::make_windowed_sum<dnnl::convolution_forward>(algorithm::convolution_direct, c, w, p, lie,
                                                                      form::cheapest);
}

inline node_primitive make_convolution(const op::conv3d& c, const problem& p, const operand_layouts& lie) {
  const auto all = [](const dhw& n) { return dnnl::memory::dims{n.d, n.h, n.w}; };
  const spatial_window w{all(c.kernel),
                         all(c.stride),
                         all(c.dilation),
                         {c.pad.front, c.pad.top, c.pad.left},
                         {c.pad.back, c.pad.bottom, c.pad.right}};
  return onednn::detail::make_windowed_sum<dnnl::convolution_forward>(algorithm::convolution_direct, c, w, p, lie,
                                                                      form::cheapest);
}

inline node_primitive make_convolution(const op::conv_transpose2d& c, const problem& p, const operand_layouts& lie) {
  require(zero_of(p.src[0]) == 0, "no oneDNN conv_transpose2d with a zero point");
  const auto all = [](const hw& n) { return dnnl::memory::dims{n.h, n.w}; };
  const spatial_window w{all(c.kernel),
                         all(c.stride),
                         all(c.dilation),
                         {c.pad.top, c.pad.left},
                         {c.pad.bottom - c.output_padding.h, c.pad.right - c.output_padding.w}};
  return onednn::detail::make_windowed_sum<dnnl::deconvolution_forward>(algorithm::deconvolution_direct, c, w, p, lie,
                                                                        form::cheapest);
}

}  // namespace detail

/// Whether the operator takes its operands dense in the order of their axes, whatever layouts are given.
inline bool is_plain(const operation& o) {
  const auto* s = o.as<op::softmax>();
  return o.is<op::fc>() || (s && s->axis == -1) || o.is<op::matmul>() || o.is<op::layer_norm>() ||
         o.is<op::transpose>();
}

/// The primitive for `p`, whose operands lie so. Throws dnnl::error where oneDNN
/// cannot do it, octavo::error where it has no primitive.
inline node_primitive make_onednn_primitive(const problem& p, const operand_layouts& lie) {
  const operation& o = p.op;
  if (const auto* s = o.as<op::softmax>(); o.is<op::fc>() || (s && s->axis == -1)) {
    problem flat = p;
    const auto rows = [](tensor_type& t) { t.extents = {static_cast<int>(t.extents.rows()), t.extents.back()}; };
    for (tensor_type& t : flat.src) rows(t);
    rows(*flat.dst);
    return onednn::make_node_primitive(flat, dense_layouts(flat), form::cheapest);
  }
  if (const auto* s = o.as<op::softmax>())
    return onednn::detail::make_softmax(p, lie, onednn_axis(s->axis, p.dst->extents.rank));
  node_primitive l;
  if (op::visit(op::binary_functions{}, o, [&](const auto& f) { l = detail::make_arithmetic(f, p, lie); })) return l;
  if (const auto* c = o.as<op::conv1d>()) return detail::make_convolution(*c, p, lie);
  if (const auto* c = o.as<op::conv3d>()) return detail::make_convolution(*c, p, lie);
  if (const auto* c = o.as<op::conv_transpose2d>()) return detail::make_convolution(*c, p, lie);
  if (o.is<op::conv2d>() || o.is<op::pool2d>()) return onednn::make_node_primitive(p, lie, form::cheapest);
  if (const auto* f = o.as<op::matmul>()) return detail::make_product(*f, p);
  if (const auto* n = o.as<op::layer_norm>()) return detail::make_layer_norm(*n, p);
  if (const auto* c = o.as<op::concat>()) return detail::make_concat(*c, p, lie);
  if (const auto* t = o.as<op::transpose>()) return detail::make_transpose(*t, p);
  if (const auto* r = o.as<op::reduce>()) return detail::make_reduction(*r, p);
  if (const auto* r = o.as<op::interp2d>()) return detail::make_resampling(*r, lie);
  if (const auto* a = o.as<op::activate>()) return detail::make_activation(*a, p, lie);
  if (o.is<op::convert>()) return detail::make_copy(p.src[0], *p.dst, lie.src[0], lie.dst);
  return detail::make_function(p, lie);
}

}  // namespace octavo::bench
