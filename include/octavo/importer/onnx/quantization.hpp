// Quantized tensors of ONNX. The graph has the real numbers that their integers stand for: a node that quantizes
// becomes op::fake_quantize, and one that dequantizes its output again is that same value. quantize(g) makes INT8 of
// it, by the maps and the weights' grids that are in the file.
//
//   QuantizeLinear, DequantizeLinear   around operators on real numbers
//   QLinearConv, QGemm, ..             the operator on real numbers, then fake_quantize
//   DynamicQuantizeLinear              op::dynamic_fake_quantize. What follows has the form
//                                      Mul(Cast(ConvInteger(y, weights, ..)), Mul(scale, weight scale)), which is a
//                                      conv of y with real weights; so with MatMulInteger.
#pragma once

#include "octavo/importer/onnx/layers.hpp"
#include "octavo/importer/onnx/reduction.hpp"

namespace octavo::onnx {

/// The map that inputs `scale` and `zero_point` say, which may be left out.
inline integer_map map_of(node_import& n, std::size_t scale, std::size_t zero_point) {
  integer_map m{n.known_number(scale)};
  if (n.has(zero_point)) {
    const tensor& z = n.needed(zero_point);
    require(z.type() == element::u8 || z.type() == element::s8,
            "integers of 8 bits are supported, found a zero point of ", name_of(z.type()));
    m.zero_point = static_cast<int>(n.known_number(zero_point));
    m.is_signed = z.type() == element::s8;
  } else {
    const int type = n.integer("output_dtype", 0);
    m.is_signed = static_cast<data_type>(type) == data_type::s8;
    require(type == 0 || m.is_signed || static_cast<data_type>(type) == data_type::u8,
            "integers of 8 bits are supported");
  }
  check(m.as_u8());
  return m;
}

/// Scales and zero points of known integers along `axis`, one for all or one for each index.
struct integer_grid {
  std::vector<float> scales;
  std::vector<std::int64_t> zero_points;
  int axis = 0;

