// The weights of a convolution on AMX, packed in the order in which blocks read them: columns of 32 output channels,
// the last of a group perhaps of 16.
#pragma once

#include "octavo/backends/x86/amx/tile.hpp"

#if OCTAVO_X86_64

#include "octavo/backends/x86/amx/multiply.hpp"
#include "octavo/backends/x86/amx/tile_layout.hpp"

namespace octavo::x86::amx::inline OCTAVO_ARCH_NAMESPACE {

/// Bytes of weights that all blocks of a chunk meet before the next; meanwhile those come into L2.
inline constexpr int column_budget = 32 * 1024;

/// The packed weights. A column is counted from the first of its group.
class tile_weights {
 public:
  tile_weights(const tile_layout& layout, const blocking::dense_problem& s)
      : steps_(layout.steps),
        group_outputs_(layout.conv.out / layout.conv.groups),
        group_columns_(ceil_div(group_outputs_, block_channels)),
        all_columns_(layout.conv.groups * group_columns_),
        columns_together_(std::max(2, column_budget / (steps_ * 2 * tile_bytes))) {
    const auto bytes = static_cast<std::size_t>(layout.conv.groups) * static_cast<std::size_t>(group_bytes());
    memory_ = s.blocks.make("weights", bytes, [&](std::byte* to) { pack(layout, *s.at(op::conv2d::weights), to); });
  }

  int group_outputs() const noexcept { return group_outputs_; }
  int group_columns() const noexcept { return group_columns_; }
  int all_columns() const noexcept { return all_columns_; }
  /// Columns that all blocks of a chunk meet before the next ones.
  int columns_together() const noexcept { return columns_together_; }
  /// Channels and tiles across that a column has.
  int channels(int column) const noexcept { return std::min(group_outputs_ - column * block_channels, block_channels); }
  int tiles(int column) const noexcept { return channels(column) > tile_rows ? 2 : 1; }

  const std::byte* at(int group, int column) const noexcept { return memory_.data() + offset(group, column); }
  std::ptrdiff_t group_bytes() const noexcept {
    return static_cast<std::ptrdiff_t>(ceil_div(group_outputs_, 16)) * steps_ * tile_bytes;
  }
  std::size_t bytes() const noexcept { return memory_.size(); }
  /// The first columns of the first group.
  std::span<const std::byte> first() const noexcept {
    return {memory_.data(),
            std::min(memory_.size(), static_cast<std::size_t>(columns_together_ * 2 * steps_ * tile_bytes))};
  }

 private:
  std::ptrdiff_t offset(int group, int column) const noexcept {
    return group * group_bytes() + static_cast<std::ptrdiff_t>(column) * 2 * steps_ * tile_bytes;
  }

  /// To (groups, columns, steps, tiles, 16 groups of depth, 16 channels, 4 bytes).
  void pack(const tile_layout& layout, const tensor& weights, std::byte* packed) const {
    const std::int8_t* from = weights.as<std::int8_t>().data();
    for (int oc = 0; oc < layout.conv.out; ++oc) {
      const int channel = oc % group_outputs_, column = channel / block_channels, n = channel % block_channels;
      const int across = tiles(column);
      std::byte* to = packed + offset(oc / group_outputs_, column) + n / 16 * tile_bytes + n % 16 * 4;
      for (int i = 0; i < layout.group_inputs; ++i)
        for (int kh = 0; kh < layout.conv.kernel.h; ++kh)
          for (int kw = 0; kw < layout.conv.kernel.w; ++kw) {
            const int k = layout.depth_of(i, kh, kw);
            const std::ptrdiff_t step = k / tile_row_bytes;
            to[step * across * tile_bytes + k % tile_row_bytes / 4 * tile_row_bytes + k % 4] =
                static_cast<std::byte>(*from++);
          }
    }
  }

  int steps_, group_outputs_, group_columns_, all_columns_, columns_together_;
  packed_block memory_;
};

}  // namespace octavo::x86::amx::inline OCTAVO_ARCH_NAMESPACE

#endif
