// Macros that keep a tile of accumulators in registers on every compiler, at plain -O2.
#pragma once

/// Before a loop over the registers of a tile: unrolls it fully, so that an array of accumulators becomes registers.
#if defined(__clang__)
#define OCTAVO_UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define OCTAVO_UNROLL _Pragma("GCC unroll 32")
#else
#define OCTAVO_UNROLL
#endif

/// For functions that must disappear into the kernel that calls them.
#if defined(__GNUC__) || defined(__clang__)
#define OCTAVO_INLINE inline __attribute__((always_inline))
#else
#define OCTAVO_INLINE __forceinline
#endif

/// After a loop: makes the compiler keep `x`, a vector, as it is. Without it GCC 12's partial redundancy elimination
/// carries a second, differently typed copy of each integer accumulator through the loop, and registers spill.
#if (defined(__GNUC__) || defined(__clang__)) && (defined(__x86_64__) || defined(__i386__))
#define OCTAVO_KEEP(x) __asm__ volatile("" : "+v"(x))
#else
#define OCTAVO_KEEP(x) (void)0
#endif
