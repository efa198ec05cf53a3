// What lets one translation unit, compiled for any CPU, hold kernels for several instruction sets.
//
// A kernel is a plain function marked OCTAVO_TARGET("avx2,fma"); a lambda inside would not inherit the mark. MSVC
// accepts every intrinsic everywhere and needs no mark.
#pragma once

#include "octavo/backends/blocking/unroll.hpp"

#if defined(_MSC_VER) && !defined(__clang__)
#define OCTAVO_TARGET(features)
#else
#define OCTAVO_TARGET(features) __attribute__((target(features)))
#endif

/// What the kernels of an instruction set are compiled for; isa of the same name promises all of it.
#define OCTAVO_AVX2 OCTAVO_TARGET("avx2,fma")
#define OCTAVO_AVX512 OCTAVO_TARGET("avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")
/// Besides, where runs_avx512_vbmi() says so.
#define OCTAVO_AVX512_VBMI OCTAVO_TARGET("avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vbmi")
