// Planning: graph -> network. Everything costly happens here, once.
#pragma once

#include <set>
#include <span>

#include "octavo/base/compiled.hpp"
#include "octavo/base/float_environment.hpp"
#include "octavo/graph/passes.hpp"
#include "octavo/plan/digest.hpp"
#include "octavo/plan/kernel_choices.hpp"
#include "octavo/plan/network.hpp"

namespace octavo {

namespace detail {

/// The kernel that runs a problem when no other supports it: the reference evaluation.
class reference_executable : public executable {
 public:
  explicit reference_executable(const problem& p) : problem_(p), workspace_(p.op.workspace_bytes(p)) {}
  std::size_t shared_bytes() const noexcept override { return workspace_; }
  void run(const arguments& a, int begin, int end, std::byte*) const noexcept override {
    if (begin < end) evaluate(problem_.op, problem_, a);
  }

 private:
  problem problem_;
  std::size_t workspace_;
};

}  // namespace detail

/// The reference evaluation as a kernel: supports everything, and is slow.
inline constexpr kernel reference_kernel{"reference", isa::portable, [](const problem&) { return true; },
                                         [](const problem& p) -> std::unique_ptr<const executable> {
                                           return std::make_unique<detail::reference_executable>(p);
                                         }};

/// What `k` makes of `p`, which it supports. Throws octavo::error where that is nothing.
inline std::unique_ptr<const executable> pack(const kernel& k, const problem& p) {
  require(k.pack, "kernel '", k.name, "' has no pack()");
  std::unique_ptr<const executable> packed = k.pack(p);
  require(packed != nullptr, "kernel '", k.name, "' packed nothing");
  return packed;
}

/// The first of `kernels` that supports `p` and pays there, or else the reference.
inline const kernel& choose_kernel(std::span<const kernel> kernels, const problem& p) {
  const kernel* found = find_kernel(kernels, p);
  return found ? *found : reference_kernel;
}

/// The kernel that `choices` name for a node, else choose_kernel(). Throws octavo::error when no kernel has that name
/// or those that have it do not support `p`.
inline const kernel& choose_kernel(std::span<const kernel> kernels, const problem& p, const kernel_choices& choices,
                                   const std::string& node) {
  const auto found = choices.by_node.find(node);
  if (found == choices.by_node.end()) return choose_kernel(kernels, p);
  const std::string& name = found->second;
  if (name == reference_kernel.name) return reference_kernel;
  bool known = false;
  for (const kernel& k : kernels) {
    if (k.name != name || k.with_producer) continue;
    if (supports(k, p)) return k;
    known = true;
  }
  require(known, choices.origin, ": no kernel '", name, "' is in the list; this CPU or OCTAVO_ISA may not allow it");
  fail(choices.origin, ": kernel '", name, "' does not support ", p.op, " on ", p.src[0], " to ", *p.dst);
}

/// Plans `g` as it is: chooses a kernel for each node, by `choices` or the first of `kernels` that supports it, packs
/// weights, into `store` where there is one, lays out the arena. Throws octavo::error, naming the node, when a node
/// cannot be run or a choice not be kept.
OCTAVO_COMPILED_ONCE network plan_graph(const graph& g, std::span<const kernel> kernels,
                                        const kernel_choices& choices = {}, block_store* store = nullptr);

#if OCTAVO_BODIES

namespace detail {

/// Finds nodes that run together with the one before them, which writes their first input and nothing else. Nodes of
/// which `choices` name a kernel run alone.
class pairing {
 public:
  pairing(const graph& g, std::span<const kernel> kernels, const kernel_choices& choices)
      : graph_(g), index_(g), kernels_(kernels), choices_(choices) {}

  /// The kernel that runs node `i` and the next one, or null where none pays.
  const kernel* find(std::size_t i) const {
    if (i + 1 >= graph_.nodes.size()) return nullptr;
    const node &first = graph_.nodes[i], &second = graph_.nodes[i + 1];
    if (first.dst.size() != 1 || first.src.size() != 1 || second.src.empty() || second.src[0] != *first.dst ||
        index_.uses[static_cast<std::size_t>(*first.dst)] != 1 || choices_.by_node.contains(first.name) ||
        choices_.by_node.contains(second.name))
      return nullptr;
    return find_kernel(kernels_, problem_of(second, &first));
  }

