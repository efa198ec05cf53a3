// The instruction sets that this translation unit is compiled for, as the name of a namespace.
//
// An inline function has one copy in a program, and the linker keeps any: that of a unit compiled with -march=x86-64-v4
// would crash, on an older CPU, a program whose other units are compiled for that one. So kernels and what they are
// made of live in `inline namespace OCTAVO_ARCH_NAMESPACE`: units with the same flags share copies, others have their
// own.
#pragma once

// 1 where `macro` is predefined as 1, else 0: only OCTAVO_ARCH_IS_1 has a comma, which makes 1 the second argument.
#define OCTAVO_ARCH_IS_1 0, 1
#define OCTAVO_ARCH_SECOND(first, second, ...) second
#define OCTAVO_ARCH_EITHER(...) OCTAVO_ARCH_SECOND(__VA_ARGS__, 0, 0)
#define OCTAVO_ARCH_BIT(macro) OCTAVO_ARCH_EITHER(OCTAVO_ARCH_IS_##macro)

// A hexadecimal digit that tells which of four macros are predefined.
#define OCTAVO_ARCH_0000 0
#define OCTAVO_ARCH_0001 1
#define OCTAVO_ARCH_0010 2
#define OCTAVO_ARCH_0011 3
#define OCTAVO_ARCH_0100 4
#define OCTAVO_ARCH_0101 5
#define OCTAVO_ARCH_0110 6
#define OCTAVO_ARCH_0111 7
#define OCTAVO_ARCH_1000 8
#define OCTAVO_ARCH_1001 9
#define OCTAVO_ARCH_1010 a
#define OCTAVO_ARCH_1011 b
#define OCTAVO_ARCH_1100 c
#define OCTAVO_ARCH_1101 d
#define OCTAVO_ARCH_1110 e
#define OCTAVO_ARCH_1111 f
#define OCTAVO_ARCH_PASTE_BITS(a, b, c, d) OCTAVO_ARCH_##a##b##c##d
#define OCTAVO_ARCH_BITS(a, b, c, d) OCTAVO_ARCH_PASTE_BITS(a, b, c, d)
#define OCTAVO_ARCH_DIGIT(a, b, c, d) \
  OCTAVO_ARCH_BITS(OCTAVO_ARCH_BIT(a), OCTAVO_ARCH_BIT(b), OCTAVO_ARCH_BIT(c), OCTAVO_ARCH_BIT(d))

#define OCTAVO_ARCH_PASTE(a, b, c, d, e, f) a##b##c##d##e##f
#define OCTAVO_ARCH_JOIN(a, b, c, d, e, f) OCTAVO_ARCH_PASTE(a, b, c, d, e, f)

// What compilers make use of unasked. Instructions that only intrinsics bring, such as AES, change no code of Octavo's.
// clang-format off
#define OCTAVO_ARCH_SCALAR OCTAVO_ARCH_JOIN(arch_, , , \
  OCTAVO_ARCH_DIGIT(__POPCNT__, __GCC_HAVE_SYNC_COMPARE_AND_SWAP_16, __LAHF_SAHF__, __MOVBE__), \
  OCTAVO_ARCH_DIGIT(__LZCNT__, __BMI__, __BMI2__, __TBM__), \
  OCTAVO_ARCH_DIGIT(__ADX__, __PRFCHW__, __CMPCCXADD__, __APX_F__))
#define OCTAVO_ARCH_SSE_AVX OCTAVO_ARCH_JOIN(_, , \
  OCTAVO_ARCH_DIGIT(__SSE2__, __SSE3__, __SSSE3__, __SSE4A__), \
  OCTAVO_ARCH_DIGIT(__SSE4_1__, __SSE4_2__, __AVX__, __AVX2__), \
  OCTAVO_ARCH_DIGIT(__F16C__, __FMA__, __FMA4__, __XOP__), \
  OCTAVO_ARCH_DIGIT(__GFNI__, __AVXVNNI__, __AVXIFMA__, __AVXNECONVERT__))
#define OCTAVO_ARCH_AVX512 OCTAVO_ARCH_JOIN(_, \
  OCTAVO_ARCH_DIGIT(__AVX512F__, __AVX512CD__, __AVX512DQ__, __AVX512BW__), \
  OCTAVO_ARCH_DIGIT(__AVX512VL__, __AVX512IFMA__, __AVX512VBMI__, __AVX512VBMI2__), \
  OCTAVO_ARCH_DIGIT(__AVX512VNNI__, __AVX512BITALG__, __AVX512VPOPCNTDQ__, __AVX512BF16__), \
  OCTAVO_ARCH_DIGIT(__AVX512FP16__, __AVX512ER__, __AVX10_1__, __AVX10_2__), \
  OCTAVO_ARCH_DIGIT(__AVXVNNIINT8__, __AVXVNNIINT16__, __EVEX512__, __PREFETCHWT1__))
#define OCTAVO_ARCH_ARM OCTAVO_ARCH_JOIN(_, \
  OCTAVO_ARCH_DIGIT(__ARM_NEON, __ARM_FEATURE_FMA, __ARM_FEATURE_IDIV, __ARM_FEATURE_ATOMICS), \
  OCTAVO_ARCH_DIGIT(__ARM_FEATURE_QRDMX, __ARM_FEATURE_COMPLEX, __ARM_FEATURE_FRINT, __ARM_FEATURE_JCVT), \
  OCTAVO_ARCH_DIGIT(__ARM_FEATURE_DOTPROD, __ARM_FEATURE_MATMUL_INT8, __ARM_FEATURE_RCPC, __ARM_FEATURE_BF16), \
  OCTAVO_ARCH_DIGIT(__ARM_FEATURE_FP16_SCALAR_ARITHMETIC, __ARM_FEATURE_FP16_VECTOR_ARITHMETIC, \
                    __ARM_FEATURE_FP16_FML, __ARM_FEATURE_UNALIGNED), \
  OCTAVO_ARCH_DIGIT(__ARM_FEATURE_SVE, __ARM_FEATURE_SVE2, __ARM_FEATURE_SME, __ARM_FEATURE_MOPS))
// clang-format on

/// The flags as a name, such as arch_000_8000_00000_00000 for x86-64.
#define OCTAVO_ARCH_NAMESPACE \
  OCTAVO_ARCH_JOIN(OCTAVO_ARCH_SCALAR, OCTAVO_ARCH_SSE_AVX, OCTAVO_ARCH_AVX512, OCTAVO_ARCH_ARM, , )
