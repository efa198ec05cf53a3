// A file's bytes in memory: mapped where the system can, so that only the parts in use are ever read, or copied.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

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
#endif

namespace octavo {

static_assert(std::endian::native == std::endian::little, "octavo: its files are little-endian, this machine is not");

/// How a file is read.
enum class file_access : std::uint8_t {
  /// Mapped: nothing is read before it is used, and all processes share it. While it is open, nobody may write to the
  /// file or shorten it: bytes that were checked change, and reading beyond the new end ends the process (SIGBUS),
  /// which no program can catch. Replacing it by rename, as Octavo's own functions that save do, is safe.
  map,
  /// Read once, as a whole, into memory of its own: what becomes of the file afterwards does not matter.
  copy,
};

/// The bytes of a file, read-only.
class mapped_file {
 public:
  mapped_file() = default;

  /// Opens and maps or copies `path`. Throws octavo::error, naming the file and the reason, when it cannot be read, is
  /// not a regular file or has more than `max_bytes`. An empty file is valid and has no bytes.
  explicit mapped_file(const std::filesystem::path& path, file_access access = file_access::map,
                       std::uint64_t max_bytes = std::numeric_limits<std::size_t>::max() / 2)
      : name_(path.string()) {
    open(access, max_bytes);
  }

  /// Bytes that are in memory already, and stay there, under the name of a file.
  mapped_file(std::string name, std::span<const std::byte> bytes)
      : name_(std::move(name)), data_(bytes.data()), size_(bytes.size()) {}

  mapped_file(mapped_file&& other) noexcept { *this = std::move(other); }
  mapped_file& operator=(mapped_file&& other) noexcept {
    std::swap(name_, other.name_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(is_mapping_, other.is_mapping_);
    std::swap(content_, other.content_);
    return *this;
  }

#if defined(OCTAVO_HAS_MMAP)
  ~mapped_file() {
    if (is_mapping_) ::munmap(const_cast<std::byte*>(data_), size_);
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

  void open(file_access access, std::uint64_t max_bytes) {
    // Without O_NONBLOCK, opening a named pipe would wait for a writer.
    const int file = ::open(name_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    require(file >= 0, name_, ": cannot be opened: ", reason());
    const std::string problem = take(file, access, max_bytes);
    ::close(file);
    require(problem.empty(), name_, ": ", problem);
  }

  // The bytes outlive the descriptor, so the caller may close it. Returns what went wrong, or nothing.
  std::string take(int file, file_access access, std::uint64_t max_bytes) {
    struct stat status {};
    if (::fstat(file, &status) != 0) return "cannot be examined: " + reason();
    if (!S_ISREG(status.st_mode)) return "is not a regular file";
    const auto size = static_cast<std::uint64_t>(status.st_size);
    if (size > max_bytes) return text("its ", size, " bytes are over the limit of ", max_bytes);
    if (size == 0) return {};
    return access == file_access::map ? map(file, static_cast<std::size_t>(size))
                                      : copy(file, static_cast<std::size_t>(size));
  }

  std::string map(int file, std::size_t size) {
    void* start = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
    if (start == MAP_FAILED) return "cannot be mapped: " + reason();
    data_ = static_cast<const std::byte*>(start);
    size_ = size;
    is_mapping_ = true;
    return {};
  }

  std::string copy(int file, std::size_t size) {
    try {
      content_.resize(size);
    } catch (const std::exception&) {
      return text("its ", size, " bytes do not fit into memory");
    }
    for (std::size_t done = 0; done < size;) {
      const ssize_t n = ::read(file, content_.data() + done, size - done);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return "cannot be read: " + reason();
      if (n == 0) return text("was shortened from ", size, " to ", done, " bytes while it was read");
      done += static_cast<std::size_t>(n);
    }
    data_ = content_.data();
    size_ = size;
    return {};
  }
#else
  void open(file_access, std::uint64_t max_bytes) {
    std::ifstream in(name_, std::ios::binary | std::ios::ate);
    require(in.good() && std::filesystem::is_regular_file(name_), name_,
            ": cannot be opened, or is not a regular file");
    const auto size = static_cast<std::uint64_t>(in.tellg());
    require(size <= max_bytes, name_, ": its ", size, " bytes are over the limit of ", max_bytes);
    content_.resize(static_cast<std::size_t>(size));
    in.seekg(0);
    in.read(reinterpret_cast<char*>(content_.data()), static_cast<std::streamsize>(content_.size()));
    require(in.good(), name_, ": cannot be read");
    data_ = content_.data();
    size_ = content_.size();
  }
#endif

  std::string name_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  bool is_mapping_ = false;
  std::vector<std::byte> content_;  // where it is a copy
};

}  // namespace octavo
