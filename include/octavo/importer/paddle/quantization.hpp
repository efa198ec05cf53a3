// What PaddlePaddle's programs say about quantization, in all forms in which they come: operators that quantize and
// dequantize again (PaddleSlim's exports), pairs of quantize_linear and dequantize_linear, and "frozen" programs, whose
// layers compute with whole numbers between fake_quantize and fake_dequantize.
//
// Whatever the form, a quantized tensor is represented by its dequantized one: an activation is op::fake_quantize of
// what was quantized, and weights lie on a grid. Scales are the largest absolute values, 127 steps from 0.
#pragma once

#include "octavo/importer/paddle/operator.hpp"

namespace octavo::paddle {

/// A parameter as operators see it.
struct parameter {
  tensor elements;
  std::optional<weight_grid> grid{};
};

/// The parameters of a program, by name.
using parameter_map = std::map<std::string, parameter>;

namespace detail {

inline constexpr float most_steps = 127;

/// The step of a grid for a largest absolute value. One without elements other than 0 has any.
inline float step_of(float largest) {
  require(std::isfinite(largest) && largest >= 0, "the scale ", largest, " is no largest absolute value");
  return std::max(largest / most_steps, smallest_scale);
}

inline std::vector<float> steps_of(const std::vector<float>& largest) {
  std::vector<float> steps;
  for (float v : largest) steps.push_back(step_of(v));
  return steps;
}

/// Calls use(i, k) for each element of `e`, k being its index on axis `axis`, or 0 where there is one scale for all.
template <class Use>
void for_each_with_scale(const dims& e, std::size_t scales, int axis, Use&& use) {
  require(scales == 1 || (axis >= 0 && axis < e.rank && scales == static_cast<std::size_t>(e[axis])), "found ", scales,
          " scales for axis ", axis, " of ", e);
  std::size_t inner = 1;
  for (int i = axis + 1; i < e.rank && scales > 1; ++i) inner *= static_cast<std::size_t>(e[i]);
  for (std::size_t i = 0; i < e.count(); ++i) use(i, scales == 1 ? 0 : i / inner % scales);
}

/// Whole numbers of steps, as files have weights.
inline parameter dequantized(const tensor& q, const weight_grid& grid) {
  require(q.type() == element::s8 || q.type() == element::f32, "quantized weights must be s8 or f32, found ",
          octavo::name_of(q.type()));
  tensor y(element::f32, q.extents());
  for_each_with_scale(q.extents(), grid.scales.size(), grid.axis, [&](std::size_t i, std::size_t k) {
    const float v = q.type() == element::s8 ? q.as<std::int8_t>()[i] : q.as<float>()[i];
    require(v == std::trunc(v) && std::fabs(v) <= 128, "quantized weights must be whole numbers up to 128, found ", v);
    y.as<float>()[i] = v * grid.scales[k];
  });
  return {std::move(y), grid};
}

/// The nearest points of the grid, halves away from zero.
inline parameter rounded(const tensor& w, const weight_grid& grid) {
  tensor y(element::f32, w.extents());
  for_each_with_scale(w.extents(), grid.scales.size(), grid.axis, [&](std::size_t i, std::size_t k) {
    const float steps = std::clamp(w.as<float>()[i] / grid.scales[k], -most_steps, most_steps);
    y.as<float>()[i] = std::round(steps) * grid.scales[k];
  });
  return {std::move(y), grid};
}

/// The largest absolute value of all elements, or where `axis` is one of each index of it.
inline std::vector<float> largest_of(const tensor& w, int axis) {
  require(axis < w.extents().rank, "there is no axis ", axis, " in weights ", w.extents());
  std::vector<float> largest(axis < 0 ? 1 : static_cast<std::size_t>(w.extents()[axis]), 0.0f);
  for_each_with_scale(w.extents(), largest.size(), axis, [&](std::size_t i, std::size_t k) {
    largest[k] = std::max(largest[k], std::fabs(w.as<float>()[i]));
  });
  return largest;
}

inline void check_bits(const imported_op& o) {
  require(o.integer("bit_length", 8) == 8, "only 8 bits are supported, found ", o.integer("bit_length", 8));
}

/// Rounds to the grid of one scale `largest`: weights now, an activation when the network runs. `round_type`: 1 is away
/// from zero within -127 and 127, 0 to even from -128.
inline void set_rounded(const imported_op& o, float largest, int round_type, std::string_view slot) {
  check_bits(o);
  const float step = step_of(largest);
  if (const constant t = o.net.known(o.input())) {
    parameter w = rounded(*t, {{step}, 0});
    return o.set_known(std::move(w.elements), std::move(w.grid), slot);
  }
  const bool away = o.integer("round_type", round_type) == 1, last = o.net.lies_channels_last(o.input());
  const op::fake_quantize f{.map = {step, 128}, .lower = away ? 1 : 0, .upper = 255, .away_from_zero = away};
  o.set(o.append(f, {o.net.as_it_lies(o.input())}, {}, slot), last, slot);
}

/// fake_quantize and fake_quantize_dequantize of a scale that training found.
inline void quantize_by_scale(const imported_op& o) {
  const std::vector<float> scale = o.net.numbers(o.input("InScale"), "the scale");
  require(scale.size() == 1, "expected one scale, found ", scale.size());
  set_rounded(o, scale[0], 1, "Out");
}

/// The same of a scale that is the largest absolute value of what is there: of all, or of each index of an axis.
inline void quantize_by_elements(const imported_op& o, bool each) {
  check_bits(o);
  const tensor& w = o.net.needed(o.input(), "what has no scale in the file,");
  const int axis = each ? o.small_integer("quant_axis", 0) : -1;
  parameter p = rounded(w, {steps_of(largest_of(w, axis)), std::max(axis, 0)});
  o.set_known(std::move(p.elements), std::move(p.grid));
}

/// The scales of quantize_linear and dequantize_linear, whose zero points are 0.
inline weight_grid linear_grid(const imported_op& o) {
  check_bits(o);
  if (o.has("ZeroPoint"))
    for (std::int64_t z : o.net.integers(o.input("ZeroPoint"), "the zero point"))
      require(z == 0, "only zero points of 0 are supported, found ", z);
  return {steps_of(o.net.numbers(o.input("Scale"), "the scale")), std::max(o.small_integer("quant_axis", -1), 0)};
}

inline void quantize_linear(const imported_op& o) {
  const weight_grid grid = linear_grid(o);
  if (o.flag("only_observer", false)) return o.set_same("X", "Y");
  if (const constant t = o.net.known(o.input())) {
    parameter w = rounded(*t, grid);
    return o.set_known(std::move(w.elements), std::move(w.grid), "Y");
  }
  require(grid.scales.size() == 1, "an activation needs one scale, found ", grid.scales.size());
  set_rounded(o, grid.scales[0] * most_steps, 0, "Y");
}

/// Whole numbers of the file become what the grid that `read_grid()` returns makes of them; all else is dequantized
/// already.
template <class ReadGrid>
void dequantize_known(const imported_op& o, std::string_view slot, ReadGrid&& read_grid) {
  const constant t = o.net.known(o.input());
  if (!t || o.net.grid(o.input())) return o.set_same("X", slot);
  parameter w = dequantized(*t, read_grid());
  o.set_known(std::move(w.elements), std::move(w.grid), slot);
}

inline void dequantize_linear(const imported_op& o) {
  if (o.flag("only_observer", false)) return o.set_same("X", "Y");
  dequantize_known(o, "Y", [&] { return linear_grid(o); });
}

/// Also of what a layer computed of whole numbers: see dequantize_frozen_weights().
inline void dequantize_max_abs(const imported_op& o, std::string_view scales) {
  dequantize_known(o, "Out", [&]() -> weight_grid {
    return {steps_of(o.net.numbers(o.input(scales), "the scale")), o.small_integer("quant_axis", 0)};
  });
}

/// The scales of the weights of a layer, whose sums `op` dequantizes.
inline std::vector<float> frozen_steps(const program_op& op, const parameter_map& parameters) {
  composer nothing("");
  const imported_op o(nothing, op);
  if (op.type == "fake_dequantize_max_abs") {  // y scale / max_range, where max_range is 127 127 / weight scale
    const float range = o.number("max_range", 0.0f);
    require(range > 0, "max_range must be positive, found ", range);
    return {most_steps / range};
  }
  for (std::int64_t bits : o.integers("quant_bits", {8})) require(bits == 8, "only 8 bits are supported, found ", bits);
  const auto scales = parameters.find(o.input("Scales"));
  require(scales != parameters.end(), "the scales '", o.input("Scales"), "' are no parameter");
  const std::span<const float> largest = scales->second.elements.as<float>();
  return steps_of({largest.begin(), largest.end()});
}

}  // namespace detail

/// Weights of layers that compute with whole numbers, because their sums are dequantized behind them. Throws
/// octavo::error where they are none.
inline void dequantize_frozen_weights(const std::vector<const program_op*>& ops, parameter_map& parameters) {
  std::map<std::string_view, const program_op*> producers;
  for (const program_op* op : ops) {
    if (op->type == "fake_dequantize_max_abs" || op->type == "fake_channel_wise_dequantize_max_abs") {
      const auto x = op->inputs.find("X");
      const auto layer = x == op->inputs.end() || x->second.empty() ? producers.end() : producers.find(x->second[0]);
      for (const char* slot : {"Filter", "Y", "W"}) {
        if (layer == producers.end() || !layer->second->inputs.contains(slot)) continue;
        const std::vector<std::string>& names = layer->second->inputs.find(slot)->second;
        const auto weights = names.empty() ? parameters.end() : parameters.find(names[0]);
        if (weights == parameters.end() || weights->second.grid) continue;
        const bool first_axis = slot[0] == 'F' && !layer->second->type.ends_with("transpose");
        try {
          weights->second = detail::dequantized(weights->second.elements,
                                                {detail::frozen_steps(*op, parameters), first_axis ? 0 : 1});
        } catch (const error& e) {
          fail("weights '", names[0], "', whose sums ", op->type, " dequantizes: ", e.what());
        }
      }
    }
    for (const auto& slot : op->outputs)
      for (const std::string& name : slot.second) producers[name] = op;
  }
}

/// The largest absolute values of outputs that training observed, an attribute of their operators: what quantizes the
/// values that the program itself does not round.
class observed_ranges {
 public:
  /// Notes the one of the operator that was just made nodes of, if it has one.
  void note(composer& net, const program_op& op) {
    const imported_op o(net, op);
    const float largest = o.number("out_threshold", 0.0f);
    if (!(largest > 0) || !std::isfinite(largest)) return;
    for (const char* slot : {"Out", "Output", "Y"})
      if (!o.outputs(slot).empty() && net.has(o.output(slot)) && net.type(o.output(slot)) == element::f32)
        largest_[net.as_it_lies(o.output(slot))] = largest;
  }

