// A folded graph as the sequence of its primitives in oneDNN: what a user of oneDNN would write by hand, with the
// fusions that Octavo's passes found, the same reuse of memory and the residual sums in place. Concats copy: oneDNN's
// quick convolutions write no slices.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "octavo/graph/graph.hpp"
#include "octavo/plan/memory_plan.hpp"
#include "octavo/tensor/random_weights.hpp"
#include "onednn_layer.hpp"

namespace octavo::bench {

/// Who chooses the layouts of the activations between primitives.
enum class onednn_layouts : std::uint8_t {
  own,   ///< oneDNN: the next primitive takes what the one before gave, or a reorder stands between them
  nhwc,  ///< (N, H, W, C) everywhere
};

/// A change of layout before a primitive that wants another.
struct onednn_reorder {
  onednn_layer layer;
  aligned_memory result;
};

/// One node's primitive.
struct onednn_step {
  std::string name;
  int value = -1;  ///< that it computes
  onednn_layer layer;
  std::vector<int> src;
  std::vector<std::optional<onednn_reorder>> reorders{};  ///< of each source of the layer
  const void* residual = nullptr;  ///< copied to the destination first, where it could not lie there already
  void* dst = nullptr;
  std::size_t bytes = 0;  ///< of the residual
};

/// A network of primitives, bound to the memory of its inputs and outputs.
class onednn_network {
 public:
  /// `inputs` and `outputs` are dense memories of the graph's inputs and outputs. A node that oneDNN cannot do is left
  /// out, see left_out(): random numbers stand for what it would have computed.
  onednn_network(graph g, onednn_layouts layouts, const std::vector<void*>& inputs, const std::vector<void*>& outputs)
      : made_up_(g.values.size()) {
    keep_scale_of_averages(g);
    for (const graph_value& v : g.values) layout_.push_back(onednn_memory(v.type));
    for (const node& n : g.nodes) {
      if (n.as<op::input>() || n.as<op::reshape>()) continue;
      if (n.as<op::constant>()) {
        made_up_[static_cast<std::size_t>(*n.dst)] = copy_of(*n.constants[0]);
        continue;
      }
      try {
        add_step(g, n, layouts);
      } catch (const std::exception& e) {
        ++left_out_[{std::string(name_of(n.op)), e.what()}];
        for (int v : n.dst) made_up_[static_cast<std::size_t>(v)] = random_memory(g.type(v));
      }
    }
    bind(g, place(g, inputs, outputs));
  }

  /// Runs all steps; `observe(value)` is called before the first, with -1, and after each.
  template <class Observe>
  void run(Observe&& observe) {
    observe(-1);
    for (onednn_step& s : steps_) {
      for (std::optional<onednn_reorder>& r : s.reorders)
        if (r) r->layer.run();
      if (s.residual) std::memcpy(s.dst, s.residual, s.bytes);
      s.layer.run();
      observe(s.value);
    }
  }
  void run() {
    run([](int) {});
  }

  const std::vector<onednn_step>& steps() const noexcept { return steps_; }

  /// The kinds of nodes that this network does not compute, and why; a comparison of times must name them.
  std::vector<std::string> left_out() const {
    std::vector<std::string> lines;
    for (const auto& [kind, nodes] : left_out_)
      lines.push_back(text(kind.first, " (", nodes, nodes == 1 ? " node): " : " nodes): ", kind.second));
    return lines;
  }

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

  static aligned_memory copy_of(const tensor& t) {
    aligned_memory m(t.bytes().size());
    std::ranges::copy(t.bytes(), m.data());
    return m;
  }

  static aligned_memory random_memory(const tensor_type& t) {
    random_bits random(3);
    aligned_memory m(t.extents.count() * size_of(t.type));
    for (std::size_t i = 0; i < t.extents.count(); ++i)
      if (t.is_u8())
        m.data()[i] = static_cast<std::byte>(random() >> 56);
      else
        reinterpret_cast<float*>(m.data())[i] = random.normal();
    return m;
  }

