// All a user needs: compose a graph, calibrate, quantize, compile, run; with the kernels of every native backend.
//
//   octavo::graph g;
//   auto image = g.input<float, octavo::nhwc<1, 224, 224, 3>>("image");
//   g.output(octavo::model::resnet50(image, weights), "logits");
//   auto found = octavo::calibrate(octavo::compile(g), samples);
//   octavo::session run{octavo::quantize(g, found)};
//   run(pixels, logits).or_throw();
#pragma once

#include <cstdlib>

#include "octavo/backends/x86/cpu.hpp"
#include "octavo/exec/calibrate.hpp"
#include "octavo/exec/prepare.hpp"
#include "octavo/graph/builder.hpp"
#include "octavo/graph/print.hpp"
#include "octavo/plan/tune.hpp"
#include "octavo/version.hpp"

// Of the kernels, units that link the target octavo::kernels see a declaration only.
#ifdef OCTAVO_COMPILED_KERNELS
#define OCTAVO_KERNELS compiled
namespace octavo::native {
kernel_list compiled_kernels(isa up_to);
}
#else
#define OCTAVO_KERNELS included
#include "octavo/backends/native_kernels.hpp"
#endif

// What asks the CPU or has kernels for a default argument is not the same in units with other flags or other kernels.
namespace octavo::inline OCTAVO_ARCH_NAMESPACE::inline OCTAVO_KERNELS {

/// The instruction sets that OCTAVO_ISA in the environment allows: portable, avx2, avx_vnni, avx512_vnni or amx; all
/// where it is unset. Throws octavo::error for another name.
inline isa isa_allowed() {
  const char* name = std::getenv("OCTAVO_ISA");
  if (!name || !*name) return isa::amx;
  for (std::size_t i = 0; i < std::size(isa_names); ++i)
    if (isa_names[i] == name) return static_cast<isa>(i);
  fail("OCTAVO_ISA is '", name, "': expected portable, avx2, avx_vnni, avx512_vnni or amx");
}

/// The best instruction set that this CPU has and OCTAVO_ISA allows.
inline isa isa_in_use() {
  int i = static_cast<int>(isa_allowed());
  while (i > 0 && !x86::runs(static_cast<isa>(i))) --i;
  return static_cast<isa>(i);
}

/// The native kernels for problems up to that instruction set, best first. The default is isa_in_use().
inline kernel_list native_kernels(isa up_to = isa_in_use()) {
#ifdef OCTAVO_COMPILED_KERNELS
  return native::compiled_kernels(up_to);
#else
  return native::kernels(up_to);
#endif
}

/// Folds and plans `g` with `kernels`. Throws octavo::error, naming the node, when a node cannot be run, or not by the
/// kernel of `choices`.
inline network compile(const graph& g, const kernel_list& kernels = native_kernels(),
                       const kernel_choices& choices = {}) {
  return plan_graph(fold(g), kernels, choices);
}

/// The same with the kernels that are the fastest on this machine: see tune_kernels(). choices_of() tells which.
inline network compile(const graph& g, const kernel_list& kernels, const tune_options& how) {
  const graph folded = fold(g);
  return plan_graph(folded, kernels, tune_kernels(folded, kernels, how));
}

/// Quantizes `g` by what calibrate(compile(g), ...) found, and plans it, as compile() does.
inline network quantize(const graph& g, const calibration& found, const quantize_options& options = {},
                        const kernel_list& kernels = native_kernels(), const kernel_choices& choices = {}) {
  return plan_graph(quantize_graph(g, found, options), kernels, choices);
}
inline network quantize(const graph& g, const calibration& found, const quantize_options& options,
                        const kernel_list& kernels, const tune_options& how) {
  const graph int8 = quantize_graph(g, found, options);
  return plan_graph(int8, kernels, tune_kernels(int8, kernels, how));
}

/// Quantizes `g` by the maps that its values carry, and plans it: of a network that was trained with quantization, or
/// read from a file that has it. What has no maps stays FP32.
inline network quantize(const graph& g) {
  quantize_options by_maps;
  by_maps.unknown_stays_fp32 = true;
  return quantize(g, {}, by_maps);
}

/// One operator without a graph: kernel chosen and weights packed once, then run on views: prepare(...)(x, y).
inline session prepare(const operation& o, const signature& s, const kernel_list& kernels = native_kernels()) {
  return prepare_operator(o, s, kernels);
}

}  // namespace octavo::inline OCTAVO_ARCH_NAMESPACE::inline OCTAVO_KERNELS
