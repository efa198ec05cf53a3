// The parts of recurrent layers: the gates of a step as an instruction set gives them, and products of states with
// weights, which kernels for fully connected layers do.
#pragma once

#include "octavo/backends/native/elementwise.hpp"
#include "octavo/op/fc.hpp"

namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE {

/// The gates of one sequence at one step: `units` numbers for each gate, in x and in `product`.
struct gate_row {
  const float *x, *product;
  std::ptrdiff_t x_gate, product_gate;  ///< from one gate to the next
  const float* candidate;               ///< of a gru whose reset comes first: the product with the third gate's weights
  const float* peepholes;               ///< of an lstm
  std::ptrdiff_t peephole_gate;
  float *h, *c;  ///< states, which become those after the step; an lstm only writes h
  int units;
  float clip;
  bool origin_mode;
};
using gate_function = void (*)(const gate_row&) noexcept;

/// What an instruction set offers: see recurrent.inc.
struct gate_functions {
  gate_function reset;    ///< c = r h
  gate_function gru[2];   ///< with the reset before its product, after it
  gate_function lstm[2];  ///< without and with peepholes
  affine_function quantize;
};

/// From f32 to u8.
class state_rounding {
 public:
  state_rounding(affine_function function, const tensor_type& to) : function_(function) {
    offset_.fill(-0.0f);
    multiplier_.fill(to.is_u8() ? 1.0f / to.q.scale : 1.0f);
    run_ = {nullptr, nullptr, nullptr, nullptr, false, 0, make_epilogue(to, no_activation)};
  }
  void operator()(const float* x, std::byte* y, std::ptrdiff_t n) const noexcept {
    affine_run r = run_;
    r.x = x, r.y = y, r.multiplier = multiplier_.data(), r.offset = offset_.data();
    function_(r, n);
  }

 private:
  affine_function function_;
  alignas(64) std::array<float, 64> multiplier_, offset_;
  affine_run run_;
};

/// A fully connected layer to f32 on the first of `kernels` that takes it.
class layer_product {
 public:
  layer_product(std::span<const kernel> kernels, const problem& layer)
      : inputs_(layer.src[0].extents.back()), outputs_(layer.dst->extents.back()) {
    const kernel* k = find_kernel(kernels, layer);
    require(k != nullptr, "no kernel for the products of a recurrent layer");
    run_ = k->pack(layer);
  }

  int inputs() const { return inputs_; }
  std::size_t scratch_bytes() const { return round_up(run_->scratch_bytes(), cache_line); }
  std::size_t packed_bytes() const { return run_->packed_bytes(); }

  /// y = x w + bias; rows of x are `stride` elements apart, those of y dense.
  void multiply(const void* x, std::ptrdiff_t stride, int rows, float* y, std::byte* scratch) const noexcept {
    const operand src{const_cast<void*>(x), {rows, inputs_}, stride}, dst{y, {rows, outputs_}, outputs_};
    run_all(*run_, {{&src, 1}, dst}, scratch);
  }

 private:
  int inputs_, outputs_;
  std::unique_ptr<const executable> run_;
};

/// A layer whose input are states, which are rounded first where the weights are s8, and else copied: a step reads
/// those from before it while it writes new ones.
class state_product {
 public:
  state_product(std::span<const kernel> kernels, const problem& layer, affine_function quantize)
      : product_(kernels, layer), int8_(layer.src[0].is_u8()), round_(quantize, layer.src[0]) {}

  std::size_t scratch_bytes() const { return product_.scratch_bytes(); }
  std::size_t packed_bytes() const { return product_.packed_bytes(); }
  /// Bytes of the rounded states of so many sequences.
  std::size_t rounded_bytes(std::size_t rows) const {
    const std::size_t size = int8_ ? 1 : sizeof(float);
    return round_up(rows * static_cast<std::size_t>(product_.inputs()) * size, cache_line);
  }

  void round(const float* x, int rows, std::byte* rounded) const noexcept {
    const std::ptrdiff_t count = std::ptrdiff_t{rows} * product_.inputs();
    if (int8_)
      round_(x, rounded, count);
    else
      std::copy_n(x, count, reinterpret_cast<float*>(rounded));
  }
  /// y = x w + bias, where round() made `rounded` of x.
  void multiply(const std::byte* rounded, int rows, float* y, std::byte* scratch) const noexcept {
    product_.multiply(rounded, product_.inputs(), rows, y, scratch);
  }

 private:
  layer_product product_;
  bool int8_;
  state_rounding round_;
};

}  // namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE
