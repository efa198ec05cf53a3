// Transposing a matrix of 1-, 4- or 8-byte elements, in tiles of 16 bytes by as many rows as those hold elements.
//
// A tile is a network of zips: as many rounds as the number of rows has bits, each of which interleaves row i with row
// i + rows / 2. Vectors of 16 bytes are what every CPU has, and at memory speed enough.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "octavo/backends/blocking/copy.hpp"
#include "octavo/backends/blocking/unroll.hpp"

namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE {

/// y(i, j) = x(j, i): y has `rows` rows of `columns` elements next to each other, x's rows have `rows` of them.
struct transposition {
  std::byte* y = nullptr;
  const std::byte* x = nullptr;
  std::ptrdiff_t y_stride = 0, x_stride = 0;  ///< bytes from row to row
  std::ptrdiff_t rows = 0, columns = 0;       ///< of y
};

namespace detail {

/// Rows of a tile on their way; those that are not full follow each other.
struct alignas(16) tile_rows {
  std::byte bytes[16 * 16];
};

/// 16 / Size rows of as many elements, transposed: x_rows of them are there, y_rows are wanted. Rows of y may overlap:
/// they are written in order.
template <std::size_t Size>
OCTAVO_INLINE void transpose_tile(std::byte* y, std::ptrdiff_t y_stride, const std::byte* x, std::ptrdiff_t x_stride,
                                  std::ptrdiff_t y_rows = 16 / Size, std::ptrdiff_t x_rows = 16 / Size) noexcept {
  constexpr int lanes = 16 / Size;
  using number =
      std::conditional_t<Size == 1, std::uint8_t, std::conditional_t<Size == 4, std::uint32_t, std::uint64_t>>;
#if defined(__clang__) || (defined(__GNUC__) && __GNUC__ >= 12)
  typedef number vector __attribute__((vector_size(16)));
  vector rows[lanes] = {}, next[lanes];
  OCTAVO_UNROLL
  for (int i = 0; i < x_rows; ++i) std::memcpy(&rows[i], x + i * x_stride, 16);
  OCTAVO_UNROLL
  for (int round = 1; round < lanes; round *= 2) {
    OCTAVO_UNROLL
    for (int i = 0; i < lanes / 2; ++i) {
      const vector a = rows[i], b = rows[i + lanes / 2];
      if constexpr (Size == 1) {
        next[2 * i] = __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        next[2 * i + 1] = __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
      } else if constexpr (Size == 4) {
        next[2 * i] = __builtin_shufflevector(a, b, 0, 4, 1, 5);
        next[2 * i + 1] = __builtin_shufflevector(a, b, 2, 6, 3, 7);
      } else {
        next[2 * i] = __builtin_shufflevector(a, b, 0, 2);
        next[2 * i + 1] = __builtin_shufflevector(a, b, 1, 3);
      }
    }
    OCTAVO_UNROLL
    for (int i = 0; i < lanes; ++i) rows[i] = next[i];
  }
  OCTAVO_UNROLL
  for (int i = 0; i < y_rows; ++i) std::memcpy(y + i * y_stride, &rows[i], 16);
#else
  number rows[lanes][lanes] = {};
  for (int i = 0; i < x_rows; ++i) std::memcpy(rows[i], x + i * x_stride, 16);
  for (int i = 0; i < y_rows; ++i) {
    number row[lanes];
    for (int j = 0; j < lanes; ++j) row[j] = rows[j][i];
    std::memcpy(y + i * y_stride, row, 16);
  }
#endif
}

/// Copies `rows` rows of n bytes.
inline void copy_rows(std::byte* to, std::ptrdiff_t to_stride, const std::byte* from, std::ptrdiff_t from_stride,
                      std::ptrdiff_t rows, std::ptrdiff_t n) noexcept {
  if (to_stride == n && from_stride == n) {
    std::memcpy(to, from, static_cast<std::size_t>(rows * n));
    return;
  }
  for (std::ptrdiff_t i = 0; i < rows; ++i)
    blocking::copy_run(to + i * to_stride, from + i * from_stride, static_cast<std::size_t>(n));
}

/// A tile that is not full, over memory of its own: nothing outside of it is read or written.
template <std::size_t Size>
void transpose_part(const transposition& t, tile_rows& in, tile_rows& out) noexcept {
  constexpr auto size = static_cast<std::ptrdiff_t>(Size);
  const std::ptrdiff_t x_row = t.rows * size, y_row = t.columns * size;
  copy_rows(in.bytes, x_row, t.x, t.x_stride, t.columns, x_row);
  transpose_tile<Size>(out.bytes, y_row, in.bytes, x_row);
  copy_rows(t.y, t.y_stride, out.bytes, y_row, t.rows, y_row);
}

/// A matrix that is narrower than a tile on one side. Where its rows follow each other, whole vectors are read and
/// written for short rows too: what is too much of a row of x changes nothing, and of one of y the next rows mend it.
template <std::size_t Size>
void transpose_narrow(const transposition& t) noexcept {
  constexpr std::ptrdiff_t size = Size, lanes = 16 / size;
  const bool x_dense = t.x_stride == t.rows * size, y_dense = t.y_stride == t.columns * size;
  const std::byte* const x_end = t.x + (t.columns - 1) * t.x_stride + t.rows * size;
  const std::byte* const y_end = t.y + (t.rows - 1) * t.y_stride + t.columns * size;
  tile_rows in{}, out;
  for (std::ptrdiff_t i = 0; i < t.rows; i += lanes)
    for (std::ptrdiff_t j = 0; j < t.columns; j += lanes) {
      const transposition tile{t.y + i * t.y_stride + j * size, t.x + j * t.x_stride + i * size, t.y_stride, t.x_stride,
                               std::min(lanes, t.rows - i),     std::min(lanes, t.columns - j)};
      const bool readable = tile.rows == lanes || (x_dense && x_end - tile.x >= (tile.columns - 1) * t.x_stride + 16);
      const bool writable =
          tile.columns == lanes || (y_dense && j == 0 && y_end - tile.y >= (tile.rows - 1) * t.y_stride + 16);
      if (readable && writable)
        transpose_tile<Size>(tile.y, tile.y_stride, tile.x, tile.x_stride, tile.rows, tile.columns);
      else
        transpose_part<Size>(tile, in, out);
    }
}

template <std::size_t Size>
void transpose_matrix(const transposition& t) noexcept {
  constexpr std::ptrdiff_t size = Size, lanes = 16 / size, block = 64 / size;  // a block reads and writes whole lines
  if (t.rows * t.columns <= 2 * lanes) {
    for (std::ptrdiff_t i = 0; i < t.rows; ++i)
      for (std::ptrdiff_t j = 0; j < t.columns; ++j)
        std::memcpy(t.y + i * t.y_stride + j * size, t.x + j * t.x_stride + i * size, Size);
    return;
  }
  if (t.rows < lanes || t.columns < lanes) return transpose_narrow<Size>(t);
  // Along the rows of y: to write in order matters more than to read in order. The last tiles overlap those before.
  for (std::ptrdiff_t i0 = 0; i0 < t.rows; i0 += block)
    for (std::ptrdiff_t j0 = 0; j0 < t.columns; j0 += block)
      for (std::ptrdiff_t i = i0; i < std::min(i0 + block, t.rows); i += lanes)
        for (std::ptrdiff_t j = j0; j < std::min(j0 + block, t.columns); j += lanes) {
          const std::ptrdiff_t row = std::min(i, t.rows - lanes), column = std::min(j, t.columns - lanes);
          transpose_tile<Size>(t.y + row * t.y_stride + column * size, t.y_stride,
                               t.x + column * t.x_stride + row * size, t.x_stride);
        }
}

}  // namespace detail

/// Transposes a matrix of elements of 1, 4 or 8 bytes.
inline void transpose_matrix(const transposition& t, std::size_t bytes) noexcept {
  if (bytes == 1) return detail::transpose_matrix<1>(t);
  if (bytes == 4) return detail::transpose_matrix<4>(t);
  detail::transpose_matrix<8>(t);
}

}  // namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE
