// Messages of protocol buffers, made in a test field by field.
#pragma once

#include <cstdint>
#include <string>

namespace octavo::test {

/// A message in the making. Each call adds a field.
struct proto_message {
  std::string bytes;

  proto_message& integer(int number, std::int64_t value) {
    tag(number, 0);
    varint(static_cast<std::uint64_t>(value));
    return *this;
  }
  proto_message& real(int number, float value) {
    tag(number, 5);
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  proto_message& string(int number, const std::string& value) {
    tag(number, 2);
    varint(value.size());
    bytes += value;
    return *this;
  }
  proto_message& message(int number, const proto_message& value) { return string(number, value.bytes); }

 private:
  void tag(int number, unsigned type) { varint(static_cast<unsigned>(number) << 3 | type); }
  void varint(std::uint64_t v) {
    for (; v > 127; v >>= 7) bytes.push_back(static_cast<char>(v | 128));
    bytes.push_back(static_cast<char>(v));
  }
};

}  // namespace octavo::test
