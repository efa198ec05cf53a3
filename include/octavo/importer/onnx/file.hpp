// ONNX files as they are: the model's nodes with their attributes, its initializers, inputs and outputs. Nothing is
// interpreted here. Numbers of fields are those of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "octavo/importer/protobuf.hpp"
#include "octavo/tensor/tensor.hpp"

namespace octavo::onnx {

/// TensorProto.DataType: those that can be read.
enum class data_type : std::int64_t {
  f32 = 1,
  u8 = 2,
  s8 = 3,
  u16 = 4,
  s16 = 5,
  s32 = 6,
  s64 = 7,
  boolean = 9,
  f16 = 10,
  f64 = 11,
  u32 = 12,
  u64 = 13,
  bf16 = 16
};

/// A tensor of the file: without elements where an extent is 0. What Octavo has no type for comes in a wider one:
/// booleans as u8, integers of 16 bits and u32 as s32 and s64, all floats as f32.
struct file_tensor {
  std::string name;
  std::optional<tensor> elements;
};

/// An attribute; the parts that it does not have are empty.
struct file_attribute {
  std::string name;
  std::optional<std::int64_t> integer{};
  std::optional<float> real{};
  std::optional<std::string> string{};
  std::optional<file_tensor> elements{};
  std::vector<std::int64_t> integers{};
  std::vector<float> reals{};
  std::vector<std::string> strings{};
  std::optional<importer::message_bytes> graph{};  ///< of the file's bytes: see read_branch()
};

/// A node: an input or output of no name is left out.
struct file_node {
  std::string name, type, domain;
  std::vector<std::string> inputs, outputs;
  std::vector<file_attribute> attributes;