  /// Calls use(i, scale, zero point) for each element.
  template <class Use>
  void for_each(const dims& e, Use&& use) const {
    std::size_t inner = 1;
    for (int i = axis + 1; i < e.rank; ++i) inner *= static_cast<std::size_t>(e[i]);
    const std::size_t count = e.rank == 0 ? 1 : static_cast<std::size_t>(e[axis]);
    require(scales.size() == 1 || scales.size() == count, "expected 1 or ", count, " scales, found ", scales.size());
    require(zero_points.size() <= 1 || zero_points.size() == count, "expected 1 or ", count, " zero points, found ",
            zero_points.size());
    for (std::size_t i = 0; i < e.count(); ++i) {
      const std::size_t k = i / inner % count;
      use(i, scales[scales.size() == 1 ? 0 : k],
          zero_points.empty() ? 0 : zero_points[zero_points.size() == 1 ? 0 : k]);
    }
  }
};

/// That of inputs `scale` and `zero_point`.
inline integer_grid grid_of(node_import& n, std::size_t scale, std::size_t zero_point, int axis) {
  return {n.known_numbers(scale), n.has(zero_point) ? n.known_integers(zero_point) : std::vector<std::int64_t>{}, axis};
}

/// Tensor `to` is the real numbers of known integers.
inline void set_dequantized(node_import& n, const std::string& to, const std::vector<std::int64_t>& integers,
                            const dims& extents, const integer_grid& g) {
  n.state.spend(extents.count() * sizeof(float));
  tensor y(element::f32, extents);
  g.for_each(extents, [&](std::size_t i, float scale, std::int64_t zero) {
    y.as<float>()[i] = scale * static_cast<float>(integers[i] - zero);
  });
  n.into.set_known(to, std::move(y), weight_grid{g.scales, g.axis});
}

/// The quantized tensor of input `i` as the real numbers that its integers are by the map `to`: its name, or that of
/// what is made of it.
inline std::string real_input(node_import& n, std::size_t i, const integer_map& to) {
  const std::string& name = n.in(i);
  const integer_map from = n.state.quantized.at(name);
  if (from == to) return name;
  require(from.is_signed == to.is_signed, "input ", i, " has integers of the other sign than its zero point");
  const std::string real = n.own(text("in", i));
  const op::scale rescale{.alpha = to.scale / from.scale,
                          .beta = to.scale * static_cast<float>(from.zero_point - to.zero_point)};
  const bool last = n.into.lies_channels_last(name);
  n.into.set(real, *n.into.append(rescale, real, {n.into.as_it_lies(name)}), last);
  return real;
}
/// The same by the map of inputs `scale` and `zero_point`. Known integers become known numbers, with a scale for each
/// index of `axis`, or one.
inline std::string real_input(node_import& n, std::size_t i, std::size_t scale, std::size_t zero_point, int axis = 0) {
  if (const auto q = n.state.quantized.find(n.in(i)); q != n.state.quantized.end()) {
    integer_map to = map_of(n, scale, zero_point);
    if (!n.has(zero_point)) to.is_signed = q->second.is_signed;
    return real_input(n, i, to);
  }
  require(n.known(i) != nullptr, "input ", i, " must be quantized before, or known");
  const std::string real = n.own(text("in", i));
  set_dequantized(n, real, n.known_integers(i), n.extents(i), grid_of(n, scale, zero_point, axis));
  return real;
}

/// Output 0 is the tensor `real` on the grid of `m`.
inline void write_rounded(node_import& n, const std::string& real, const integer_map& m) {
  const bool last = n.into.lies_channels_last(real), scalar = n.into.extents(real).rank == 0;
  const int y = *n.append(op::fake_quantize{m.as_u8()}, {n.into.as_it_lies(real)});
  scalar ? n.write_scalar(y) : n.write(y, last);
  n.state.quantized[n.out()] = m;
}

/// Known numbers become integers; other values stay real numbers, on the grid.
inline void quantize_linear(node_import& n) {
  n.expects("block_size", 0);
  const constant x = n.known(0);
  if (!x) return write_rounded(n, n.in(), map_of(n, 1, 2));
  const element type = n.has(2) ? n.needed(2).type() : element::u8;
  require(type == element::u8 || type == element::s8, "integers of 8 bits are supported");
  const bool is_signed = type == element::s8;
  const int axis = n.rank() == 0 ? 0 : std::max(0, axis_of(n.integer("axis", 1), n.rank()));
  std::vector<std::int64_t> q(x->extents().count());
  grid_of(n, 1, 2, axis).for_each(x->extents(), [&](std::size_t i, float scale, std::int64_t zero) {
    const float steps = std::nearbyint(x->as<float>()[i] / scale) + static_cast<float>(zero);
    q[i] = static_cast<std::int64_t>(std::clamp(steps, is_signed ? -128.0f : 0.0f, is_signed ? 127.0f : 255.0f));
  });
  const tensor wide = integers_of(x->extents(), q);
  n.write_known(is_signed ? converted<std::int8_t>(wide) : converted<std::uint8_t>(wide));
}

inline void dequantize_linear(node_import& n) {
  n.expects("block_size", 0);
  if (n.node.inputs.size() > 1 && n.state.scales.contains(n.node.inputs[1])) return n.into.set_same(n.out(), n.in());
  const int axis = n.rank() == 0 ? 0 : std::max(0, axis_of(n.integer("axis", 1), n.rank()));
  n.into.set_same(n.out(), real_input(n, 0, 1, 2, axis));
}

// Operators on integers with maps: the same on real numbers, and rounded.

/// Does `append` with these tensors as its inputs; its output 0 is called `to`.
inline void append_real(node_import& n, void (*append)(node_import&), std::vector<std::string> inputs,
                        const std::string& to) {
  file_node real{n.node.name, n.node.type, "", std::move(inputs), {to}, n.node.attributes};
  node_import there(n.state, real);
  append(there);
}
/// The same, then on the grid of inputs `scale` and `zero_point`, or not rounded where these are left out.
inline void append_rounded(node_import& n, void (*append)(node_import&), std::vector<std::string> inputs,
                           std::size_t scale, std::size_t zero_point) {
  if (!n.has(scale)) return append_real(n, append, std::move(inputs), n.out());
  const std::string real = n.own("real");
  append_real(n, append, std::move(inputs), real);
  write_rounded(n, real, map_of(n, scale, zero_point));
}

/// A tensor of its own: integers of input `i` times `factor` and the weights' scales; no name where it is left out.
inline std::string real_bias(node_import& n, std::size_t i, float factor, const std::vector<float>& scales) {
  if (!n.has(i)) return {};
  const std::vector<std::int64_t> integers = n.known_integers(i);
  require(scales.size() == 1 || scales.size() == integers.size(), integers.size(), " biases, but ", scales.size(),
          " scales of weights");
  tensor bias(element::f32, {static_cast<std::int64_t>(integers.size())});
  for (std::size_t k = 0; k < integers.size(); ++k)
    bias.as<float>()[k] = static_cast<float>(integers[k]) * (factor * scales[scales.size() == 1 ? 0 : k]);
  n.into.set_known(n.own("bias"), std::move(bias));
  return n.own("bias");
}

inline void qlinear_conv(node_import& n) {
  const std::string x = real_input(n, 0, 1, 2), w = real_input(n, 3, 4, 5);
  append_rounded(n, conv, {x, w, real_bias(n, 8, n.known_number(1), n.known_numbers(4))}, 6, 7);
}
/// The columns of a matrix have scales of their own, the rows where it is transposed.
inline void qlinear_matmul(node_import& n) {
  const std::string a = real_input(n, 0, 1, 2), b = real_input(n, 3, 4, 5, std::max(0, n.rank(3) - 1));
  append_rounded(n, matmul, {a, b}, 6, 7);
}
inline void qgemm(node_import& n) {
  const std::string a = real_input(n, 0, 1, 2), b = real_input(n, 3, 4, 5, n.flag("transB") ? 0 : 1);
  const float factor = n.real("alpha", 1.0f) * n.known_number(1);
  append_rounded(n, gemm, {a, b, real_bias(n, 6, factor, n.known_numbers(4))}, 7, 8);
}
template <class F>
void qlinear_binary(node_import& n) {
  append_rounded(n, binary<F>, {real_input(n, 0, 1, 2), real_input(n, 3, 4, 5)}, 6, 7);
}
/// One input, with map of its own and one of the output.
template <void (*Append)(node_import&)>
void qlinear_unary(node_import& n) {
  append_rounded(n, Append, {real_input(n, 0, 1, 2)}, 3, 4);
}
inline void qlinear_concat(node_import& n) {
  std::vector<std::string> parts;
  for (std::size_t i = 2; i < n.inputs(); i += 3) parts.push_back(real_input(n, i, i + 1, i + 2));
  append_rounded(n, concat, std::move(parts), 0, 1);
}

// Dynamic quantization. Scales that are found at each run, and sums that wait for them, are no values of the graph.

inline void dynamic_quantize_linear(node_import& n) {
  apply_as_it_lies(n, op::dynamic_fake_quantize{});
  n.state.dynamic[n.out(0)] = n.out(1);
  n.state.scales[n.out(1)] = {n.out(1), tensor::of<float>({}, std::vector{1.0f})};
  n.into.set_empty(n.out(1));
  n.into.set_empty(n.out(2));
}

/// Tensor `to` is ConvInteger or MatMulInteger of real numbers `x` and of the weights with `scales`.
inline void append_integer_product(node_import& n, const std::string& x, std::vector<float> scales,
                                   const std::string& to) {
  const bool is_conv = n.node.type == "ConvInteger";
  const integer_grid g{std::move(scales), n.has(3) ? n.known_integers(3) : std::vector<std::int64_t>{},
                       is_conv ? 0 : std::max(0, n.rank(1) - 1)};
  set_dequantized(n, to + "#weights", n.known_integers(1), n.extents(1), g);
  append_real(n, is_conv ? conv : matmul, {x, to + "#weights"}, to);
}

/// ConvInteger or MatMulInteger: of what DynamicQuantizeLinear made it waits for the scale; else its integers are real
/// numbers at once.
inline void integer_product(node_import& n) {
  if (const auto scale = n.state.dynamic.find(n.in()); scale != n.state.dynamic.end()) {
    n.state.sums[n.out()] = {scale->second, n.node};
    return n.into.set_empty(n.out());
  }
  const auto q = n.state.quantized.find(n.in());
  require(q != n.state.quantized.end(), "input 0 must be quantized before");
  const integer_map integers{1.0f, n.has(2) ? static_cast<int>(n.known_number(2)) : 0, q->second.is_signed};
  append_integer_product(n, real_input(n, 0, integers), {1.0f}, n.out());
  n.state.quantized[n.out()] = {};
}

/// Mul, also of what waits for a scale.
inline void multiply(node_import& n) {
  require(n.inputs() == 2, "expected 2 inputs, found ", n.inputs());
  for (const std::size_t i : {0u, 1u}) {
    const std::string &a = n.node.inputs[i], &b = n.node.inputs[1 - i];
    const auto scale = n.state.scales.find(a);
    if (scale == n.state.scales.end()) continue;
    if (const auto sum = n.state.sums.find(b); sum != n.state.sums.end()) {
      require(sum->second.scale_of == scale->second.scale_of,
              "a sum is multiplied by the scale of another one's input");
      const std::span<const float> scales = scale->second.factor.as<float>();
      node_import product(n.state, sum->second.node);
      return append_integer_product(product, product.in(), {scales.begin(), scales.end()}, n.out());
    }
    const tensor& by = n.needed(1 - i);
    const std::span<const float> more = by.as<float>(), so_far = scale->second.factor.as<float>();
    require(so_far.size() == 1 || more.size() == 1, "scales of ", so_far.size(), " and of ", more.size(), " channels");
    tensor factor = so_far.size() == 1 ? by : scale->second.factor;
    const float one = so_far.size() == 1 ? so_far[0] : more[0];
    for (float& f : factor.as<float>()) f *= one;
    n.state.scales[n.out()] = {scale->second.scale_of, std::move(factor)};
    return n.into.set_empty(n.out());
  }
  binary<op::mul>(n);
}

}  // namespace octavo::onnx
