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
  std::map<std::string, calibration_recipe> by_value{};  ///< recipes of single values, by name
  std::function<void(int)> progress{};                   ///< called with the number of samples done
};

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

}  // namespace detail

/// Runs `net`, an FP32 network, over the samples and returns the range and the channel means of every value that a step
/// computes, and of the inputs. Throws octavo::error when there are no samples, when `by_value` names no value, or when a
/// value is not finite.
inline calibration calibrate(const network& net, const sample_set& samples, const calibrate_options& options = {},
                             parallel_for& threads = serial()) {
  require(samples.count > 0, "calibration needs at least one sample");
  for (const auto& entry : options.by_value)
    require(std::any_of(net->values.begin(), net->values.end(), [&](const auto& v) { return v.name == entry.first; }),
            "calibration: the folded network has no value '", entry.first, "'");
  const auto value_of = [&](int v) -> const planned_value& { return net->values[static_cast<std::size_t>(v)]; };
  session run(net, threads);
  std::vector<tensor> inputs, outputs;
  for (int v : net->inputs) inputs.emplace_back(value_of(v).type.type, value_of(v).type.extents);
  for (int v : net->outputs) outputs.emplace_back(value_of(v).type.type, value_of(v).type.extents);
  std::vector<tensor_argument> arguments;
  for (std::vector<tensor>* list : {&inputs, &outputs})
    for (tensor& t : *list) arguments.emplace_back(t);

  std::map<int, detail::value_statistics> statistics;  // by value
  for (int i = 0; i < samples.count; ++i) {
    samples.read(i, inputs);
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
  for (const auto& entry : options.by_value)
    require(std::any_of(statistics.begin(), statistics.end(),
                        [&](const auto& s) { return value_of(s.first).name == entry.first; }),
            "calibration: no step computes value '", entry.first,
            "': give the recipe to the values that it is made of");
  calibration found;
  for (const auto& [v, s] : statistics) {
    found.ranges[value_of(v).name] = s.result();
    found.means[value_of(v).name] = s.means();
  }
  return found;
}

}  // namespace octavo