  /// Writes them on the values that no fake_quantize reads.
  void annotate(graph& g) const {
    std::map<int, float> found = largest_;
    std::set<int> positive;
    for (const node& n : g.nodes) {
      if (n.as<op::fake_quantize>()) found.erase(n.src[0]);
      if (const auto* a = n.as<op::activate>(); a && a->act.lower >= 0) positive.insert(*n.dst);
    }
    for (const auto& [v, largest] : found)
      g.values[static_cast<std::size_t>(v)].observed = range{positive.contains(v) ? 0.0f : -largest, largest};
  }

 private:
  std::map<int, float> largest_;  // by value
};

/// What quantizes or dequantizes.
inline const operator_table& quantization_operators() {
  using namespace detail;
  using in = const imported_op&;
  static const operator_table table{
      {"fake_quantize_range_abs_max", quantize_by_scale},
      {"fake_quantize_moving_average_abs_max", quantize_by_scale},
      {"fake_quantize_dequantize_moving_average_abs_max", quantize_by_scale},
      {"fake_quantize_abs_max", [](in o) { quantize_by_elements(o, false); }},
      {"fake_quantize_dequantize_abs_max", [](in o) { quantize_by_elements(o, false); }},
      {"fake_channel_wise_quantize_abs_max", [](in o) { quantize_by_elements(o, true); }},
      {"fake_channel_wise_quantize_dequantize_abs_max", [](in o) { quantize_by_elements(o, true); }},
      {"fake_dequantize_max_abs", [](in o) { dequantize_max_abs(o, "Scale"); }},
      {"fake_channel_wise_dequantize_max_abs", [](in o) { dequantize_max_abs(o, "Scales"); }},
      {"moving_average_abs_max_scale", [](in o) { o.set_same(); }},
      {"quantize_linear", quantize_linear},
      {"dequantize_linear", dequantize_linear},
  };
  return table;
}

}  // namespace octavo::paddle
