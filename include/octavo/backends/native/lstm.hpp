// lstm on all native instruction sets: the products and gates of its steps.
#pragma once

#include "octavo/backends/native/recurrent.hpp"
#include "octavo/op/lstm.hpp"

namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE {

/// An lstm.
class lstm final : public recurrent {
 public:
  lstm(const problem& p, std::span<const kernel> kernels, const gate_functions& functions)
      : recurrent(p, kernels, p.op.as<op::lstm>()->shape(), p.op.as<op::lstm>()->direction, p.op.as<op::lstm>()->state,
                  functions),
        l_(*p.op.as<op::lstm>()) {
    if (const tensor* w = p.at(op::lstm::peepholes)) peepholes_.assign(w->as<float>().begin(), w->as<float>().end());
    for (int d = 0; d < shape_.directions; ++d) {
      products_.emplace_back(kernels,
                             layer_of(p, op::lstm::weights, p.at(op::lstm::bias), op::lstm::scales, d * 4 * l_.hidden,
                                      4 * l_.hidden, l_.state, p.src[0].extents[0]),
                             functions.quantize);
      if (l_.projected > 0)
        projections_.emplace_back(kernels,
                                  layer_of(p, op::lstm::projection, nullptr, op::lstm::projection_scales,
                                           d * l_.projected, l_.projected, unit_map, p.src[0].extents[0]),
                                  functions.quantize);
    }
  }

 private:
  std::size_t scratch_of_steps() const noexcept override {
    std::size_t bytes = floats_bytes(l_.state_size() + 2 * l_.hidden + sums_of_row(), 4) +
                        products_[0].rounded_bytes(most_rows()) + products_[0].scratch_bytes();
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
    const std::ptrdiff_t units = l_.hidden;
    const state_product& product = products_[d];
    const state_product* projection = projections_.empty() ? nullptr : &projections_[d];
    cutter memory(scratch);
    float *h = memory.floats(rows * static_cast<std::size_t>(l_.state_size())), *c = memory.floats(count),
          *sums = memory.floats(rows * static_cast<std::size_t>(sums_of_row())),
          *out = projection ? memory.floats(count) : h;
    std::byte* rounded = memory.bytes(product.rounded_bytes(rows));
    std::byte* rounded_out = projection ? memory.bytes(projection->rounded_bytes(rows)) : nullptr;
    std::byte* rest = memory.bytes(0);
    read(p, op::detail::recurrent::h0, l_.state_size(), h);
    read(p, op::lstm::c0, l_.hidden, c);
    product.round(h, p.rows, rounded);
    if (projection) std::fill_n(out, count, 0.0f);
    gate_row g{};
    g.units = l_.hidden, g.clip = l_.clip;
    if (!peepholes_.empty()) g.peepholes = peepholes_.data() + p.d * 3 * units;
    const gate_function gates = functions_.lstm[g.peepholes != nullptr];
    for (int k = 0, steps = longest(p); k < steps; ++k) {
      prepare_inputs(p, k, steps);
      product.multiply(h, rounded, p.rows, sums, rest);
      for (int row = 0; row < p.rows; ++row) {
        const int t = time(p, row, k);
        if (t < 0) continue;
        g.x = input_of(p, row, k, t), g.product = sums + row * 4 * units, g.c = c + row * units,
        g.h = out + row * units;
        gates(g);
      }
      if (projection) {
        projection->round(out, p.rows, rounded_out);
        projection->multiply(out, rounded_out, p.rows, sums, rest);
        for (int row = 0; row < p.rows; ++row)
          if (time(p, row, k) >= 0) std::copy_n(sums + row * l_.projected, l_.projected, h + row * l_.projected);
      }
      product.round(h, p.rows, rounded);
      write_step(p, k, h, rounded);
    }
    clear_rest(p);
    write(p, op::detail::recurrent::h_n, l_.state_size(), h);
    write(p, op::lstm::c_n, l_.hidden, c);
  }

  /// How many sums of a sequence there are at a time: those of the gates, then those of the projection.
  int sums_of_row() const { return std::max(4 * l_.hidden, l_.projected); }

  op::lstm l_;
  std::vector<float> peepholes_;
  std::vector<state_product> products_, projections_;  // of each direction
};

}  // namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE
