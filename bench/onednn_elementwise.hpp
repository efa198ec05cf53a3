// Operators without weights as primitives of oneDNN, for the benchmarks of single operators.
#pragma once

#include "onednn_layer.hpp"

namespace octavo::bench {

/// A sum, activation, softmax or concatenation, bound to memory. Images are (N, H, W, C).
class onednn_elementwise : public onednn_layer {
 public:
  /// Makes the primitive. Throws dnnl::error where oneDNN cannot do it, octavo::error where this class cannot.
  explicit onednn_elementwise(const problem& p) { make(p); }

  /// Sets where source `i`, counted from 0, lies.
  void bind_source(int i, const void* src) { args_.at(source_ + i).set_data_handle(const_cast<void*>(src)); }

 private:
  void make(const problem& p) {
    if (const auto* a = p.op.as<op::add>()) return make_sum(*a, p);
    if (const auto* a = p.op.as<op::activate>()) return make_activation(*a, p);
    if (const auto* c = p.op.as<op::concat>()) return make_concat(*c, p);
    if (p.op.is<op::softmax>()) return make_softmax(p);
    fail("no oneDNN primitive for ", name_of(p.op));
  }

  void set(dnnl::primitive primitive, std::string implementation, int source, const std::vector<memory::desc>& src,
           const memory::desc& dst) {
    primitive_ = std::move(primitive);
    implementation_ = std::move(implementation);
    source_ = source, destination_ = DNNL_ARG_DST;
    for (std::size_t i = 0; i < src.size(); ++i)
      args_.insert_or_assign(source + static_cast<int>(i), memory(src[i], engine(), nullptr));
    args_.insert_or_assign(destination_, memory(dst, engine(), nullptr));
  }

  /// q = sum of q_i s_i / s_y, saturated to u8, which is also the relu. Zero points are 0.
  void make_sum(const op::add& a, const problem& p) {
    require(a.act.is_none() || a.act == relu_activation, "no oneDNN sum with the activation ", a.act);
    dnnl::primitive_attr attr;
    if (p.dst->is_u8()) {
      require(p.src[0].q.zero_point == 0 && p.src[1].q.zero_point == 0 && p.dst->q.zero_point == 0,
              "no oneDNN sum with zero points");
      for (int i = 0; i < 2; ++i) {
        const float scale = p.src[static_cast<std::size_t>(i)].q.scale / p.dst->q.scale;
        const int argument = DNNL_ARG_SRC_0 + i;
#if DNNL_VERSION_MAJOR >= 3
        attr.set_scales_mask(argument, 0);
        add_constants(DNNL_ARG_ATTR_SCALES | argument, {scale});
#else
        attr.set_scales(argument, 0, {scale});
#endif
      }
    } else if (!a.act.is_none()) {
      dnnl::post_ops after;
#if DNNL_VERSION_MAJOR >= 3
      after.append_eltwise(dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
#else
      after.append_eltwise(1.0f, dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
#endif
      attr.set_post_ops(after);
    }
    const memory::desc x0 = onednn_memory(p.src[0]), x1 = onednn_memory(p.src[1]), y = onednn_memory(p.dst);
    const auto d = describe_primitive<dnnl::binary>(attr, dnnl::algorithm::binary_add, x0, x1, y);
    set(dnnl::binary(d), d.impl_info_str(), DNNL_ARG_SRC_0, {x0, x1}, y);
  }

  /// On u8 a change of scale and zero point, whose saturation does the rest: the activation must span the u8 range.
  void make_activation(const op::activate& a, const problem& p) {
    if (p.dst->is_u8()) {
      const saturation s = saturation_of(a.act, p.dst->q);
      require(s.lower == 0 && s.upper == 255, "no oneDNN activation ", a.act, " on u8");
      return make_conversion(p, onednn_memory(p.src[0]), onednn_memory(p.dst));
    }
    const bool relu = a.act == relu_activation;
    const auto algorithm = relu ? dnnl::algorithm::eltwise_relu : dnnl::algorithm::eltwise_clip;
    const float alpha = relu ? 0.0f : a.act.lower, beta = relu ? 0.0f : a.act.upper;
    const memory::desc x = onednn_memory(p.src[0]);
    constexpr auto inference = dnnl::prop_kind::forward_inference;
#if DNNL_VERSION_MAJOR >= 3
    const auto d = describe_primitive<dnnl::eltwise_forward>({}, inference, algorithm, x, x, alpha, beta);
#else
    const auto d = describe_primitive<dnnl::eltwise_forward>({}, inference, algorithm, x, alpha, beta);
#endif
    set_primitive<dnnl::eltwise_forward>(d, DNNL_ARG_SRC, DNNL_ARG_DST);
  }

  /// Along the last axis of (rows, columns). FP32 only: oneDNN 2.6 has no scale for its source.
  void make_softmax(const problem& p) {
    require(!p.src[0].is_u8(), "no oneDNN softmax on u8");
    const memory::desc x = onednn_memory(p.src[0]);
    constexpr auto inference = dnnl::prop_kind::forward_inference;
#if DNNL_VERSION_MAJOR >= 3
    const auto d = describe_primitive<dnnl::softmax_forward>({}, inference, dnnl::algorithm::softmax_accurate, x, x, 1);
#else
    const auto d = describe_primitive<dnnl::softmax_forward>({}, inference, x, 1);
#endif
    set_primitive<dnnl::softmax_forward>(d, DNNL_ARG_SRC, DNNL_ARG_DST);
  }

  /// Dense tensors of any rank in the order of their axes.
  static memory::desc plain_memory(const tensor_type& t) {
    memory::dims extents, strides(static_cast<std::size_t>(t.extents.rank), 1);
    for (int i = 0; i < t.extents.rank; ++i) extents.push_back(t.extents[i]);
    for (std::size_t i = extents.size() - 1; i > 0; --i) strides[i - 1] = strides[i] * extents[i];
    return {extents, t.is_u8() ? dt::u8 : dt::f32, strides};
  }

  void make_concat(const op::concat& c, const problem& p) {
    std::vector<memory::desc> src;
    for (const tensor_type& t : p.src) src.push_back(plain_memory(t));
    const memory::desc y = plain_memory(p.dst);
#if DNNL_VERSION_MAJOR >= 3
    const dnnl::concat::primitive_desc d(engine(), y, c.axis, src);
#else
    const dnnl::concat::primitive_desc d(y, c.axis, src, engine());
#endif
    set(dnnl::concat(d), d.impl_info_str(), DNNL_ARG_MULTIPLE_SRC, src, y);
  }
};

}  // namespace octavo::bench
