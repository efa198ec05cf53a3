// Matrix products of two activations on AMX: blocks of 32 rows x 32 columns, 2x2 tiles of sums, which begin with what
// the zero points add (blocking/dynamic_matmul.hpp) instead of zeros.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86_64

#include "octavo/backends/x86/amx/epilogue.hpp"
#include "octavo/backends/x86/avx2/row_product.hpp"
#include "octavo/backends/x86/avx512_vnni/convolution.hpp"

// GCC's own AVX-512 header initializes the unused operand of an unmasked instruction with itself (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace octavo::x86::amx::inline OCTAVO_ARCH_NAMESPACE {

/// Sets each of `count` rows of sums to the start of the columns plus its own, if there are such.
OCTAVO_TARGET_AMX inline void set_sums(std::byte* sums, const std::int32_t* starts, const std::int32_t* row_starts,
                                       int count) noexcept {
  const __m512i low = _mm512_loadu_si512(starts), high = _mm512_loadu_si512(starts + 16);
  for (int m = 0; m < count; ++m, sums += sums_stride) {
    const __m512i row = _mm512_set1_epi32(row_starts ? row_starts[m] : 0);
    _mm512_storeu_si512(sums, _mm512_add_epi32(low, row));
    _mm512_storeu_si512(sums + 64, _mm512_add_epi32(high, row));
  }
}

/// Adds a b to sums, for MT x 16 rows and NT x 16 columns; store_sums<MT, NT>() has them.
/// `b`: (steps, 16 groups, NT x 16 columns, 4 bytes).
template <int MT, int NT>
OCTAVO_TARGET_AMX inline void multiply_add(const std::byte* sums, const std::byte* a, std::ptrdiff_t a_stride,
                                           const std::byte* b, int steps) noexcept {
  constexpr std::ptrdiff_t b_stride = NT * tile_row_bytes;
  const std::byte* a1 = MT > 1 ? a + tile_rows * a_stride : a;
  OCTAVO_TILE_FENCE;
  OCTAVO_TILE_LOAD(0, sums, sums_stride);
  if constexpr (NT > 1) OCTAVO_TILE_LOAD(1, sums + 64, sums_stride);
  if constexpr (MT > 1) OCTAVO_TILE_LOAD(2, sums + tile_rows * sums_stride, sums_stride);
  if constexpr (MT > 1 && NT > 1) OCTAVO_TILE_LOAD(3, sums + tile_rows * sums_stride + 64, sums_stride);
  for (; steps > 0; --steps, a += tile_row_bytes, a1 += tile_row_bytes, b += NT * tile_bytes) {
    OCTAVO_TILE_LOAD(6, b, b_stride);
    OCTAVO_TILE_LOAD(4, a, a_stride);
    OCTAVO_TILE_MULTIPLY(0, 4, 6);
    if constexpr (MT > 1) {
      OCTAVO_TILE_LOAD(5, a1, a_stride);
      OCTAVO_TILE_MULTIPLY(2, 5, 6);
    }
    if constexpr (NT > 1) {
      OCTAVO_TILE_LOAD(7, b + 64, b_stride);
      OCTAVO_TILE_MULTIPLY(1, 4, 7);
      if constexpr (MT > 1) OCTAVO_TILE_MULTIPLY(3, 5, 7);
    }
  }
}

/// A matrix product on tiles.
class tile_matmul final : public blocking::dynamic_matmul {
 public:
  explicit tile_matmul(const problem& p)
      : dynamic_matmul({16, 2, tile_row_bytes / 4, block_rows, avx512_vnni::direct<avx512_vnni::u8s8s32>.tiles[0]},
                       avx2::matmul_functions_u8<false>, p),
        end_rows_(row_epilogue_of(epilogue_, f_.residual)) {}

  void run(const arguments& a, int begin, int end, std::byte* scratch) const noexcept override {
    const tile_region region(tile_rows, std::min(row_bytes(), tile_row_bytes));
    dynamic_matmul::run(a, begin, end, scratch);
  }

 private:
  void run_rows(const matrix& x, int first, int last, int from, int to, const workspace& w) const noexcept override {
    using multiplication = void (*)(const std::byte*, const std::byte*, std::ptrdiff_t, const std::byte*, int) noexcept;
    using storing = void (*)(std::byte*) noexcept;
    static constexpr multiplication multiplications[2][2] = {{multiply_add<1, 1>, multiply_add<1, 2>},
                                                             {multiply_add<2, 1>, multiply_add<2, 2>}};
    static constexpr storing storings[2][2] = {{store_sums<1, 1>, store_sums<1, 2>},
                                               {store_sums<2, 1>, store_sums<2, 2>}};
    // While one block multiplies, the one before is brought to its end.
    alignas(cache_line) std::byte sums[2][sums_bytes];
    piece block{};
    rows waiting{};
    waiting.pieces = {&block, 1};
    waiting.multiplier = multiplier_, waiting.offset = offset_;
    waiting.dst_stride = x.y_stride, waiting.residual_stride = x.residual_stride;
    int turn = 0;
    for (int row = first; row < last; row += block_rows) {
      const int count = std::min(block_rows, last - row);
      const std::byte* a = row_of_a(x, row);
      std::ptrdiff_t a_stride = x.a_stride;
      if (!reads_in_place(x) || count % tile_rows != 0) {  // tiles have whole rows, and 16 of them
        a = copy_rows(a, x, count, w.copy);
        a_stride = copy_stride();
      }
      for (int column = from; column < to; ++column, turn ^= 1) {
        const int columns = columns_in(x, column), down = count > tile_rows, across = columns > tile_rows;
        set_sums(sums[turn], w.starts[column - from].start, w.row_starts ? w.row_starts + row : nullptr, count);
        multiplications[down][across](sums[turn], a, a_stride, w.packed + (column - from) * column_bytes(),
                                      ceil_div(row_bytes(), tile_row_bytes));
        if (waiting.sums) end_rows_(waiting, epilogue_);
        storings[down][across](sums[turn]);
        waiting.sums = sums[turn];
        waiting.dst = row_of_y(x, row, column), waiting.residual = row_of_residual(x, row, column);
        block.count = count;
        waiting.channels = 0xffffffffu >> (widest - columns);
      }
    }
    if (waiting.sums) end_rows_(waiting, epilogue_);
  }

  row_epilogue end_rows_;
};

/// Kernels for matmul.
inline constexpr kernel matmul_kernels[] = {
    {"matmul_u8s8s32_32x32_amx", isa::amx, blocking::is_matmul_of<element::u8>,
     [](const problem& p) -> std::unique_ptr<const executable> { return std::make_unique<tile_matmul>(p); }},
};

}  // namespace octavo::x86::amx::inline OCTAVO_ARCH_NAMESPACE

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#endif
