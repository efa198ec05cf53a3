// One node of a graph as a primitive of oneDNN, in the cheapest form that oneDNN has for it:
//   - weights go into whatever format the primitive prefers; activations too where the caller lets it choose, else they
//     stay in (N, H, W, C);
//   - u8 sources have zero point 0: what zero points add is constant, and is folded into the bias with the rest. Only
//     where a padded source has another zero point the border differs a little from Octavo's;
//   - the residual is a sum onto the destination (so its memory is the destination's), the activation an eltwise.
// Written for oneDNN 2.6 and 3; they differ in how scales are given.
#pragma once

#include <cstring>
#include <dnnl.hpp>
#include <memory>
#include <string>
#include <unordered_map>

#include "octavo/op/kernel.hpp"

namespace octavo::bench {

/// Lets oneDNN use instruction sets up to `i`. Has an effect only before oneDNN's first primitive is made.
inline void set_onednn_isa(isa i) {
  constexpr dnnl::cpu_isa as[] = {dnnl::cpu_isa::sse41, dnnl::cpu_isa::avx2, dnnl::cpu_isa::avx2_vnni,
                                  dnnl::cpu_isa::avx512_core_vnni, dnnl::cpu_isa::avx512_core_amx};
  require(dnnl::set_max_cpu_isa(as[static_cast<int>(i)]) == dnnl::status::success,
          "oneDNN does not take the instruction set ", name_of(i));
}

/// "2.6.3".
inline std::string onednn_version() {
  const dnnl_version_t* v = dnnl_version();
  return text(v->major, ".", v->minor, ".", v->patch);
}

/// Whether this class knows the operator.
inline bool has_onednn_layer(const operation& o) {
  return o.is<op::conv2d>() || o.is<op::fc>() || o.is<op::pool2d>() || o.is<op::convert>();
}

/// Memory in oneDNN's terms, images as (N, H, W, C) whose rows lie `stride` elements apart.
inline dnnl::memory::desc onednn_memory(const tensor_type& t, std::ptrdiff_t stride) {
  using dt = dnnl::memory::data_type;
  const dims& e = t.extents;
  const dt type = t.type == element::u8 ? dt::u8 : t.type == element::s8 ? dt::s8 : dt::f32;
  if (e.rank != 4) return {{static_cast<dnnl::memory::dim>(e.rows()), e.back()}, type, {stride, 1}};
  return {{e[0], e[3], e[1], e[2]}, type, {e[1] * e[2] * stride, 1, e[2] * stride, stride}};
}
/// The same, dense.
inline dnnl::memory::desc onednn_memory(const tensor_type& t) { return onednn_memory(t, t.extents.back()); }

/// Memory of an image whose layout oneDNN may choose.
inline dnnl::memory::desc onednn_any_memory(const tensor_type& t) {
  using dt = dnnl::memory::data_type;
  const dims& e = t.extents;
  return {{e[0], e[3], e[1], e[2]}, t.is_u8() ? dt::u8 : dt::f32, dnnl::memory::format_tag::any};
}

/// A primitive with its packed weights, bound to memory.
class onednn_layer {
 public:
  /// Makes the primitive. Throws dnnl::error where oneDNN cannot do it, octavo::error where this class cannot.
  onednn_layer(const problem& p, const dnnl::memory::desc& x, const dnnl::memory::desc& y) {
    require(has_onednn_layer(p.op), "no oneDNN layer for ", name_of(p.op));
    if (const auto* c = p.op.as<op::conv2d>()) make_convolution(*c, p, x, y);
    if (const auto* f = p.op.as<op::fc>()) make_inner_product(*f, p, x, y);
    if (const auto* q = p.op.as<op::pool2d>()) make_pooling(*q, p, x, y);
    if (p.op.is<op::convert>()) make_conversion(p, x, y);
  }

  /// A change of layout.
  onednn_layer(const dnnl::memory::desc& x, const dnnl::memory::desc& y) { make_reorder(x, y, {}); }

  /// The layouts that were given, or chosen.
  dnnl::memory::desc source() const { return args_.at(source_).get_desc(); }
  dnnl::memory::desc destination() const { return args_.at(destination_).get_desc(); }

  /// Sets where source and destination lie.
  void bind(const void* src, void* dst) {
    args_.at(source_).set_data_handle(const_cast<void*>(src));
    args_.at(destination_).set_data_handle(dst);
  }

  void run() const { primitive_.execute(stream(), args_); }

  /// What oneDNN calls the implementation that it chose.
  const std::string& implementation() const noexcept { return implementation_; }

  /// Waits for primitives that were run.
  static void wait() { stream().wait(); }

 protected:
  using memory = dnnl::memory;
  using dt = memory::data_type;

  onednn_layer() = default;

  static dnnl::engine& engine() {
    static dnnl::engine e(dnnl::engine::kind::cpu, 0);
    return e;
  }
  static dnnl::stream& stream() {
    static dnnl::stream s(engine());
    return s;
  }

  static dt type_of(element e) { return e == element::s8 ? dt::s8 : dt::f32; }

