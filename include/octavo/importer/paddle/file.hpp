// PaddlePaddle's files as they lie there: a program (__model__, *.pdmodel), which is one serialized ProgramDesc, and
// parameters, one file each or all of them in one (__params__, *.pdiparams). What operators mean is not known here.
// Format: framework.proto, and SerializeToStream in lod_tensor.cc, in Paddle's sources.
#pragma once

#include "octavo/importer/protobuf.hpp"

#include <cmath>
#include <map>
#include <set>

#include "octavo/tensor/tensor.hpp"

namespace octavo::paddle {

using importer::for_each_field;
using importer::message_bytes;
using importer::message_field;

/// Types of elements, and of variables, by their numbers in the files.
enum class type_code : int {
  boolean = 0,
  s16 = 1,
  s32 = 2,
  s64 = 3,
  f16 = 4,
  f32 = 5,
  f64 = 6,
  lod_tensor = 7,
  u8 = 20,
  s8 = 21,
  bf16 = 22
};

/// The value of an attribute of any type: an integer that was a boolean in another version is the same.
struct attribute_value {
  std::vector<std::int64_t> integers;
  std::vector<double> numbers;
  std::vector<std::string_view> strings;  ///< in the bytes of the program
};

/// An operator of a program. What it reads and writes are lists of variables by the names of its slots.
struct program_op {
  using arguments = std::map<std::string, std::vector<std::string>, std::less<>>;
  std::string type;
  arguments inputs, outputs;
  std::map<std::string, attribute_value, std::less<>> attributes;
};

/// A variable of a program.
struct program_variable {
  type_code kind = type_code::lod_tensor, elements = type_code::f32;
  std::vector<std::int64_t> extents;  ///< -1 for one that is left open
  bool persistable = false;

