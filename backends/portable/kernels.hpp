// All portable kernels, best first. They run everywhere, with whatever vectors the flags of the translation unit allow.
#pragma once

#include "octavo/backends/portable/arch.hpp"
#include "octavo/backends/portable/convolution.hpp"

namespace octavo::portable {
inline namespace OCTAVO_ARCH_NAMESPACE {

/// The list.
inline kernel_list kernels() { return {conv_u8s8s32_portable, conv_f32_portable}; }

}  // namespace OCTAVO_ARCH_NAMESPACE
}  // namespace octavo::portable
