// Annotated FP32 graph -> INT8 graph: every edge between INT8 nodes becomes u8 with the affine map that its value
// carries, weights become the s8 that their node carries, and conversions stand where INT8 and FP32 nodes meet.
#pragma once

#include "octavo/graph/graph_index.hpp"
#include "octavo/quant/options.hpp"
#include "octavo/quant/requantize.hpp"
#include "octavo/quant/weights.hpp"

namespace octavo::pass {
namespace detail {

/// Rewrites one graph; the state that the rewriting needs.
class quantizer {
 public:
  quantizer(const graph& from, const quantize_options& options)
      : from_(from),
        index_(from),
        options_(options),
        read_by_int8_(from.values.size(), false),
        u8_(from.values.size(), -1),
        f32_(from.values.size(), -1) {}

  graph rewrite() {
    std::set<std::string_view> names;
    for (const node& n : from_.nodes) names.insert(n.name);
    for (const std::string& name : options_.keep_fp32)
      if (!names.contains(name))
        fail("cannot keep node '", name, "' in FP32: the folded graph has no such node", hint_for(from_, name));
    for (const node& n : from_.nodes)
      for (std::size_t i = 0; i < n.src.size() && is_int8(n); ++i)
        if (const port_rule r = n.op.rule(i); n.src[i] >= 0 && r != port_rule::f32 && r != port_rule::untouched)
          read_by_int8_[static_cast<std::size_t>(n.src[i])] = true;
    for (const node& n : from_.nodes) rewrite(n);
    for (const graph_output& o : from_.outputs) to_.outputs.push_back({as_f32(o.value), o.name});
    return std::move(to_);
  }

 private:
  /// Whether the node becomes INT8: some input or its weights can, and it computes in FP32 today.
  bool is_int8(const node& n) const {
    if (options_.keep_fp32.contains(n.name) || from_.type(*n.dst).type != element::f32) return false;
    if (options_.unknown_stays_fp32 && !is_known(n)) return false;
    if (has_weights(n.op)) return true;
    for (std::size_t i = 0; i < n.src.size(); ++i)
      if (const port_rule rule = n.op.rule(i); rule == port_rule::quantized || rule == port_rule::moved) return true;
    return false;
  }

  bool has_map(int v) const { return v < 0 || from_.values[static_cast<std::size_t>(v)].quant.has_value(); }

  /// Whether all values have maps that the node needs to become INT8.
  bool is_known(const node& n) const {
    for (std::size_t i = 0; i < n.src.size(); ++i)
      if (const port_rule rule = n.op.rule(i); rule == port_rule::quantized || rule == port_rule::moved)
        if (!has_map(n.src[i])) return false;
    const bool may_write_f32 = n.op.facts().sums_products;
    for (std::size_t k = 0; k < std::min(n.dst.size(), n.op.facts().quantized_outputs) && !may_write_f32; ++k)
      if (!has_map(n.dst[k])) return false;
    return true;
  }

  /// Whether every reader of the value wants FP32, so that its producer may as well write FP32. Where only maps are
  /// known that values brought along, these are for rounding and clamping too.
  bool only_f32_readers(int v) const {
    const bool has_own_map = has_map(v) && !from_.values[static_cast<std::size_t>(v)].observed;
    return !read_by_int8_[static_cast<std::size_t>(v)] && !(options_.unknown_stays_fp32 && has_own_map);
  }

  /// The affine map that a value carries.
  const affine& map_of(int v) const {
    const std::optional<affine>& q = from_.values[static_cast<std::size_t>(v)].quant;
    require(q.has_value(), "no range for value '", name(v),
            "': was the network calibrated from the same graph? "
            "Where some ranges are unknown on purpose, set quantize_options::unknown_stays_fp32");
    return *q;
  }

  /// Whether a node's output, or the residual of its type, has no map and therefore stays f32.
  bool stays_f32_unknown(const node& n, int output) const {
    if (!options_.unknown_stays_fp32) return false;
    bool known = has_map(output);
    for (std::size_t i = 0; i < n.src.size(); ++i)
      if (n.op.rule(i) == port_rule::as_output) known = known && has_map(n.src[i]);
    return !known;
  }

  const std::string& name(int v) const { return from_.values[static_cast<std::size_t>(v)].name; }