  /// The problem of node `n`, together with `producer` where that is not null.
  problem problem_of(const node& n, const node* producer) const {
    problem p{graph_.signature_of(n), n.op};
    if (producer) p.producer = std::make_shared<const problem>(problem_of(*producer, nullptr));
    return p;
  }

 private:
  const graph& graph_;
  graph_index index_;
  std::span<const kernel> kernels_;
  const kernel_choices& choices_;
};

/// Makes `p`, which kernel `k` runs as node `name`, find its blocks in `store`, and those of its producer beside them.
inline void keep_blocks(problem& p, block_store* store, std::string_view name, const kernel& k) {
  if (!store) return;
  p.blocks = {store, text(name, "/", k.name, "/", digest_of(p))};
  if (!p.producer) return;
  problem producer = *p.producer;
  producer.blocks = p.blocks.of("input");
  p.producer = std::make_shared<const problem>(std::move(producer));
}

/// Fills in values, inputs, outputs and the arena's size. Values that no step writes have no memory.
inline void place_in_memory(plan& p, const std::vector<placement>& where, const std::vector<int>& step_of_node,
                            const std::set<int>& unwritten) {
  const graph& g = p.source;
  std::vector<buffer_life> lives;
  std::vector<int> buffer_of(g.values.size(), -1);
  for (std::size_t v = 0; v < g.values.size(); ++v)
    p.values.push_back({g.values[v].name, g.values[v].type, home::arena, 0, 0, where[v].stride});

  const auto set_home = [&](int value, home h, std::size_t index) {
    p.values[static_cast<std::size_t>(value)].where = h;
    p.values[static_cast<std::size_t>(value)].index = static_cast<int>(index);
  };
  p.inputs = g.input_values();
  for (std::size_t i = 0; i < p.inputs.size(); ++i) set_home(p.inputs[i], home::input, i);
  for (const graph_output& o : g.outputs) {
    set_home(o.value, home::output, p.outputs.size());
    p.outputs.push_back(o.value);
  }
  for (const node& n : g.nodes)
    if (n.as<op::constant>()) {
      set_home(n.dst, home::constants, p.constants.size());
      p.constants.push_back(n.constants[0]);
    }

  const auto touch = [&](int value, int at) {
    const auto root = static_cast<std::size_t>(where[static_cast<std::size_t>(value)].root);
    if (p.values[root].where != home::arena) return;
    if (buffer_of[root] < 0) {
      buffer_of[root] = static_cast<int>(lives.size());
      lives.push_back({g.values[root].type.extents.count() * size_of(g.values[root].type.type), at, at});
    }
    buffer_life& life = lives[static_cast<std::size_t>(buffer_of[root])];
    life.first = std::min(life.first, at);
    life.last = std::max(life.last, at);
  };
  for (std::size_t n = 0; n < g.nodes.size(); ++n) {
    for (int v : g.nodes[n].dst)
      if (!unwritten.contains(v)) touch(v, step_of_node[n]);
    for (int v : g.nodes[n].src)
      if (v >= 0 && !unwritten.contains(v)) touch(v, step_of_node[n]);
  }

  const memory_layout layout = lay_out(lives);
  p.arena_bytes = layout.bytes;
  p.bytes_without_reuse = layout.bytes_without_reuse;
  for (std::size_t v = 0; v < p.values.size(); ++v) {
    const auto root = static_cast<std::size_t>(where[v].root);
    planned_value& value = p.values[v];
    value.where = p.values[root].where;
    value.index = p.values[root].index;
    value.offset = static_cast<std::size_t>(where[v].offset) * size_of(value.type.type);
    if (buffer_of[root] >= 0) value.offset += layout.offset[static_cast<std::size_t>(buffer_of[root])];
  }
}

/// What the extents of all values allow. Throws octavo::error where no number does for a symbol.
inline symbol_ranges ranges_of_symbols(const graph& g) {
  symbol_ranges all;
  for (const graph_value& v : g.values) {
    const dims& d = v.type.extents;
    for (int i = 0; d.bounded >> i != 0; ++i) {
      if (!d.is_bounded(i)) continue;
      const axis_form f = d.form(i);
      symbol_range& r = all[f.symbol];
      const symbol_range before = r;
      r = r.within(f.symbols_within(d[i]));
      require(!r.is_empty(), "value '", v.name, "': axis ", i, " of ", d, " suits no ", symbol_name{f.symbol},
              ", which must be from ", before.least, " to ", before.most, " for what comes before");
    }
  }
  return all;
}

/// An output that is an input or a constant, or is asked for twice, is copied: the user's memories do not overlap.
inline graph separate_outputs(graph g) {
  std::set<int> seen;
  for (const node& n : g.nodes)
    if (n.as<op::input>() || n.as<op::constant>()) seen.insert(n.dst);
  for (graph_output& o : g.outputs)
    if (!seen.insert(o.value).second) o.value = *g.append(op::reshape{}, o.name + ".copy", {o.value}, g.type(o.value));
  return g;
}

/// The graph as it is planned, after a look at every node: a rewriting may have broken it. Throws octavo::error, naming
/// the node that cannot be run.
inline graph ready_to_plan(const graph& g) {
  require(!g.outputs.empty(), "the graph has no outputs: call output()");
  check(g);
  return separate_outputs(g);
}

}  // namespace detail

OCTAVO_COMPILED_ONCE network plan_graph(const graph& g, std::span<const kernel> kernels, const kernel_choices& choices,
                                        block_store* store) {
  require(keeps_ieee_arithmetic(),
          "the results would be wrong: compile without parts of -ffast-math, such as "
          "-fassociative-math, -freciprocal-math or -fno-signed-zeros");
  const float_environment exact;
  auto p = std::make_shared<plan>();
  p->source = detail::ready_to_plan(g);
  p->symbols = detail::ranges_of_symbols(p->source);
  const std::vector<placement> where = place_values(p->source);
  std::vector<int> step_of_node;
  std::set<std::string_view> names;
  std::set<int> unwritten;
  const detail::pairing pairs(p->source, kernels, choices);
  const kernel* both = nullptr;  // for this node and the one before
  for (std::size_t i = 0; i < p->source.nodes.size(); ++i) {
    const node& n = p->source.nodes[i];
    step_of_node.push_back(static_cast<int>(p->steps.size()));
    if (is_free(n, p->source, where)) continue;
    names.insert(n.name);
    if (const kernel* with_next = both ? nullptr : pairs.find(i)) {
      both = with_next;
      unwritten.insert(*n.dst);
      continue;
    }
    const node* before = both ? &p->source.nodes[i - 1] : nullptr;
    try {
      problem q = pairs.problem_of(n, before);
      const kernel& k = both ? *both : choose_kernel(kernels, q, choices, n.name);
      detail::keep_blocks(q, store, n.name, k);
      p->steps.push_back({n.name, text(n.op), k.name, n.src, n.dst, pack(k, q)});
      if (before) p->steps.back().src[0] = before->src[0];
    } catch (const error& e) {
      fail("node '", n.name, "': ", e.what());
    }
    both = nullptr;
  }
  for (const step& s : p->steps) {
    const executable& run = *s.run;
    p->scratch_bytes = std::max(p->scratch_bytes, round_up(run.scratch_bytes(), cache_line));
    p->shared_bytes = std::max(p->shared_bytes, run.shared_bytes());
    p->weight_bytes += run.packed_bytes();
  }
  for (std::size_t i = 1; i < p->steps.size(); ++i) p->steps[i - 1].ahead = p->steps[i].run->first_weights();
  for (const auto& choice : choices.by_node)
    if (!names.contains(choice.first))
      fail(choices.origin, ": the network has no step '", choice.first, "' for kernel '", choice.second, "'",
           hint_for(p->source, choice.first));
  detail::place_in_memory(*p, where, step_of_node, unwritten);
  // The plan's copy of the graph is for printing; the packed weights are the ones that run.
  for (node& n : p->source.nodes) n.constants.clear();
  return p;
}

#endif

}  // namespace octavo
