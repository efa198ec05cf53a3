// Calibration: run the folded FP32 network over samples; observers gather the range of each value.
#pragma once

#include <functional>
#include <set>

#include "octavo/base/compiled.hpp"
#include "octavo/exec/session.hpp"
#include "octavo/quant/observer.hpp"
#include "octavo/quant/options.hpp"

namespace octavo {

/// Samples for calibration. `read(i, inputs)` fills the network's inputs, each a tensor of the input's extents (a
/// bounded extent at its bound), with sample or batch number `i`. It may also assign tensors of its own of that type
/// and those extents, or fewer where they are bounded. What it throws, calibrate() throws.
struct sample_set {
  int count = 0;
  std::function<void(int, std::span<tensor>)> read;
};

/// Choices for calibrate().
struct calibrate_options {
  calibration_recipe recipe = percentile{};
  std::map<std::string, calibration_recipe> by_value{};  ///< recipes of single values, by name
  std::function<void(int)> progress{};                   ///< called with the number of samples done
};

/// Runs `net`, an FP32 network, over the samples and returns the range and the channel means of every value that a step
/// computes, and of the inputs. A value that was 0 throughout will be 0 in the INT8 network whatever its input. Throws
/// octavo::error when `net` is null or quantized, when there are no samples or all inputs are 0 in all of them, when
/// `by_value` names no value, or when a value is not finite.
OCTAVO_COMPILED_ONCE calibration calibrate(const network& net, const sample_set& samples,
                                           const calibrate_options& options = {}, parallel_for& threads = serial());

#if OCTAVO_BODIES

namespace detail {

/// What is gathered about one value.
class value_statistics {
 public:
  explicit value_statistics(const calibration_recipe& recipe) : observer_(make_observer(recipe)) {}

  void observe(const operand& o) {
    const auto columns = static_cast<std::size_t>(o.extents.back()), rows = o.extents.rows();
    sums_.resize(columns);
    dense_.clear();
    for (std::size_t r = 0; r < rows; ++r) {
      const float* row = o.row<float>(r);
      for (std::size_t c = 0; c < columns; ++c) sums_[c] += static_cast<double>(row[c]);
      if (o.stride != o.extents.back()) dense_.insert(dense_.end(), row, row + columns);
    }
    rows_ += static_cast<double>(rows);
    observer_->observe(dense_.empty() ? std::span<const float>(o.as<float>(), rows * columns) : dense_);
  }

  const value_summary& seen() const { return observer_->seen(); }
  range result() const { return observer_->result(); }
  std::vector<float> means() const {
    std::vector<float> m;
    for (double s : sums_) m.push_back(static_cast<float>(s / rows_));
    return m;
  }

