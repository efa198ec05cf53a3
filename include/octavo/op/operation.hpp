// The list of operators. To add one: write its file, add it to this list, a test and a bench; it runs everywhere at
// once through its reference evaluation.
#pragma once

#include <variant>

#include "octavo/op/batch_norm.hpp"
#include "octavo/op/concat.hpp"
#include "octavo/op/conv2d.hpp"
#include "octavo/op/elementwise.hpp"
#include "octavo/op/fc.hpp"
#include "octavo/op/pool2d.hpp"
#include "octavo/op/reshape.hpp"
#include "octavo/op/softmax.hpp"

namespace octavo {

namespace op {
/// A value that the user gives at each run.
struct input {
  static constexpr std::string_view name = "input";
  static constexpr octavo::traits traits{};
  friend std::ostream& operator<<(std::ostream& out, const input&) { return out << "input"; }
};
inline void check(const input&, const signature&) {}
inline void evaluate(const input&, const signature&, const arguments&) {}
}  // namespace op

/// Any operator.
using operation = std::variant<op::input, op::conv2d, op::fc, op::batch_norm, op::activate, op::bias_add, op::add,
                               op::pool2d, op::concat, op::softmax, op::reshape, op::convert>;

/// The operator's name, e.g. "conv2d".
inline std::string_view name_of(const operation& o) {
  return std::visit([](const auto& x) { return x.name; }, o);
}

/// The operator's traits.
inline traits traits_of(const operation& o) {
  return std::visit([](const auto& x) { return x.traits; }, o);
}

/// Written with its attributes.
inline std::ostream& operator<<(std::ostream& out, const operation& o) {
  return std::visit([&](const auto& x) -> std::ostream& { return out << x; }, o);
}

/// Throws octavo::error, naming what is wrong, unless the operator can be run with that signature.
inline void check(const operation& o, const signature& s) {
  std::visit([&](const auto& x) { op::check(x, s); }, o);
}

/// Reference evaluation: slow, short, and the specification of every kernel.
inline void evaluate(const operation& o, const signature& s, const arguments& a) {
  std::visit([&](const auto& x) { op::evaluate(x, s, a); }, o);
}

}  // namespace octavo
