// The list of operators. To add one: write its file, add it to this list, a test and a bench; it runs everywhere at
// once through its reference evaluation.
#pragma once

#include <variant>

#include "octavo/op/batch_norm.hpp"
#include "octavo/op/concat.hpp"
#include "octavo/op/conv2d.hpp"
#include "octavo/op/elementwise.hpp"
#include "octavo/op/fc.hpp"
#include "octavo/op/matmul.hpp"
#include "octavo/op/pad.hpp"
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
inline void check(const input&, const signature& s) {
  require(s.src.empty() && s.constants.empty(), "input: expected neither inputs nor constants");
}
inline void evaluate(const input&, const signature&, const arguments&) {}
}  // namespace op

/// Any operator.
using operation =
    std::variant<op::input, op::conv2d, op::fc, op::matmul, op::batch_norm, op::activate, op::bias_add, op::add,
                 op::pool2d, op::concat, op::pad_channels, op::softmax, op::reshape, op::convert>;

/// The operator's name, e.g. "conv2d".
inline std::string_view name_of(const operation& o) {
  return std::visit([](const auto& x) { return x.name; }, o);
}

/// The operator's traits.
inline traits traits_of(const operation& o) {
  return std::visit([](const auto& x) { return x.traits; }, o);
}

/// Whether the operator has weights and an optional bias as its first two constants, one row per output channel.
inline bool has_weights(const operation& o) {
  return std::visit(
      []<class T>(const T&) {
        return requires { T::weights; };
      },
      o);
}

/// The activation that the operator applies to its output, or null where it cannot apply one.
inline activation* fused_activation(operation& o) {
  return std::visit(
      []<class T>(T& x) -> activation* {
        if constexpr (requires { x.act; })
          return &x.act;
        else
          return nullptr;
      },
      o);
}
inline const activation* fused_activation(const operation& o) { return fused_activation(const_cast<operation&>(o)); }

/// Whether the operator adds its last input to its output before the activation, or null where it cannot.
inline bool* fused_residual(operation& o) {
  return std::visit(
      []<class T>(T& x) -> bool* {
        if constexpr (requires { x.residual; })
          return &x.residual;
        else
          return nullptr;
      },
      o);
}
inline const bool* fused_residual(const operation& o) { return fused_residual(const_cast<operation&>(o)); }

/// Written with its attributes.
inline std::ostream& operator<<(std::ostream& out, const operation& o) {
  return std::visit([&](const auto& x) -> std::ostream& { return out << x; }, o);
}

/// Throws octavo::error, naming what is wrong, unless a tensor of that type can exist: extents from 1, few enough rows and
/// elements to count them, a scale that has an inverse, a zero point that is a u8.
inline void check(const tensor_type& t) {
  for (int i = 0; i < t.extents.rank; ++i)
    require(t.extents[i] >= 1, "a tensor cannot have the extents ", t.extents, ": they must be at least 1");
  require(t.extents.count() > 0 && t.extents.rows() <= std::numeric_limits<int>::max(), "a tensor of ", t.extents,
          " has too many rows: at most 2^31 - 1 are supported");
  if (t.is_u8()) check(t.q);
}

/// Throws octavo::error, naming what is wrong, unless the operator can be run with that signature.
inline void check(const operation& o, const signature& s) {
  for (const tensor_type& t : s.src) check(t);
  check(s.dst);
  if (const activation* act = fused_activation(o))
    require(act->lower <= act->upper && act->lower < HUGE_VALF && act->upper > -HUGE_VALF, name_of(o),
            ": the lower bound ", act->lower, " must not be above the upper bound ", act->upper, ", nor either a NaN");
  std::visit([&](const auto& x) { op::check(x, s); }, o);
}

/// Reference evaluation: slow, short, and the specification of every kernel. Allocates nothing, and throws nothing where
/// check() did not.
inline void evaluate(const operation& o, const signature& s, const arguments& a) {
  std::visit([&](const auto& x) { op::evaluate(x, s, a); }, o);
}

}  // namespace octavo
