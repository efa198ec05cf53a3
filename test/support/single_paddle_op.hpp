// One operator of PaddlePaddle, alone in a program.
#pragma once

#include <doctest/doctest.h>

#include "octavo/octavo.hpp"
#include "support/paddle_writer.hpp"
#include "support/run.hpp"

namespace octavo::test {

using floats = std::vector<float>;
using integers = std::vector<int>;

/// A tensor with its extents.
struct array {
  dims extents;
  floats elements;
};
inline std::vector<std::int64_t> list_of(const dims& e) {
  std::vector<std::int64_t> all;
  for (int i = 0; i < e.rank; ++i) all.push_back(e[i]);
  return all;
}

/// An operator with what it reads: values that are given at each run, and parameters.
struct single_op {
  std::string type;
  std::vector<std::pair<std::string, array>> values, parameters;
  paddle_attributes attributes{};
  std::vector<std::string> outputs{"Out"};
};

/// The graph of `o`.
inline graph graph_of(const single_op& o) {
  paddle_writer w;
  paddle_slots inputs, outputs;
  const auto add = [&](const std::string& slot, const std::string& name) {
    for (auto& known : inputs)
      if (known.first == slot) return known.second.push_back(name);
    inputs.push_back({slot, {name}});
  };
  for (std::size_t i = 0; i < o.values.size(); ++i) {
    const std::string name = text("x", i);
    w.input(name, list_of(o.values[i].second.extents));
    add(o.values[i].first, name);
  }
  for (std::size_t i = 0; i < o.parameters.size(); ++i) {
    const std::string name = text("w", 10 + i);
    w.parameter(name, list_of(o.parameters[i].second.extents), o.parameters[i].second.elements);
    add(o.parameters[i].first, name);
  }
  std::vector<std::string> names;
  for (const std::string& slot : o.outputs) {
    names.push_back(text("y", names.size()));
    if (!outputs.empty() && outputs.back().first == slot)
      outputs.back().second.push_back(names.back());
    else
      outputs.push_back({slot, {names.back()}});
  }
  w.op(o.type, inputs, outputs, o.attributes);
  for (const std::string& name : names) w.output(name);
  return w.load();
}

/// What comes out of it.
inline std::vector<tensor> run_all(const single_op& o) {
  std::vector<tensor> given;
  for (const auto& value : o.values) given.push_back(tensor::of<float>(value.second.extents, value.second.elements));
  return outputs_of(octavo::compile(graph_of(o)), given);
}
inline void check(const tensor& found, const array& expected) {
  CHECK(found.extents() == expected.extents);
  REQUIRE(found.extents().count() == expected.elements.size());
  for (std::size_t i = 0; i < expected.elements.size(); ++i)
    CHECK(found.as<float>()[i] == doctest::Approx(expected.elements[i]).epsilon(1e-5));
}
inline void check(const single_op& o, const array& expected) {
  INFO(o.type);
  check(run_all(o)[0], expected);
}

/// Numbers from -1 to 1 that look like chance.
inline array some(const dims& extents, unsigned seed) {
  array a{extents, {}};
  for (std::size_t i = 0; i < extents.count(); ++i) {
    seed = seed * 1664525u + 1013904223u;
    a.elements.push_back(static_cast<float>(seed >> 8) * 0x1p-23f - 1.0f);
  }
  return a;
}

}  // namespace octavo::test
