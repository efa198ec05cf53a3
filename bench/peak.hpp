// What this core can do at most: loops that multiply and add in registers and touch no memory. And which CPU it is.
#pragma once

#include <cstring>
#include <string>

#include "octavo/backends/x86/amx/tile.hpp"
#include "octavo/backends/x86/cpu.hpp"
#include "octavo/backends/x86/target.hpp"
#include "timing.hpp"

#if OCTAVO_X86
#include <immintrin.h>
#endif

namespace octavo::bench {

/// Giga-operations per second of one core; a multiplication and an addition are two. 0 where there is no measurement.
struct core_peak {
  double int8 = 0, f32 = 0;
  const char* int8_instruction = "";
  const char* f32_instruction = "";
  double int8_pairs =
      0;  ///< AVX2 only: vpmaddubsw, vpmaddwd, vpaddd, which is right only where no sum of a pair saturates
};

namespace detail {

#if OCTAVO_X86

/// Accumulators of a loop: enough to hide the latency of the arithmetic, few enough for 16 registers.
inline constexpr int chains = 12;

// Each loop makes 12 independent steps in an iteration. OCTAVO_KEEP keeps a factor unknown to the compiler, which would
// otherwise compute the product once.

inline void multiply_add_f32_sse2(std::int64_t iterations) {
  __m128 sum[chains], a = _mm_set1_ps(0.5f);
  const __m128 b = _mm_set1_ps(0.25f);
  OCTAVO_UNROLL for (int k = 0; k < chains; ++k) sum[k] = a;
  for (std::int64_t i = 0; i < iterations; ++i) {
    OCTAVO_UNROLL for (int k = 0; k < chains; ++k) {
      OCTAVO_KEEP(a);
      sum[k] = _mm_add_ps(sum[k], _mm_mul_ps(a, b));
    }
  }
  OCTAVO_UNROLL for (int k = 0; k < chains; ++k) OCTAVO_KEEP(sum[k]);
}

inline void multiply_add_int8_sse2(std::int64_t iterations) {
  __m128i sum[chains], a = _mm_set1_epi16(3);
  const __m128i b = _mm_set1_epi16(5);
  OCTAVO_UNROLL for (int k = 0; k < chains; ++k) sum[k] = a;
  for (std::int64_t i = 0; i < iterations; ++i) {
    OCTAVO_UNROLL for (int k = 0; k < chains; ++k) {
      OCTAVO_KEEP(a);
      sum[k] = _mm_add_epi32(sum[k], _mm_madd_epi16(a, b));
    }
  }
  OCTAVO_UNROLL for (int k = 0; k < chains; ++k) OCTAVO_KEEP(sum[k]);
}

OCTAVO_TARGET("avx2,fma") inline void multiply_add_f32_avx2(std::int64_t iterations) {
  __m256 sum[chains], a = _mm256_set1_ps(0.5f);
  const __m256 b = _mm256_set1_ps(0.25f);
  OCTAVO_UNROLL for (int k = 0; k < chains; ++k) sum[k] = a;
  for (std::int64_t i = 0; i < iterations; ++i) {
    OCTAVO_UNROLL for (int k = 0; k < chains; ++k) {
      OCTAVO_KEEP(a);
      sum[k] = _mm256_fmadd_ps(a, b, sum[k]);
    }
  }
  OCTAVO_UNROLL for (int k = 0; k < chains; ++k) OCTAVO_KEEP(sum[k]);
}

OCTAVO_TARGET("avx2,fma") inline void multiply_add_int8_avx2(std::int64_t iterations) {
  __m256i sum[chains], a = _mm256_set1_epi16(3);
  const __m256i b = _mm256_set1_epi16(5);
  OCTAVO_UNROLL for (int k = 0; k < chains; ++k) sum[k] = a;
  for (std::int64_t i = 0; i < iterations; ++i) {
    OCTAVO_UNROLL for (int k = 0; k < chains; ++k) {
      OCTAVO_KEEP(a);
      sum[k] = _mm256_add_epi32(sum[k], _mm256_madd_epi16(a, b));
    }
  }
  OCTAVO_UNROLL for (int k = 0; k < chains; ++k) OCTAVO_KEEP(sum[k]);
}

OCTAVO_TARGET("avx2,fma") inline void multiply_add_pairs_avx2(std::int64_t iterations) {
  __m256i sum[chains], a = _mm256_set1_epi8(3);
  const __m256i b = _mm256_set1_epi8(5), one = _mm256_set1_epi16(1);
  OCTAVO_UNROLL for (int k = 0; k < chains; ++k) sum[k] = a;
  for (std::int64_t i = 0; i < iterations; ++i) {
    OCTAVO_UNROLL for (int k = 0; k < chains; ++k) {
      OCTAVO_KEEP(a);
      sum[k] = _mm256_add_epi32(sum[k], _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), one));
    }
  }
  OCTAVO_UNROLL for (int k = 0; k < chains; ++k) OCTAVO_KEEP(sum[k]);
}

