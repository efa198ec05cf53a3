// For tests of files: a folder of their own, whole files as bytes, the message of an error, the data folder.
#pragma once

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "octavo/base/error.hpp"

#if defined(__unix__) || defined(__APPLE__)
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace octavo::test {

/// A folder with a name of its own, removed with all it holds at the end.
class temporary_folder {
 public:
  temporary_folder() {
    std::random_device random;
    do path_ = std::filesystem::temp_directory_path() / text("octavo_test_", random(), "_", random());
    while (!std::filesystem::create_directory(path_));
  }
  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;
  ~temporary_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

  /// Writes a file and returns its path.
  std::filesystem::path write(const std::string& name, std::string_view content) const {
    std::ofstream out(path_ / name, std::ios::binary);
    out.write(content.data(), static_cast<std::streamsize>(content.size()));
    REQUIRE(out.good());
    return path_ / name;
  }

  /// How many files and folders it holds: to see that nothing temporary stays.
  std::ptrdiff_t entries() const {
    return std::distance(std::filesystem::directory_iterator(path_), std::filesystem::directory_iterator());
  }

 private:
  std::filesystem::path path_;
};

inline std::string read_all(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The bytes of a value, as they lie in memory.
template <class T>
std::string bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

/// The message of the octavo::error that `action` throws; nothing where it succeeds. Other exceptions pass.
template <class Action>
std::optional<std::string> failure_of(const Action& action) {
  try {
    action();
  } catch (const error& e) {
    return e.what();
  }
  return std::nullopt;
}

/// Whether `message` is there and contains all `parts`; says what it was otherwise.
template <class... Parts>
void check_failure(const std::optional<std::string>& message, const Parts&... parts) {
  REQUIRE_MESSAGE(message.has_value(), "expected an error about " << text(parts...));
  CAPTURE(*message);
  for (const std::string& part : {text(parts)...}) CHECK_MESSAGE(message->find(part) != std::string::npos, part);
}

/// Checks that `read`, called with a path, throws an octavo::error that names the path, for all that is no file to be
/// read: absent, a folder, a named pipe, a device, a link to itself, a file without permissions, an empty file.
template <class Read>
void check_refuses_no_file(const Read& read) {
  const temporary_folder folder;
  std::vector<std::filesystem::path> paths{folder / "absent", folder / "", folder / "absent" / "inside",
                                           folder.write("empty", "")};
#if defined(__unix__) || defined(__APPLE__)
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  std::filesystem::create_symlink("link", folder / "link");
  paths.insert(paths.end(), {folder / "pipe", folder / "link", "/dev/null", "/dev/zero"});
  paths.push_back(folder.write("locked", "content"));
  std::filesystem::permissions(paths.back(), std::filesystem::perms::none);
  if (::geteuid() == 0) paths.pop_back();  // who may read everything
#endif
  for (const auto& path : paths) check_failure(failure_of([&] { read(path); }), path.string());
}

/// The folder that the environment variable OCTAVO_DATA names; where it is unset, says so and returns nothing.
inline std::optional<std::filesystem::path> data_folder() {
  const char* folder = std::getenv("OCTAVO_DATA");
  if (!folder) MESSAGE("skipped: OCTAVO_DATA is not set to a folder with images and weights");
  return folder ? std::optional<std::filesystem::path>(folder) : std::nullopt;
}

}  // namespace octavo::test
