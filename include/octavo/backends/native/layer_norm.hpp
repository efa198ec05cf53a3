// Layer normalisation: everything but the arithmetic, for all native instruction sets.
//
// An instruction set is a class (layer_norm.inc) with moments(x, n, eps) of a row of f32 or of u8, and a class
// `elementwise` (elementwise.hpp), whose normalized() makes outputs of the row.
#pragma once

#include "octavo/backends/native/elementwise.hpp"
#include "octavo/op/layer_norm.hpp"

namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE {

/// Of n bytes and of their squares.
struct byte_sums {
  std::int32_t all, squares;
};

template <class X>
using moments_function = op::row_moments (*)(const X* x, std::ptrdiff_t n, double eps) noexcept;

/// A prepared layer normalisation of X.
template <class X>
class layer_norm final : public executable {
 public:
  layer_norm(const problem& p, std::size_t block, moments_function<X> moments, normalized_function function)
      : moments_(moments),
        function_(function),
        eps_(op::eps_of(*p.op.as<op::layer_norm>(), p.src[0])),
        y_(p.dst->type) {
    const auto channels = static_cast<std::size_t>(p.dst->extents.back()), padded = round_up(channels, block);
    table_ = aligned_memory(2 * padded * sizeof(float));
    auto* values = reinterpret_cast<float*>(table_.data());
    std::fill_n(values, 2 * padded, 0.0f);
    for (std::size_t c = 0; c < channels; ++c) {
      const channel_scale scale = op::scale_of(*p.op.as<op::layer_norm>(), p, c);
      values[c] = scale.multiplier, values[padded + c] = scale.offset;
    }
    shared_.multiplier = values, shared_.offset = values + padded, shared_.per_channel = true;
    shared_.epilogue = make_epilogue(*p.dst, no_activation);
  }

  int tasks(const arguments& a) const noexcept override { return grid(a).tasks(); }
  std::size_t packed_bytes() const noexcept override { return table_.size(); }

  void run(const arguments& a, int begin, int end, std::byte*) const noexcept override {
    normalized_run r = shared_;
    for_each_piece(grid(a), begin, end, [&](std::ptrdiff_t row, std::ptrdiff_t, std::ptrdiff_t n) {
      const X* x = a.src[0].as<const X>() + row * a.src[0].stride;
      const op::row_moments m = moments_(x, n, eps_);
      r.x = x, r.y = element_at(*a.dst, y_, row, 0), r.mean = m.mean, r.inverse = m.inverse;
      function_(r, n);
    });
  }

 private:
  row_grid grid(const arguments& a) const noexcept {
    return make_row_grid(a.dst->extents, static_cast<std::ptrdiff_t>(sizeof(X) + size_of(y_)), false);
  }

  moments_function<X> moments_;
  normalized_function function_;
  double eps_;
  element y_;
  aligned_memory table_;
  normalized_run shared_;
};

/// The kernel `name` for layer normalisation from X to Y.
template <class Rows, class Elementwise, class X, class Y>
constexpr kernel layer_norm_kernel(std::string_view name, isa needs) {
  return {name, needs,
          [](const problem& p) {
            return p.op.is<op::layer_norm>() && p.src[0].type == element_of<X> && p.dst->type == element_of<Y>;
          },
          [](const problem& p) -> std::unique_ptr<const executable> {
            constexpr moments_function<X> moments = Rows::moments;
            constexpr normalized_function function = Elementwise::template normalized<X, Y>;
            return std::make_unique<layer_norm<X>>(p, std::size_t{Elementwise::channel_block}, moments, function);
          }};
}

}  // namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE
