// One node as a primitive of oneDNN, in the cheapest form that oneDNN has for it:
//   - weights go into whatever layout the primitive prefers;
//   - zero points, which are constant, are folded into the bias. Only where a padded input has one, oneDNN is given it:
//     the border must be that of the zero point. Benchmarks, which compare with oneDNN at its best, do without;
//   - the residual is a sum onto the destination, where it must lie before; the activation is a clamp.
// All in steps of the destination: q = m acc + b + zp [+ m_r (q_r - zp_r)], then the clamp, then rounding. Octavo adds
// zp after rounding, so a tie may end one step apart.
#pragma once

#include <dnnl.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "octavo/backends/onednn/library.hpp"
#include "octavo/op/kernel.hpp"

namespace octavo::onednn::inline OCTAVO_ARCH_NAMESPACE {

/// Whether a border may be wrong.
enum class form : std::uint8_t {
  exact,     ///< no: a padded input's zero point is given to oneDNN, which then is slower, or has no implementation
  cheapest,  ///< yes: the border counts as the integer 0
};

/// How operands lie, which may be "any", as oneDNN chooses.
struct operand_layouts {
  std::vector<dnnl::memory::desc> src;
  dnnl::memory::desc dst;
};

/// A primitive that could be made, and the constants that it reads.
struct node_primitive {
  dnnl::primitive_desc_base primitive{};
  std::vector<int> src{DNNL_ARG_SRC};                     ///< the arguments that are operands, but for the residual
  std::vector<std::pair<int, dnnl::memory>> constants{};  ///< by argument: bias, scales, zero points, packed weights
  dnnl::memory weights{};                                 ///< of the problem, not packed; refers to its tensor