  int as_u8(int v) {
    int& known = u8_[static_cast<std::size_t>(v)];
    if (known >= 0) return known;
    const node& producer = from_.nodes[static_cast<std::size_t>(index_.producer[static_cast<std::size_t>(v)])];
    if (producer.as<op::constant>())
      known = quantized_constant(v, producer.constants[0]->as<float>());
    else
      known = *to_.append(op::convert{}, name(v) + ".quantize", {f32_[static_cast<std::size_t>(v)]},
                          tensor_type{element::u8, from_.type(v).extents, map_of(v)});
    return known;
  }
  /// A constant in 8 bits, as its map says.
  int quantized_constant(int v, std::span<const float> elements) {
    const tensor_type type{element::u8, from_.type(v).extents, map_of(v)};
    tensor q(type.type, type.extents);
    for (std::size_t i = 0; i < elements.size(); ++i) {
      require(std::isfinite(elements[i]), "value '", name(v), "' is to be quantized and has the element ", elements[i]);
      q.as<std::uint8_t>()[i] = quantize_u8(elements[i], type.q);
    }
    return to_.append(op::constant{}, name(v) + ".quantize", {}, type, {make_constant(std::move(q))});
  }
  int as_f32(int v) {
    int& known = f32_[static_cast<std::size_t>(v)];
    if (known < 0)
      known = *to_.append(op::convert{}, name(v) + ".dequantize", {u8_[static_cast<std::size_t>(v)]},
                          tensor_type{element::f32, from_.type(v).extents, {}});
    return known;
  }

  /// The bytes of `v`, as u8, that move into a value with the map `to`: requantized where `v` has another.
  int as_u8_like(int v, const affine& to) {
    const int x = as_u8(v);
    if (to_.type(x).q == to) return x;
    return *to_.append(op::convert{}, name(v) + ".requantize", {x},
                       tensor_type{element::u8, from_.type(v).extents, to});
  }

  /// Value `v` as input `i` of a node that becomes INT8 or not, and whose output becomes f32 or not.
  int converted_input(const node& n, std::size_t i, bool int8, bool f32_out) {
    const int v = n.src[i];
    if (v < 0) return v;
    switch (n.op.rule(i)) {
      case port_rule::quantized: return int8 ? as_u8(v) : as_f32(v);
      case port_rule::moved: return int8 ? as_u8_like(v, map_of(*n.dst)) : as_f32(v);
      case port_rule::as_output: return f32_out ? as_f32(v) : as_u8(v);
      case port_rule::f32: return as_f32(v);
      case port_rule::untouched: break;
    }
    return from_.type(v).type == element::f32 ? as_f32(v) : f32_[static_cast<std::size_t>(v)];
  }

  /// The constants of a node that becomes INT8: its weights on their grid; and another constant `foo` too, where one
  /// called `foo_scales` follows.
  std::vector<constant> rounded_constants(const node& n) const {
    const auto names = n.op.facts().constants;
    std::vector<constant> all = n.constants;
    const auto round = [&](std::size_t values, std::size_t scales, std::shared_ptr<const quantized_weights> q) {
      if (!q) q = std::make_shared<const quantized_weights>(quantize_weights(*all[values], n.name));
      all.resize(std::max(all.size(), scales + 1));
      all[values] = constant(q, &q->values), all[scales] = constant(q, &q->scales);
    };
    round(0, 2, n.rounded);
    for (std::size_t i = 3; i < std::min(all.size(), names.size() - 1); ++i)
      if (all[i] && names[i + 1] == text(names[i], "_scales")) round(i, i + 1, nullptr);
    return all;
  }

  void rewrite(const node& n) {
    const bool int8 = is_int8(n);
    const auto stays_f32 = [&](std::size_t k) {
      const int v = n.dst[k];
      return !int8 || k >= n.op.facts().quantized_outputs ||
             (n.op.facts().sums_products && (only_f32_readers(v) || stays_f32_unknown(n, v))) ||
             from_.type(v).type != element::f32;
    };
    const bool f32_out = stays_f32(0);
    std::vector<int> src;
    for (std::size_t i = 0; i < n.src.size(); ++i) src.push_back(converted_input(n, i, int8, f32_out));
    std::vector<tensor_type> types = from_.types(n.dst);
    for (std::size_t k = 0; k < types.size(); ++k)
      if (!stays_f32(k)) types[k] = {element::u8, types[k].extents, map_of(n.dst[k])};
    operation op = n.op;
    if (affine* state = state_map(op); state && int8)
      *state = from_.values[static_cast<std::size_t>(*n.dst)].quant.value_or(*state);
    const one_or_more<int> dst = to_.append(std::move(op), n.name, std::move(src), types,
                                            int8 && has_weights(n.op) ? rounded_constants(n) : n.constants);
    to_.nodes.back().fused = n.fused;
    for (std::size_t k = 0; k < types.size(); ++k)
      (types[k].is_u8() ? u8_ : f32_)[static_cast<std::size_t>(n.dst[k])] = dst[k];
  }

  const graph& from_;
  const graph_index index_;
  const quantize_options& options_;
  graph to_;
  std::vector<bool> read_by_int8_;
  std::vector<int> u8_, f32_;  // where each old value is in the new graph, by representation; -1: not there yet
};

}  // namespace detail

/// The pass, on what annotate() and round_weights() made; weights that were not rounded are rounded to nearest. An edge
/// that needs a map and has none throws octavo::error, naming the value. Outputs stay FP32.
inline graph quantize(const graph& annotated, const quantize_options& options = {}) {
  return detail::quantizer(annotated, options).rewrite();
}

}  // namespace octavo::pass
