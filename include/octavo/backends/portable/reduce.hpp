// Portable reductions, 16 elements at a time: plain loops that compilers turn into vector instructions. Means and sums
// that keep the innermost axis are average pooling.
#pragma once

#include "octavo/backends/native/reduce.hpp"
#include "octavo/backends/portable/lanes.hpp"
#include "octavo/backends/portable/pool.hpp"

namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE {

/// The arithmetic of reductions other than means and sums: of each channel, or of rows.
template <op::reduce::kind_type Kind, class T>
struct extreme {
  static void columns(const native::window& w, const native::mean_rule&, void* dst, int n) noexcept {
    T* const y = static_cast<T*>(dst);
    for (int c = 0; c < n; c += block) {
      if (n - c >= block)
        some_columns<block>(w, c, y + c);
      else
        for (; c < n; ++c) some_columns<1>(w, c, y + c);
    }
  }

  static void row(const native::window& w, const native::mean_rule&, void* dst, int n) noexcept {
    T partial[block];
    for (T& p : partial) p = start();
    for (int h = 0; h < w.rows; ++h) {
      const T* x = w.row<T>(h, 0);
      for (int i = 0; i < w.columns; ++i, x += w.pixel_step) {
        int c = 0;
        for (; c + block <= n; c += block)
          for (int j = 0; j < block; ++j) partial[j] = combine(partial[j], x[c + j]);
        for (int j = 0; c + j < n; ++j) partial[j] = combine(partial[j], x[c + j]);
      }
    }
    for (int distance = block / 2; distance > 0; distance /= 2)
      for (int j = 0; j < distance; ++j) partial[j] = combine(partial[j], partial[j + distance]);
    *static_cast<T*>(dst) = partial[0];
  }

 private:
  static constexpr T start() {
    if constexpr (std::is_same_v<T, float>) return op::neutral(Kind);
    return Kind == op::reduce::max ? T{0} : T{255};
  }
  static T combine(T a, T b) {
    if constexpr (Kind == op::reduce::prod) return static_cast<T>(a * b);
    // Not ||, which would be a branch; b differs from itself where it is a NaN.
    const bool better = (Kind == op::reduce::max ? b > a : b < a) | (b != b);
    return better ? b : a;
  }

  template <int N>
  static void some_columns(const native::window& w, int c, T* y) {
    T all[N];
    for (T& v : all) v = start();
    for (int h = 0; h < w.rows; ++h) {
      const T* x = w.row<T>(h, c);
      for (int i = 0; i < w.columns; ++i, x += w.pixel_step)
        for (int j = 0; j < N; ++j) all[j] = combine(all[j], x[j]);
    }
    std::memcpy(y, all, sizeof all);
  }
};

/// The sum of whole rows.
template <class X, class Y>
void sum_rows(const native::window& w, const native::mean_rule& rule, void* dst, int n) noexcept {
  using sum = std::conditional_t<std::is_same_v<X, float>, float, std::int32_t>;
  sum partial[block] = {};
  for (int h = 0; h < w.rows; ++h) {
    const X* x = w.row<X>(h, 0);
    for (int i = 0; i < w.columns; ++i, x += w.pixel_step) {
      int c = 0;
      for (; c + block <= n; c += block)
        for (int j = 0; j < block; ++j) partial[j] += x[c + j];
      for (int j = 0; c + j < n; ++j) partial[j] += x[c + j];
    }
  }
  for (int distance = block / 2; distance > 0; distance /= 2)
    for (int j = 0; j < distance; ++j) partial[j] += partial[j + distance];
  numbers v = {};
  v.at[0] = static_cast<float>(partial[0] - static_cast<sum>(rule.zero_sum)) * rule.multiplier;
  Y result[block];
  end(result, v, rule.epilogue);
  *static_cast<Y*>(dst) = result[0];
}

/// The kernel `name` for sums and means along rows.
template <class X, class Y>
constexpr kernel row_sum_kernel(std::string_view name) {
  return {name, isa::portable,
          [](const problem& p) {
            if (!native::is_reduction(p, element_of<X>, element_of<Y>, true)) return false;
            const op::reduce::kind_type kind = p.op.as<op::reduce>()->kind;
            return kind == op::reduce::mean || kind == op::reduce::sum;
          },
          [](const problem& p) -> std::unique_ptr<const executable> {
            return std::make_unique<native::reduction>(p, sum_rows<X, Y>);
          }};
}

/// The kernel `name` for Kind of T along rows or not.
template <op::reduce::kind_type Kind, class T, bool AlongRows>
constexpr kernel extreme_kernel(std::string_view name) {
  return {
      name, isa::portable,
      [](const problem& p) {
        return native::is_reduction(p, element_of<T>, element_of<T>, AlongRows) && p.op.as<op::reduce>()->kind == Kind;
      },
      [](const problem& p) -> std::unique_ptr<const executable> {
        return std::make_unique<native::reduction>(p, AlongRows ? extreme<Kind, T>::row : extreme<Kind, T>::columns);
      }};
}

/// Kernels for reductions.
inline constexpr kernel reduce_kernels[] = {
    native::mean_kernel<pool, std::uint8_t, std::uint8_t>("reduce_mean_u8_portable", isa::portable),
    native::mean_kernel<pool, std::uint8_t, float>("reduce_mean_u8f32_portable", isa::portable),
    native::mean_kernel<pool, float, float>("reduce_mean_f32_portable", isa::portable),
    row_sum_kernel<std::uint8_t, std::uint8_t>("reduce_row_mean_u8_portable"),
    row_sum_kernel<std::uint8_t, float>("reduce_row_mean_u8f32_portable"),
    row_sum_kernel<float, float>("reduce_row_mean_f32_portable"),
    extreme_kernel<op::reduce::max, std::uint8_t, false>("reduce_max_u8_portable"),
    extreme_kernel<op::reduce::max, std::uint8_t, true>("reduce_row_max_u8_portable"),
    extreme_kernel<op::reduce::max, float, false>("reduce_max_f32_portable"),
    extreme_kernel<op::reduce::max, float, true>("reduce_row_max_f32_portable"),
    extreme_kernel<op::reduce::min, std::uint8_t, false>("reduce_min_u8_portable"),
    extreme_kernel<op::reduce::min, std::uint8_t, true>("reduce_row_min_u8_portable"),
    extreme_kernel<op::reduce::min, float, false>("reduce_min_f32_portable"),
    extreme_kernel<op::reduce::min, float, true>("reduce_row_min_f32_portable"),
    extreme_kernel<op::reduce::prod, float, false>("reduce_prod_f32_portable"),
    extreme_kernel<op::reduce::prod, float, true>("reduce_row_prod_f32_portable"),
};

}  // namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE
