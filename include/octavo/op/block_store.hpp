// Where kernels put the weights that they pack: blocks of bytes that are filled once and then only read. A store keeps
// them by key, so that a network which is planned again, or in another process from a file mapped into memory
// (io/packed_cache.hpp), need not pack again.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "octavo/base/pooled_memory.hpp"

namespace octavo {

/// Bytes that nobody changes any more, aligned to a cache line; copies share them.
class packed_block {
 public:
  packed_block() = default;
  packed_block(std::shared_ptr<const std::byte> data, std::size_t bytes) : data_(std::move(data)), bytes_(bytes) {}

  const std::byte* data() const noexcept { return data_.get(); }
  std::size_t size() const noexcept { return bytes_; }
  template <class T>
  const T* as() const noexcept {
    return reinterpret_cast<const T*>(data_.get());
  }

 private:
  std::shared_ptr<const std::byte> data_;
  std::size_t bytes_ = 0;
};

/// Writes what a block holds into zeroed bytes.
using fill_block = std::function<void(std::byte*)>;

/// Memory of its own with what `fill` writes.
inline packed_block make_block(std::size_t bytes, const fill_block& fill) {
  const auto memory = std::make_shared<pooled_memory>(bytes);
  if (bytes > 0) fill(memory->data());
  return {std::shared_ptr<const std::byte>(memory, memory->data()), bytes};
}

/// Keeps blocks by key.
class block_store {
 public:
  virtual ~block_store() = default;

  /// The block of that key and size; where there is none yet, one that `fill` has filled. Whoever plans chooses keys
  /// such that equal ones mean equal bytes.
  virtual packed_block find_or_fill(const std::string& key, std::size_t bytes, const fill_block& fill) = 0;
};

/// Keeps blocks in memory as long as it lives: plans of one network, say for several batches, share their weights. May
/// be used by several threads.
class memory_store final : public block_store {
 public:
  packed_block find_or_fill(const std::string& key, std::size_t bytes, const fill_block& fill) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    packed_block& b = blocks_[key];
    if (b.size() != bytes) b = make_block(bytes, fill);
    return b;
  }

  /// Bytes of all blocks.
  std::size_t bytes() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::size_t all = 0;
    for (const auto& entry : blocks_) all += entry.second.size();
    return all;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, packed_block> blocks_;
};

/// Where the kernel of one problem gets its blocks: from a store, under a key of the problem's, or each its own.
struct block_source {
  block_store* store = nullptr;
  std::string key{};

  /// The same for a part of the problem.
  block_source of(std::string_view part) const { return {store, store ? key + "/" + std::string(part) : key}; }

  /// The block called `part`, such as "weights".
  packed_block make(std::string_view part, std::size_t bytes, const fill_block& fill) const {
    return store ? store->find_or_fill(key + "/" + std::string(part), bytes, fill) : make_block(bytes, fill);
  }
};

}  // namespace octavo
