// How quickly this core reads memory, and emptying its caches.
#pragma once

#include "octavo/backends/x86/cpu.hpp"
#include "octavo/backends/x86/target.hpp"
#include "octavo/base/aligned_memory.hpp"
#include "timing.hpp"

#if OCTAVO_X86
#include <immintrin.h>
#endif
#if defined(__unix__)
#include <unistd.h>
#endif

namespace octavo::bench {

/// Bytes of the caches that serve one core.
struct cache_sizes {
  std::size_t l2 = 1u << 20, l3 = 32u << 20;  // where the system does not say
};
inline cache_sizes find_cache_sizes() {
  cache_sizes c;
#ifdef _SC_LEVEL3_CACHE_SIZE
  if (const long bytes = sysconf(_SC_LEVEL2_CACHE_SIZE); bytes > 0) c.l2 = static_cast<std::size_t>(bytes);
  if (const long bytes = sysconf(_SC_LEVEL3_CACHE_SIZE); bytes > 0) c.l3 = static_cast<std::size_t>(bytes);
#endif
  c.l3 = std::max(c.l3, 2 * c.l2);
  return c;
}

namespace detail {

inline constexpr std::size_t read_step = 512;  // bytes of an iteration: 8 independent loads of the widest vector

#if OCTAVO_X86
OCTAVO_TARGET("avx512f") inline void read_avx512(const std::byte* from, std::size_t bytes) {
  __m512i any[8];
  OCTAVO_UNROLL for (int k = 0; k < 8; ++k) any[k] = _mm512_setzero_si512();
  for (std::size_t i = 0; i < bytes; i += read_step)
    OCTAVO_UNROLL for (int k = 0; k < 8; ++k) any[k] = _mm512_or_si512(any[k], _mm512_loadu_si512(from + i + 64 * k));
  OCTAVO_UNROLL for (int k = 0; k < 8; ++k) OCTAVO_KEEP(any[k]);
}

OCTAVO_TARGET("avx2") inline void read_avx2(const std::byte* from, std::size_t bytes) {
  __m256i any[8];
  OCTAVO_UNROLL for (int k = 0; k < 8; ++k) any[k] = _mm256_setzero_si256();
  for (std::size_t i = 0; i < bytes; i += read_step / 2)
    OCTAVO_UNROLL for (int k = 0; k < 8; ++k) any[k] =
        _mm256_or_si256(any[k], _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + i + 32 * k)));
  OCTAVO_UNROLL for (int k = 0; k < 8; ++k) OCTAVO_KEEP(any[k]);
}
#endif

inline void read_words(const std::byte* from, std::size_t bytes) {
  const auto* words = reinterpret_cast<const std::uint64_t*>(from);
  std::uint64_t any[4] = {};
  for (std::size_t i = 0; i < bytes / 8; i += 4)
    for (std::size_t k = 0; k < 4; ++k) any[k] |= words[i + k];
  [[maybe_unused]] volatile std::uint64_t used = any[0] | any[1] | any[2] | any[3];
}

}  // namespace detail

/// Memory to read for comparison. Its size is rounded up to what one iteration of the loop reads.
class readable_memory {
 public:
  explicit readable_memory(std::size_t bytes) : memory_(round_up(bytes, detail::read_step)) {}
  std::size_t size() const noexcept { return memory_.size(); }

  /// Reads its first `bytes`, rounded up too, with the widest loads that this CPU has, and does nothing with them.
  void read(std::size_t bytes) const {
    bytes = std::min(round_up(bytes, detail::read_step), memory_.size());
#if OCTAVO_X86
    if (x86::runs(isa::avx512_vnni)) return detail::read_avx512(memory_.data(), bytes);
    if (x86::runs(isa::avx2)) return detail::read_avx2(memory_.data(), bytes);
#endif
    detail::read_words(memory_.data(), bytes);
  }

  /// Changes one byte of each cache line, which then belongs to this core alone.
  void touch() {
    for (std::size_t i = 0; i < memory_.size(); i += cache_line) memory_.data()[i] ^= std::byte{1};
  }

 private:
  aligned_memory memory_;
};

/// A memory that is larger than all caches together.
inline readable_memory& large_memory() {
  static readable_memory memory(2 * find_cache_sizes().l3);
  return memory;
}

/// Leaves nothing of use in any cache. What a kernel has packed cannot be flushed by address, since nobody else knows
/// where it lies; so another memory takes its place.
inline void flush_caches() { large_memory().touch(); }

/// Gigabytes per second of reading `bytes` of large_memory() again and again: the best of several measurements.
inline double measure_read_rate(std::size_t bytes) {
  const readable_memory& memory = large_memory();
  const clock_kind clock = clock_for(1);
  const auto passes = static_cast<int>(std::max<std::size_t>((16u << 20) / bytes, 1));
  memory.read(bytes);
  double best = 0;
  for (int i = 0; i < 5; ++i) {
    const double start = now_us(clock);
    for (int k = 0; k < passes; ++k) memory.read(bytes);
    best = std::max(best, static_cast<double>(bytes) * passes / (now_us(clock) - start) * 1e-3);
  }
  return best;
}

/// Gigabytes per second that this core reads from where what it reads fits.
struct read_rates {
  double l2, l3, memory;
};
inline read_rates measure_read_rates() {
  const cache_sizes c = find_cache_sizes();
  return {measure_read_rate(c.l2 / 2), measure_read_rate(c.l3 / 2), measure_read_rate(large_memory().size())};
}

}  // namespace octavo::bench
