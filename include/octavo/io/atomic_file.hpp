// Writing a file so that its name never shows half of it: all goes to a temporary file beside it, then a rename.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <system_error>

#include "octavo/base/error.hpp"

#if defined(__unix__) || defined(__APPLE__)
#include <unistd.h>
#endif

namespace octavo {

/// A file being written. Its name appears, or changes its content, at commit() and not before; without commit()
/// the temporary file is removed and whatever had the name before is untouched.
class atomic_file {
 public:
  /// Creates a temporary file in the folder of `path`. Throws octavo::error, naming both and the reason, when that
  /// is impossible.
  explicit atomic_file(const std::filesystem::path& path) : target_(path) {
    std::random_device random;
    // A name that exists already belongs to somebody else ("x" refuses it): try another.
    for (int attempt = 0; attempt < 100 && !file_; ++attempt) {
      temporary_ = path;
      temporary_ += text(".", random(), ".tmp");
      file_.reset(std::fopen(temporary_.string().c_str(), "wbx"));
      if (!file_ && errno != EEXIST) break;
    }
    require(file_ != nullptr, path.string(), ": cannot create the temporary file ", temporary_.string(), ": ",
            reason());
  }

  atomic_file(const atomic_file&) = delete;
  atomic_file& operator=(const atomic_file&) = delete;

  ~atomic_file() {
    if (committed_) return;
    file_.reset();
    std::error_code ignored;
    std::filesystem::remove(temporary_, ignored);
  }

  /// Appends `bytes`. Throws octavo::error when the disk is full, say.
  void write(std::span<const std::byte> bytes) {
    require(file_ != nullptr, target_.string(), ": written to after its commit");
    const std::size_t written = std::fwrite(bytes.data(), 1, bytes.size(), file_.get());
    require(written == bytes.size(), target_.string(), ": cannot write: ", reason());
  }

  /// Gives the file its name, replacing any file that had it. Throws octavo::error when that fails; the
  /// temporary file is then removed.
  void commit() {
    require(file_ != nullptr, target_.string(), ": committed twice");
    bool good = std::fflush(file_.get()) == 0;
#if defined(__unix__) || defined(__APPLE__)
    // Otherwise a power failure soon after the rename may leave the name with an empty file.
    good = good && ::fsync(::fileno(file_.get())) == 0;
#endif
    good = good && std::fclose(file_.release()) == 0;
    require(good, target_.string(), ": cannot write: ", reason());
    std::error_code failure;
    std::filesystem::rename(temporary_, target_, failure);
    require(!failure, target_.string(), ": cannot rename ", temporary_.string(), " to it: ", failure.message());
    committed_ = true;
  }

 private:
  struct close {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };
  static std::string reason() { return std::generic_category().message(errno); }

  std::filesystem::path target_;
  std::filesystem::path temporary_;
  std::unique_ptr<std::FILE, close> file_;
  bool committed_ = false;
};

}  // namespace octavo
