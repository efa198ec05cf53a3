// A file's bytes in memory: mapped where the system can, so that only the parts in use are ever read.
#pragma once

#include <bit>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

#include "octavo/base/error.hpp"

#if defined(__unix__) || defined(__APPLE__)
#define OCTAVO_HAS_MMAP 1
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#else
#include <fstream>
#include <vector>
#endif

namespace octavo {

static_assert(std::endian::native == std::endian::little, "octavo: its files are little-endian, this machine is not");

/// The bytes of a file, read-only. Shortening the file while it is open here is the one thing that cannot be
/// caught: reading beyond its new end then ends the process, as with any mapped file. Replacing it by rename is safe.
class mapped_file {
 public:
  mapped_file() = default;

  /// Opens and maps `path`. Throws octavo::error, naming the file and the reason, when it cannot be read or is
  /// not a regular file. An empty file is valid and has no bytes.
  explicit mapped_file(const std::filesystem::path& path) : name_(path.string()) { open(); }

  /// Bytes that are in memory already, and stay there, under the name of a file.
  mapped_file(std::string name, std::span<const std::byte> bytes)
      : name_(std::move(name)), data_(bytes.data()), size_(bytes.size()), borrowed_(true) {}

  mapped_file(mapped_file&& other) noexcept { *this = std::move(other); }
  mapped_file& operator=(mapped_file&& other) noexcept {
    std::swap(name_, other.name_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(borrowed_, other.borrowed_);
#if !defined(OCTAVO_HAS_MMAP)
    std::swap(content_, other.content_);
#endif
    return *this;
  }

#if defined(OCTAVO_HAS_MMAP)
  ~mapped_file() {
    if (data_ && !borrowed_) ::munmap(const_cast<std::byte*>(data_), size_);
  }
#endif

  /// All bytes of the file.
  std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }

  /// The path as it was given, for messages.
  const std::string& name() const noexcept { return name_; }

  /// The value of type T stored at byte `offset`, which need not be aligned. Throws octavo::error when the file
  /// ends before it does.
  template <class T>
  T read(std::size_t offset) const {
    static_assert(std::is_trivially_copyable_v<T>);
    require(offset <= size_ && size_ - offset >= sizeof(T), name_, ": expected ", sizeof(T), " bytes at offset ",
            offset, ", found the end of the file at ", size_);
    T value;
    std::memcpy(&value, data_ + offset, sizeof(T));
    return value;
  }

 private:
#if defined(OCTAVO_HAS_MMAP)
  static std::string reason() { return std::generic_category().message(errno); }

  void open() {
    // Without O_NONBLOCK, opening a named pipe would wait for a writer.
    const int file = ::open(name_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    require(file >= 0, name_, ": cannot be opened: ", reason());
    const std::string problem = map(file);
    ::close(file);
    require(problem.empty(), name_, ": ", problem);
  }

  // The mapping outlives the descriptor, so the caller may close it. Returns what went wrong, or nothing.
  std::string map(int file) {
    struct stat status {};
    if (::fstat(file, &status) != 0) return "cannot be examined: " + reason();
    if (!S_ISREG(status.st_mode)) return "is not a regular file";
    const auto size = static_cast<unsigned long long>(status.st_size);
    if (size > std::numeric_limits<std::size_t>::max() / 2) return "is too large to be mapped";
    if (size == 0) return {};
    void* start = ::mmap(nullptr, static_cast<std::size_t>(size), PROT_READ, MAP_PRIVATE, file, 0);
    if (start == MAP_FAILED) return "cannot be mapped: " + reason();
    data_ = static_cast<const std::byte*>(start);
    size_ = static_cast<std::size_t>(size);
    return {};
  }
#else
  void open() {
    std::ifstream in(name_, std::ios::binary | std::ios::ate);
    require(in.good() && std::filesystem::is_regular_file(name_), name_,
            ": cannot be opened, or is not a regular file");
    content_.resize(static_cast<std::size_t>(in.tellg()));
    in.seekg(0);
    in.read(reinterpret_cast<char*>(content_.data()), static_cast<std::streamsize>(content_.size()));
    require(in.good(), name_, ": cannot be read");
    data_ = content_.data();
    size_ = content_.size();
  }

  std::vector<std::byte> content_;
#endif

  std::string name_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  bool borrowed_ = false;  // the bytes are not this object's to release
};

}  // namespace octavo