  /// Whether the files have its elements.
  bool is_parameter() const { return persistable && kind == type_code::lod_tensor; }
};

/// The main block of a program. Operators are in the order of their execution.
struct program {
  std::map<std::string, program_variable> variables;
  std::vector<program_op> ops;
};

namespace detail {

/// A value of the message Scalar, which is an attribute of newer files.
inline void read_scalar(const message_bytes& message, attribute_value& value) {
  for_each_field(message, [&](const message_field& f) {
    if (f.number == 2 || f.number == 3) value.integers.push_back(f.as_int());
    if (f.number == 4) value.numbers.push_back(f.as_double());
  });
}

inline void read_attribute(const message_bytes& message, program_op& op) {
  std::string name;
  attribute_value value;
  std::vector<float> floats;
  for_each_field(message, [&](const message_field& f) {
    switch (f.number) {
      case 1: name = f.as_string(); break;
      case 3:
      case 10:
      case 13: value.integers.push_back(f.as_int()); break;
      case 6:
      case 11:
      case 15: f.append_to(value.integers); break;
      case 4: value.numbers.push_back(static_cast<double>(f.as_float())); break;
      case 7: f.append_to(floats); break;
      case 16: f.append_to(value.numbers); break;
      case 19: value.numbers.push_back(f.as_double()); break;
      case 5:
      case 8: value.strings.push_back(f.as_string()); break;
      case 20:
      case 21: read_scalar(f.as_message("scalar"), value); break;
      default: break;  // blocks and variables are no values
    }
  });
  for (float v : floats) value.numbers.push_back(static_cast<double>(v));
  if (name != "op_callstack") op.attributes[name] = std::move(value);  // which is most of a file
}

inline void read_arguments(const message_bytes& message, program_op::arguments& slots) {
  std::string slot;
  std::vector<std::string> names;
  for_each_field(message, [&](const message_field& f) {
    if (f.number == 1) slot = f.as_string();
    if (f.number == 2) names.emplace_back(f.as_string());
  });
  slots[slot] = std::move(names);
}

inline program_op read_op(const message_bytes& message) {
  program_op op;
  for_each_field(message, [&](const message_field& f) {
    if (f.number == 1) read_arguments(f.as_message("inputs"), op.inputs);
    if (f.number == 2) read_arguments(f.as_message("outputs"), op.outputs);
    if (f.number == 3) op.type = f.as_string();
    if (f.number == 4) read_attribute(f.as_message("attribute"), op);
  });
  require(!op.type.empty(), message.where, ": an operator has no type");
  return op;
}

/// TensorDesc: the type and the extents of a tensor.
inline void read_tensor_desc(const message_bytes& message, program_variable& v) {
  for_each_field(message, [&](const message_field& f) {
    if (f.number == 1) v.elements = static_cast<type_code>(f.as_int());
    if (f.number == 2) f.append_to(v.extents);
  });
}

inline void read_variable(const message_bytes& message, program& p) {
  std::string name;
  program_variable v;
  for_each_field(message, [&](const message_field& f) {
    if (f.number == 1) name = f.as_string();
    if (f.number == 3) v.persistable = f.as_int() != 0;
    if (f.number != 2) return;
    for_each_field(f.as_message("type"), [&](const message_field& type) {
      if (type.number == 1) v.kind = static_cast<type_code>(type.as_int());
      if (type.number != 3) return;
      for_each_field(type.as_message("tensor"), [&](const message_field& tensor) {
        if (tensor.number == 1) read_tensor_desc(tensor.as_message("description"), v);
      });
    });
  });
  p.variables[name] = std::move(v);
}

/// An IEEE number of 16 bits, or its upper 16 of 32.
inline float from_f16(std::uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  const float size = exponent == 31  ? (fraction ? NAN : HUGE_VALF)
                     : exponent == 0 ? std::ldexp(static_cast<float>(fraction), -24)
                                     : std::ldexp(static_cast<float>(fraction + 1024), exponent - 25);
  return bits >> 15 ? -size : size;
}
inline float from_bf16(std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }

/// Elements that lie in a file as From, as T.
template <class From, class T, class Convert>
tensor converted(std::span<const std::byte> bytes, const dims& extents, Convert&& convert) {
  tensor t(element_of<T>, extents);
  for (std::size_t i = 0; i < t.as<T>().size(); ++i) {
    From v;
    std::memcpy(&v, bytes.data() + i * sizeof v, sizeof v);
    t.as<T>()[i] = static_cast<T>(convert(v));
  }
  return t;
}

/// Bytes of an element in files; 0 for a type that has none.
inline std::size_t bytes_of(type_code type) {
  switch (type) {
    case type_code::boolean:
    case type_code::u8:
    case type_code::s8: return 1;
    case type_code::s16:
    case type_code::f16:
    case type_code::bf16: return 2;
    case type_code::s32:
    case type_code::f32: return 4;
    case type_code::s64:
    case type_code::f64: return 8;
    default: return 0;
  }
}

/// What the bytes of a tensor are: all floats become f32, s8 and u8 stay, and all other integers become s64.
inline tensor elements_from(std::span<const std::byte> bytes, type_code type, const dims& e) {
  const auto same = [](auto v) { return v; };
  switch (type) {
    case type_code::boolean: return converted<std::uint8_t, std::int64_t>(bytes, e, [](auto v) { return v != 0; });
    case type_code::u8: return converted<std::uint8_t, std::uint8_t>(bytes, e, same);
    case type_code::s8: return converted<std::int8_t, std::int8_t>(bytes, e, same);
    case type_code::s16: return converted<std::int16_t, std::int64_t>(bytes, e, same);
    case type_code::s32: return converted<std::int32_t, std::int64_t>(bytes, e, same);
    case type_code::s64: return converted<std::int64_t, std::int64_t>(bytes, e, same);
    case type_code::f16: return converted<std::uint16_t, float>(bytes, e, from_f16);
    case type_code::bf16: return converted<std::uint16_t, float>(bytes, e, from_bf16);
    case type_code::f64: return converted<double, float>(bytes, e, same);
    default: return converted<float, float>(bytes, e, same);
  }
}

}  // namespace detail

/// The program in `bytes`, which must outlive it. Throws octavo::error, beginning with `name`, where that is none.
inline program read_program(const std::string& name, std::span<const std::byte> bytes) {
  program p;
  int blocks = 0;
  for_each_field({bytes, name}, [&](const message_field& f) {
    if (f.number != 1 || blocks++ > 0) return;  // others belong to operators that read_op() keeps as any other
    for_each_field(f.as_message("block"), [&](const message_field& in_block) {
      if (in_block.number == 3) detail::read_variable(in_block.as_message("variable"), p);
      if (in_block.number == 4) p.ops.push_back(detail::read_op(in_block.as_message("operator")));
    });
  });
  require(!p.ops.empty(), name, ": expected a PaddlePaddle program, found no operator");
  return p;
}

/// Reads parameters one after the other as they lie in a file.
class parameter_reader {
 public:
  /// `name` is what errors call the file.
  parameter_reader(std::string name, std::span<const std::byte> bytes) : name_(std::move(name)), bytes_(bytes) {}

