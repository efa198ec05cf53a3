// lstm on all native instruction sets: the products and gates of its steps.
#pragma once

#include <numeric>

#include "octavo/backends/native/recurrent.hpp"
#include "octavo/op/lstm.hpp"

namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE {

/// An lstm.
class lstm final : public recurrent {
 public:
  lstm(const problem& p, std::span<const kernel> kernels, const gate_functions& functions)
      : recurrent(p, kernels, p.op.as<op::lstm>()->shape(), p.op.as<op::lstm>()->direction, p.op.as<op::lstm>()->state,
                  functions, true),
        l_(*p.op.as<op::lstm>()) {
    if (const tensor* w = p.at(op::lstm::peepholes)) peepholes_.assign(w->as<float>().begin(), w->as<float>().end());
    for (int d = 0; d < shape_.directions; ++d) {
      for (int b = 0; b < blocks(); ++b)
        products_.emplace_back(kernels,
                               layer_of(p, op::lstm::weights, p.at(op::lstm::bias), op::lstm::scales,
                                        rows_of(d, 0, 4, b), l_.state, p.src[0].extents[0]),
                               functions.quantize);
      if (l_.projected == 0) continue;
      std::vector<int> rows(static_cast<std::size_t>(l_.projected));
      std::iota(rows.begin(), rows.end(), d * l_.projected);
      projections_.emplace_back(
          kernels,
          layer_of(p, op::lstm::projection, nullptr, op::lstm::projection_scales, rows, unit_map, p.src[0].extents[0]),
          functions.quantize);
    }
  }

 private:
  std::size_t scratch_of_steps() const noexcept override {
    std::size_t bytes =
        floats_bytes(l_.state_size() + 2 * l_.hidden + sums_of_row(), 4) + products_[0].rounded_bytes(most_rows());
    std::size_t most = 0;
    for (const state_product& p : products_) most = std::max(most, p.scratch_bytes());
    bytes += most;
    if (!projections_.empty()) bytes += projections_[0].rounded_bytes(most_rows()) + projections_[0].scratch_bytes();
    return bytes;
  }
  std::size_t packed_bytes_of_steps() const noexcept override {
    std::size_t all = peepholes_.size() * sizeof(float);
    for (const auto* list : {&products_, &projections_})
      for (const state_product& p : *list) all += p.packed_bytes();
    return all;
  }

  void run_sequences(const piece& p, std::byte* scratch) const noexcept override {
    const auto rows = static_cast<std::size_t>(p.rows), d = static_cast<std::size_t>(p.d),
               count = rows * static_cast<std::size_t>(l_.hidden);
    const state_product* products = &products_[d * static_cast<std::size_t>(blocks())];
    const state_product* projection = projections_.empty() ? nullptr : &projections_[d];
    cutter memory(scratch);
    float *h = memory.floats(rows * static_cast<std::size_t>(l_.state_size())), *c = memory.floats(count),
          *sums = memory.floats(rows * static_cast<std::size_t>(sums_of_row())),
          *out = projection ? memory.floats(count) : h;
    std::byte* rounded = memory.bytes(products->rounded_bytes(rows));
    std::byte* rounded_out = projection ? memory.bytes(projection->rounded_bytes(rows)) : nullptr;
    std::byte* rest = memory.bytes(0);
    read(p, op::detail::recurrent::h0, l_.state_size(), h);
    read(p, op::lstm::c0, l_.hidden, c);
    products->round(h, p.rows, rounded);
    if (projection) std::fill_n(out, count, 0.0f);
    for (int k = 0, steps = longest(p); k < steps; ++k) {
      gather_inputs(p, k, steps);
      for (int b = 0; b < blocks(); ++b) {
        multiply_inputs(p, k, steps, b);
        products[b].multiply(rounded, p.rows, sums, rest);
        run_gates(p, k, b, sums, out, c);
      }
      if (projection) {
        projection->round(out, p.rows, rounded_out);
        projection->multiply(rounded_out, p.rows, sums, rest);
        for (int row = 0; row < p.rows; ++row)
          if (time(p, row, k) >= 0) std::copy_n(sums + row * l_.projected, l_.projected, h + row * l_.projected);
      }
      products->round(h, p.rows, rounded);
      write_step(p, k, h, rounded);
    }
    clear_rest(p);
    write(p, op::detail::recurrent::h_n, l_.state_size(), h);
    write(p, op::lstm::c_n, l_.hidden, c);
  }

  /// The gates of a block of units of all sequences at step number `k`.
  void run_gates(const piece& p, int k, int block, const float* sums, float* out, float* c) const noexcept {
    const unit_range u = units_of(block);
    const std::ptrdiff_t units = l_.hidden;
    gate_row g{};
    g.units = u.count, g.clip = l_.clip;
    g.x_gate = gate_stride(block), g.product_gate = u.count, g.peephole_gate = units;
    if (!peepholes_.empty()) g.peepholes = peepholes_.data() + p.d * 3 * units + u.first;
    const gate_function gates = functions_.lstm[g.peepholes != nullptr];
    for (int row = 0; row < p.rows; ++row) {
      const int t = time(p, row, k);
      if (t < 0) continue;
      g.x = input_of(p, row, k, t, block), g.product = sums + row * 4 * std::ptrdiff_t{u.count};
      g.c = c + row * units + u.first, g.h = out + row * units + u.first;
      gates(g);
    }
  }

  /// How many sums of a sequence there are at a time: those of the gates, then those of the projection.
  int sums_of_row() const { return std::max(4 * units_of(0).count, l_.projected); }

  op::lstm l_;
  std::vector<float> peepholes_;
  std::vector<state_product> products_, projections_;  // of each direction and block; of each direction
};

}  // namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE
