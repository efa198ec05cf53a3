// Portable bilinear resizing, 16 channels at a time.
#pragma once

#include "octavo/backends/native/interp2d.hpp"
#include "octavo/backends/portable/lanes.hpp"

namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE {

/// The arithmetic of resizing.
struct interp2d {
  template <class T>
  static void blend(const native::four_pixels& p, void* dst, std::ptrdiff_t n) noexcept {
    const T *x00 = static_cast<const T*>(p.x00), *x01 = static_cast<const T*>(p.x01),
            *x10 = static_cast<const T*>(p.x10), *x11 = static_cast<const T*>(p.x11);
    T* const y = static_cast<T*>(dst);
    std::ptrdiff_t i = 0;
    for (; i + block <= n; i += block) {
      numbers upper, lower;
      across(upper, x00 + i, x01 + i, p.across);
      across(lower, x10 + i, x11 + i, p.across);
      between(upper, lower, p.down);
      end(y + i, upper, *p.end);
    }
    for (; i < n; ++i) {
      const float upper = lerp(static_cast<float>(x00[i]), static_cast<float>(x01[i]), p.across);
      const float v = lerp(upper, lerp(static_cast<float>(x10[i]), static_cast<float>(x11[i]), p.across), p.down);
      y[i] = std::is_same_v<T, float> ? static_cast<T>(v) : static_cast<T>((v + 12582912.0f) - 12582912.0f);
    }
  }

 private:
  static float lerp(float from, float to, float weight) { return fused_multiply_add(weight, to - from, from); }

  static void between(numbers& v, const numbers& to, float weight) {
    for (int i = 0; i < block; ++i) v.at[i] = lerp(v.at[i], to.at[i], weight);
  }
  template <class T>
  static void across(numbers& v, const T* left, const T* right, float weight) {
    numbers to;
    load(v, left, 0);
    load(to, right, 0);
    between(v, to, weight);
  }
};

/// Kernels for bilinear resizing.
inline constexpr kernel interp2d_kernels[] = {
    native::bilinear_kernel<interp2d, std::uint8_t>("interp2d_u8_portable", isa::portable),
    native::bilinear_kernel<interp2d, float>("interp2d_f32_portable", isa::portable),
};

}  // namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE
