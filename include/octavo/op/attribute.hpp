// Attributes of operators: each operator lists its own once, as `fields`; printing, comparing, saving, loading and the
// importers' mapping come from that list.
//
//   struct conv2d { static constexpr auto fields = std::tuple{field{"out", &conv2d::out}, ...}; };
#pragma once

#include <cstdint>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "octavo/base/error.hpp"
#include "octavo/quant/affine.hpp"
#include "octavo/tensor/element.hpp"
#include "octavo/tensor/shape.hpp"

namespace octavo {

/// An attribute: what it is called, and the member that holds it.
template <class Owner, class T>
struct field {
  std::string_view name;
  T Owner::*member;
};
template <class Owner, class T>  // clang deduces nothing for aggregates before version 17
field(std::string_view, T Owner::*)->field<Owner, T>;

/// The value of an attribute as files have it.
using attribute = std::variant<bool, std::int64_t, double, std::string, std::vector<std::int64_t>, std::vector<double>>;

/// The attributes of one operator that differ from their defaults, by name.
using attribute_map = std::map<std::string, attribute, std::less<>>;

// A type of attribute is one that has these two functions, here or in its own namespace. from_attribute() throws
// octavo::error, saying what it expected, where the attribute is of another kind.

inline attribute to_attribute(bool v) { return v; }
inline attribute to_attribute(int v) { return std::int64_t{v}; }
inline attribute to_attribute(float v) { return static_cast<double>(v); }
inline attribute to_attribute(const dims& d) {
  std::vector<std::int64_t> v;
  for (int i = 0; i < d.rank; ++i) v.push_back(d.encoded_in_place(i));
  return v;
}
inline attribute to_attribute(const affine& a) {
  return std::vector<double>{static_cast<double>(a.scale), static_cast<double>(a.zero_point)};
}

namespace detail {

/// The attribute as T. Throws octavo::error where it is of another kind.
template <class T>
const T& attribute_as(const attribute& a, std::string_view expected) {
  const T* v = std::get_if<T>(&a);
  require(v != nullptr, "expected ", expected);
  return *v;
}

inline int attribute_as_int(std::int64_t v) {
  require(std::in_range<int>(v), "expected a whole number of 32 bits, found ", v);
  return static_cast<int>(v);
}

}  // namespace detail

inline void from_attribute(const attribute& a, bool& v) { v = detail::attribute_as<bool>(a, "true or false"); }
inline void from_attribute(const attribute& a, int& v) {
  v = detail::attribute_as_int(detail::attribute_as<std::int64_t>(a, "a whole number"));
}
inline void from_attribute(const attribute& a, float& v) {
  const std::int64_t* whole = std::get_if<std::int64_t>(&a);
  v = static_cast<float>(whole ? static_cast<double>(*whole) : detail::attribute_as<double>(a, "a number"));
}
inline void from_attribute(const attribute& a, dims& d) {
  d = {};
  for (std::int64_t e : detail::attribute_as<std::vector<std::int64_t>>(a, "a list of extents")) d.push_back(e);
}
inline void from_attribute(const attribute& a, affine& q) {
  const auto& v = detail::attribute_as<std::vector<double>>(a, "scale and zero point");
  require(v.size() == 2 && v[1] == std::nearbyint(v[1]) && std::fabs(v[1]) <= 255,
          "expected scale and zero point, found ", v.size(), " numbers");
  q = {static_cast<float>(v[0]), static_cast<std::int32_t>(v[1])};
  check(q);
}

/// Whether T lists its attributes.
template <class T>
concept has_fields = requires {
  T::fields;
};

/// Calls `use(field)` for each attribute of T, in the order of its list.
template <has_fields T, class Use>
constexpr void for_each_field(Use&& use) {
  std::apply([&](const auto&... f) { (use(f), ...); }, T::fields);
}

/// Whether all attributes are equal.
template <has_fields T>
bool equal_fields(const T& a, const T& b) {
  bool equal = true;
  for_each_field<T>([&](const auto& f) { equal = equal && a.*f.member == b.*f.member; });
  return equal;
}

/// Writes the attributes that differ from their defaults: " kernel 3x3 out 64 residual". What says itself what it is,
/// an enumeration or an activation (activation::says_itself), goes without the attribute's name.
template <has_fields T>
void print_fields(std::ostream& out, const T& x) {
  const T usual{};
  for_each_field<T>([&]<class Owner, class V>(const field<Owner, V>& f) {
    if constexpr (std::is_enum_v<V>) {
      out << " " << x.*f.member;
      return;
    }
    if (x.*f.member == usual.*f.member) return;
    if constexpr (std::is_same_v<V, bool>)
      out << " " << f.name;
    else if constexpr (requires { V::says_itself; })
      out << " " << x.*f.member;
    else
      out << " " << f.name << " " << x.*f.member;
  });
}

/// The attributes that differ from their defaults.
template <has_fields T>
attribute_map attributes_of_fields(const T& x) {
  attribute_map all;
  const T usual{};
  for_each_field<T>([&](const auto& f) {
    if (!(x.*f.member == usual.*f.member)) all.emplace(f.name, to_attribute(x.*f.member));
  });
  return all;
}

/// Sets the attributes of `x`; those that are not in `given` stay. Throws octavo::error, naming the attribute, where
/// `x` has none of that name or of another type.
template <has_fields T>
void set_fields(T& x, const attribute_map& given) {
  std::size_t known = 0;
  std::ostringstream names;
  for_each_field<T>([&](const auto& f) {
    names << (names.tellp() > 0 ? ", " : "") << f.name;
    const auto found = given.find(f.name);
    if (found == given.end()) return;
    ++known;
    try {
      from_attribute(found->second, x.*f.member);
    } catch (const error& e) {
      fail("attribute '", f.name, "': ", e.what());
    }
  });
  if (known == given.size()) return;
  for (const auto& entry : given) {
    bool is_field = false;
    for_each_field<T>([&](const auto& f) { is_field = is_field || f.name == entry.first; });
    require(is_field, "there is no attribute '", entry.first, "', only ", names.str());
  }
}

}  // namespace octavo