  dnnl::memory::desc& layout(int v) { return layout_[static_cast<std::size_t>(v)]; }

  /// The layouts of a node's operands where oneDNN chooses: those that there are already, and "any".
  operand_layouts chosen_layouts(const graph& g, const node& n) {
    const auto any = [&](int v) { return onednn_memory(g.type(v), 4, true); };
    operand_layouts lie{{}, any(n.dst)};
    for (int v : n.src) lie.src.push_back(g.type(v).extents.rank == 4 ? layout(v) : onednn_memory(g.type(v), 4));
    if (n.as<op::conv2d>()) lie.src[0] = any(n.src[0]);
    if (has_residual(n)) lie.dst = layout(n.src[1]);
    if (n.op.facts().elementwise) lie.dst = layout(n.src[0]);
    return lie;
  }

  /// The primitive of a node.
  node_primitive make_primitive(const graph& g, const node& n, onednn_layouts layouts) {
    const problem p{g.signature_of(n), n.op};
    // A reshape is free only in the plain layout, so what it reads and what the user gets stay in that.
    const bool stays_plain = g.is_output(n.dst) || std::any_of(g.nodes.begin(), g.nodes.end(), [&](const node& reader) {
                               return reader.as<op::reshape>() && reader.src[0] == n.dst;
                             });
    const bool converts = n.op.facts().elementwise && p.src[0].type != p.dst->type;
    if (layouts == onednn_layouts::own && !stays_plain && !converts && p.dst->extents.rank == 4) {
      node_primitive l = make_onednn_primitive(p, chosen_layouts(g, n));
      const bool reference = std::string_view(l.primitive.impl_info_str()).starts_with("ref");
      if (!reference || n.as<op::conv2d>()) return l;
    }
    // A primitive of which one side is plain and the other is not would be a reference implementation: reorder first.
    return make_onednn_primitive(p, dense_layouts(p));
  }

  /// Adds a node's primitive, and the reorders that it needs; decides the layout of the value that it computes.
  void add_step(const graph& g, const node& n, onednn_layouts layouts) {
    onednn_step s{n.name, n.dst, onednn_layer(make_primitive(g, n, layouts)), n.src};
    const bool plain = is_plain(n.op);
    for (std::size_t i = 0; i < s.layer.sources(); ++i) {
      const tensor_type& x = g.type(n.src[i]);
      const dnnl::memory::desc wanted = plain ? onednn_memory(x) : s.layer.source(i), &there = layout(n.src[i]);
      s.reorders.emplace_back();
      if (x.extents.rank != 4 || wanted == there) continue;
      s.reorders.back().emplace(
          onednn_reorder{onednn_layer(detail::make_copy(x, x, there, wanted)), aligned_memory(wanted.get_size())});
    }
    if (!plain && g.type(n.dst).extents.rank == 4) layout(n.dst) = s.layer.destination();
    if (has_residual(n)) {
      require(layout(n.src[1]) == layout(n.dst), "the residual has another layout");
      s.bytes = layout(n.dst).get_size();
    }
    steps_.push_back(std::move(s));
  }

  /// Tells the primitives where the values lie.
  void bind(const graph& g, const std::vector<void*>& memory) {
    const auto at = [&](int v) { return memory[static_cast<std::size_t>(v)]; };
    std::size_t bytes = 0;
    for (const onednn_step& s : steps_) {
      bytes = std::max(bytes, s.layer.scratchpad_bytes());
      for (const std::optional<onednn_reorder>& r : s.reorders)
        if (r) bytes = std::max(bytes, r->layer.scratchpad_bytes());
    }
    scratchpad_ = aligned_memory(bytes);
    for (onednn_step& s : steps_) {
      s.dst = at(s.value);
      std::vector<const void*> src;
      for (std::size_t i = 0; i < s.reorders.size(); ++i) {
        const void* x = at(s.src[i]);
        std::optional<onednn_reorder>& r = s.reorders[i];
        if (r) r->layer.bind({&x, 1}, r->result.data(), scratchpad_.data());
        src.push_back(r ? r->result.data() : x);
      }
      s.layer.bind(src, s.dst, scratchpad_.data());
      if (has_residual(g.nodes[static_cast<std::size_t>(g.producer(s.value))]) && at(s.src[1]) != s.dst)
        s.residual = at(s.src[1]);
    }
  }

