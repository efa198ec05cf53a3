// Portable elementwise operators, 16 numbers at a time.
#pragma once

#include "octavo/backends/native/elementwise.hpp"
#include "octavo/backends/portable/lanes.hpp"

namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE {

/// The arithmetic of elementwise operators.
struct elementwise {
  static constexpr int channel_block = block;

  template <class X, class Y>
  static void affine(const native::affine_run& r, std::ptrdiff_t n) noexcept {
    const X* x = static_cast<const X*>(r.x);
    Y* y = static_cast<Y*>(r.y);
    std::ptrdiff_t i = 0;
    for (; i + block <= n; i += block) affine_block(r, x + i, y + i, r.per_channel ? i : 0);
    if (i == n) return;
    X last[block] = {};
    Y result[block];
    std::memcpy(last, x + i, static_cast<std::size_t>(n - i) * sizeof(X));
    affine_block(r, last, result, r.per_channel ? i : 0);
    std::memcpy(y + i, result, static_cast<std::size_t>(n - i) * sizeof(Y));
  }

  template <class T>
  static void add(const native::add_run& r, std::ptrdiff_t n) noexcept {
    const T *x0 = static_cast<const T*>(r.x0), *x1 = static_cast<const T*>(r.x1);
    T* y = static_cast<T*>(r.y);
    std::ptrdiff_t i = 0;
    for (; i + block <= n; i += block) add_block(r, x0 + i, x1 + i, y + i);
    if (i == n) return;
    T last0[block] = {}, last1[block] = {}, result[block];
    std::memcpy(last0, x0 + i, static_cast<std::size_t>(n - i) * sizeof(T));
    std::memcpy(last1, x1 + i, static_cast<std::size_t>(n - i) * sizeof(T));
    add_block(r, last0, last1, result);
    std::memcpy(y + i, result, static_cast<std::size_t>(n - i) * sizeof(T));
  }

 private:
  template <class X, class Y>
  static void affine_block(const native::affine_run& r, const X* x, Y* y, std::ptrdiff_t channel) {
    numbers v;
    load(v, x, r.zero_point);
    if (r.per_channel)
      multiply_add(v, r.multiplier + channel, r.offset + channel);
    else  // the addend is -0.0
      for (int i = 0; i < block; ++i) v.at[i] *= r.multiplier[0];
    end(y, v, r.epilogue);
  }

  template <class T>
  static void add_block(const native::add_run& r, const T* x0, const T* x1, T* y) {
    numbers v, w;
    load(v, x0, r.zero_point0);
    load(w, x1, r.zero_point1);
    const float m0 = r.multiplier0, m1 = r.multiplier1;
    for (int i = 0; i < block; ++i) v.at[i] *= m0;
    for (int i = 0; i < block; ++i) v.at[i] = fused_multiply_add(w.at[i], m1, v.at[i]);
    end(y, v, r.epilogue);
  }
};

/// Kernels for elementwise operators. "affine" is activate, convert, bias_add and batch_norm.
inline constexpr kernel elementwise_kernels[] = {
    native::add_kernel<elementwise, std::uint8_t>("add_u8_portable", isa::portable),
    native::add_kernel<elementwise, float>("add_f32_portable", isa::portable),
    native::affine_kernel<elementwise, std::uint8_t, std::uint8_t>("affine_u8_portable", isa::portable),
    native::affine_kernel<elementwise, float, std::uint8_t>("affine_f32u8_portable", isa::portable),
    native::affine_kernel<elementwise, std::uint8_t, float>("affine_u8f32_portable", isa::portable),
    native::affine_kernel<elementwise, float, float>("affine_f32_portable", isa::portable),
};

}  // namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE
