// Any operator as a value. Operators are an open set: a struct that describes itself is one, whether it is in op/ or
// the user's own. A description is
//
//   struct leaky_relu {
//     static constexpr std::string_view name = "leaky_relu";
//     static constexpr port inputs[] = {{"x"}};                 // what quantization does there: see port_rule
//     float slope = 0.01f;
//     static constexpr auto fields = std::tuple{field{"slope", &leaky_relu::slope}};
//   };
//   void check(const leaky_relu&, const signature&);              // throws octavo::error, naming what is wrong
//   void evaluate(const leaky_relu&, const signature&, const arguments&);   // the reference: allocates nothing
//
// and, where the defaults below do not do,
//
//   static constexpr std::string_view outputs[], constants[];     // their names; outputs: {"y"}, constants: none
//   dims infer(const leaky_relu&, const dims& x);                 // extents of the output; of x without it
//     with more inputs infer(.., x0, x1) or (.., std::span<const dims>); with several outputs
//     std::vector<tensor_type> infer(.., std::span<const tensor_type>[, std::span<const constant>])
//   leaky_relu resolved(leaky_relu, const dims& x);               // attributes that depend on the input in numbers
//   port_rule rule_of(const leaky_relu&, std::size_t input);      // where a rule depends on attributes
//   bool sums_products                                            // u8 inputs give f32 as easily as u8
//   bool elementwise                                              // each element of y comes from the same one of x
//   std::size_t weights                                           // the constants begin with weights, a row for each
//                                                                 // output channel, and a bias
//   activation act; bool residual;                                // what passes may fuse into it: see conv2d.hpp
//   affine state;                                                 // quantization writes the map of y here
//   std::size_t quantized_outputs                                 // so many outputs become u8, the others stay f32
//   std::size_t workspace(const leaky_relu&, const signature&)    // bytes that evaluate() finds at arguments::shared
#pragma once

#include <limits>
#include <memory>
#include <typeinfo>

#include "octavo/op/activation.hpp"
#include "octavo/op/signature.hpp"

