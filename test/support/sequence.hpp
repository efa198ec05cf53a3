// Operators on sequences with lengths: their references, and kernels against them.
#pragma once

#include <doctest/doctest.h>

#include "octavo/plan/compile.hpp"
#include "support/evaluate.hpp"
#include "support/random.hpp"
#include "support/run.hpp"
#include "support/worker_threads.hpp"

namespace octavo::test {

/// Lengths from 0 to `steps` of `n` sequences.
inline tensor random_lengths(element type, int n, int steps, random_numbers& random) {
  tensor t(type, {n});
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
    const int length = random.between(0, steps);
    if (type == element::s32)
      t.as<std::int32_t>()[i] = length;
    else
      t.as<std::int64_t>()[i] = length;
  }
  return t;
}

/// All that an operator makes of `src`, by its reference. The outputs begin as bytes of 0xa5.
inline std::vector<tensor> reference_outputs_of(const operation& o, std::vector<constant> constants,
                                                std::span<const tensor> src) {
  signature s;
  std::vector<operand> from, to;
  for (const tensor& t : src) s.src.push_back({t.type(), t.extents(), {}}), from.push_back(operand_of(t));
  s.constants = std::move(constants);
  s.dst = o.infer(s.src, s.constants);
  check(o, s);
  std::vector<tensor> outputs;
  for (const tensor_type& t : s.dst) {
    outputs.emplace_back(t.type, t.extents);
    for (std::byte& b : outputs.back().bytes()) b = std::byte{0xa5};
  }
  for (const tensor& t : outputs) to.push_back(operand_of(t));
  evaluate(o, s, {from, std::span<const operand>(to)});
  return outputs;
}

/// The native kernel `name` gives the reference's bits, on one thread and on several, in a network with room for more
/// and longer sequences.
inline void check_kernel_on_sequences(const operation& o, std::string_view name, const std::vector<constant>& constants,
                                      std::span<const tensor> src) {
  graph g;
  std::vector<int> inputs;
  for (const tensor& t : src) {
    dims room;
    for (int i = 0; i < t.extents().rank; ++i)
      room.push_back(i < 2 ? dims::code(t.extents()[i] + 2, {}) : std::int64_t{t.extents()[i]});
    inputs.push_back(*g.append(op::input{}, "x", {}, tensor_type{t.type(), room, {}}));
  }
  for (int v : g.append(o, "y", inputs, constants)) g.outputs.push_back({v, text("y", g.outputs.size())});
  const network net = plan_graph(g, native_kernels());
  CHECK(net->steps.at(0).kernel == name);
  const std::vector<tensor> expected = reference_outputs_of(o, constants, src);
  worker_threads three(3, 1);
  for (parallel_for* threads : {&serial(), static_cast<parallel_for*>(&three)}) {
    std::vector<tensor> found;
    std::vector<tensor_argument> arguments(src.begin(), src.end());
    for (const tensor& t : expected) {
      found.emplace_back(t.type(), t.extents());
      for (std::byte& b : found.back().bytes()) b = std::byte{0xa5};
    }
    arguments.insert(arguments.end(), found.begin(), found.end());
    session run(net, *threads);
    run.run(arguments).or_throw();
    CHECK(same_bits(found, expected));
  }
}

}  // namespace octavo::test
