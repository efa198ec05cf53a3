// What an operator's evaluation is given: types, known when the network is planned, and memory, known at each run.
#pragma once

#include <atomic>
#include <span>
#include <string_view>
#include <vector>

#include "octavo/op/attribute.hpp"
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

/// What stands for an input that is left out.
inline constexpr tensor_type no_tensor{element::none, {}, {}};

/// A list that mostly has one element: `*list` and `list->` are its first, to which it converts.
template <class T>
class one_or_more : public std::vector<T> {
 public:
  one_or_more() : std::vector<T>(1) {}
  one_or_more(T first) : std::vector<T>{std::move(first)} {}
  one_or_more(std::vector<T> all) : std::vector<T>(std::move(all)) {}

  T& operator*() { return this->front(); }
  const T& operator*() const { return this->front(); }
  T* operator->() { return &this->front(); }
  const T* operator->() const { return &this->front(); }
  operator const T&() const { return this->front(); }
};

/// The types of a node's outputs.
class output_types : public one_or_more<tensor_type> {
 public:
  using one_or_more::one_or_more;
  output_types() = default;
  output_types(element type, const dims& extents, const affine& q) : one_or_more(tensor_type{type, extents, q}) {}
};

/// The types of a node: inputs, outputs and constants, in the order of the operator's description.
struct signature {
  std::vector<tensor_type> src;  ///< an input that is left out is no_tensor
  output_types dst;
  std::vector<constant> constants;

  /// Whether input `i` is there.
  bool has(std::size_t i) const { return i < src.size() && src[i].type != element::none; }

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

/// Operands that others own and keep, mostly one: `*list` and `list->` are the first.
class operand_list : public std::span<const operand> {
 public:
  operand_list(std::span<const operand> all) : std::span<const operand>(all) {}
  operand_list(const operand& one) : std::span<const operand>(&one, 1) {}

  const operand& operator*() const { return front(); }
  const operand* operator->() const { return &front(); }
};

/// The operands of one run. The data of an input that is left out is null.
struct arguments {
  std::span<const operand> src;
  operand_list dst;
  std::span<const std::byte> ahead{};  ///< what the next step will read first; a kernel may bring it into the cache
  int phase = 0;                       ///< of an executable that has several
  std::byte* shared = nullptr;         ///< its shared_bytes()
  std::atomic<bool>* refused = nullptr;

  /// Tells the session that an input holds what the operator cannot take, such as an id that is out of range: run()
  /// returns run_status::refused_data then. From any thread; the operator still writes all of its output.
  void refuse() const noexcept {
    if (refused) refused->store(true, std::memory_order_relaxed);
  }
};

/// What quantization does at an input of an operator.
enum class port_rule : std::uint8_t {
  quantized,  ///< becomes u8 with an affine map of its own
  as_output,  ///< has the output's type: the residual of a sum
  moved,      ///< its bytes go to the output: one affine map for both
  f32,        ///< stays f32
  untouched   ///< no activation: ids, lengths, states
};

/// How many tensors an input takes.
enum class port_count : std::uint8_t { one, optional, any };

/// An input of an operator. One that takes any number of tensors is the last.
struct port {
  std::string_view name;
  port_rule rule = port_rule::quantized;
  port_count count = port_count::one;
};

}  // namespace octavo
