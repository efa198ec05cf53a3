// The arithmetic that results depend on: rounding to nearest even, subnormal numbers kept. A program may have set
// others (fesetround, "flush to zero"), and each thread has its own.
#pragma once

#include <cstdint>

#if defined(__x86_64__) || defined(__SSE2__) || defined(_M_X64)
#define OCTAVO_FLOAT_CONTROL_X86
#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#endif
#elif defined(__aarch64__)
#define OCTAVO_FLOAT_CONTROL_AARCH64
#else
#include <cfenv>
#endif

namespace octavo {

namespace detail {

// Plain registers rather than <cfenv>, which knows nothing of subnormal numbers and costs a call into the C library.
// The clobber of memory keeps loads and stores, and so the arithmetic between them, on their side.
#if defined(OCTAVO_FLOAT_CONTROL_X86)

inline constexpr std::uint32_t default_float_control = 0x1f80;        // all exceptions masked, nothing else
inline constexpr std::uint32_t float_control_bits = 0xffff & ~0x3fu;  // without the flags of past exceptions

#if defined(_MSC_VER) && !defined(__clang__)
inline std::uint32_t float_control() noexcept { return _mm_getcsr(); }
inline void set_float_control(std::uint32_t bits) noexcept { _mm_setcsr(bits); }
#else
inline std::uint32_t float_control() noexcept {
  std::uint32_t bits;
  __asm__ volatile("stmxcsr %0" : "=m"(bits) : : "memory");
  return bits;
}
inline void set_float_control(std::uint32_t bits) noexcept { __asm__ volatile("ldmxcsr %0" : : "m"(bits) : "memory"); }
#endif

#elif defined(OCTAVO_FLOAT_CONTROL_AARCH64)

inline constexpr std::uint64_t default_float_control = 0;
inline constexpr std::uint64_t float_control_bits = ~std::uint64_t{0};  // the flags have a register of their own

inline std::uint64_t float_control() noexcept {
  std::uint64_t bits;
  __asm__ volatile("mrs %0, fpcr" : "=r"(bits) : : "memory");
  return bits;
}
inline void set_float_control(std::uint64_t bits) noexcept {
  __asm__ volatile("msr fpcr, %0" : : "r"(bits) : "memory");
}

#else

inline constexpr int default_float_control = FE_TONEAREST;
inline constexpr int float_control_bits = ~0;

inline int float_control() noexcept { return std::fegetround(); }
inline void set_float_control(int bits) noexcept { std::fesetround(bits); }

#endif

}  // namespace detail

/// While it lives, this thread rounds to nearest even, keeps subnormal numbers and does not trap; then the caller's
/// settings are back. It costs a few cycles where nothing is to be changed.
class float_environment {
 public:
  float_environment() noexcept : before_(detail::float_control()) {
    if (changes()) detail::set_float_control(detail::default_float_control);
  }
  ~float_environment() {
    if (changes()) detail::set_float_control(before_);
  }
  float_environment(const float_environment&) = delete;
  float_environment& operator=(const float_environment&) = delete;

 private:
  bool changes() const noexcept { return (before_ & detail::float_control_bits) != detail::default_float_control; }

  decltype(detail::float_control()) before_;
};

}  // namespace octavo