namespace octavo {

/// What makes a struct an operator.
template <class T>
concept operator_description = has_fields<T> && requires {
  std::string_view(T::name);
};

namespace op {
/// A value that the user gives at each run.
struct input {
  static constexpr std::string_view name = "input";
  static constexpr auto fields = std::tuple{};
};
inline void check(const input&, const signature& s) {
  require(s.src.empty() && s.constants.empty(), "input: expected neither inputs nor constants");
}
inline void evaluate(const input&, const signature&, const arguments&) {}
}  // namespace op

/// What passes and the planner want to know about an operator besides what it computes.
struct operator_facts {
  std::string_view name;
  std::span<const port> inputs;
  std::span<const std::string_view> outputs, constants;
  bool has_weights = false;  ///< the first two constants are weights, a row for each output channel, and a bias or null
  bool sums_products = false;  ///< u8 inputs give f32 as easily as u8
  bool elementwise = false;    ///< each element of the output comes from the same element of the only input
  std::size_t quantized_outputs = std::numeric_limits<std::size_t>::max();  ///< the others stay f32
};

namespace detail {

inline constexpr std::string_view single_output[] = {"y"};

template <class T>
constexpr operator_facts facts_of() {
  operator_facts f{.name = T::name, .inputs = {}, .outputs = single_output, .constants = {}};
  if constexpr (requires { T::inputs; }) f.inputs = T::inputs;
  if constexpr (requires { T::outputs; }) f.outputs = T::outputs;
  if constexpr (requires { T::constants; }) f.constants = T::constants;
  f.has_weights = requires { T::weights; };
  if constexpr (requires { T::sums_products; }) f.sums_products = T::sums_products;
  if constexpr (requires { T::elementwise; }) f.elementwise = T::elementwise;
  if constexpr (requires { T::quantized_outputs; }) f.quantized_outputs = T::quantized_outputs;
  return f;
}

/// The types of the outputs by whichever infer() the operator has; elements and scales are the first input's.
template <class T>
std::vector<tensor_type> infer_types(const T& o, std::span<const tensor_type> x, std::span<const constant> constants) {
  if constexpr (requires { std::vector<tensor_type>(infer(o, x, constants)); }) {
    return infer(o, x, constants);
  } else if constexpr (requires { std::vector<tensor_type>(infer(o, x)); }) {
    return infer(o, x);
  } else {
    require(!x.empty(), T::name, ": expected an input, found none");
    tensor_type y = x[0];
    if constexpr (requires { dims(infer(o, y.extents)); }) {
      y.extents = infer(o, y.extents);
    } else if constexpr (requires { dims(infer(o, y.extents, y.extents)); }) {
      require(x.size() >= 2, T::name, ": expected 2 inputs, found ", x.size());
      y.extents = infer(o, x[0].extents, x[1].extents);
    } else if constexpr (requires(std::span<const dims> all) { dims(infer(o, all)); }) {
      std::vector<dims> all;
      for (const tensor_type& t : x) all.push_back(t.extents);
      y.extents = infer(o, std::span<const dims>(all));
    }
    return {y};
  }
}

/// An operator whose type is forgotten. No function here has a name that operators use for their own.
class any_operator {
 public:
  virtual ~any_operator() = default;
  virtual std::unique_ptr<any_operator> copy() const = 0;
  virtual const std::type_info& type() const noexcept = 0;
  virtual const void* object() const noexcept = 0;
  virtual const operator_facts& facts() const noexcept = 0;
  virtual void write(std::ostream&) const = 0;
  virtual bool equals(const any_operator& other_of_this_type) const = 0;
  virtual attribute_map attributes() const = 0;
  virtual void set(const attribute_map&) = 0;
  virtual port_rule rule(std::size_t input) const = 0;
  virtual void resolve(std::span<const tensor_type>) = 0;
  virtual std::vector<tensor_type> output_types(std::span<const tensor_type>, std::span<const constant>) const = 0;
  virtual void verify(const signature&) const = 0;
  virtual void run_reference(const signature&, const arguments&) const = 0;
  virtual activation* act() noexcept = 0;
  virtual bool* residual() noexcept = 0;
  virtual affine* state_map() noexcept = 0;
  virtual std::size_t workspace_bytes(const signature&) const = 0;
};

/// Converts to T and to nothing else: what takes it is for T itself, not for any operation.
template <class T>
struct exactly {
  operator const T&() const;
};

template <operator_description T>
class described_operator final : public any_operator {
  static_assert(
      requires(exactly<T> o, const signature& s) { check(o, s); },
      "octavo: an operator needs a function void check(const operator&, const signature&)");
  static_assert(
      requires(exactly<T> o, const signature& s, const arguments& a) { evaluate(o, s, a); },
      "octavo: an operator needs a function void evaluate(const operator&, const signature&, const arguments&)");

 public:
  explicit described_operator(T op) : op_(std::move(op)) {}

