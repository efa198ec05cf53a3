// A folded graph as the sequence of its primitives in oneDNN: what a user of oneDNN would write by hand, with the
// fusions that Octavo's passes found, the same reuse of memory and the residual sums in place.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "octavo/plan/memory_plan.hpp"
#include "octavo/plan/placement.hpp"
#include "onednn_layer.hpp"

namespace octavo::bench {

/// Who chooses the layouts of the activations between primitives.
enum class onednn_layouts : std::uint8_t {
  own,   ///< oneDNN: the next primitive takes what the one before gave, or a reorder stands between them
  nhwc,  ///< (N, H, W, C) everywhere
};

/// One node's primitive.
struct onednn_step {
  std::string name;
  int value = -1;  ///< that it computes
  onednn_layer layer;
  std::vector<int> src;
  std::optional<onednn_layer> reorder{};  ///< of the source, where the primitive wants another layout
  aligned_memory reordered{};
  const void* residual = nullptr;  ///< copied to the destination first, where it could not lie there already
  void* dst = nullptr;
  std::size_t bytes = 0;  ///< of the residual
};

/// A network of primitives, bound to the memory of its inputs and outputs.
class onednn_network {
 public:
  /// `inputs` and `outputs` are dense memories of the graph's inputs and outputs. A node that oneDNN cannot do is left
  /// out, see left_out().
  onednn_network(graph g, onednn_layouts layouts, const std::vector<void*>& inputs, const std::vector<void*>& outputs) {
    keep_scale_of_averages(g);
    const std::vector<placement> where = place_values(g);
    for (std::size_t v = 0; v < g.values.size(); ++v)
      layout_.push_back(onednn_memory(g.values[v].type, where[v].stride));
    // A concat's inputs are slices of its output, which have no layout of their own.
    if (std::any_of(g.nodes.begin(), g.nodes.end(), [](const node& n) { return n.as<op::concat>() != nullptr; }))
      layouts = onednn_layouts::nhwc;
    for (const node& n : g.nodes) {
      if (n.as<op::input>()) continue;
      try {
        if (!n.as<op::reshape>()) add_step(g, n, layouts);
      } catch (const std::exception& e) {
        left_out_.push_back(text(n.name, " (", n.op, "): ", e.what()));
      }
    }
    bind(g, place(g, where, inputs, outputs));
  }

  /// Runs all steps; `observe(value)` is called before the first, with -1, and after each.
  template <class Observe>
  void run(Observe&& observe) const {
    observe(-1);
    for (const onednn_step& s : steps_) {
      if (s.reorder) s.reorder->run();
      if (s.residual) std::memcpy(s.dst, s.residual, s.bytes);
      s.layer.run();
      observe(s.value);
    }
    onednn_layer::wait();
  }
  void run() const {
    run([](int) {});
  }

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

  dnnl::memory::desc& layout(int v) { return layout_[static_cast<std::size_t>(v)]; }

  /// Makes a node's primitive, and decides the layout of the value that it computes.
  void add_step(const graph& g, const node& n, onednn_layouts layouts) {
    const problem p{g.signature_of(n), n.op};
    dnnl::memory::desc x = layout(n.src[0]), y = layout(n.dst);
    // A reshape is free only in the plain layout, so what it reads and what the user gets stay in that.
    const bool stays_plain = g.is_output(n.dst) || std::any_of(g.nodes.begin(), g.nodes.end(), [&](const node& reader) {
                               return reader.as<op::reshape>() && reader.src[0] == n.dst;
                             });
    // A primitive of which one side is plain and the other is not would be a reference implementation: reorder first.
    const bool chooses = layouts == onednn_layouts::own && !stays_plain;
    if (chooses && n.as<op::conv2d>()) {
      x = onednn_any_memory(p.src[0]);
      y = has_residual(n) ? layout(n.src[1]) : onednn_any_memory(p.dst);
    } else if (chooses && n.as<op::pool2d>()) {
      y = onednn_any_memory(p.dst);
    } else if (layouts == onednn_layouts::own) {
      x = onednn_memory(p.src[0]);
    }
    onednn_step s{n.name, n.dst, onednn_layer(p, x, y), n.src};
    if (s.layer.source() != layout(n.src[0])) {
      s.reorder.emplace(layout(n.src[0]), s.layer.source());
      s.reordered = aligned_memory(s.layer.source().get_size());
    }
    layout(n.dst) = s.layer.destination();
    s.bytes = has_residual(n) ? s.layer.destination().get_size() : 0;
    steps_.push_back(std::move(s));
  }

  /// Tells the primitives where the values lie.
  void bind(const graph& g, const std::vector<void*>& memory) {
    const auto at = [&](int v) { return memory[static_cast<std::size_t>(v)]; };
    for (onednn_step& s : steps_) {
      s.dst = at(s.value);
      if (s.reorder) s.reorder->bind(at(s.src[0]), s.reordered.data());
      s.layer.bind(s.reorder ? s.reordered.data() : at(s.src[0]), s.dst);
      if (has_residual(g.nodes[static_cast<std::size_t>(g.producer(s.value))]) && at(s.src[1]) != s.dst)
        s.residual = at(s.src[1]);
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
    for (std::size_t i = 0; i < inputs.size(); ++i)
      external[static_cast<std::size_t>(find(input_values[i]))] = inputs[i];
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
        life.bytes = std::max(life.bytes, layout(find(v)).get_size());
        life.first = std::min(life.first, n), life.last = std::max(life.last, n);
      };
      touch(g.nodes[static_cast<std::size_t>(n)].dst);
      for (int v : g.nodes[static_cast<std::size_t>(n)].src) touch(v);
    }
    for (buffer_life& life : lives)
      if (life.bytes == 0) life = {};  // lives inside another, or is nobody's
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

  std::vector<dnnl::memory::desc> layout_;  // of each value
  aligned_memory arena_;
  std::vector<onednn_step> steps_;
  std::vector<std::string> left_out_;
};

}  // namespace octavo::bench
