// Calibration: run the folded FP32 network over samples; observers gather the range of each value.
#pragma once

#include <functional>

#include "octavo/exec/session.hpp"
#include "octavo/quant/observer.hpp"
#include "octavo/quant/options.hpp"

namespace octavo {

/// Samples for calibration. `read(i, inputs)` fills the network's inputs, each a tensor of the input's extents (a
/// bounded extent at its bound), with sample or batch number `i`.
struct sample_set {
  int count = 0;
  std::function<void(int, std::span<tensor>)> read;
};

/// Choices for calibrate().
struct calibrate_options {
  calibration_recipe recipe = percentile{};
  std::map<std::string, calibration_recipe> by_value;  ///< recipes of single values, by name
  std::function<void(int)> progress;                   ///< called with the number of samples done
};

namespace detail {

/// The elements of `o`, dense: a strided operand is copied to `copy`.
inline std::span<const float> dense(const operand& o, std::vector<float>& copy) {
  const auto columns = static_cast<std::size_t>(o.extents.back());
  if (o.stride == o.extents.back()) return {o.as<const float>(), o.extents.count()};
  copy.clear();
  for (std::size_t r = 0; r < o.extents.rows(); ++r) copy.insert(copy.end(), o.row<float>(r), o.row<float>(r) + columns);
  return copy;
}

}  // namespace detail

/// Runs `net`, an FP32 network, over the samples and returns the range of every value that a step computes, and of the
/// inputs. Throws octavo::error when there are no samples, when `by_value` names no value, or when a value is not finite.
inline range_table calibrate(const network& net, const sample_set& samples, const calibrate_options& options = {},
                             parallel_for& threads = serial()) {
  require(samples.count > 0, "calibration needs at least one sample");
  session run(net, threads);
  std::vector<tensor> inputs, outputs;
  for (int v : net->inputs) inputs.emplace_back(net->values[static_cast<std::size_t>(v)].type.type, net->values[static_cast<std::size_t>(v)].type.extents);
  for (int v : net->outputs) outputs.emplace_back(net->values[static_cast<std::size_t>(v)].type.type, net->values[static_cast<std::size_t>(v)].type.extents);
  std::vector<tensor_argument> arguments;
  for (const std::vector<tensor>* list : {&inputs, &outputs})
    for (const tensor& t : *list) arguments.push_back(view<const float>(t.as<float>().data(), t.extents()));

  std::vector<std::unique_ptr<observer>> observers(net->values.size());
  for (const auto& [name, recipe] : options.by_value)
    require(std::any_of(net->values.begin(), net->values.end(), [&](const auto& v) { return v.name == name; }),
            "calibration: the folded network has no value '", name, "'");
  std::vector<float> copy;
  for (int i = 0; i < samples.count; ++i) {
    samples.read(i, inputs);
    run.run(arguments, [&](int v, const operand& o) {
      const planned_value& value = net->values[static_cast<std::size_t>(v)];
      if (value.type.type != element::f32) return;
      std::unique_ptr<observer>& watch = observers[static_cast<std::size_t>(v)];
      if (!watch) {
        const auto own = options.by_value.find(value.name);
        watch = make_observer(own == options.by_value.end() ? options.recipe : own->second);
      }
      try {
        watch->observe(detail::dense(o, copy));
      } catch (const error& e) {
        fail("calibration: value '", value.name, "', sample ", i, ": ", e.what());
      }
    }).or_throw();
    if (options.progress) options.progress(i + 1);
  }
  range_table ranges;
  for (std::size_t v = 0; v < observers.size(); ++v)
    if (observers[v]) ranges[net->values[v].name] = observers[v]->result();
  return ranges;
}

}  // namespace octavo