  OCTAVO_COLD std::unique_ptr<any_operator> copy() const override { return std::make_unique<described_operator>(op_); }
  const std::type_info& type() const noexcept override { return typeid(T); }
  const void* object() const noexcept override { return &op_; }
  const operator_facts& facts() const noexcept override {
    static constexpr operator_facts all = facts_of<T>();
    return all;
  }
  OCTAVO_COLD void write(std::ostream& out) const override {
    out << T::name;
    print_fields(out, op_);
  }
  bool equals(const any_operator& other) const override {
    return equal_fields(op_, static_cast<const described_operator&>(other).op_);
  }
  OCTAVO_COLD attribute_map attributes() const override { return attributes_of_fields(op_); }
  OCTAVO_COLD void set(const attribute_map& given) override { set_fields(op_, given); }
  port_rule rule(std::size_t input) const override {
    if constexpr (requires { port_rule(rule_of(op_, input)); }) {
      return rule_of(op_, input);
    } else {
      const std::span<const port> all = facts().inputs;
      if (input < all.size()) return all[input].rule;
      return all.empty() ? port_rule::untouched : all.back().rule;
    }
  }
  OCTAVO_COLD void resolve(std::span<const tensor_type> x) override {
    if constexpr (requires(const dims& d) { T(resolved(op_, d)); })
      if (!x.empty()) op_ = resolved(op_, x[0].extents);
  }
  OCTAVO_COLD std::vector<tensor_type> output_types(std::span<const tensor_type> x,
                                                    std::span<const constant> constants) const override {
    return infer_types(op_, x, constants);
  }
  OCTAVO_COLD void verify(const signature& s) const override { check(op_, s); }
  void run_reference(const signature& s, const arguments& a) const override { evaluate(op_, s, a); }
  activation* act() noexcept override {
    if constexpr (requires { op_.act; }) return &op_.act;
    return nullptr;
  }
  bool* residual() noexcept override {
    if constexpr (requires { op_.residual; }) return &op_.residual;
    return nullptr;
  }
  affine* state_map() noexcept override {
    if constexpr (requires { op_.state; }) return &op_.state;
    return nullptr;
  }
  OCTAVO_COLD std::size_t workspace_bytes(const signature& s) const override {
    if constexpr (requires { std::size_t(workspace(op_, s)); }) return workspace(op_, s);
    return 0;
  }

 private:
  T op_;
};

/// `op` with its type forgotten. For the operators that come with Octavo this is compiled once where that is asked for.
template <operator_description T>
OCTAVO_COLD std::unique_ptr<any_operator> forget_type(T op) {
  return std::make_unique<described_operator<T>>(std::move(op));
}

}  // namespace detail

/// Any operator: a value that is copied, compared and printed. Made by default it is an input; one that was moved from
/// can only be assigned to: all else throws octavo::error.
class operation {
 public:
  operation() : operation(op::input{}) {}
  template <operator_description T>
  operation(T op) : self_(detail::forget_type(std::move(op))) {}
  OCTAVO_COLD operation(const operation& other) : self_(other.self().copy()) {}
  OCTAVO_COLD operation(operation&& other) noexcept : self_(std::move(other.self_)) {}
  OCTAVO_COLD operation& operator=(operation other) noexcept {
    self_ = std::move(other.self_);
    return *this;
  }
  OCTAVO_COLD ~operation() {}

  /// The operator as T, or null where it is another.
  template <class T>
  const T* as() const noexcept {
    return self_ && self_->type() == typeid(T) ? static_cast<const T*>(self_->object()) : nullptr;
  }
  template <class T>
  T* as() noexcept {
    return const_cast<T*>(std::as_const(*this).as<T>());
  }
  template <class T>
  bool is() const noexcept {
    return as<T>() != nullptr;
  }

  const operator_facts& facts() const { return self().facts(); }

  /// Bytes of memory, aligned to a cache line, that the reference evaluation finds at arguments::shared.
  std::size_t workspace_bytes(const signature& s) const { return self().workspace_bytes(s); }

  /// What quantization does at input `i`.
  port_rule rule(std::size_t i) const { return self().rule(i); }

  /// The attributes that differ from their defaults.
  attribute_map attributes() const { return self().attributes(); }

  /// Sets some attributes. Throws octavo::error, naming the attribute, where there is none of that name and type.
  void set(const attribute_map& given) { self().set(given); }

  /// Attributes that depend on the inputs, such as a padding that a rule gives, in numbers.
  operation resolved_for(std::span<const tensor_type> inputs) const {
    operation o = *this;
    o.self_->resolve(inputs);
    return o;
  }

  /// The types of the outputs for inputs of these types and these constants; scales and zero points are the first
  /// input's. Of what check() refuses it may be anything.
  std::vector<tensor_type> infer(std::span<const tensor_type> inputs, std::span<const constant> constants = {}) const {
    return self().output_types(inputs, constants);
  }

  friend bool operator==(const operation& a, const operation& b) {
    return a.self().type() == b.self().type() && a.self().equals(b.self());
  }
  /// The name, then the attributes that differ from their defaults.
  friend std::ostream& operator<<(std::ostream& out, const operation& o) {
    o.self().write(out);
    return out;
  }

 private:
  friend activation* fused_activation(operation& o);
  friend bool* fused_residual(operation& o);
  friend affine* state_map(operation& o);
  friend void check(const operation& o, const signature& s);
  friend void evaluate(const operation& o, const signature& s, const arguments& a);

  const detail::any_operator& self() const {
    require(self_ != nullptr, "the operation was moved from");
    return *self_;
  }
  detail::any_operator& self() {
    require(self_ != nullptr, "the operation was moved from");
    return *self_;
  }

  std::unique_ptr<detail::any_operator> self_;
};

/// The operator's name, e.g. "conv2d".
inline std::string_view name_of(const operation& o) { return o.facts().name; }

/// Whether the operator has weights and an optional bias as its first two constants, one row per output channel.
inline bool has_weights(const operation& o) { return o.facts().has_weights; }

/// The activation that the operator applies to its output, or null where it cannot apply one.
inline activation* fused_activation(operation& o) { return o.self().act(); }
inline const activation* fused_activation(const operation& o) { return fused_activation(const_cast<operation&>(o)); }

/// Whether the operator adds its last input to its output before the activation, or null where it cannot.
inline bool* fused_residual(operation& o) { return o.self().residual(); }
inline const bool* fused_residual(const operation& o) { return fused_residual(const_cast<operation&>(o)); }

/// The map by which the operator rounds its own state, that of its first output, or null where it has none.
inline affine* state_map(operation& o) { return o.self().state_map(); }
inline const affine* state_map(const operation& o) { return state_map(const_cast<operation&>(o)); }

/// Throws octavo::error, naming what is wrong, unless a tensor of that type can exist: extents from 1, few enough rows
/// and elements to count them, a scale that has an inverse, a zero point that is a u8.
inline void check(const tensor_type& t) {
  for (int i = 0; i < t.extents.rank; ++i)
    require(t.extents[i] >= 1, "a tensor cannot have the extents ", t.extents, ": they must be at least 1");
  require(t.extents.count() > 0 && t.extents.rows() <= std::numeric_limits<int>::max(), "a tensor of ", t.extents,
          " has too many rows: at most 2^31 - 1 are supported");
  if (t.is_u8()) check(t.q);
}

namespace detail {

/// Throws octavo::error, naming the input, where one is missing, or left out though it may not, or too many.
inline void check_inputs(const operator_facts& f, std::span<const tensor_type> src) {
  for (std::size_t i = 0; i < f.inputs.size(); ++i)
    require(f.inputs[i].count != port_count::one || (i < src.size() && src[i].type != element::none), f.name,
            ": input '", f.inputs[i].name, "' is missing");
  const bool any_number = !f.inputs.empty() && f.inputs.back().count == port_count::any;
  require(any_number || src.size() <= f.inputs.size(), f.name, ": expected ", f.inputs.size(), " inputs, found ",
          src.size());
}

}  // namespace detail

/// Throws octavo::error, naming what is wrong, unless the operator can be run with that signature.
inline void check(const operation& o, const signature& s) {
  for (const tensor_type& t : s.src)
    if (t.type != element::none) check(t);
  for (const tensor_type& t : s.dst) check(t);
  const operator_facts& f = o.facts();
  require(s.dst.size() == f.outputs.size(), f.name, ": expected ", f.outputs.size(), " outputs, found ", s.dst.size());
  if (const activation* act = fused_activation(o))
    require(act->lower <= act->upper && act->lower < HUGE_VALF && act->upper > -HUGE_VALF, f.name, ": the lower bound ",
            act->lower, " must not be above the upper bound ", act->upper, ", nor either a NaN");
  o.self().verify(s);
}

/// Reference evaluation: slow, short, and the specification of every kernel. Allocates nothing, and throws nothing
/// where check() did not.
inline void evaluate(const operation& o, const signature& s, const arguments& a) { o.self().run_reference(s, a); }

}  // namespace octavo