  /// The attribute of that name, or null.
  const file_attribute* attribute(std::string_view of) const {
    const auto found = std::ranges::find(attributes, of, &file_attribute::name);
    return found == attributes.end() ? nullptr : &*found;
  }
  /// Its operator, with its domain where that is not ONNX's own.
  std::string operator_name() const { return domain.empty() ? type : domain + "." + type; }
  /// What errors call it: a node without a name is called after what it writes.
  std::string title() const {
    return text("node '", !name.empty() || outputs.empty() ? name : outputs[0], "' (", operator_name(), ")");
  }
};

/// An input or output of the model. An extent that the file leaves open is -1, and has a name or none.
struct file_value {
  std::string name;
  std::int64_t type = 0;
  bool has_extents = false;
  std::vector<std::int64_t> extents{};
  std::vector<std::string> extent_names{};
};

/// All that a file says and an importer wants to know.
struct file_model {
  std::map<std::string, std::int64_t> opsets;  ///< by domain; ONNX's own is ""
  std::vector<file_node> nodes;
  std::vector<file_tensor> initializers;
  std::vector<file_value> inputs, outputs;
};

namespace detail {

using importer::for_each_field;
using importer::message_bytes;
using importer::message_field;

/// ONNX's own domain has two names.
inline std::string domain_of(std::string_view name) { return name == "ai.onnx" ? "" : std::string(name); }

/// A number of 16 bits as f32: all of them are exact there.
inline float from_half(std::uint16_t bits) {
  const int sign = bits >> 15, exponent = bits >> 10 & 31, fraction = bits & 1023;
  const float size = exponent == 31  ? (fraction ? std::numeric_limits<float>::quiet_NaN() : HUGE_VALF)
                     : exponent == 0 ? std::ldexp(static_cast<float>(fraction), -24)
                                     : std::ldexp(static_cast<float>(1024 + fraction), exponent - 25);
  return sign ? -size : size;
}
inline float from_bfloat16(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

/// TensorProto, whose elements lie in one of several fields.
struct tensor_message {
  std::string name, where;
  std::vector<std::int64_t> extents{};
  std::int64_t type = 0;
  bool is_external = false;
  std::span<const std::byte> raw{};  // little-endian
  bool has_raw = false;
  std::vector<float> floats{};
  std::vector<double> doubles{};
  std::vector<std::int64_t> narrow{}, wide{}, unsigned_wide{};  // int32_data, which has all of up to 32 bits; s64; u64

  explicit tensor_message(const message_bytes& message) : where(message.where) {
    for_each_field(message, [&](const message_field& f) {
      switch (f.number) {
        case 1: f.append_to(extents); break;
        case 2: type = f.as_int(); break;
        case 4: f.append_to(floats); break;
        case 5: f.append_to(narrow); break;
        case 7: f.append_to(wide); break;
        case 8: name = f.as_string(); break;
        case 9: raw = std::as_bytes(std::span(f.as_string())), has_raw = true; break;
        case 10: f.append_to(doubles); break;
        case 11: f.append_to(unsigned_wide); break;
        case 14: is_external = f.as_int() != 0; break;
        default: break;
      }
    });
    where = text(message.where, " '", name, "'");
  }

  /// The elements, each of which is a Stored in the file's bytes or a number in `list`, and becomes a T.
  template <class T, class Stored, class Number, class Convert>
  tensor elements(const dims& e, const std::vector<Number>& list, Convert&& convert) const {
    const std::size_t count = e.count(), found = has_raw ? raw.size() / sizeof(Stored) : list.size();
    require(found == count && (!has_raw || raw.size() % sizeof(Stored) == 0), where, ": ", e, " elements of ",
            sizeof(Stored), " bytes expected, found ", has_raw ? raw.size() : list.size(),
            has_raw ? " bytes" : " elements");
    tensor t(element_of<T>, e);  // only now: not before the file is known to have as many
    for (std::size_t i = 0; i < count; ++i) {
      Stored s;
      if (has_raw)
        std::memcpy(&s, raw.data() + i * sizeof(Stored), sizeof(Stored));
      else
        s = static_cast<Stored>(list[i]);
      t.as<T>()[i] = convert(s);
    }
    return t;
  }
  template <class T, class Stored, class Number>
  tensor elements(const dims& e, const std::vector<Number>& list) const {
    return elements<T, Stored>(e, list, [](Stored s) { return static_cast<T>(s); });
  }

  file_tensor read() const {
    require(!is_external, where, ": its elements are in another file, which is not supported: save the model in one");
    dims e;
    for (std::int64_t n : extents) {
      require(n >= 0 && n <= std::numeric_limits<int>::max(), where, ": an extent is ", n, ", expected 0 to 2^31 - 1");
      e.push_back(n);
    }
    if (std::ranges::find(extents, 0) != extents.end()) return {name, {}};
    return {name, of_extents(e)};
  }

 private:
  tensor of_extents(const dims& e) const {
    switch (static_cast<data_type>(type)) {
      case data_type::f32: return elements<float, float>(e, floats);
      case data_type::u8: return elements<std::uint8_t, std::uint8_t>(e, narrow);
      case data_type::s8: return elements<std::int8_t, std::int8_t>(e, narrow);
      case data_type::u16: return elements<std::int32_t, std::uint16_t>(e, narrow);
      case data_type::s16: return elements<std::int32_t, std::int16_t>(e, narrow);
      case data_type::s32: return elements<std::int32_t, std::int32_t>(e, narrow);
      case data_type::s64: return elements<std::int64_t, std::int64_t>(e, wide);
      case data_type::boolean:
        return elements<std::uint8_t, std::uint8_t>(e, narrow, [](std::uint8_t b) { return std::uint8_t{b != 0}; });
      case data_type::f16: return elements<float, std::uint16_t>(e, narrow, from_half);
      case data_type::bf16: return elements<float, std::uint16_t>(e, narrow, from_bfloat16);
      case data_type::f64: return elements<float, double>(e, doubles);
      case data_type::u32: return elements<std::int64_t, std::uint32_t>(e, unsigned_wide);
      case data_type::u64: return elements<std::int64_t, std::uint64_t>(e, unsigned_wide);
      default: fail(where, ": elements of type ", type, " are not supported");
    }
  }
};

inline file_attribute read_attribute(const message_bytes& message) {
  file_attribute a;
  for_each_field(message, [&](const message_field& f) {
    switch (f.number) {
      case 1: a.name = f.as_string(); break;
      case 2: a.real = f.as_float(); break;
      case 3: a.integer = f.as_int(); break;
      case 4: a.string = std::string(f.as_string()); break;
      case 5: a.elements = tensor_message(f.as_message("tensor")).read(); break;
      case 6: a.graph = f.as_message("graph"); break;
      case 7: f.append_to(a.reals); break;
      case 8: f.append_to(a.integers); break;
      case 9: a.strings.emplace_back(f.as_string()); break;
      default: break;
    }
  });
  return a;
}

inline file_node read_node(const message_bytes& message) {
  file_node n;
  for_each_field(message, [&](const message_field& f) {
    switch (f.number) {
      case 1: n.inputs.emplace_back(f.as_string()); break;
      case 2: n.outputs.emplace_back(f.as_string()); break;
      case 3: n.name = f.as_string(); break;
      case 4: n.type = f.as_string(); break;
      case 5: n.attributes.push_back(read_attribute(f.as_message("attribute"))); break;
      case 7: n.domain = domain_of(f.as_string()); break;
      default: break;
    }
  });
  while (!n.outputs.empty() && n.outputs.back().empty()) n.outputs.pop_back();
  return n;
}

/// The field `number` of the message in each field of that number, level by level.
template <class Use>
void for_each_inside(const message_bytes& message, std::span<const int> numbers, Use&& use) {
  for_each_field(message, [&](const message_field& f) {
    if (f.number != numbers[0]) return;
    if (numbers.size() == 1) return use(f);
    for_each_inside(f.as_message("type"), numbers.subspan(1), use);
  });
}

/// ValueInfoProto, of a tensor or of something else.
inline file_value read_value(const message_bytes& message) {
  file_value v;
  for_each_field(message, [&](const message_field& f) {
    if (f.number == 1) v.name = f.as_string();
  });
  constexpr int element_type[] = {2, 1, 1}, shape[] = {2, 1, 2};
  for_each_inside(message, element_type, [&](const message_field& f) { v.type = f.as_int(); });
  for_each_inside(message, shape, [&](const message_field& f) {
    v.has_extents = true;
    constexpr int axis[] = {1};
    for_each_inside(f.as_message("shape"), axis, [&](const message_field& extent) {
      v.extents.push_back(-1);
      v.extent_names.emplace_back();
      for_each_field(extent.as_message("extent"), [&](const message_field& e) {
        if (e.number == 1) v.extents.back() = e.as_int();
        if (e.number == 2) v.extent_names.back() = e.as_string();
      });
    });
  });
  return v;
}

inline void read_graph(const message_bytes& message, file_model& m) {
  for_each_field(message, [&](const message_field& f) {
    switch (f.number) {
      case 1: m.nodes.push_back(read_node(f.as_message("node"))); break;
      case 5: m.initializers.push_back(tensor_message(f.as_message("initializer")).read()); break;
      case 11: m.inputs.push_back(read_value(f.as_message("input"))); break;
      case 12: m.outputs.push_back(read_value(f.as_message("output"))); break;
      case 15: fail(message.where, ": sparse initializers are not supported");
      default: break;
    }
  });
}

}  // namespace detail

/// Reads a tensor that stands alone in a file, as ONNX's own tests have them.
inline file_tensor read_tensor(const importer::message_bytes& message) {
  return detail::tensor_message(message).read();
}

/// Reads a graph inside of a node: nodes, initializers and outputs.
inline file_model read_branch(const importer::message_bytes& message) {
  file_model m;
  detail::read_graph(message, m);
  return m;
}

/// Reads a model. Throws octavo::error, naming the file and the place in it, where it is none or has what cannot be
/// read: elements in other files, strings, sparse tensors.
inline file_model read_model(const importer::message_bytes& message) {
  file_model m;
  bool has_graph = false;
  detail::for_each_field(message, [&](const detail::message_field& f) {
    if (f.number == 7) {
      require(!has_graph, message.where, ": has two graphs");
      has_graph = true;
      detail::read_graph({f.as_message("graph").bytes, message.where}, m);
    } else if (f.number == 8) {
      std::string domain;
      std::int64_t version = 0;
      detail::for_each_field(f.as_message("operator set"), [&](const detail::message_field& of) {
        if (of.number == 1) domain = detail::domain_of(of.as_string());
        if (of.number == 2) version = of.as_int();
      });
      m.opsets[domain] = version;
    }
  });
  require(has_graph, message.where, ": is no ONNX model: it has no graph");
  return m;
}

}  // namespace octavo::onnx
