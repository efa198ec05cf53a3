// Memory that every run passes through, packed weights and arenas: many blocks in few huge pages. In pages of 4 KB each
// page costs a walk of the page tables and ends the hardware's prefetching.
#pragma once

#include <algorithm>
#include <mutex>

#include "octavo/base/aligned_memory.hpp"

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace octavo {

namespace detail {

/// Blocks are cut off one chunk until it is used up. A chunk lives as long as a block of it. Only what is used of a
/// chunk takes memory, in whole huge pages where the system has them.
class memory_pool {
 public:
  static memory_pool& instance() {
    static memory_pool pool;
    return pool;
  }

  std::shared_ptr<std::byte> allocate(std::size_t bytes) {
    const std::size_t needed = round_up(bytes, cache_line);
    std::byte* block;
    std::shared_ptr<std::byte> chunk;
    {
      const std::lock_guard lock(mutex_);
      chunk = chunk_.lock();
      if (!chunk || size_ - used_ < needed) {
        size_ = round_up(std::max(needed, chunk_bytes), huge_page), used_ = 0;
        chunk_ = chunk = make_chunk(size_);
      }
      block = chunk.get() + used_;
      used_ += needed;
    }
    std::memset(block, 0, needed);
    return {std::move(chunk), block};
  }

 private:
  static constexpr std::size_t huge_page = std::size_t{2} << 20, chunk_bytes = std::size_t{16} << 20;

  static std::shared_ptr<std::byte> make_chunk(std::size_t bytes) {
    std::shared_ptr<std::byte> chunk(static_cast<std::byte*>(std::aligned_alloc(huge_page, bytes)),
                                     [](std::byte* p) { std::free(p); });
    if (!chunk) throw std::bad_alloc();
#if defined(__linux__)
    madvise(chunk.get(), bytes, MADV_HUGEPAGE);  // where it is refused, pages are small
#endif
    return chunk;
  }

  std::mutex mutex_;
  std::weak_ptr<std::byte> chunk_;  // the last one, while a block of it is in use
  std::size_t size_ = 0, used_ = 0;
};

}  // namespace detail

/// Zeroed bytes, aligned to a cache line, that share huge pages with other blocks. It moves, and is then empty.
class pooled_memory {
 public:
  pooled_memory() = default;
  pooled_memory(pooled_memory&& other) noexcept
      : data_(std::move(other.data_)), bytes_(std::exchange(other.bytes_, 0)) {}
  pooled_memory& operator=(pooled_memory&& other) noexcept {
    data_ = std::move(other.data_);
    bytes_ = std::exchange(other.bytes_, 0);
    return *this;
  }

  /// Allocates `bytes` zero bytes. Throws std::bad_alloc.
  explicit pooled_memory(std::size_t bytes) : bytes_(bytes) {
    if (bytes > most_bytes) throw std::bad_alloc();
    if (bytes > 0) data_ = detail::memory_pool::instance().allocate(bytes);
  }

  std::byte* data() const noexcept { return data_.get(); }
  std::size_t size() const noexcept { return bytes_; }

 private:
  std::shared_ptr<std::byte> data_;
  std::size_t bytes_ = 0;
};

}  // namespace octavo