  /// Where each value lies. Values that share memory, reshapes and residual sums in place, form one buffer.
  std::vector<void*> place(const graph& g, const std::vector<void*>& inputs, const std::vector<void*>& outputs) {
    std::vector<int> buffer(g.values.size());  // a representative value
    std::iota(buffer.begin(), buffer.end(), 0);
    const auto find = [&](int v) { return buffer[static_cast<std::size_t>(v)]; };
    for (const node& n : g.nodes)
      if (n.as<op::reshape>()) buffer[static_cast<std::size_t>(*n.dst)] = find(n.src[0]);
    std::vector<void*> external(g.values.size(), nullptr);
    const auto set = [&](int v, void* memory) { external[static_cast<std::size_t>(find(v))] = memory; };
    for (std::size_t v = 0; v < made_up_.size(); ++v)
      if (made_up_[v].size() > 0) set(static_cast<int>(v), made_up_[v].data());
    const std::vector<int> input_values = g.input_values();
    for (std::size_t i = 0; i < inputs.size(); ++i) set(input_values[i], inputs[i]);
    for (std::size_t i = 0; i < outputs.size(); ++i) set(g.outputs[i].value, outputs[i]);
    const auto is_external = [&](int b) { return external[static_cast<std::size_t>(b)] != nullptr; };

    const int nodes = static_cast<int>(g.nodes.size());
    std::vector<int> last(g.values.size(), -1);
    for (int n = 0; n < nodes; ++n)
      for (int v : g.nodes[static_cast<std::size_t>(n)].src) last[static_cast<std::size_t>(find(v))] = n;
    for (int n = 0; n < nodes; ++n) {
      const node& at = g.nodes[static_cast<std::size_t>(n)];
      if (!has_residual(at)) continue;
      const int from = find(at.src[1]), to = find(at.dst);
      if (is_external(from) || is_external(to) || last[static_cast<std::size_t>(from)] != n) continue;
      last[static_cast<std::size_t>(from)] = last[static_cast<std::size_t>(to)];
      std::replace(buffer.begin(), buffer.end(), to, from);
    }

    std::vector<buffer_life> lives(g.values.size(), buffer_life{0, nodes, 0});
    for (int n = 0; n < nodes; ++n) {
      const auto touch = [&](int v) {
        if (is_external(find(v))) return;
        buffer_life& life = lives[static_cast<std::size_t>(find(v))];
        life.bytes = std::max(life.bytes, layout(v).get_size());
        life.first = std::min(life.first, n), life.last = std::max(life.last, n);
      };
      touch(g.nodes[static_cast<std::size_t>(n)].dst);
      for (int v : g.nodes[static_cast<std::size_t>(n)].src) touch(v);
    }
    for (buffer_life& life : lives)
      if (life.bytes == 0) life = {};  // lives inside another, or is nobody's
    const memory_layout arena = lay_out(lives);
    arena_ = aligned_memory(arena.bytes);
    std::vector<void*> memory;
    for (int b : buffer) {
      const auto at = static_cast<std::size_t>(b);
      memory.push_back(external[at] ? external[at] : arena_.data() + arena.offset[at]);
    }
    return memory;
  }

  std::vector<dnnl::memory::desc> layout_;  // of each value
  aligned_memory arena_, scratchpad_;
  std::vector<aligned_memory> made_up_;  // constants, and what nodes that are left out would have computed
  std::vector<onednn_step> steps_;
  std::map<std::pair<std::string, std::string>, int> left_out_;  // operator and reason
};

}  // namespace octavo::bench
