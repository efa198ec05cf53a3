// A folded graph as the sequence of its primitives in oneDNN: what a user of oneDNN would write by hand, with the fusions
// that Octavo's passes found, the same reuse of memory and the residual sums in place.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "octavo/plan/memory_plan.hpp"
#include "octavo/plan/placement.hpp"
#include "onednn_layer.hpp"

namespace octavo::bench {

/// One node's primitive.
struct onednn_step {
  std::string name;
  int value = -1;  ///< that it computes
  onednn_layer layer;
  const void* residual = nullptr;  ///< copied to the destination first, where it could not lie there already
  void* dst = nullptr;
  std::size_t bytes = 0;  ///< of the residual
};

/// A network of primitives, bound to the memory of its inputs and outputs.
class onednn_network {
 public:
  /// `inputs` and `outputs` are dense memories of the graph's inputs and outputs. A node that oneDNN cannot do is left
  /// out, see left_out().
  onednn_network(graph g, const std::vector<void*>& inputs, const std::vector<void*>& outputs) {
    keep_scale_of_averages(g);
    const std::vector<placement> where = place_values(g);
    const std::vector<void*> memory = place(g, where, inputs, outputs);
    for (const node& n : g.nodes) {
      if (n.as<op::input>() || n.as<op::reshape>()) continue;
      const problem p{g.signature_of(n), n.op};
      std::vector<std::ptrdiff_t> strides;
      for (int v : n.src) strides.push_back(where[static_cast<std::size_t>(v)].stride);
      strides.push_back(where[static_cast<std::size_t>(n.dst)].stride);
      const auto at = [&](int v) { return memory[static_cast<std::size_t>(v)]; };
      try {
        onednn_step s{n.name, n.dst, onednn_layer(p, strides)};
        s.layer.bind(at(n.src[0]), at(n.dst));
        s.dst = at(n.dst);
        if (has_residual(n) && at(n.src[1]) != s.dst) {
          s.residual = at(n.src[1]);
          s.bytes = p.dst.extents.count() * size_of(p.dst.type);
        }
        steps_.push_back(std::move(s));
      } catch (const std::exception& e) {
        left_out_.push_back(text(n.name, " (", n.op, "): ", e.what()));
      }
    }
  }

  /// Runs all steps; `observe(value)` is called before the first, with -1, and after each.
  template <class Observe>
  void run(Observe&& observe) const {
    observe(-1);
    for (const onednn_step& s : steps_) {
      if (s.residual) std::memcpy(s.dst, s.residual, s.bytes);
      s.layer.run();
      observe(s.value);
    }
    onednn_layer::wait();
  }
  void run() const { run([](int) {}); }

  const std::vector<onednn_step>& steps() const noexcept { return steps_; }

  /// The nodes that this network does not compute, and why; a comparison of times must name them.
  const std::vector<std::string>& left_out() const noexcept { return left_out_; }

 private:
  static bool has_residual(const node& n) {
    const bool* residual = fused_residual(n.op);
    return residual && *residual;
  }

  /// oneDNN's average keeps the scale of its source, so the next layer has to start from that scale.
  static void keep_scale_of_averages(graph& g) {
    for (const node& n : g.nodes) {
      const auto* pool = n.as<op::pool2d>();
      const bool average = pool && pool->kind == op::pool2d::average;
      if (average || n.as<op::reshape>()) g.type(n.dst).q = g.type(n.src[0]).q;
    }
  }

  /// Where each value lies. Values that share memory, reshapes and residual sums in place, form one buffer.
  std::vector<void*> place(const graph& g, const std::vector<placement>& where, const std::vector<void*>& inputs,
                           const std::vector<void*>& outputs) {
    std::vector<int> buffer(g.values.size());  // a representative value
    std::vector<int> last(g.values.size(), -1);
    for (std::size_t v = 0; v < buffer.size(); ++v) buffer[v] = where[v].root;
    const auto find = [&](int v) { return buffer[static_cast<std::size_t>(v)]; };
    std::vector<void*> external(g.values.size(), nullptr);
    const std::vector<int> input_values = g.input_values();
    for (std::size_t i = 0; i < inputs.size(); ++i) external[static_cast<std::size_t>(find(input_values[i]))] = inputs[i];
    for (std::size_t i = 0; i < outputs.size(); ++i)
      external[static_cast<std::size_t>(find(g.outputs[i].value))] = outputs[i];
    const auto is_external = [&](int b) { return external[static_cast<std::size_t>(b)] != nullptr; };

    const int nodes = static_cast<int>(g.nodes.size());
    for (int n = 0; n < nodes; ++n)
      for (int v : g.nodes[static_cast<std::size_t>(n)].src) last[static_cast<std::size_t>(find(v))] = n;
    for (int n = 0; n < nodes; ++n) {
      const node& at = g.nodes[static_cast<std::size_t>(n)];
      if (!has_residual(at)) continue;
      const int from = find(at.src[1]), to = find(at.dst);
      const bool whole = from == at.src[1] && to == at.dst && g.type(from).extents == g.type(to).extents;
      if (!whole || is_external(from) || is_external(to) || last[static_cast<std::size_t>(from)] != n) continue;
      last[static_cast<std::size_t>(from)] = last[static_cast<std::size_t>(to)];
      std::replace(buffer.begin(), buffer.end(), to, from);
    }

    std::vector<buffer_life> lives(g.values.size(), buffer_life{0, nodes, 0});
    for (int n = 0; n < nodes; ++n) {
      const auto touch = [&](int v) {
        if (is_external(find(v))) return;
        buffer_life& life = lives[static_cast<std::size_t>(find(v))];
        life.bytes = std::max(life.bytes, g.type(find(v)).extents.count() * size_of(g.type(v).type));
        life.first = std::min(life.first, n), life.last = std::max(life.last, n);
      };
      touch(g.nodes[static_cast<std::size_t>(n)].dst);
      for (int v : g.nodes[static_cast<std::size_t>(n)].src) touch(v);
    }
    const memory_layout layout = lay_out(lives);
    arena_ = aligned_memory(layout.bytes);
    std::vector<void*> memory;
    for (std::size_t v = 0; v < g.values.size(); ++v) {
      const auto b = static_cast<std::size_t>(buffer[v]);
      std::byte* base = external[b] ? static_cast<std::byte*>(external[b]) : arena_.data() + layout.offset[b];
      memory.push_back(base + static_cast<std::size_t>(where[v].offset) * size_of(g.values[v].type.type));
    }
    return memory;
  }

  aligned_memory arena_;
  std::vector<onednn_step> steps_;
  std::vector<std::string> left_out_;
};

}  // namespace octavo::bench
