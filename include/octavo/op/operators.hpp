// The operators that come with Octavo, and finding one by its name, as files have it.
#pragma once

#include "octavo/base/nearest_name.hpp"
#include "octavo/op/batch_norm.hpp"
#include "octavo/op/concat.hpp"
#include "octavo/op/conv2d.hpp"
#include "octavo/op/elementwise.hpp"
#include "octavo/op/fc.hpp"
#include "octavo/op/matmul.hpp"
#include "octavo/op/operation.hpp"
#include "octavo/op/pad.hpp"
#include "octavo/op/pool2d.hpp"
#include "octavo/op/reshape.hpp"
#include "octavo/op/softmax.hpp"

namespace octavo {

/// Operators with their default attributes, by name.
using operator_set = std::map<std::string, operation, std::less<>>;

/// `set` with more operators of these types in it. Throws octavo::error where one has the name of another.
template <operator_description... T>
operator_set with_operators(operator_set set) {
  (require(set.emplace(T::name, T{}).second, "there is an operator '", T::name, "' already"), ...);
  return set;
}

/// The operators that come with Octavo. To add one of your own to those that files may name:
/// with_operators<leaky_relu>(builtin_operators()).
inline const operator_set& builtin_operators() {
  static const operator_set all =
      with_operators<op::input, op::conv2d, op::fc, op::matmul, op::batch_norm, op::activate, op::bias_add, op::add,
                     op::pool2d, op::concat, op::pad_channels, op::softmax, op::reshape, op::convert>({});
  return all;
}

/// The operator of that name with these attributes. Throws octavo::error, naming operator and attribute, where there is
/// no such one.
inline operation make_operation(std::string_view name, const attribute_map& attributes,
                                const operator_set& known = builtin_operators()) {
  const auto found = known.find(name);
  if (found == known.end()) {
    std::vector<std::string_view> names;
    for (const auto& entry : known) names.push_back(entry.first);
    fail("there is no operator '", name, "'", did_you_mean(name, names));
  }
  operation o = found->second;
  try {
    o.set(attributes);
  } catch (const error& e) {
    fail("operator '", name, "': ", e.what());
  }
  return o;
}

}  // namespace octavo