 private:
  std::unique_ptr<observer> observer_;
  std::vector<double> sums_;  // of each channel
  double rows_ = 0;
  std::vector<float> dense_;  // the elements of a strided operand
};

/// Throws octavo::error where calibration of `net` would tell nothing: it is null, or INT8 already.
inline void check_calibrated(const network& net) {
  require(net != nullptr, "calibration: the network is null");
  const graph& g = net->source;
  for (const node& n : g.nodes) {
    const bool u8_in = !n.src.empty() && g.type(n.src[0]).is_u8();
    const bool computes = has_weights(n.op) || n.as<op::matmul>(), quantizes = n.as<op::convert>() && !u8_in;
    require(!(computes && u8_in) && !(quantizes && g.type(*n.dst).is_u8()), "calibration: node '", n.name,
            "' is quantized already: calibrate the FP32 network, compile(graph), and quantize by what it finds");
  }
}

/// The extents of `values` of `p`, at their bounds.
inline std::vector<dims> extents_of(const plan& p, std::span<const int> values) {
  std::vector<dims> all;
  for (int v : values) all.push_back(p.values[static_cast<std::size_t>(v)].type.extents), all.back().bounded = 0;
  return all;
}

/// Makes those of `tensors`, of `values` of `p`, anew that have not the given extents.
inline void make_tensors(std::vector<tensor>& tensors, const plan& p, std::span<const int> values,
                         const std::vector<dims>& extents) {
  for (std::size_t i = 0; i < tensors.size(); ++i)
    if (tensors[i].bytes().empty() || tensors[i].extents() != extents[i])
      tensors[i] = tensor(p.values[static_cast<std::size_t>(values[i])].type.type, extents[i]);
}

/// Throws octavo::error unless the sample's `inputs` are what the network takes.
inline void check_sample(const plan& p, std::span<const tensor> inputs, int sample) {
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const planned_value& v = p.values[static_cast<std::size_t>(p.inputs[i])];
    const dims& expected = v.type.extents;
    dims found = inputs[i].extents();
    found.bounded = 0;
    bool fits = inputs[i].type() == v.type.type && found.rank == expected.rank && !inputs[i].bytes().empty();
    for (int axis = 0; fits && axis < expected.rank; ++axis)
      fits = found[axis] == expected[axis] || (expected.is_bounded(axis) && found[axis] <= expected[axis]);
    require(
        fits, "calibration: sample ", sample, ": input '", v.name, "' must be ", name_of(v.type.type), "[", expected,
        "], found ",
        inputs[i].bytes().empty() ? std::string("an empty tensor") : text(name_of(inputs[i].type()), "[", found, "]"));
  }
}

/// Throws octavo::error when every input was zero throughout: the samples were not read, or not filled in.
inline void check_not_all_zero(const plan& p, const std::map<int, value_statistics>& statistics) {
  for (int v : p.inputs) {
    const auto found = statistics.find(v);
    if (found == statistics.end() || found->second.seen().zeros < found->second.seen().count) return;
  }
  require(p.inputs.empty(), "calibration: every element of input '",
          p.inputs.empty() ? std::string() : p.values[static_cast<std::size_t>(p.inputs[0])].name,
          "' is 0 in all samples, and so is every other input: does the callback of the samples fill them in?");
}

}  // namespace detail

OCTAVO_COMPILED_ONCE calibration calibrate(const network& net, const sample_set& samples,
                                           const calibrate_options& options, parallel_for& threads) {
  detail::check_calibrated(net);
  require(samples.count > 0, "calibration needs at least one sample");
  require(samples.read != nullptr, "calibration: the samples have no callback that reads them");
  std::set<std::string_view> names;
  for (const planned_value& v : net->values) names.insert(v.name);
  for (const auto& entry : options.by_value)
    if (!names.contains(entry.first))
      fail("calibration: the folded network has no value '", entry.first, "'", hint_for(net->source, entry.first));
  const auto value_of = [&](int v) -> const planned_value& { return net->values[static_cast<std::size_t>(v)]; };
  session run(net, threads);
  std::vector<tensor> inputs(net->inputs.size()), outputs(net->outputs.size());

  std::map<int, detail::value_statistics> statistics;  // by value
  for (int i = 0; i < samples.count; ++i) {
    detail::make_tensors(inputs, *net, net->inputs, detail::extents_of(*net, net->inputs));
    samples.read(i, inputs);
    detail::check_sample(*net, inputs, i);
    std::vector<tensor_argument> arguments(inputs.begin(), inputs.end());  // the tensors may be others than before
    detail::make_tensors(outputs, *net, net->outputs, run.output_extents(arguments));
    arguments.insert(arguments.end(), outputs.begin(), outputs.end());
    run.run(arguments,
            [&](int v, const operand& o) {
              const planned_value& value = value_of(v);
              if (value.type.type != element::f32) return;
              const auto own = options.by_value.find(value.name);
              const calibration_recipe& recipe = own == options.by_value.end() ? options.recipe : own->second;
              try {
                statistics.try_emplace(v, recipe).first->second.observe(o);
              } catch (const error& e) {
                fail("calibration: value '", value.name, "', sample ", i, ": ", e.what());
              }
            })
        .or_throw();
    if (options.progress) options.progress(i + 1);
  }
  detail::check_not_all_zero(*net, statistics);
  std::set<std::string_view> computed;
  for (const auto& entry : statistics) computed.insert(value_of(entry.first).name);
  for (const auto& entry : options.by_value)
    if (!computed.contains(entry.first))
      fail("calibration: no step computes value '", entry.first, "'", hint_for(net->source, entry.first),
           ": give the recipe to a value that a step computes");
  const float_environment exact;
  calibration found;
  for (const auto& [v, s] : statistics) {
    found.ranges[value_of(v).name] = s.result();
    found.means[value_of(v).name] = s.means();
  }
  return found;
}

#endif

}  // namespace octavo
