// Which of Octavo's instruction sets this CPU and its operating system run. Needs no -m flag.
//
// Source: Intel SDM volume 2, CPUID leaves 1, 7.0 and 7.1; XCR0 bits 1-2 (ymm), 5-7 (zmm) and 17-18 (tiles) say that
// the operating system saves the registers. Linux saves tiles only for a process that has asked for them.
#pragma once

#include <cstdint>

#include "octavo/op/kernel.hpp"

#if defined(__x86_64__) || defined(__i386__) || defined(_M_X64)
#define OCTAVO_X86 1
#else
#define OCTAVO_X86 0
#endif

/// Tiles exist in 64-bit mode only.
#if defined(__x86_64__) || defined(_M_X64)
#define OCTAVO_X86_64 1
#else
#define OCTAVO_X86_64 0
#endif

#if OCTAVO_X86_64 && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#if OCTAVO_X86
#if defined(_MSC_VER)
#include <intrin.h>
#else
#include <cpuid.h>
#endif
#endif

namespace octavo::x86::inline OCTAVO_ARCH_NAMESPACE {

namespace detail {

#if OCTAVO_X86
/// The four registers that CPUID answers in; zero where the leaf does not exist.
struct cpuid_registers {
  std::uint32_t a = 0, b = 0, c = 0, d = 0;
};

inline cpuid_registers cpuid(std::uint32_t leaf, std::uint32_t subleaf) {
  cpuid_registers r;
#if defined(_MSC_VER)
  int v[4];
  __cpuid(v, 0);
  if (static_cast<std::uint32_t>(v[0]) < leaf) return r;
  __cpuidex(v, static_cast<int>(leaf), static_cast<int>(subleaf));
  r = {static_cast<std::uint32_t>(v[0]), static_cast<std::uint32_t>(v[1]), static_cast<std::uint32_t>(v[2]),
       static_cast<std::uint32_t>(v[3])};
#else
  if (!__get_cpuid_count(leaf, subleaf, &r.a, &r.b, &r.c, &r.d)) return {};
#endif
  return r;
}

/// Which registers the operating system saves. Only after CPUID has shown OSXSAVE.
inline std::uint64_t xcr0() {
#if defined(_MSC_VER)
  return _xgetbv(0);
#else
  std::uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low | static_cast<std::uint64_t>(high) << 32;
#endif
}

/// Asks the operating system for tiles on behalf of the whole process; false where it refuses or cannot be asked.
inline bool request_tiles() {
#if OCTAVO_X86_64 && defined(__linux__) && defined(SYS_arch_prctl)
  constexpr long request_permission = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
  return false;
#endif
}
#endif

/// Bit `i` is set where instruction set number `i` runs here.
inline std::uint32_t detect() {
  std::uint32_t found = 1u << static_cast<int>(isa::portable);
#if OCTAVO_X86
  const auto all = [](std::uint64_t word, std::uint64_t bits) { return (word & bits) == bits; };
  const cpuid_registers one = cpuid(1, 0), seven = cpuid(7, 0),
                        seven_one = seven.a >= 1 ? cpuid(7, 1) : cpuid_registers{};
  constexpr std::uint32_t fma = 1u << 12, osxsave = 1u << 27, avx = 1u << 28, avx2 = 1u << 5, avx_vnni = 1u << 4;
  constexpr std::uint32_t f = 1u << 16, dq = 1u << 17, bw = 1u << 30, vl = 1u << 31, vnni = 1u << 11;
  if (!all(one.c, fma | osxsave | avx) || !all(seven.b, avx2) || !all(xcr0(), 0x6)) return found;
  found |= 1u << static_cast<int>(isa::avx2);
  if (all(seven_one.a, avx_vnni)) found |= 1u << static_cast<int>(isa::avx_vnni);
  if (all(seven.b, f | dq | bw | vl) && all(seven.c, vnni) && all(xcr0(), 0xe6))
    found |= 1u << static_cast<int>(isa::avx512_vnni);
  constexpr std::uint32_t amx_tile = 1u << 24, amx_int8 = 1u << 25;
  constexpr std::uint64_t tiles = 3u << 17;
  const bool vnni_found = (found >> static_cast<int>(isa::avx512_vnni) & 1) != 0;
  if (vnni_found && all(seven.d, amx_tile | amx_int8) && all(xcr0(), tiles) && request_tiles())
    found |= 1u << static_cast<int>(isa::amx);
#endif
  return found;
}

}  // namespace detail

/// Whether this CPU runs `i`. Ask this for each kernel: there are CPUs with AVX512-VNNI and without AVX-VNNI.
inline bool runs(isa i) {
  static const std::uint32_t found = detail::detect();
  return (found >> static_cast<int>(i) & 1) != 0;
}

/// Whether this CPU runs AVX512-VBMI besides AVX512-VNNI.
inline bool runs_avx512_vbmi() {
#if OCTAVO_X86
  static const bool found = runs(isa::avx512_vnni) && (detail::cpuid(7, 0).c >> 1 & 1) != 0;
  return found;
#else
  return false;
#endif
}

/// The last instruction set of `isa` that this CPU runs.
inline isa best_isa() {
  for (int i = static_cast<int>(isa::amx); i > 0; --i)
    if (runs(static_cast<isa>(i))) return static_cast<isa>(i);
  return isa::portable;
}

}  // namespace octavo::x86::inline OCTAVO_ARCH_NAMESPACE