  /// The next one, which should be `variable`. Throws octavo::error, naming file and variable, where the file ends
  /// within it, or where its extents are not those of the program.
  tensor next(const std::string& variable, const program_variable& expected) {
    const std::string what = text(name_, ": parameter '", variable, "'");
    require(take<std::uint32_t>(what) == 0, what, ": expected version 0 of its format at offset ", at_ - 4);
    for (auto levels = take<std::uint64_t>(what); levels > 0; --levels) take_bytes(take<std::uint64_t>(what), what);
    require(take<std::uint32_t>(what) == 0, what, ": expected version 0 of a tensor at offset ", at_ - 4);
    const auto length = take<std::int32_t>(what);
    require(length >= 0, what, ": a description of ", length, " bytes");
    program_variable found;
    detail::read_tensor_desc({take_bytes(static_cast<std::size_t>(length), what), what}, found);
    const dims extents = checked_extents(found, expected, what);
    const std::size_t size = detail::bytes_of(found.elements);
    require(size > 0, what, ": its elements have the unknown type ", static_cast<int>(found.elements));
    return detail::elements_from(take_bytes(extents.count() * size, what), found.elements, extents);
  }

  /// Throws octavo::error unless all bytes were read.
  void expect_end() const {
    require(at_ == bytes_.size(), name_, ": ", bytes_.size() - at_, " bytes after the last parameter");
  }

 private:
  static dims checked_extents(const program_variable& found, const program_variable& expected,
                              const std::string& what) {
    const auto list = [](const std::vector<std::int64_t>& extents) {
      std::string s;
      for (std::int64_t e : extents) s += (s.empty() ? "" : "x") + std::to_string(e);
      return s.empty() ? "scalar" : s;
    };
    dims d;
    try {
      for (std::int64_t e : found.extents) {
        require(e > 0, "they must be at least 1");
        d.push_back(e);
      }
      d.count();
    } catch (const error& e) {
      fail(what, ": a parameter cannot have the extents ", list(found.extents), ": ", e.what());
    }
    bool same = found.extents.size() == expected.extents.size();
    for (std::size_t i = 0; same && i < found.extents.size(); ++i)
      same = expected.extents[i] < 0 || expected.extents[i] == found.extents[i];
    require(same, what, ": the program says ", list(expected.extents), ", found ", list(found.extents));
    return d;
  }

  std::span<const std::byte> take_bytes(std::uint64_t count, const std::string& what) {
    require(count <= bytes_.size() - at_, what, ": expected ", count, " bytes at offset ", at_,
            ", found the end of the file at ", bytes_.size());
    at_ += static_cast<std::size_t>(count);
    return bytes_.subspan(at_ - static_cast<std::size_t>(count), static_cast<std::size_t>(count));
  }
  template <class T>
  T take(const std::string& what) {
    T v;
    std::memcpy(&v, take_bytes(sizeof v, what).data(), sizeof v);
    return v;
  }

  std::string name_;
  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
};

}  // namespace octavo::paddle