OCTAVO_TARGET("avx2,avxvnni") inline void multiply_add_int8_avx_vnni(std::int64_t iterations) {
  __m256i sum[chains], a = _mm256_set1_epi8(3);
  const __m256i b = _mm256_set1_epi8(5);
  OCTAVO_UNROLL for (int k = 0; k < chains; ++k) sum[k] = a;
  for (std::int64_t i = 0; i < iterations; ++i) {
    OCTAVO_UNROLL for (int k = 0; k < chains; ++k) {
      OCTAVO_KEEP(a);
      sum[k] = _mm256_dpbusd_avx_epi32(sum[k], a, b);
    }
  }
  OCTAVO_UNROLL for (int k = 0; k < chains; ++k) OCTAVO_KEEP(sum[k]);
}

OCTAVO_TARGET("avx512f") inline void multiply_add_f32_avx512(std::int64_t iterations) {
  __m512 sum[chains], a = _mm512_set1_ps(0.5f);
  const __m512 b = _mm512_set1_ps(0.25f);
  OCTAVO_UNROLL for (int k = 0; k < chains; ++k) sum[k] = a;
  for (std::int64_t i = 0; i < iterations; ++i) {
    OCTAVO_UNROLL for (int k = 0; k < chains; ++k) {
      OCTAVO_KEEP(a);
      sum[k] = _mm512_fmadd_ps(a, b, sum[k]);
    }
  }
  OCTAVO_UNROLL for (int k = 0; k < chains; ++k) OCTAVO_KEEP(sum[k]);
}

OCTAVO_TARGET("avx512f,avx512vnni") inline void multiply_add_int8_avx512_vnni(std::int64_t iterations) {
  __m512i sum[chains], a = _mm512_set1_epi32(0x03030303);
  const __m512i b = _mm512_set1_epi32(0x05050505);
  OCTAVO_UNROLL for (int k = 0; k < chains; ++k) sum[k] = a;
  for (std::int64_t i = 0; i < iterations; ++i) {
    OCTAVO_UNROLL for (int k = 0; k < chains; ++k) {
      OCTAVO_KEEP(a);
      sum[k] = _mm512_dpbusd_epi32(sum[k], a, b);
    }
  }
  OCTAVO_UNROLL for (int k = 0; k < chains; ++k) OCTAVO_KEEP(sum[k]);
}

#if OCTAVO_X86_64
/// 2x2 blocks of accumulators, as the kernels have them. A step is one tile multiplication, of which an iteration has
/// 4.
inline constexpr int tile_steps = 4;

