// Messages of protocol buffers without generated code: the fields of one message, one after the other, as they lie in
// memory. libprotobuf reads the wire format; what the fields mean, the formats that are built of them say.
// Format: https://protobuf.dev/programming-guides/encoding
#pragma once

#if !__has_include(<google/protobuf/io/coded_stream.h>)
#error "octavo: ONNX and Paddle files need libprotobuf: link octavo::onnx or octavo::paddle (Debian: libprotobuf-dev)"
#endif

#include <google/protobuf/io/coded_stream.h>

#include <bit>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "octavo/base/error.hpp"

namespace octavo::importer {

/// The bytes of a message, and what errors call it: a file, then what is in it.
struct message_bytes {
  std::span<const std::byte> bytes;
  std::string where;
};

/// One field of a message.
struct message_field {
  enum class wire_type : std::uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

  int number = 0;
  wire_type type = wire_type::varint;
  std::uint64_t value = 0;           ///< of a number, as it lies there
  std::span<const std::byte> bytes;  ///< of a string, a message or packed numbers
  std::string_view where;            ///< the message that it is in

  /// The number as a signed integer or an enumeration. Throws octavo::error where the field is none; so do the others.
  std::int64_t as_int() const {
    expect(wire_type::varint, "an integer");
    return static_cast<std::int64_t>(value);
  }
  float as_float() const {
    expect(wire_type::fixed32, "a float");
    return std::bit_cast<float>(static_cast<std::uint32_t>(value));
  }
  double as_double() const {
    expect(wire_type::fixed64, "a double");
    return std::bit_cast<double>(value);
  }
  std::string_view as_string() const {
    expect(wire_type::bytes, "a string");
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  /// The message in this field, which errors call `name`.
  message_bytes as_message(std::string_view name) const {
    expect(wire_type::bytes, "a message");
    return {bytes, text(where, ": ", name)};
  }
  /// The next number, or all of a packed list, is added to `list`.
  void append_to(std::vector<std::int64_t>& list) const;
  void append_to(std::vector<float>& list) const;
  void append_to(std::vector<double>& list) const;

 private:
  void expect(wire_type t, std::string_view what) const {
    require(type == t, where, ": field ", number, " must be ", what, ", found wire type ", static_cast<int>(type));
  }
};

/// Calls `use(field)` for each field of a message, in the order of the file. Throws octavo::error, naming the message
/// and the offset in it, where it ends within a field, or has one that no message can have.
template <class Use>
void for_each_field(const message_bytes& message, Use&& use) {
  using google::protobuf::io::CodedInputStream;
  using wire_type = message_field::wire_type;
  require(message.bytes.size() <= std::numeric_limits<int>::max(), message.where, ": ", message.bytes.size(),
          " bytes, expected less than 2^31");
  CodedInputStream in(reinterpret_cast<const std::uint8_t*>(message.bytes.data()),
                      static_cast<int>(message.bytes.size()));
  for (;;) {
    const int at = in.CurrentPosition();
    const std::uint32_t tag = in.ReadTag();
    if (tag == 0) {
      require(in.CurrentPosition() == static_cast<int>(message.bytes.size()), message.where, ": no field at offset ",
              at, " of ", message.bytes.size());
      return;
    }
    message_field f{static_cast<int>(tag >> 3), static_cast<wire_type>(tag & 7), 0, {}, message.where};
    bool whole = false;
    std::uint32_t length = 0;
    switch (f.type) {
      case wire_type::varint: whole = in.ReadVarint64(&f.value); break;
      case wire_type::fixed64: whole = in.ReadLittleEndian64(&f.value); break;
      case wire_type::fixed32:
        whole = in.ReadLittleEndian32(&length);
        f.value = length;
        break;
      case wire_type::bytes: {
        whole = in.ReadVarint32(&length);
        const auto begin = static_cast<std::size_t>(in.CurrentPosition());
        whole = whole && length <= message.bytes.size() - begin && in.Skip(static_cast<int>(length));
        if (whole) f.bytes = message.bytes.subspan(begin, length);
        break;
      }
      default: fail(message.where, ": field ", f.number, " at offset ", at, " has the unknown wire type ", tag & 7);
    }
    require(whole, message.where, ": ends within field ", f.number, ", which begins at offset ", at);
    use(f);
  }
}

namespace detail {

/// Numbers of a fixed width, packed or alone.
template <class Bits, class T>
void append_fixed(const message_field& f, message_field::wire_type alone, std::vector<T>& list) {
  if (f.type == alone) {
    list.push_back(std::bit_cast<T>(static_cast<Bits>(f.value)));
    return;
  }
  require(f.type == message_field::wire_type::bytes && f.bytes.size() % sizeof(T) == 0, f.where, ": field ", f.number,
          " must be numbers of ", sizeof(T), " bytes, found ", f.bytes.size(), " bytes of wire type ",
          static_cast<int>(f.type));
  const std::size_t before = list.size();
  list.resize(before + f.bytes.size() / sizeof(T));
  if (!f.bytes.empty()) std::memcpy(list.data() + before, f.bytes.data(), f.bytes.size());
}

}  // namespace detail

inline void message_field::append_to(std::vector<std::int64_t>& list) const {
  if (type == wire_type::varint) {
    list.push_back(as_int());
    return;
  }
  expect(wire_type::bytes, "integers");
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                            static_cast<int>(bytes.size()));
  std::uint64_t v;
  while (in.CurrentPosition() < static_cast<int>(bytes.size())) {
    require(in.ReadVarint64(&v), where, ": the integers of field ", number, " end within one");
    list.push_back(static_cast<std::int64_t>(v));
  }
}
inline void message_field::append_to(std::vector<float>& list) const {
  detail::append_fixed<std::uint32_t>(*this, wire_type::fixed32, list);
}
inline void message_field::append_to(std::vector<double>& list) const {
  detail::append_fixed<std::uint64_t>(*this, wire_type::fixed64, list);
}

}  // namespace octavo::importer
