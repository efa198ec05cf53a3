// What an operator's evaluation is given: types, known when the network is planned, and memory, known at each run.
#pragma once

#include <span>
#include <vector>

#include "octavo/quant/affine.hpp"
#include "octavo/tensor/tensor.hpp"

namespace octavo {

/// What flows along an edge: u8 with an affine map, or f32.
struct tensor_type {
  element type = element::f32;
  dims extents;  ///< a bounded axis at its bound
  affine q;      ///< meaningful for u8 only

  bool is_u8() const { return type == element::u8; }
  /// Whether operators can compute with it; other types can only be moved.
  bool is_number() const { return is_u8() || type == element::f32; }
  friend bool operator==(const tensor_type&, const tensor_type&) = default;
  friend std::ostream& operator<<(std::ostream& out, const tensor_type& t) {
    out << name_of(t.type) << "[" << t.extents << "]";
    return t.is_u8() ? out << " " << t.q : out;
  }
};

/// The types of a node: inputs, output and constants (the order of the constants is the operator's).
struct signature {
  std::vector<tensor_type> src;
  tensor_type dst;
  std::vector<constant> constants;

  /// Constant `i`, or null where the operator goes without.
  const tensor* at(std::size_t i) const { return i < constants.size() ? constants[i].get() : nullptr; }
};

/// Throws octavo::error, beginning with `name`, where the innermost extent of `x` is chosen at each run: what has
/// constants for each channel, or goes through whole rows, needs one that is known.
inline void check_channels(const tensor_type& x, std::string_view name) {
  require(x.extents.rank >= 1, name, ": input must have at least one axis");
  require(!innermost_bounded(x.extents), name, ": the innermost axis cannot be bounded, found ", x.extents);
}

/// Memory of one tensor during one run. Rows of extents.back() elements lie `stride` elements apart.
struct operand {
  void* data = nullptr;
  dims extents;  ///< actual extents
  std::ptrdiff_t stride = 0;

  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }
  /// The first element of innermost row `i`.
  template <class T>
  T* row(std::size_t i) const {
    return as<T>() + static_cast<std::ptrdiff_t>(i) * stride;
  }
};

/// The operands of one run.
struct arguments {
  std::span<const operand> src;
  operand dst;
  std::span<const std::byte> ahead{};  ///< what the next step will read first; a kernel may bring it into the cache
};

/// Facts about an operator that passes read instead of its name.
struct traits {
  bool linear = false;         ///< f(x) = A x + b: scales and batch norms fold into it
  bool elementwise = false;    ///< each output element comes from the elements at the same place
  bool data_movement = false;  ///< outputs are copies of inputs (or zero): the affine map passes through
};

}  // namespace octavo
