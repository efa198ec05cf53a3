// A buffer whose last element is followed by a page that may not be touched: reading or writing beyond it crashes.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <new>
#include <span>

namespace octavo::test {

/// `count` zeroed elements that end at a guard page, with another guard page before the first page.
template <class T>
class guarded_buffer {
 public:
  explicit guarded_buffer(std::size_t count) : count_(count) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t body = (count * sizeof(T) + page - 1) / page * page;
    mapped_ = body + 2 * page;
    void* p = mmap(nullptr, mapped_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) throw std::bad_alloc();
    base_ = static_cast<std::byte*>(p);
    if (body > 0 && mprotect(base_ + page, body, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
    data_ = reinterpret_cast<T*>(base_ + page + body - count * sizeof(T));
  }
  guarded_buffer(const guarded_buffer&) = delete;
  guarded_buffer& operator=(const guarded_buffer&) = delete;
  ~guarded_buffer() { munmap(base_, mapped_); }

  T* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return count_; }
  std::span<T> span() const noexcept { return {data_, count_}; }
  T& operator[](std::size_t i) const noexcept { return data_[i]; }

 private:
  std::byte* base_ = nullptr;
  std::size_t mapped_ = 0, count_ = 0;
  T* data_ = nullptr;
};

}  // namespace octavo::test