  template <class Primitive, class... Arguments>
  static typename Primitive::primitive_desc describe_primitive(const dnnl::primitive_attr& attr,
                                                               const Arguments&... arguments) {
#if DNNL_VERSION_MAJOR >= 3
    return {engine(), arguments..., attr};
#else
    return {typename Primitive::desc(arguments...), attr, engine()};
#endif
  }

  template <class Primitive, class Description>
  void set_primitive(const Description& d, int source, int destination) {
    primitive_ = Primitive(d);
    implementation_ = d.impl_info_str();
    source_ = source, destination_ = destination;
    args_.insert_or_assign(source, memory(d.src_desc(), engine(), nullptr));
    args_.insert_or_assign(destination, memory(d.dst_desc(), engine(), nullptr));
  }

  /// A vector of constants that the primitive reads.
  void add_constants(int argument, const std::vector<float>& values) {
    memory m({{static_cast<memory::dim>(values.size())}, dt::f32, memory::format_tag::x}, engine());
    std::memcpy(m.get_data_handle(), values.data(), values.size() * sizeof(float));
    args_.insert_or_assign(argument, m);
  }

  /// Post-operations and scales of a layer with weights; adds its bias.
  dnnl::primitive_attr add_epilogue(const problem& p, const activation& act, bool residual, bool grouped) {
    dnnl::primitive_attr attr;
    dnnl::post_ops after;
    const auto channels = static_cast<std::size_t>(p.dst->extents.back());
    std::vector<float> bias(channels);
    float lower = act.lower, upper = act.upper, residual_multiplier = 1.0f;
    if (p.src[0].is_u8()) {
      // All in steps of the destination: q = m acc + b + zp [+ m_r (q_r - zp_r)], then the activation, then rounding.
      const output_scales fold = fold_output_scales(p, residual, "layer");
      const float scale = p.dst->is_u8() ? p.dst->q.scale : 1.0f;
      const auto zero = static_cast<float>(p.dst->is_u8() ? p.dst->q.zero_point : 0);
      residual_multiplier = fold.residual_multiplier;
      const float shift = zero - (residual ? residual_multiplier * static_cast<float>(p.src[1].q.zero_point) : 0.0f);
      for (std::size_t c = 0; c < channels; ++c) bias[c] = fold.offset[c] + shift;
      lower = lower / scale + zero, upper = upper / scale + zero;
#if DNNL_VERSION_MAJOR >= 3
      attr.set_scales_mask(DNNL_ARG_WEIGHTS, grouped ? 3 : 1);
      add_constants(DNNL_ARG_ATTR_SCALES | DNNL_ARG_WEIGHTS, fold.multiplier);
#else
      (void)grouped;
      attr.set_output_scales(1 << 1, fold.multiplier);
      for (std::size_t c = 0; c < channels; ++c) bias[c] /= fold.multiplier[c];  // the bias is in units of the sum
#endif
    } else if (const tensor* b = p.at(1)) {
      bias.assign(b->as<float>().begin(), b->as<float>().end());
    }
    add_constants(DNNL_ARG_BIAS, bias);
    if (residual) after.append_sum(residual_multiplier);
    if (!act.is_none()) {
      const bool relu = lower == 0.0f && std::isinf(upper);
      const auto algorithm = relu ? dnnl::algorithm::eltwise_relu : dnnl::algorithm::eltwise_clip;
#if DNNL_VERSION_MAJOR >= 3
      after.append_eltwise(algorithm, relu ? 0.0f : lower, relu ? 0.0f : upper);
#else
      after.append_eltwise(1.0f, algorithm, relu ? 0.0f : lower, relu ? 0.0f : upper);
#endif
    }
    attr.set_post_ops(after);
    return attr;
  }

  static memory::desc bias_desc(const problem& p) { return {{p.dst->extents.back()}, dt::f32, memory::format_tag::x}; }

  /// Packs the constant weights, which lie in that order of `extents`, for the primitive.
  void add_weights(const tensor& w, const memory::dims& extents, const memory::desc& wanted) {
    memory::dims strides(extents.size(), 1);
    for (std::size_t i = extents.size() - 1; i > 0; --i) strides[i - 1] = strides[i] * extents[i];
    memory from({extents, type_of(w.type()), strides}, engine(), const_cast<std::byte*>(w.bytes().data()));
    memory to(wanted, engine());
    dnnl::reorder(from, to).execute(stream(), from, to);
    stream().wait();
    args_.insert_or_assign(DNNL_ARG_WEIGHTS, to);
  }

  void make_convolution(const op::conv2d& c, const problem& p, const memory::desc& x, const memory::desc& y) {
    const dnnl::primitive_attr attr = add_epilogue(p, c.act, c.residual, c.groups > 1);
    const memory::dim g = c.groups, ic = p.src[0].extents[3] / g;
    memory::dims extents{c.out / g, ic, c.kernel.h, c.kernel.w};
    if (g > 1) extents.insert(extents.begin(), g);
    const memory::desc weights(extents, type_of(p.at(0)->type()), memory::format_tag::any);
    const auto d = describe_primitive<dnnl::convolution_forward>(
        attr, dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, x, weights, bias_desc(p), y,
        memory::dims{c.stride.h, c.stride.w}, memory::dims{c.dilation.h - 1, c.dilation.w - 1},
        memory::dims{c.pad.top, c.pad.left}, memory::dims{c.pad.bottom, c.pad.right});
    add_weights(*p.at(0), extents, d.weights_desc());
    set_primitive<dnnl::convolution_forward>(d, DNNL_ARG_SRC, DNNL_ARG_DST);
  }

