// gru on all native instruction sets: the products and gates of its steps.
#pragma once

#include "octavo/backends/native/recurrent.hpp"
#include "octavo/op/gru.hpp"

namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE {

/// A gru.
class gru final : public recurrent {
 public:
  gru(const problem& p, std::span<const kernel> kernels, const gate_functions& functions)
      : recurrent(p, kernels, p.op.as<op::gru>()->shape(), p.op.as<op::gru>()->direction, p.op.as<op::gru>()->state,
                  functions, false),
        g_(*p.op.as<op::gru>()) {
    const int first_gates = g_.reset_after ? 3 : 2;
    for (int d = 0; d < shape_.directions; ++d)
      for (int gate = 0; gate < 3; gate += first_gates)
        products_.emplace_back(
            kernels,
            layer_of(p, op::gru::weights, p.at(op::gru::bias), op::gru::scales,
                     rows_of(d, gate, std::min(first_gates, 3 - gate), 0), g_.state, p.src[0].extents[0]),
            functions.quantize);
  }

 private:
  std::size_t scratch_of_steps() const noexcept override {
    const state_product& product = products_[0];
    return floats_bytes((1 + 3 + 1) * g_.hidden, 4) + 2 * product.rounded_bytes(most_rows()) +
           std::max(product.scratch_bytes(), products_.back().scratch_bytes());
  }
  std::size_t packed_bytes_of_steps() const noexcept override {
    std::size_t all = 0;
    for (const state_product& p : products_) all += p.packed_bytes();
    return all;
  }

  void run_sequences(const piece& p, std::byte* scratch) const noexcept override {
    const int units = g_.hidden, gates = g_.reset_after ? 3 : 2;
    const auto rows = static_cast<std::size_t>(p.rows), count = rows * static_cast<std::size_t>(units);
    const state_product& product = products_[static_cast<std::size_t>(p.d * (g_.reset_after ? 1 : 2))];
    const state_product* candidates = g_.reset_after ? nullptr : &product + 1;
    cutter memory(scratch);
    float *h = memory.floats(count), *sums = memory.floats(3 * count), *reset = memory.floats(count);
    std::byte *rounded = memory.bytes(product.rounded_bytes(rows)),
              *rounded_reset = memory.bytes(product.rounded_bytes(rows)), *rest = memory.bytes(0);
    read(p, op::detail::recurrent::h0, units, h);
    product.round(h, p.rows, rounded);
    gate_row g{};
    g.units = units, g.origin_mode = g_.origin_mode;
    g.x_gate = gate_stride(0), g.product_gate = units;
    const auto row_of = [&](int row, const float* x) {
      g.x = x, g.product = sums + std::ptrdiff_t{row} * gates * units;
      g.h = h + std::ptrdiff_t{row} * units, g.c = reset + std::ptrdiff_t{row} * units;
      g.candidate = sums + static_cast<std::ptrdiff_t>(2 * count) + std::ptrdiff_t{row} * units;
      return g;
    };
    std::fill_n(reset, count, 0.0f);  // of sequences that have ended, too
    for (int k = 0, steps = longest(p); k < steps; ++k) {
      gather_inputs(p, k, steps);
      multiply_inputs(p, k, steps, 0);
      product.multiply(rounded, p.rows, sums, rest);
      if (candidates) {
        for (int row = 0; row < p.rows; ++row)
          if (const int t = time(p, row, k); t >= 0) functions_.reset(row_of(row, input_of(p, row, k, t, 0)));
        candidates->round(reset, p.rows, rounded_reset);
        candidates->multiply(rounded_reset, p.rows, sums + 2 * count, rest);
      }
      for (int row = 0; row < p.rows; ++row)
        if (const int t = time(p, row, k); t >= 0)
          functions_.gru[g_.reset_after](row_of(row, input_of(p, row, k, t, 0)));
      product.round(h, p.rows, rounded);
      write_step(p, k, h, rounded);
    }
    clear_rest(p);
    write(p, op::detail::recurrent::h_n, units, h);
  }

  op::gru g_;
  std::vector<state_product> products_;  // of each direction: all gates, or update and reset, then the candidate's
};

}  // namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE
