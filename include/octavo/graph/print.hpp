// Printing a graph: as text, one node a line, and as Graphviz DOT.
#pragma once

#include <ostream>

#include "octavo/base/compiled.hpp"
#include "octavo/graph/graph_index.hpp"

namespace octavo {

/// One line per node:
///   layer1.0.conv1: u8[1x56x56x64] scale 0.02 zp 0 = conv2d kernel 3x3 out 64 relu (pool)  fused: layer1.0.bn1, relu_1
OCTAVO_COMPILED_ONCE std::ostream& operator<<(std::ostream& out, const graph& g);

/// Writes `g` as a Graphviz digraph: INT8 nodes green, FP32 nodes grey; edges carry type, extents and scale.
OCTAVO_COMPILED_ONCE void write_dot(std::ostream& out, const graph& g, std::string_view title);

#if OCTAVO_BODIES

OCTAVO_COMPILED_ONCE std::ostream& operator<<(std::ostream& out, const graph& g) {
  const auto name = [&](int v) { return v < 0 ? std::string("-") : g.values[static_cast<std::size_t>(v)].name; };
  for (const node& n : g.nodes) {
    out << n.name << ": ";
    for (std::size_t i = 0; i < n.dst.size(); ++i) out << (i ? ", " : "") << g.type(n.dst[i]);
    out << " = " << n.op << " (";
    for (std::size_t i = 0; i < n.src.size(); ++i) out << (i ? ", " : "") << name(n.src[i]);
    out << ")";
    for (std::size_t i = 0; i < n.fused.size(); ++i) out << (i ? ", " : "  fused: ") << n.fused[i];
    out << "\n";
  }
  for (const graph_output& o : g.outputs)
    out << "output " << o.name << ": " << g.values[static_cast<std::size_t>(o.value)].name << "\n";
  return out;
}

OCTAVO_COMPILED_ONCE void write_dot(std::ostream& out, const graph& g, std::string_view title) {
  const auto quoted = [](const std::string& s) {
    std::string q = "\"";
    for (char c : s) {
      if (c == '"' || c == '\\') q += '\\';
      q += c;
    }
    return q + "\"";
  };
  const auto with_lines = [](std::vector<std::string> parts) {
    std::string s;
    for (const std::string& p : parts) s += (s.empty() ? "" : "\n") + p;
    return s;
  };
  out << "digraph " << quoted(std::string(title)) << " {\n  label=" << quoted(std::string(title))
      << ";\n  node [shape=box, style=filled, fontname=\"sans-serif\", fontsize=10];\n"
      << "  edge [fontname=\"sans-serif\", fontsize=8];\n";
  // A node is drawn under its first value.
  const graph_index index(g);
  const auto drawn = [&](int v) {
    return *g.nodes[static_cast<std::size_t>(index.producer[static_cast<std::size_t>(v)])].dst;
  };
  for (const node& n : g.nodes) {
    std::vector<std::string> lines{n.name, text(n.op)};
    for (const std::string& f : n.fused) lines.push_back("+ " + f);
    out << "  n" << *n.dst << " [label=" << quoted(with_lines(lines))
        << ", fillcolor=" << (g.type(*n.dst).is_u8() ? "\"#c7e9c0\"" : "\"#e0e0e0\"") << "];\n";
    for (int v : n.src) {
      if (v < 0) continue;
      const tensor_type& t = g.type(v);
      std::vector<std::string> edge{text(name_of(t.type), " ", t.extents)};
      if (t.is_u8()) edge.push_back(text(t.q));
      out << "  n" << drawn(v) << " -> n" << *n.dst << " [label=" << quoted(with_lines(edge)) << "];\n";
    }
  }
  for (std::size_t i = 0; i < g.outputs.size(); ++i)
    out << "  o" << i << " [label=" << quoted(g.outputs[i].name) << ", shape=ellipse, fillcolor=white];\n  n"
        << drawn(g.outputs[i].value) << " -> o" << i << " [label=" << quoted(text(g.type(g.outputs[i].value)))
        << "];\n";
  out << "}\n";
}

#endif

}  // namespace octavo
