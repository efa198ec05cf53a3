// Small ONNX files, made in a test: fields of protocol buffers one after the other, numbered as in onnx.proto.
#pragma once

#include <span>
#include <vector>

#include "support/proto_message.hpp"

namespace octavo::test {

/// TensorProto: elements as they lie in memory.
template <class T>
proto_message onnx_tensor(const std::string& name, int type, const std::vector<std::int64_t>& extents,
                          const std::vector<T>& elements) {
  proto_message t;
  for (std::int64_t e : extents) t.integer(1, e);
  t.integer(2, type).string(8, name);
  return t.string(9, std::string(reinterpret_cast<const char*>(elements.data()), elements.size() * sizeof(T)));
}
inline proto_message onnx_floats(const std::string& name, const std::vector<std::int64_t>& extents,
                                 const std::vector<float>& elements) {
  return onnx_tensor(name, 1, extents, elements);
}
/// Integers of 64 bits, in one axis.
inline proto_message onnx_integers(const std::string& name, const std::vector<std::int64_t>& elements) {
  return onnx_tensor(name, 7, {static_cast<std::int64_t>(elements.size())}, elements);
}

/// AttributeProto of one kind or another.
inline proto_message onnx_attribute(const std::string& name, std::int64_t value) {
  return proto_message().string(1, name).integer(3, value);
}
inline proto_message onnx_attribute(const std::string& name, int value) {
  return onnx_attribute(name, std::int64_t{value});
}
inline proto_message onnx_attribute(const std::string& name, float value) {
  return proto_message().string(1, name).real(2, value);
}
inline proto_message onnx_attribute(const std::string& name, const char* value) {
  return proto_message().string(1, name).string(4, value);
}
inline proto_message onnx_list(const std::string& name, const std::vector<std::int64_t>& values) {
  proto_message a;
  a.string(1, name);
  for (std::int64_t v : values) a.integer(8, v);
  return a;
}

inline proto_message onnx_graph(const std::string& name, const proto_message& graph) {
  return proto_message().string(1, name).message(6, graph);
}

/// A model: each call adds to it. Extents of -1 are left open.
class onnx_writer {
 public:
  onnx_writer& input(const std::string& name, const std::vector<std::int64_t>& extents, int type = 1) {
    proto_message shape;
    for (std::int64_t e : extents)
      shape.message(1, e < 0 ? proto_message().string(2, "n") : proto_message().integer(1, e));
    const proto_message tensor = proto_message().integer(1, type).message(2, shape);
    graph_.message(11, proto_message().string(1, name).message(2, proto_message().message(1, tensor)));
    return *this;
  }
  onnx_writer& output(const std::string& name) {
    graph_.message(12, proto_message().string(1, name));
    return *this;
  }
  onnx_writer& initializer(const proto_message& tensor) {
    graph_.message(5, tensor);
    return *this;
  }
  onnx_writer& node(const std::string& type, const std::vector<std::string>& inputs,
                    const std::vector<std::string>& outputs, const std::vector<proto_message>& attributes = {},
                    const std::string& domain = {}) {
    proto_message n;
    for (const std::string& i : inputs) n.string(1, i);
    for (const std::string& o : outputs) n.string(2, o);
    n.string(3, type + "_" + std::to_string(nodes_++)).string(4, type).string(7, domain);
    for (const proto_message& a : attributes) n.message(5, a);
    graph_.message(1, n);
    return *this;
  }
  /// What is inside, as a branch of another graph's node.
  const proto_message& graph() const { return graph_; }
  /// The file's bytes.
  std::string file(std::int64_t opset = 18) const {
    const proto_message set = proto_message().string(1, "").integer(2, opset);
    return proto_message().integer(1, 8).message(7, graph_).message(8, set).bytes;
  }

 private:
  proto_message graph_;
  int nodes_ = 0;
};

}  // namespace octavo::test
