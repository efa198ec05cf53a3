// Operators of ONNX on what is known while importing: shapes and what is computed with them, constants, conversions.
#pragma once

#include "octavo/importer/onnx/node.hpp"

namespace octavo::onnx {

/// Throws octavo::error where `n` is the code of an extent that each run chooses: see dims::encoded().
inline std::int64_t no_bounded_extent(std::int64_t n) {
  require(n >= -std::numeric_limits<int>::max(),
          "an extent that is chosen at each run can be moved from one shape to another, but not computed with");
  return n;
}

/// s64, of one axis or of none.
inline tensor integers_of(const dims& extents, std::span<const std::int64_t> list) {
  return tensor::of<std::int64_t>(extents, list);
}

/// Calls use(i, j, k) for element i of a tensor of extents `y`, j and k of operands which broadcast to it.
template <class Use>
void for_each_pair(const dims& y, const dims& a, const dims& b, Use&& use) {
  const op::axis_strides of_a = op::strides_of({nullptr, a, a.back()}, y),
                         of_b = op::strides_of({nullptr, b, b.back()}, y);
  for (std::size_t i = 0; i < y.count(); ++i) {
    const position p = position_of(i, y);
    std::ptrdiff_t j = 0, k = 0;
    for (std::size_t axis = 0; axis < static_cast<std::size_t>(y.rank); ++axis)
      j += p[axis] * of_a[axis], k += p[axis] * of_b[axis];
    use(i, static_cast<std::size_t>(j), static_cast<std::size_t>(k));
  }
}

/// The extents of what inputs `i` and `k` broadcast to.
inline dims broadcast_extents(const node_import& n, std::size_t i, std::size_t k) {
  const dims a = n.extents(i), b = n.extents(k);
  require(op::broadcasts(a, b), "inputs of ", a, " and ", b, " do not broadcast");
  return op::broadcast(a, b);
}

/// Whether inputs are known and hold integers.
inline bool are_known_integers(node_import& n) {
  for (std::size_t i = 0; i < n.inputs(); ++i)
    if (!n.has(i) || !n.known(i) || n.known(i)->type() == element::f32) return false;
  return n.inputs() > 0;
}

/// The elements as they were, or in the type that they are wanted in.
template <class T>
tensor converted(const tensor& t) {
  tensor y(element_of<T>, t.extents());
  const auto copy = [&](auto from) {
    for (std::size_t i = 0; i < from.size(); ++i) {
      if constexpr (std::is_integral_v<T> && std::is_same_v<decltype(from), std::span<const float>>)
        y.as<T>()[i] =
            static_cast<T>(std::clamp(from[i], -0x1p31f, 0x1.fffffep30f));  // towards 0; ONNX leaves more open
      else
        y.as<T>()[i] = static_cast<T>(from[i]);
    }
  };
  switch (t.type()) {
    case element::f32: copy(t.as<float>()); break;
    case element::u8: copy(t.as<std::uint8_t>()); break;
    case element::s8: copy(t.as<std::int8_t>()); break;
    case element::s32: copy(t.as<std::int32_t>()); break;
    case element::s64: copy(t.as<std::int64_t>()); break;
    case element::none: break;
  }
  return y;
}

/// Integers of any width, computed in 64 bits, in the type of the first input.
inline void write_integers(node_import& n, const dims& extents, std::span<const std::int64_t> list) {
  const element type = n.known(0)->type();
  tensor wide = integers_of(extents, list);
  switch (type) {
    case element::u8: return n.write_known(converted<std::uint8_t>(wide));
    case element::s8: return n.write_known(converted<std::int8_t>(wide));
    case element::s32: return n.write_known(converted<std::int32_t>(wide));
    default: return n.write_known(std::move(wide));
  }
}

/// Inputs `a` and `b`, which are integers.
template <class F>
void write_integer_pairs(node_import& n, F&& f) {
  const dims y = broadcast_extents(n, 0, 1);
  n.state.spend(y.count() * sizeof(std::int64_t));
  const std::vector<std::int64_t> a = n.known_integers(0), b = n.known_integers(1);
  std::vector<std::int64_t> all(y.count());
  for_each_pair(y, n.extents(0), n.extents(1), [&](std::size_t i, std::size_t j, std::size_t k) {
    all[i] = f(no_bounded_extent(a[j]), no_bounded_extent(b[k]));
  });
  write_integers(n, y, all);
}

/// Comparisons and logic: u8, 1 where it is true.
template <class F>
void compare(node_import& n) {
  constexpr F f{};
  const tensor a = converted<float>(n.needed(0)), b = converted<float>(n.needed(1));
  const dims y = broadcast_extents(n, 0, 1);
  n.state.spend(y.count());
  tensor t(element::u8, y);
  const bool integers = are_known_integers(n);
  const std::vector<std::int64_t> whole_a = integers ? n.known_integers(0) : std::vector<std::int64_t>{},
                                  whole_b = integers ? n.known_integers(1) : std::vector<std::int64_t>{};
  for_each_pair(y, a.extents(), b.extents(), [&](std::size_t i, std::size_t j, std::size_t k) {
    t.as<std::uint8_t>()[i] = integers ? f(whole_a[j], whole_b[k]) : f(a.as<float>()[j], b.as<float>()[k]);
  });
  n.into.set_known(n.out(), std::move(t));
}

inline void logical_not(node_import& n) {
  tensor t = converted<std::uint8_t>(n.needed(0));
  for (std::uint8_t& b : t.as<std::uint8_t>()) b = b == 0;
  n.write_known(std::move(t));
}

/// y = condition ? x : otherwise, of known tensors only.
inline void where(node_import& n) {
  const tensor condition = converted<std::uint8_t>(n.needed(0));
  const tensor &a = n.needed(1), &b = n.needed(2);
  require(a.type() == b.type(), "inputs of ", name_of(a.type()), " and ", name_of(b.type()), " must have one type");
  const dims values = broadcast_extents(n, 1, 2);
  require(op::broadcasts(condition.extents(), values), "a condition of ", condition.extents(), " for ", values);
  const dims y = op::broadcast(condition.extents(), values);
  n.state.spend(y.count() * size_of(a.type()));
  tensor t(a.type(), y);
  const std::size_t bytes = size_of(a.type());
  for_each_pair(y, condition.extents(), condition.extents(), [&](std::size_t i, std::size_t c, std::size_t) {
    t.bytes()[i * bytes] = static_cast<std::byte>(condition.as<std::uint8_t>()[c]);
  });
  for_each_pair(y, a.extents(), b.extents(), [&](std::size_t i, std::size_t j, std::size_t k) {
    const bool first = t.bytes()[i * bytes] != std::byte{0};
    std::memcpy(&t.bytes()[i * bytes], (first ? a : b).bytes().data() + (first ? j : k) * bytes, bytes);
  });
  n.into.set_known(n.out(), std::move(t));
}

/// Constant, in all its forms but strings and sparse tensors.
inline void read_constant(node_import& n) {
  for (const file_attribute& a : n.node.attributes) {
    const auto count = static_cast<std::int64_t>(a.name == "value_ints" ? a.integers.size() : a.reals.size());
    if (a.name == "value" && a.elements)
      return a.elements->elements ? n.into.set_known(n.out(), *a.elements->elements) : n.into.set_empty(n.out());
    if (a.name == "value_int" && a.integer) return n.into.set_known(n.out(), integers_of({}, {&*a.integer, 1}));
    if (a.name == "value_float" && a.real)
      return n.into.set_known(n.out(), tensor::of<float>({}, std::span(&*a.real, 1)));
    if ((a.name == "value_ints" || a.name == "value_floats") && count == 0) return n.into.set_empty(n.out());
    if (a.name == "value_ints") return n.into.set_known(n.out(), integers_of({count}, a.integers));
    if (a.name == "value_floats") return n.into.set_known(n.out(), tensor::of<float>({count}, std::span(a.reals)));
  }
  fail("it has no value that can be read: numbers are supported, strings and sparse tensors are not");
}

inline dims extents_of(std::span<const std::int64_t> list) {
  dims e;
  for (std::int64_t extent : list) e.push_back(extent);
  return e;
}

inline void constant_of_shape(node_import& n) {
  const std::vector<std::int64_t> shape = n.known_integers(0);
  if (std::ranges::find(shape, 0) != shape.end()) return n.into.set_empty(n.out());
  for (std::int64_t extent : shape) require(extent > 0, "the extents must be known numbers, found ", extent);
  const dims e = extents_of(shape);
  const file_attribute* a = n.node.attribute("value");
  const std::optional<tensor> value = a && a->elements ? a->elements->elements : tensor(element::f32, {});
  require(value && value->extents().count() == 1, "attribute 'value' must be one number");
  const std::size_t bytes = size_of(value->type());
  n.state.spend(e.count() * bytes);
  tensor t(value->type(), e);
  for (std::size_t i = 0; i < e.count(); ++i) std::memcpy(&t.bytes()[i * bytes], value->bytes().data(), bytes);
  n.into.set_known(n.out(), std::move(t));
}

/// The extents, of bounded axes their code, which reshape and expand understand.
inline void shape_of_tensor(node_import& n) {
  const dims e = n.extents();
  const auto inside = [&](int at) { return std::clamp(at < 0 ? at + e.rank : at, 0, e.rank); };
  std::vector<std::int64_t> list;
  for (int i = inside(n.integer("start", 0)); i < inside(n.integer("end", e.rank)); ++i) list.push_back(e.encoded(i));
  if (list.empty()) return n.into.set_empty(n.out());
  n.write_known(integers_of({static_cast<std::int64_t>(list.size())}, list));
}

inline void size_of_tensor(node_import& n) {
  const dims e = n.extents();
  for (int i = 0; i < e.rank; ++i) no_bounded_extent(e.encoded(i));
  const auto count = static_cast<std::int64_t>(e.count());
  n.write_known(integers_of({}, {&count, 1}));
}

inline void range_of_integers(node_import& n) {
  require(are_known_integers(n) && n.inputs() == 3, "start, limit and delta must be known integers");
  std::int64_t given[3];
  for (std::size_t i = 0; i < 3; ++i) given[i] = no_bounded_extent(n.known_integers(i).at(0));
  const auto [start, limit, delta] = given;
  constexpr std::int64_t most = std::numeric_limits<int>::max();
  require(delta != 0 && std::abs(delta) <= most && std::abs(start) <= most && std::abs(limit) <= most,
          "cannot go from ", start, " to ", limit, " by ", delta);
  const std::int64_t count = (limit - start + delta + (delta > 0 ? -1 : 1)) / delta;
  if (count <= 0) return n.into.set_empty(n.out());
  n.state.spend(static_cast<std::size_t>(count) * sizeof(std::int64_t));
  std::vector<std::int64_t> list(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < list.size(); ++i) list[i] = start + static_cast<std::int64_t>(i) * delta;
  write_integers(n, {count}, list);
}

/// What a type of the file is in Octavo; none where it has no such type.
inline element element_in_octavo(std::int64_t type) {
  switch (static_cast<data_type>(type)) {
    case data_type::f32:
    case data_type::f16:
    case data_type::bf16:
    case data_type::f64: return element::f32;
    case data_type::u8:
    case data_type::boolean: return element::u8;
    case data_type::s8: return element::s8;
    case data_type::u16:
    case data_type::s16:
    case data_type::s32: return element::s32;
    case data_type::s64:
    case data_type::u32:
    case data_type::u64: return element::s64;
  }
  return element::none;
}

/// Values of the graph keep their type, or go between integers of several widths, which are one there.
inline void cast_to(node_import& n, element to, bool to_boolean = false) {
  require(to != element::none, "there is no such type");
  if (const auto sum = n.state.sums.find(n.node.inputs.at(0)); sum != n.state.sums.end()) {
    n.state.sums.emplace(n.out(), sum->second);
    return n.into.set_empty(n.out());
  }
  const element from = n.into.type(n.in());
  if (from == to && !to_boolean) return n.write_same();
  if (const constant t = n.known(0)) {
    if (to_boolean && from == element::f32) {
      tensor truth(element::u8, t->extents());
      for (std::size_t i = 0; i < t->extents().count(); ++i) truth.as<std::uint8_t>()[i] = t->as<float>()[i] != 0.0f;
      return n.write_known(std::move(truth));
    }
    switch (to) {
      case element::f32: return n.write_known(converted<float>(*t));
      case element::u8: return n.write_known(converted<std::uint8_t>(*t));
      case element::s8: return n.write_known(converted<std::int8_t>(*t));
      case element::s32: return n.write_known(converted<std::int32_t>(*t));
      default: return n.write_known(converted<std::int64_t>(*t));
    }
  }
  const auto is_id = [](element e) { return e == element::s32 || e == element::s64; };
  const auto q = n.state.quantized.find(n.in());
  const bool same_integers = q != n.state.quantized.end() && to == (q->second.is_signed ? element::s8 : element::u8);
  const bool own_numbers = q != n.state.quantized.end() && to == element::f32 && q->second == integer_map{};
  require((is_id(from) && is_id(to)) || same_integers || own_numbers,
          "a value that depends on the network's inputs cannot change from ", name_of(from), " to ", name_of(to));
  if (own_numbers) return n.into.set_same(n.out(), n.in());
  n.write_same();
}
inline void cast(node_import& n) {
  const int to = n.integer("to", 0);
  cast_to(n, element_in_octavo(to), static_cast<data_type>(to) == data_type::boolean);
}
inline void cast_like(node_import& n) { cast_to(n, n.into.type(n.in(1))); }

}  // namespace octavo::onnx
