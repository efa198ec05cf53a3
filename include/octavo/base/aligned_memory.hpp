// Memory aligned to a cache line, which is also the widest vector register.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

namespace octavo {

/// Bytes in a cache line, and the alignment of every buffer that Octavo allocates.
inline constexpr std::size_t cache_line = 64;

/// More than any memory has; sums and multiples of a few such sizes still fit into std::size_t.
inline constexpr std::size_t most_bytes = std::size_t{1} << (sizeof(std::size_t) * 8 - 4);

/// `n` rounded up to a multiple of `step`.
constexpr std::size_t round_up(std::size_t n, std::size_t step) { return (n + step - 1) / step * step; }

/// `a / b` rounded up, for a >= 0 and b > 0.
constexpr int ceil_div(int a, int b) { return (a + b - 1) / b; }

/// An owned block of bytes, aligned to a cache line. Copies are deep; what was moved from is empty.
class aligned_memory {
 public:
  aligned_memory() = default;

  /// Allocates `bytes` zero bytes. Throws std::bad_alloc.
  explicit aligned_memory(std::size_t bytes) : bytes_(bytes) {
    if (bytes == 0) return;
    if (bytes > most_bytes) throw std::bad_alloc();
    data_.reset(static_cast<std::byte*>(std::aligned_alloc(cache_line, round_up(bytes, cache_line))));
    if (!data_) throw std::bad_alloc();
    std::memset(data_.get(), 0, round_up(bytes, cache_line));
  }

  aligned_memory(const aligned_memory& other) : aligned_memory(other.bytes_) {
    if (bytes_ > 0) std::memcpy(data_.get(), other.data_.get(), bytes_);
  }
  aligned_memory(aligned_memory&& other) noexcept
      : data_(std::move(other.data_)), bytes_(std::exchange(other.bytes_, 0)) {}
  aligned_memory& operator=(aligned_memory other) noexcept {
    data_.swap(other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }

  std::byte* data() const noexcept { return data_.get(); }
  std::size_t size() const noexcept { return bytes_; }

 private:
  struct release {
    void operator()(std::byte* p) const noexcept { std::free(p); }
  };
  std::unique_ptr<std::byte, release> data_;
  std::size_t bytes_ = 0;
};

}  // namespace octavo