  void make_inner_product(const op::fc& f, const problem& p, const memory::desc& x, const memory::desc& y) {
    const dnnl::primitive_attr attr = add_epilogue(p, f.act, f.residual, false);
    const memory::dims extents{f.out, p.src[0].extents.back()};
    const auto d = describe_primitive<dnnl::inner_product_forward>(
        attr, dnnl::prop_kind::forward_inference, x,
        memory::desc(extents, type_of(p.at(0)->type()), memory::format_tag::any), bias_desc(p), y);
    add_weights(*p.at(0), extents, d.weights_desc());
    set_primitive<dnnl::inner_product_forward>(d, DNNL_ARG_SRC, DNNL_ARG_DST);
  }

  /// An average keeps the scale of its source: oneDNN has no rescaling here, a user folds it into the next layer.
  void make_pooling(const op::pool2d& q, const problem& p, const memory::desc& x, const memory::desc& y) {
    const auto algorithm = q.kind == op::pool2d::max ? dnnl::algorithm::pooling_max
                           : q.count_padding         ? dnnl::algorithm::pooling_avg_include_padding
                                                     : dnnl::algorithm::pooling_avg_exclude_padding;
    const auto after = [](int in, int out, int k, int stride, int before) {
      return (out - 1) * stride + k - in - before;
    };
    const dims &in = p.src[0].extents, &out = p.dst->extents;
    const memory::dims steps{q.stride.h, q.stride.w}, kernel{q.kernel.h, q.kernel.w}, before{q.pad.top, q.pad.left},
        behind{after(in[1], out[1], q.kernel.h, q.stride.h, q.pad.top),
               after(in[2], out[2], q.kernel.w, q.stride.w, q.pad.left)};
    constexpr auto inference = dnnl::prop_kind::forward_inference;
#if DNNL_VERSION_MAJOR >= 3
    const auto d = describe_primitive<dnnl::pooling_forward>({}, inference, algorithm, x, y, steps, kernel,
                                                             memory::dims{0, 0}, before, behind);
#else
    const auto d =
        describe_primitive<dnnl::pooling_forward>({}, inference, algorithm, x, y, steps, kernel, before, behind);
#endif
    set_primitive<dnnl::pooling_forward>(d, DNNL_ARG_SRC, DNNL_ARG_DST);
  }

  /// f32 to u8 and back; the zero points are given to oneDNN.
  void make_conversion(const problem& p, const memory::desc& x, const memory::desc& y) {
    const tensor_type &from = p.src[0], &to = p.dst;
    const float scale = (from.is_u8() ? from.q.scale : 1.0f) / (to.is_u8() ? to.q.scale : 1.0f);
    const auto zero_point = [](const tensor_type& t) { return t.is_u8() ? t.q.zero_point : 0; };
    dnnl::primitive_attr attr;
#if DNNL_VERSION_MAJOR >= 3
    attr.set_scales_mask(DNNL_ARG_SRC, 0);
    add_constants(DNNL_ARG_ATTR_SCALES | DNNL_ARG_SRC, {scale});
    for (const auto& [argument, zero] :
         {std::pair(DNNL_ARG_SRC, zero_point(from)), std::pair(DNNL_ARG_DST, zero_point(to))}) {
      if (zero == 0) continue;
      attr.set_zero_points_mask(argument, 0);
      memory m({{1}, dt::s32, memory::format_tag::x}, engine());
      *static_cast<std::int32_t*>(m.get_data_handle()) = zero;
      args_.insert_or_assign(DNNL_ARG_ATTR_ZERO_POINTS | argument, m);
    }
#else
    attr.set_output_scales(0, {scale});
    if (zero_point(from) != 0) attr.set_zero_points(DNNL_ARG_SRC, 0, {zero_point(from)});
    if (zero_point(to) != 0) attr.set_zero_points(DNNL_ARG_DST, 0, {zero_point(to)});
#endif
    make_reorder(x, y, attr);
  }

  void make_reorder(const memory::desc& x, const memory::desc& y, const dnnl::primitive_attr& attr) {
    primitive_ = dnnl::reorder(dnnl::reorder::primitive_desc(engine(), x, engine(), y, attr));
    implementation_ = "reorder";
    source_ = DNNL_ARG_FROM, destination_ = DNNL_ARG_TO;
    args_.insert_or_assign(source_, memory(x, engine(), nullptr));
    args_.insert_or_assign(destination_, memory(y, engine(), nullptr));
  }

  dnnl::primitive primitive_;
  std::unordered_map<int, memory> args_;
  std::string implementation_;
  int source_ = DNNL_ARG_SRC, destination_ = DNNL_ARG_DST;
};

}  // namespace octavo::bench