  dnnl::memory::desc layout_of(int argument) const { return primitive.query_md(dnnl::query::exec_arg_md, argument); }
};

namespace detail {

inline float scale_of(const tensor_type& t) { return t.is_u8() ? t.q.scale : 1.0f; }
inline float zero_of(const tensor_type& t) { return t.is_u8() ? static_cast<float>(t.q.zero_point) : 0.0f; }

template <class T>
dnnl::memory constant_of(const std::vector<T>& values) {
  constexpr auto type = std::is_same_v<T, float> ? dnnl::memory::data_type::f32 : dnnl::memory::data_type::s32;
  const dnnl::memory m({{static_cast<dnnl::memory::dim>(values.size())}, type, dnnl::memory::format_tag::x}, cpu());
  std::memcpy(m.get_data_handle(), values.data(), values.size() * sizeof(T));
  return m;
}

template <class Primitive, class... Arguments>
dnnl::primitive_desc_base describe_primitive(const dnnl::primitive_attr& attr, const Arguments&... arguments) {
#if DNNL_VERSION_MAJOR >= 3
  return typename Primitive::primitive_desc(cpu(), arguments..., attr);
#else
  return typename Primitive::primitive_desc(typename Primitive::desc(arguments...), attr, cpu());
#endif
}

inline void append_eltwise(dnnl::post_ops& after, dnnl::algorithm a, float alpha, float beta) {
#if DNNL_VERSION_MAJOR >= 3
  after.append_eltwise(a, alpha, beta);
#else
  after.append_eltwise(1.0f, a, alpha, beta);
#endif
}

/// The activation, in steps of the destination. Where u8 ends anyway nothing is to be done.
inline void append_clamp(dnnl::post_ops& after, const activation& act, const tensor_type& y) {
  if (y.is_u8()) {
    const saturation s = saturation_of(act, y.q);
    if (s.lower != 0 || s.upper != 255)
      append_eltwise(after, dnnl::algorithm::eltwise_clip, static_cast<float>(s.lower), static_cast<float>(s.upper));
  } else if (act == relu_activation) {
    append_eltwise(after, dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
  } else if (!act.is_none()) {
    append_eltwise(after, dnnl::algorithm::eltwise_clip, act.lower, act.upper);
  }
}

/// y = alpha x + beta.
inline void append_linear(dnnl::post_ops& after, float alpha, float beta) {
  if (alpha != 1.0f || beta != 0.0f) append_eltwise(after, dnnl::algorithm::eltwise_linear, alpha, beta);
}

/// Attributes that every primitive begins with: it works in memory that the caller gives.
inline dnnl::primitive_attr make_attributes() {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

/// What follows the sum of products of a layer with weights: m[c] and the bias; `l` gets them as constants.
inline void add_scales_and_bias(node_primitive& l, dnnl::primitive_attr& attr, const problem& p, bool residual,
                                bool grouped, float& residual_multiplier) {
  std::vector<float> bias(static_cast<std::size_t>(p.dst->extents.back()));
  residual_multiplier = 1.0f;
  if (p.src[0].is_u8()) {
    const output_scales fold = fold_output_scales(p, residual, "oneDNN");
    residual_multiplier = fold.residual_multiplier;
    const float shift = zero_of(*p.dst) - (residual ? residual_multiplier * zero_of(p.src[1]) : 0.0f);
    for (std::size_t c = 0; c < bias.size(); ++c) bias[c] = fold.offset[c] + shift;
#if DNNL_VERSION_MAJOR >= 3
    attr.set_scales_mask(DNNL_ARG_WEIGHTS, grouped ? 3 : 1);
    l.constants.emplace_back(DNNL_ARG_ATTR_SCALES | DNNL_ARG_WEIGHTS, constant_of(fold.multiplier));
#else
    (void)grouped;
    attr.set_output_scales(1 << 1, fold.multiplier);
    for (std::size_t c = 0; c < bias.size(); ++c) {
      bias[c] /= fold.multiplier[c];  // this oneDNN scales the bias too
      require(std::isfinite(bias[c]), "oneDNN: the bias of channel ", c, " is too large for its scale");
    }
#endif
  } else if (const tensor* b = p.at(1)) {
    bias.assign(b->as<float>().begin(), b->as<float>().end());
  }
  l.constants.emplace_back(DNNL_ARG_BIAS, constant_of(bias));
}

/// The constant weights of `p`, which lie in that order of `extents`; returns the layout "any".
inline dnnl::memory::desc take_weights(node_primitive& l, const problem& p, const dnnl::memory::dims& extents) {
  const tensor& w = *p.at(0);
  dnnl::memory::dims strides(extents.size(), 1);
  for (std::size_t i = extents.size() - 1; i > 0; --i) strides[i - 1] = strides[i] * extents[i];
  l.weights = dnnl::memory({extents, data_type_of(w.type()), strides}, cpu(), const_cast<std::byte*>(w.bytes().data()));
  return {extents, data_type_of(w.type()), dnnl::memory::format_tag::any};
}

inline dnnl::memory::desc bias_of(const problem& p) {
  return {{p.dst->extents.back()}, dnnl::memory::data_type::f32, dnnl::memory::format_tag::x};
}

inline void set_post_ops(dnnl::primitive_attr& attr, const problem& p, const activation& act, bool residual,
                         float residual_multiplier) {
  dnnl::post_ops after;
  if (residual) after.append_sum(residual_multiplier);
  append_clamp(after, act, *p.dst);
  attr.set_post_ops(after);
}

/// Whether some window along an axis lies wholly in the padding.
inline bool has_empty_window(int in, int out, int k, int stride, int before, int dilation) {
  for (int o = 0; o < out; ++o) {
    bool empty = true;
    for (int i = 0; i < k; ++i) {
      const int at = o * stride - before + i * dilation;
      empty = empty && (at < 0 || at >= in);
    }
    if (empty) return true;
  }
  return false;
}

/// A window over the spatial axes, outermost first.
struct spatial_window {
  dnnl::memory::dims kernel, stride, dilation, before, after;
  bool is_padded() const {
    const auto any = [](const dnnl::memory::dims& p) { return std::ranges::any_of(p, [](auto n) { return n != 0; }); };
    return any(before) || any(after);
  }
};

/// A convolution or a transposed one, over any number of axes.
template <class Primitive, class Convolution>
node_primitive make_windowed_sum(dnnl::algorithm algorithm, const Convolution& c, const spatial_window& window,
                                 problem p, const operand_layouts& lie, form f) {
  node_primitive l;
  dnnl::primitive_attr attr = make_attributes();
  if (f == form::exact && p.src[0].is_u8() && p.src[0].q.zero_point != 0 && window.is_padded()) {
#if DNNL_VERSION_MAJOR >= 3
    attr.set_zero_points_mask(DNNL_ARG_SRC, 0);
    l.constants.emplace_back(DNNL_ARG_ATTR_ZERO_POINTS | DNNL_ARG_SRC,
                             constant_of(std::vector<std::int32_t>{p.src[0].q.zero_point}));
#else
    attr.set_zero_points(DNNL_ARG_SRC, 0, {p.src[0].q.zero_point});
#endif
    p.src[0].q.zero_point = 0;  // what is left to fold
  }
  float residual_multiplier = 0;
  add_scales_and_bias(l, attr, p, c.residual, c.groups > 1, residual_multiplier);
  set_post_ops(attr, p, c.act, c.residual, residual_multiplier);
  const dnnl::memory::dim g = c.groups, ic = p.src[0].extents.back() / g;
  dnnl::memory::dims extents{c.out / g, ic};
  extents.insert(extents.end(), window.kernel.begin(), window.kernel.end());
  if (g > 1) extents.insert(extents.begin(), g);
  const dnnl::memory::desc w = take_weights(l, p, extents);
  dnnl::memory::dims between = window.dilation;  // 0 where the pixels are neighbours
  for (auto& d : between) --d;
  l.primitive = describe_primitive<Primitive>(attr, dnnl::prop_kind::forward_inference, algorithm, lie.src[0], w,
                                              bias_of(p), lie.dst, window.stride, between, window.before, window.after);
  return l;
}

inline node_primitive make_convolution(const op::conv2d& c, const problem& p, const operand_layouts& lie, form f) {
  const dims &in = p.src[0].extents, &out = p.dst->extents;
  require(!has_empty_window(in[1], out[1], c.kernel.h, c.stride.h, c.pad.top, c.dilation.h) &&
              !has_empty_window(in[2], out[2], c.kernel.w, c.stride.w, c.pad.left, c.dilation.w),
          "oneDNN before 3.1 leaves out the residual, or crashes, where a window lies in the padding");
  const spatial_window window{{c.kernel.h, c.kernel.w},
                              {c.stride.h, c.stride.w},
                              {c.dilation.h, c.dilation.w},
                              {c.pad.top, c.pad.left},
                              {c.pad.bottom, c.pad.right}};
  node_primitive l =
      make_windowed_sum<dnnl::convolution_forward>(dnnl::algorithm::convolution_direct, c, window, p, lie, f);
  const bool by_gemm = std::string_view(l.primitive.impl_info_str()).find("gemm") != std::string_view::npos;
  require(f == form::cheapest || c.groups == 1 || !by_gemm,
          "oneDNN 2.6's INT8 convolution by GEMM is wrong for some groups");
  return l;
}

inline node_primitive make_inner_product(const op::fc& f, const problem& p, const operand_layouts& lie) {
  node_primitive l;
  dnnl::primitive_attr attr = make_attributes();
  float residual_multiplier = 0;
  add_scales_and_bias(l, attr, p, f.residual, false, residual_multiplier);
  set_post_ops(attr, p, f.act, f.residual, residual_multiplier);
  const dnnl::memory::desc w = take_weights(l, p, {f.out, p.src[0].extents.back()});
  l.primitive = describe_primitive<dnnl::inner_product_forward>(attr, dnnl::prop_kind::forward_inference, lie.src[0], w,
                                                                bias_of(p), lie.dst);
  return l;
}

inline node_primitive make_pooling(const op::pool2d& q, const problem& p, const operand_layouts& lie) {
  const dims &in = p.src[0].extents, &out = p.dst->extents;
  // Padding after the image as the windows use it: less than asked for where the last ones fit before, more in ceil
  // mode.
  const auto behind = [](int n_in, int n_out, int k, int stride, int before) {
    return (n_out - 1) * stride + k - n_in - before;
  };
  const int bottom = behind(in[1], out[1], q.kernel.h, q.stride.h, q.pad.top);
  const int right = behind(in[2], out[2], q.kernel.w, q.stride.w, q.pad.left);
  const bool average = q.kind == op::pool2d::average, counts = average && q.count_padding;
  require(!counts || (bottom <= q.pad.bottom && right <= q.pad.right), "oneDNN counts all of a window in ceil mode");
  require(!p.src[0].is_u8() || in[3] >= 32, "oneDNN on AVX2 reads before an image of fewer than 32 u8 channels");
  require(!counts || q.pad == padding{} || zero_of(p.src[0]) == 0, "oneDNN counts padding as the integer 0");
  dnnl::primitive_attr attr = make_attributes();
  dnnl::post_ops after;
  if (average) {
    const float m = op::detail::rescale(p.src[0], *p.dst, "oneDNN");
    append_linear(after, m, zero_of(*p.dst) - m * zero_of(p.src[0]));
  }
  attr.set_post_ops(after);
  const auto algorithm = !average ? dnnl::algorithm::pooling_max
                         : counts ? dnnl::algorithm::pooling_avg_include_padding
                                  : dnnl::algorithm::pooling_avg_exclude_padding;
  using pair = dnnl::memory::dims;
  const pair steps{q.stride.h, q.stride.w}, kernel{q.kernel.h, q.kernel.w}, before{q.pad.top, q.pad.left};
  node_primitive l;
  l.primitive = describe_primitive<dnnl::pooling_forward>(attr, dnnl::prop_kind::forward_inference, algorithm,
                                                          lie.src[0], lie.dst, steps, kernel,
#if DNNL_VERSION_MAJOR >= 3
                                                          pair{0, 0},
#endif
                                                          before, pair{bottom, right});
  return l;
}

/// y = m_0 x_0 and m_1 x_1, combined by `algorithm`, then `after`. The smaller operand of a broadcast is x_1.
inline node_primitive make_binary(dnnl::algorithm algorithm, std::array<float, 2> m, const dnnl::post_ops& after,
                                  const operand_layouts& lie) {
  node_primitive l;
  l.src = {DNNL_ARG_SRC_0, DNNL_ARG_SRC_1};
  dnnl::primitive_attr attr = make_attributes();
  for (std::size_t i = 0; i < 2; ++i) {
    if (m[i] == 1.0f) continue;
#if DNNL_VERSION_MAJOR >= 3
    attr.set_scales_mask(l.src[i], 0);
    l.constants.emplace_back(DNNL_ARG_ATTR_SCALES | l.src[i], constant_of(std::vector<float>{m[i]}));
#else
    attr.set_scales(l.src[i], 0, {m[i]});
#endif
  }
  attr.set_post_ops(after);
  l.primitive = describe_primitive<dnnl::binary>(attr, algorithm, lie.src[0], lie.src[1], lie.dst);
  return l;
}

inline node_primitive make_sum(const op::add& a, const problem& p, const operand_layouts& lie) {
  const op::operand_multipliers m = op::multipliers<op::add>(p);
  dnnl::post_ops after;
  append_linear(after, 1.0f, zero_of(*p.dst) - m.m0 * zero_of(p.src[0]) - m.m1 * zero_of(p.src[1]));
  append_clamp(after, a.act, *p.dst);
  return make_binary(dnnl::algorithm::binary_add, {m.m0, m.m1}, after, lie);
}

/// Along `axis`, as oneDNN counts them.
inline node_primitive make_softmax(const problem& p, const operand_layouts& lie, int axis) {
  require(!p.src[0].is_u8() && !p.dst->is_u8() && !p.has(1), "oneDNN: softmax of f32 only, without lengths");
  node_primitive l;
#if DNNL_VERSION_MAJOR >= 3
  l.primitive = describe_primitive<dnnl::softmax_forward>(make_attributes(), dnnl::prop_kind::forward_inference,
                                                          dnnl::algorithm::softmax_accurate, lie.src[0], lie.dst, axis);
#else
  l.primitive = describe_primitive<dnnl::softmax_forward>(make_attributes(), dnnl::prop_kind::forward_inference,
                                                          lie.src[0], axis);
#endif
  return l;
}

}  // namespace detail

/// The primitive for `p`, whose operands lie so. Throws dnnl::error where oneDNN cannot do it, octavo::error where this
/// backend cannot.
inline node_primitive make_node_primitive(const problem& p, const operand_layouts& lie, form f = form::exact) {
  if (const auto* c = p.op.as<op::conv2d>()) return detail::make_convolution(*c, p, lie, f);
  if (const auto* c = p.op.as<op::fc>()) return detail::make_inner_product(*c, p, lie);
  if (const auto* q = p.op.as<op::pool2d>()) return detail::make_pooling(*q, p, lie);
  if (const auto* a = p.op.as<op::add>()) return detail::make_sum(*a, p, lie);
  if (const auto* s = p.op.as<op::softmax>(); s && s->axis == -1)
    return detail::make_softmax(p, lie, 1);  // the channels
  fail("oneDNN: no primitive for ", name_of(p.op));
}

/// The same on dense operands, sums of equal extents only.
inline node_primitive make_node_primitive(problem p) {
  if (p.op.is<op::add>()) require(p.src[0].extents == p.src[1].extents, "oneDNN: sums of equal extents only");
  const auto flatten = [](dims& e) { e = {static_cast<int>(e.rows()), e.back()}; };
  if (p.op.is<op::fc>()) {
    for (tensor_type& t : p.src) flatten(t.extents);
    flatten(p.dst->extents);
  }
  operand_layouts lie{{}, memory_of(*p.dst)};
  for (const tensor_type& t : p.src) lie.src.push_back(memory_of(t));
  return make_node_primitive(p, lie);
}

/// Whether oneDNN's implementation of `l` is quicker than Octavo's kernels can be, and reads no more than its operands:
/// neither holds for its reference, the latter not for some of SSE4.1.
inline bool is_worth_it(const node_primitive& l) {
  const std::string_view name = l.primitive.impl_info_str();
  return !name.starts_with("ref") && name.find("sse41") == std::string_view::npos;
}

/// Packs the weights of `l`, if it has any, for its primitive, or shares those of another that wants the same layout.
inline void pack_weights(node_primitive& l, std::vector<dnnl::memory>& packed) {
  if (!l.weights) return;
  const dnnl::memory::desc wanted = l.primitive.query_md(dnnl::query::weights_md, 0);
  auto found = std::find_if(packed.begin(), packed.end(), [&](const auto& m) { return m.get_desc() == wanted; });
  if (found == packed.end()) {
    dnnl::memory to(wanted, cpu());
    dnnl::stream stream(cpu());
    dnnl::reorder(l.weights, to).execute(stream, l.weights, to);
    stream.wait();
    found = packed.insert(packed.end(), to);
  }
  l.constants.emplace_back(DNNL_ARG_WEIGHTS, *found);
  l.weights = {};
}

}  // namespace octavo::onednn::inline OCTAVO_ARCH_NAMESPACE
