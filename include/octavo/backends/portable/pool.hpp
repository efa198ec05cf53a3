// Portable max and average pooling, 16 channels at a time.
#pragma once

#include "octavo/backends/native/pool.hpp"
#include "octavo/backends/portable/lanes.hpp"

namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE {

/// The arithmetic of pooling.
struct pool {
  static constexpr int channel_block = block;

  template <class T>
  static void maximum(const native::window& w, const native::mean_rule&, void* dst, int n) noexcept {
    T* const y = static_cast<T*>(dst);
    for (int c = 0; c < n; c += block) {
      if (n - c >= block)
        maximum_of<block>(w, c, y + c);
      else
        for (; c < n; ++c) maximum_of<1>(w, c, y + c);
    }
  }

  template <class X, class Y>
  static void mean(const native::window& w, const native::mean_rule& rule, void* dst, int n) noexcept {
    Y* const y = static_cast<Y*>(dst);
    for (int c = 0; c < n; c += block) {
      numbers v = {};
      if (n - c >= block) {
        sum_of<X, block>(w, c, v.at);
        finish(v, rule, y + c);
        continue;
      }
      for (int i = 0; c + i < n; ++i) sum_of<X, 1>(w, c + i, v.at + i);
      Y last[block];
      finish(v, rule, last);
      std::memcpy(y + c, last, static_cast<std::size_t>(n - c) * sizeof(Y));
    }
  }

 private:
  // A NaN is above nothing, and an equal number does not replace an earlier one. Where nothing was above -inf the first
  // pixel is the answer, NaN or not.
  template <int N, class T>
  static void maximum_of(const native::window& w, int c, T* y) {
    T largest[N];
    for (T& v : largest) v = std::is_same_v<T, float> ? -std::numeric_limits<T>::infinity() : T{0};
    for (int h = 0; h < w.rows; ++h) {
      const T* x = w.row<T>(h, c);
      for (int i = 0; i < w.columns; ++i, x += w.pixel_step)
        for (int j = 0; j < N; ++j) largest[j] = x[j] > largest[j] ? x[j] : largest[j];
    }
    const T* first = w.row<T>(0, c);
    for (int j = 0; j < N; ++j)
      y[j] = std::is_same_v<T, float> && largest[j] == -std::numeric_limits<T>::infinity() ? first[j] : largest[j];
  }

  template <class X, int N>
  static void sum_of(const native::window& w, int c, float* to) {
    std::conditional_t<std::is_same_v<X, float>, float, std::int32_t> sum[N] = {};
    for (int h = 0; h < w.rows; ++h) {
      const X* x = w.row<X>(h, c);
      for (int i = 0; i < w.columns; ++i, x += w.pixel_step)
        for (int j = 0; j < N; ++j) sum[j] += x[j];
    }
    for (int j = 0; j < N; ++j) to[j] = static_cast<float>(sum[j]);
  }

  // A u8 sum is at most 2^24, where binary32 still has every integer, and so has the difference.
  template <class Y>
  static void finish(numbers& v, const native::mean_rule& rule, Y* y) {
    const float zero_sum = static_cast<float>(rule.zero_sum), m = rule.multiplier;
    for (float& x : v.at) x = (x - zero_sum) * m;
    end(y, v, rule.epilogue);
  }
};

/// Kernels for poolings.
inline constexpr kernel pool_kernels[] = {
    native::max_pool_kernel<pool, std::uint8_t>("max_pool_u8_portable", isa::portable),
    native::max_pool_kernel<pool, float>("max_pool_f32_portable", isa::portable),
    native::average_pool_kernel<pool, std::uint8_t, std::uint8_t>("average_pool_u8_portable", isa::portable),
    native::average_pool_kernel<pool, std::uint8_t, float>("average_pool_u8f32_portable", isa::portable),
    native::average_pool_kernel<pool, float, float>("average_pool_f32_portable", isa::portable),
};

}  // namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE
