// PaddlePaddle's operators that make tensors which are known when the file is read, or ask for shapes.
#pragma once

#include "octavo/importer/paddle/operator.hpp"

namespace octavo::paddle {
namespace detail {

/// A tensor of one number.
inline tensor filled(composer& net, const std::vector<std::int64_t>& shape, bool is_float, double value) {
  dims e;
  for (std::int64_t n : shape) {
    require(n > 0, "cannot make a tensor with the extent ", n);
    e.push_back(n);
  }
  if (e.rank == 0) e.push_back(1);
  net.take_bytes(e.count() * size_of(is_float ? element::f32 : element::s64));
  tensor t(is_float ? element::f32 : element::s64, e);
  if (is_float)
    std::ranges::fill(t.as<float>(), static_cast<float>(value));
  else
    std::ranges::fill(t.as<std::int64_t>(), static_cast<std::int64_t>(value));
  return t;
}

inline bool is_float_type(std::int64_t code) {
  return code >= static_cast<int>(type_code::f16) && code <= static_cast<int>(type_code::f64);
}

/// The number that fills: str_value, where it is given, is the exact one.
inline double filling_value(const imported_op& o) {
  if (o.has("ValueTensor")) return static_cast<double>(o.net.numbers(o.input("ValueTensor"), "the value").at(0));
  const std::string exact = o.string("str_value", "");
  if (exact.empty()) return static_cast<double>(o.number("value", 0.0f));
  char* end = nullptr;
  const double v = std::strtod(exact.c_str(), &end);
  require(end == exact.c_str() + exact.size() && std::fabs(v) <= 0x1p62, "the str_value '", exact, "' is no number");
  return v;
}

inline void fill_constant(const imported_op& o) {
  o.set_known(filled(o.net, o.integers_of("ShapeTensorList", "ShapeTensor", "shape"),
                     is_float_type(o.integer("dtype", 5)), filling_value(o)));
}

inline void fill_constant_batch_size_like(const imported_op& o) {
  auto shape = o.integers("shape");
  const dims like = o.net.extents(o.input("Input"));
  const auto to = static_cast<std::size_t>(o.integer("output_dim_idx", 0));
  const int from = axis_of(o.small_integer("input_dim_idx", 0), like.rank);
  require(to < shape.size() && from >= 0, "there is no such axis");
  shape[to] = like.encoded(from);
  o.set_known(filled(o.net, shape, is_float_type(o.integer("dtype", 5)), filling_value(o)));
}

inline void fill_like(const imported_op& o, float value) {
  const dims like = o.net.extents(o.input());
  std::vector<std::int64_t> shape;
  for (int i = 0; i < like.rank; ++i) shape.push_back(like.encoded(i));
  const std::int64_t type = o.integer("dtype", -1);
  o.set_known(filled(o.net, shape, type < 0 ? o.net.type(o.input()) == element::f32 : is_float_type(type),
                     static_cast<double>(o.number("value", value))));
}

inline void assign_value(const imported_op& o) {
  dims e;
  for (std::int64_t n : o.integers("shape")) e.push_back(n);
  if (e.rank == 0) e.push_back(1);
  if (is_float_type(o.integer("dtype", 5))) {
    auto v = o.numbers("fp32_values");
    if (v.empty()) v = o.numbers("values");
    return o.set_known(tensor::of<float>(e, v));
  }
  std::vector<std::int64_t> v;
  for (const char* name : {"int32_values", "int64_values", "bool_values", "values"})
    if (v.empty()) v = o.integers(name);
  o.set_known(tensor::of<std::int64_t>(e, v));
}

/// start, start + step .. below end.
inline void range(const imported_op& o) {
  const auto one = [&](std::string_view slot) {
    const auto v = o.net.integers(o.input(slot), slot);
    require(v.size() == 1 && std::abs(v[0]) <= std::numeric_limits<int>::max(), slot, " must be one number");
    return v[0];
  };
  const std::int64_t start = one("Start"), end = one("End"), step = one("Step");
  require(step != 0, "the step is 0");
  const std::int64_t n = (end - start + step - (step > 0 ? 1 : -1)) / step;
  tensor t = filled(o.net, {n}, false, 0);
  for (std::int64_t i = 0; i < n; ++i) t.as<std::int64_t>()[static_cast<std::size_t>(i)] = start + i * step;
  o.set_known(std::move(t));
}

inline void shape(const imported_op& o) {
  const dims x = o.net.extents(o.input("Input"));
  std::vector<std::int64_t> all;
  for (int i = 0; i < x.rank; ++i) all.push_back(x.encoded(i));
  o.set_known(tensor::of<std::int64_t>({x.rank}, all));
}

}  // namespace detail

/// What makes tensors, or asks for shapes.
inline const operator_table& known_operators() {
  using namespace detail;
  using in = const imported_op&;
  static const operator_table table{
      {"assign", [](in o) { o.set_same(); }},
      {"assign_value", assign_value},
      {"fill_constant", fill_constant},
      {"fill_constant_batch_size_like", fill_constant_batch_size_like},
      {"fill_any_like", [](in o) { fill_like(o, 0.0f); }},
      {"fill_zeros_like", [](in o) { fill_like(o, 0.0f); }},
      {"range", range},
      {"shape", shape},
  };
  return table;
}

}  // namespace octavo::paddle
