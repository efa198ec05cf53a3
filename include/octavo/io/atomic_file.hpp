// Writing a file so that its name never shows half of it: all goes to a temporary file beside it, then a rename.
//
// Whatever ends the process, the name has the old content or the new. What a killed process may leave is its temporary
// file, which the next writer of that name removes. A lock, which ends with its process, tells it from one in use.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <system_error>

#include "octavo/base/error.hpp"

#if defined(__unix__) || defined(__APPLE__)
#define OCTAVO_HAS_FILE_LOCKS 1
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace octavo {

/// A file being written. Its name appears, or changes its content, at commit() and not before; without commit()
/// the temporary file is removed and whatever had the name before is untouched. Several may be written under one name
/// at the same time, by threads or processes: the last commit() wins.
class atomic_file {
 public:
  /// Creates a temporary file beside `path`, or beside what it leads to where it is a symbolic link, which stays.
  /// Throws octavo::error, naming `path` and the reason, when that is impossible or there is something other than a
  /// regular file.
  explicit atomic_file(const std::filesystem::path& path) : name_(path.string()), target_(follow_links(path)) {
    std::error_code absent;
    const auto status = std::filesystem::status(target_, absent);
    require(!std::filesystem::exists(status) || std::filesystem::is_regular_file(status), name_,
            ": cannot be replaced: is not a regular file");
    for (int number = 0; number < 100 && !file_; ++number) {
      temporary_ = target_;
      temporary_ += text(".octavo_partial_", number);
      remove_abandoned();
      file_.reset(create());
      if (!file_ && errno != EEXIST) break;
    }
    require(file_ != nullptr, name_, ": cannot create the temporary file ", temporary_.string(), ": ", reason());
  }

  atomic_file(const atomic_file&) = delete;
  atomic_file& operator=(const atomic_file&) = delete;

  ~atomic_file() {
    if (committed_) return;
    if (!has_locks) file_.reset();
    std::error_code ignored;
    std::filesystem::remove(temporary_, ignored);
  }

  /// Appends `bytes`. Throws octavo::error when the disk is full, say.
  void write(std::span<const std::byte> bytes) {
    require(file_ != nullptr, name_, ": written to after its commit");
    const std::size_t written = std::fwrite(bytes.data(), 1, bytes.size(), file_.get());
    require(written == bytes.size(), name_, ": cannot write: ", reason());
  }

  /// Gives the file its name and, where it replaces another, that one's permissions. Throws octavo::error when that
  /// fails; the temporary file is then removed.
  void commit() {
    require(file_ != nullptr, name_, ": committed twice");
    const bool written = flush();
    require(written, name_, ": cannot write: ", reason());
    if (!has_locks) file_.reset();
    std::error_code failure;
    std::filesystem::rename(temporary_, target_, failure);
    require(!failure, name_, ": cannot rename ", temporary_.string(), " to it: ", failure.message());
    committed_ = true;
    file_.reset();
    flush_folder();
  }

 private:
  struct close {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };
  static std::string reason() { return std::generic_category().message(errno); }

  // The file that the links lead to, whether it exists or not.
  static std::filesystem::path follow_links(std::filesystem::path path) {
    std::error_code failure;
    for (int links = 0; std::filesystem::is_symlink(path, failure); ++links) {
      require(links < 40, path.string(), ": too many symbolic links");
      path = path.parent_path() / std::filesystem::read_symlink(path, failure);
    }
    return path;
  }

#if defined(OCTAVO_HAS_FILE_LOCKS)
  // The lock lasts as long as the file is open: it is renamed or removed first, closed afterwards.
  static constexpr bool has_locks = true;

  // Whether this open file is still the one that has the temporary name.
  bool has_name(int file) const {
    struct stat opened {
    }, named{};
    return ::fstat(file, &opened) == 0 && ::lstat(temporary_.c_str(), &named) == 0 && opened.st_ino == named.st_ino &&
           opened.st_dev == named.st_dev;
  }

  void remove_abandoned() const {
    const int file = ::open(temporary_.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (file < 0) return;
    if (::flock(file, LOCK_EX | LOCK_NB) == 0 && has_name(file)) ::unlink(temporary_.c_str());
    ::close(file);
  }

  // Null, with the reason in errno, when that fails.
  std::FILE* create() const {
    // What replaces a private file is private from its first byte on.
    const mode_t mode = ::access(target_.c_str(), F_OK) == 0 ? 0600 : 0666;
    const int file = ::open(temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (file < 0) return nullptr;
    // Before it has its lock, another writer may take it for an abandoned one. A file system may know no locks: then
    // nothing counts as abandoned.
    const bool locked_by_other = ::flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    std::FILE* stream = locked_by_other || !has_name(file) ? nullptr : ::fdopen(file, "wb");
    if (!stream) {
      ::close(file);
      errno = EEXIST;
    }
    return stream;
  }

  // Without fsync, a power failure soon after the rename may leave the name with an empty file.
  bool flush() const {
    if (std::fflush(file_.get()) != 0) return false;
    const int file = ::fileno(file_.get());
    struct stat old {};
    if (::stat(target_.c_str(), &old) == 0) {
      // Only root can give a file away, and some file systems know no permissions: as far as it goes.
      [[maybe_unused]] const bool kept_owner = ::fchown(file, old.st_uid, old.st_gid) == 0;
      [[maybe_unused]] const bool kept_mode = ::fchmod(file, old.st_mode & 0777) == 0;
    }
    return ::fsync(file) == 0;
  }

  // After a power failure the name has the old content or the new either way: no reason to fail.
  void flush_folder() const {
    const std::filesystem::path folder = target_.parent_path();
    const int file = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file < 0) return;
    ::fsync(file);
    ::close(file);
  }
#else
  // A file that is open can be neither renamed nor removed: nobody takes it for abandoned.
  static constexpr bool has_locks = false;

  void remove_abandoned() const {
    std::error_code ignored;
    std::filesystem::remove(temporary_, ignored);
  }

  std::FILE* create() const { return std::fopen(temporary_.string().c_str(), "wbx"); }
  bool flush() const { return std::fflush(file_.get()) == 0; }
  void flush_folder() const {}
#endif

  std::string name_;  // as it was given, for messages
  std::filesystem::path target_;
  std::filesystem::path temporary_;
  std::unique_ptr<std::FILE, close> file_;
  bool committed_ = false;
};

}  // namespace octavo
