// One node of a graph as a primitive of oneDNN with its packed weights, bound to memory: see onednn_primitive.hpp.
#pragma once

#include <string>

#include "octavo/backends/onednn/bound_primitive.hpp"
#include "octavo/base/aligned_memory.hpp"
#include "onednn_primitive.hpp"

namespace octavo::bench {

/// Lets oneDNN use instruction sets up to `i`. Has an effect only before oneDNN's first primitive is made.
inline void set_onednn_isa(isa i) {
  constexpr dnnl::cpu_isa as[] = {dnnl::cpu_isa::sse41, dnnl::cpu_isa::avx2, dnnl::cpu_isa::avx2_vnni,
                                  dnnl::cpu_isa::avx512_core_vnni, dnnl::cpu_isa::avx512_core_amx};
  require(dnnl::set_max_cpu_isa(as[static_cast<int>(i)]) == dnnl::status::success,
          "oneDNN does not take the instruction set ", name_of(i));
}

/// "2.6.3".
inline std::string onednn_version() {
  const dnnl_version_t* v = dnnl_version();
  return text(v->major, ".", v->minor, ".", v->patch);
}

/// A primitive with its packed weights. It runs on one thread at a time.
class onednn_layer {
 public:
  explicit onednn_layer(node_primitive l) : layer_(pack(std::move(l))), bound_(layer_, layer_.primitive.get()) {}

  /// The layouts that were given, or chosen.
  dnnl::memory::desc source(std::size_t i = 0) const { return layer_.layout_of(layer_.src[i]); }
  dnnl::memory::desc destination() const { return layer_.layout_of(DNNL_ARG_DST); }
  std::size_t scratchpad_bytes() const { return layer_.primitive.scratchpad_desc().get_size(); }

  /// How many operands it reads, but for a residual, which lies in the destination.
  std::size_t sources() const noexcept { return layer_.src.size(); }

  /// Sets where sources, destination and scratchpad lie.
  void bind(std::span<const void* const> src, void* dst, void* scratchpad) { bound_.bind(src, dst, scratchpad); }

  void run() noexcept { bound_.run(); }

  /// What oneDNN calls the implementation that it chose.
  std::string implementation() const { return layer_.primitive.impl_info_str(); }

 private:
  static node_primitive pack(node_primitive l) {
    std::vector<dnnl::memory> packed;
    onednn::pack_weights(l, packed);
    return l;
  }

  node_primitive layer_;
  onednn::bound_primitive bound_;
};

}  // namespace octavo::bench
