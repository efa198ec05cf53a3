// AVX2: softmax.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86

#include "octavo/backends/native/softmax.hpp"
#include "octavo/backends/x86/avx2/elementwise.hpp"
#include "octavo/backends/x86/avx2/vector.hpp"

namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE {

#define OCTAVO_KERNEL_FUNCTION OCTAVO_AVX2
#include "octavo/backends/native/softmax.inc"
#undef OCTAVO_KERNEL_FUNCTION

/// Kernels for softmax.
inline constexpr kernel softmax_kernels[] = {
    native::softmax_kernel<op::softmax, softmax_of_row<native::softmax_form::quotients>, elementwise>("softmax_avx2",
                                                                                                      isa::avx2),
    native::softmax_along_kernel<op::softmax, softmax_of_columns<false>, elementwise>("softmax_along_avx2", isa::avx2),
    native::softmax_kernel<op::log_softmax, softmax_of_row<native::softmax_form::logarithms>, elementwise>(
        "log_softmax_avx2", isa::avx2),
    native::softmax_along_kernel<op::log_softmax, softmax_of_columns<true>, elementwise>("log_softmax_along_avx2",
                                                                                         isa::avx2),
};

}  // namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE

#endif
