// Small PaddlePaddle programs with their parameters, made in a test: see framework.proto for the numbers of fields.
#pragma once

#include <span>
#include <variant>
#include <vector>

#include "octavo/importer/paddle.hpp"
#include "support/proto_message.hpp"

namespace octavo::test {

/// The value of an attribute: INT, BOOLEAN, FLOAT, STRING, INTS or FLOATS.
using paddle_value = std::variant<int, bool, float, std::string, std::vector<int>, std::vector<float>>;
using paddle_attributes = std::vector<std::pair<std::string, paddle_value>>;
using paddle_slots = std::vector<std::pair<std::string, std::vector<std::string>>>;

/// A program: each call adds to it. Extents of -1 are left open.
class paddle_writer {
 public:
  paddle_writer& variable(const std::string& name, const std::vector<std::int64_t>& extents, bool persistable = false,
                          int type = 5) {
    const proto_message lod = proto_message().message(1, description(type, extents));
    const proto_message kind = proto_message().integer(1, 7).message(3, lod);
    block_.message(3, proto_message().string(1, name).message(2, kind).integer(3, persistable));
    return *this;
  }
  /// f32 or s8; files have all of them in the order of their names.
  template <class T>
  paddle_writer& parameter(const std::string& name, const std::vector<std::int64_t>& extents,
                           const std::vector<T>& elements) {
    const int type = sizeof(T) == 1 ? 21 : sizeof(T) == 8 ? 3 : 5;
    variable(name, extents, true, type);
    const std::string d = description(type, extents).bytes;
    std::string& record = records_[name];
    const auto number = [&](auto v) { record.append(reinterpret_cast<const char*>(&v), sizeof v); };
    number(std::uint32_t{0}), number(std::uint64_t{0}), number(std::uint32_t{0});
    number(static_cast<std::int32_t>(d.size()));
    record += d;
    record.append(reinterpret_cast<const char*>(elements.data()), elements.size() * sizeof(T));
    return *this;
  }
  paddle_writer& input(const std::string& name, const std::vector<std::int64_t>& extents, int type = 5) {
    variable(name, extents, false, type);
    return op("feed", {{"X", {"feed"}}}, {{"Out", {name}}}, {{"col", feeds_++}});
  }
  paddle_writer& output(const std::string& name) {
    return op("fetch", {{"X", {name}}}, {{"Out", {"fetch"}}}, {{"col", fetches_++}});
  }
  paddle_writer& op(const std::string& type, const paddle_slots& inputs, const paddle_slots& outputs,
                    const paddle_attributes& attributes = {}) {
    proto_message o;
    for (const auto& slot : inputs) o.message(1, arguments(slot));
    for (const auto& slot : outputs) o.message(2, arguments(slot));
    o.string(3, type);
    for (const auto& a : attributes) o.message(4, attribute_of(a.first, a.second));
    block_.message(4, o);
    return *this;
  }

  std::string program() const {
    const proto_message block = proto_message().integer(1, 0).integer(2, -1);
    return proto_message().string(1, block.bytes + block_.bytes).bytes;
  }
  std::string parameters() const {
    std::string all;
    for (const auto& record : records_) all += record.second;
    return all;
  }
  const std::map<std::string, std::string>& records() const { return records_; }

  graph load(const importer::import_options& options = {}) const {
    const std::string p = program(), w = parameters();
    return paddle::load("test", std::as_bytes(std::span(p)), std::as_bytes(std::span(w)), options);
  }

 private:
  static proto_message description(int type, const std::vector<std::int64_t>& extents) {
    proto_message d;
    d.integer(1, type);
    for (std::int64_t e : extents) d.integer(2, e);
    return d;
  }
  static proto_message arguments(const std::pair<std::string, std::vector<std::string>>& slot) {
    proto_message m;
    m.string(1, slot.first);
    for (const std::string& name : slot.second) m.string(2, name);
    return m;
  }
  static proto_message attribute_of(const std::string& name, const paddle_value& value) {
    constexpr int types[] = {0, 6, 1, 2, 3, 4};
    proto_message a;
    a.string(1, name).integer(2, types[value.index()]);
    if (const auto* v = std::get_if<int>(&value)) a.integer(3, *v);
    if (const auto* v = std::get_if<bool>(&value)) a.integer(10, *v);
    if (const auto* v = std::get_if<float>(&value)) a.real(4, *v);
    if (const auto* v = std::get_if<std::string>(&value)) a.string(5, *v);
    if (const auto* list = std::get_if<std::vector<int>>(&value))
      for (int v : *list) a.integer(6, v);
    if (const auto* list = std::get_if<std::vector<float>>(&value))
      for (float v : *list) a.real(7, v);
    return a;
  }

  proto_message block_;
  std::map<std::string, std::string> records_;
  int feeds_ = 0, fetches_ = 0;
};

}  // namespace octavo::test