OCTAVO_TARGET_AMX inline void multiply_add_int8_amx(std::int64_t iterations) {
  const x86::amx::tile_region tiles(x86::amx::tile_rows, x86::amx::tile_row_bytes);
  OCTAVO_TILE_ZERO(0);
  OCTAVO_TILE_ZERO(1);
  OCTAVO_TILE_ZERO(2);
  OCTAVO_TILE_ZERO(3);
  OCTAVO_TILE_ZERO(4);
  OCTAVO_TILE_ZERO(5);
  OCTAVO_TILE_ZERO(6);
  OCTAVO_TILE_ZERO(7);
  for (std::int64_t i = 0; i < iterations; ++i) {
    OCTAVO_TILE_MULTIPLY(0, 4, 6);
    OCTAVO_TILE_MULTIPLY(1, 4, 7);
    OCTAVO_TILE_MULTIPLY(2, 5, 6);
    OCTAVO_TILE_MULTIPLY(3, 5, 7);
  }
}
#endif

/// The best of several measurements of a few milliseconds; `products` is how many one step multiplies and adds, `steps`
/// how many steps an iteration has.
inline double best_rate(void (*loop)(std::int64_t), int products, int steps = chains) {
  constexpr std::int64_t iterations = 1 << 19;
  const clock_kind clock = clock_for(1);
  double best = 0;
  for (int i = 0; i < 12; ++i) {
    const double start = now_us(clock);
    loop(iterations);
    const double operations = 2.0 * products * steps * static_cast<double>(iterations);
    best = std::max(best, operations / (now_us(clock) - start) * 1e-3);
  }
  return best;
}

#endif

}  // namespace detail

/// Measures the peak of this core with the instructions of `i`, which must run here: x86::runs(i), which for AMX also
/// asks the operating system for tiles.
inline core_peak measure_peak(isa i) {
  core_peak p;
#if OCTAVO_X86
  using detail::best_rate;
  if (i == isa::portable) {
    p = {best_rate(detail::multiply_add_int8_sse2, 8), best_rate(detail::multiply_add_f32_sse2, 4),
         "pmaddwd, paddd xmm", "mulps, addps xmm"};
  } else if (i == isa::avx2) {
    p = {best_rate(detail::multiply_add_int8_avx2, 16), best_rate(detail::multiply_add_f32_avx2, 8),
         "vpmaddwd, vpaddd ymm", "vfmadd ymm", best_rate(detail::multiply_add_pairs_avx2, 32)};
  } else if (i == isa::avx_vnni) {
    p = {best_rate(detail::multiply_add_int8_avx_vnni, 32), best_rate(detail::multiply_add_f32_avx2, 8), "vpdpbusd ymm",
         "vfmadd ymm"};
  } else {
    p = {best_rate(detail::multiply_add_int8_avx512_vnni, 64), best_rate(detail::multiply_add_f32_avx512, 16),
         "vpdpbusd zmm", "vfmadd zmm"};
#if OCTAVO_X86_64
    constexpr int products = x86::amx::tile_rows * 16 * x86::amx::tile_row_bytes;  // 16 columns of s32
    if (i == isa::amx) {
      p.int8 = best_rate(detail::multiply_add_int8_amx, products, detail::tile_steps);
      p.int8_instruction = "tdpbusd";
    }
#endif
  }
#else
  (void)i;
#endif
  return p;
}

/// What the CPU calls itself; "unknown" where it cannot be asked.
inline std::string cpu_name() {
#if OCTAVO_X86
  if (x86::detail::cpuid(0x80000000u, 0).a >= 0x80000004u) {
    char name[49] = {};
    for (std::uint32_t leaf = 0; leaf < 3; ++leaf) {
      const x86::detail::cpuid_registers r = x86::detail::cpuid(0x80000002u + leaf, 0);
      std::memcpy(name + 16 * leaf, &r, 16);
    }
    std::string s(name);
    s.erase(0, s.find_first_not_of(' '));
    s.erase(s.find_last_not_of(' ') + 1);
    return s;
  }
#endif
  return "unknown";
}

}  // namespace octavo::bench
