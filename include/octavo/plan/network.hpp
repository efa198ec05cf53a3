// A planned network: kernels chosen, weights packed, memory laid out. Immutable, so any number of sessions share it.
#pragma once

#include <memory>

#include "octavo/op/kernel.hpp"
#include "octavo/plan/memory_plan.hpp"
#include "octavo/plan/placement.hpp"

namespace octavo {

/// Who owns the memory of a value.
enum class home : std::uint8_t { arena, input, output, constants };

/// A value of a planned network.
struct planned_value {
  std::string name;
  tensor_type type;
  home where = home::arena;
  int index = 0;              ///< of the input, output or constant
  std::size_t offset = 0;     ///< bytes from the beginning of the arena, input, output or constant
  std::ptrdiff_t stride = 0;  ///< elements between rows
};

/// One kernel call.
struct step {
  std::string name;         ///< the node's
  std::string operation;    ///< the operator with its attributes
  std::string_view kernel;  ///< the kernel's name
  std::vector<int> src;     ///< indices of values, -1 for an input that is left out
  one_or_more<int> dst{-1};
  std::shared_ptr<const executable> run;
  std::span<const std::byte> ahead{};  ///< weights that the next step reads first
};

/// The numbers that a run may give to each symbol of its bounded extents: those that make every extent of the network
/// at least 1 and at most its bound.
using symbol_ranges = std::array<symbol_range, symbol_count>;

/// What compile() makes. See network.
struct plan {
  graph source;  ///< the graph that was planned, for printing
  std::vector<planned_value> values;
  std::vector<step> steps;
  symbol_ranges symbols;
  std::vector<int> inputs, outputs;     ///< values, in the order of the graph's inputs and outputs
  std::vector<constant> constants;      ///< in whose memory values live, the same in all sessions
  std::size_t arena_bytes = 0;          ///< memory of a session
  std::size_t bytes_without_reuse = 0;  ///< what the arena would be if every value had memory of its own
  std::size_t scratch_bytes = 0;        ///< of each worker
  std::size_t shared_bytes = 0;         ///< of all workers together, for the phases of a step
  std::size_t weight_bytes = 0;         ///< packed weights and tables
};

/// The value of argument `i` of a run: the inputs come before the outputs.
inline const planned_value& argument_value(const plan& p, std::size_t i) {
  const std::size_t inputs = p.inputs.size();
  return p.values[static_cast<std::size_t>(i < inputs ? p.inputs[i] : p.outputs[i - inputs])];
}

/// Its name.
inline std::string_view argument_name(const plan& p, std::size_t i) {
  return i < p.inputs.size() ? p.values[static_cast<std::size_t>(p.inputs[i])].name
                             : p.source.outputs[i - p.inputs.size()].name;
}

/// A planned network. Copies share one plan.
using network = std::shared_ptr<const plan>;

}  // namespace octavo
