// Images in a folder: JPEG and PNG files, and a list of their names and labels.
//
// A program that uses this header links with stb_image (-lstb) and, where OCTAVO_HAS_LIBJPEG is defined, libjpeg.
#pragma once

#include <charconv>
#include <cstddef>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "octavo/base/error.hpp"
#include "octavo/io/decode_image.hpp"
#include "octavo/io/image_set.hpp"
#include "octavo/io/mapped_file.hpp"
#include "octavo/io/preprocess.hpp"

namespace octavo {

/// A folder of images with a list, `val_list.txt`, of lines `path label`: a path relative to the folder, which may
/// contain spaces, then a space or tab and a number. Empty lines are skipped. Images are decoded when they are read.
class image_folder : public image_set {
 public:
  /// Reads the list and checks that every file in it exists. Throws octavo::error, naming the list and the line, when
  /// one does not, a line has no label, the list is empty or an option has no meaning.
  explicit image_folder(const std::filesystem::path& folder, const preprocessing& options = imagenet_preprocessing(),
                        const std::string& list = "val_list.txt")
      : folder_(folder), options_(options) {
    check_preprocessing(options_);
    const mapped_file file(folder / list, file_access::copy, std::numeric_limits<int>::max());
    const std::span<const std::byte> bytes = file.bytes();
    std::string_view rest(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    for (int number = 1; !rest.empty(); ++number) {
      const std::size_t end = rest.find('\n');
      add_line(text(file.name(), ": line ", number, ": "), rest.substr(0, end));
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
      require(number < std::numeric_limits<int>::max(), file.name(), ": too many lines");
    }
    require(!entries_.empty(), file.name(), ": expected lines 'path label', found none");
  }

 private:
  struct entry {
    std::string path;
    int label;
  };

  static std::string_view without_trailing_blanks(std::string_view s) {
    return s.substr(0, s.find_last_not_of(" \t\r") + 1);
  }

  // `where` opens messages: the list and the line's number.
  void add_line(const std::string& where, std::string_view line) {
    line = without_trailing_blanks(line);
    if (line.empty()) return;
    require(line.find('\0') == std::string_view::npos, where, "contains a zero byte");
    const std::size_t gap = line.find_last_of(" \t");
    require(gap != std::string_view::npos, where, "expected 'path label', found '", line, "'");
    const std::string_view number = line.substr(gap + 1), path = without_trailing_blanks(line.substr(0, gap));
    require(!path.empty(), where, "expected 'path label', found no path before '", number, "'");
    int label = 0;
    const auto [end, problem] = std::from_chars(number.data(), number.data() + number.size(), label);
    require(problem == std::errc{} && end == number.data() + number.size() && label >= 0, where,
            "expected a label from 0 to 2147483647, found '", number, "'");
    entries_.push_back({std::string(path), label});
    std::error_code failure;
    const std::filesystem::path file = folder_ / entries_.back().path;
    require(std::filesystem::is_regular_file(file, failure), where, "there is no file ", file.string());
  }

  int do_count() const override { return static_cast<int>(entries_.size()); }
  dims do_extents() const override { return {options_.crop, options_.crop, 3}; }
  int do_label(int i) const override { return entries_[static_cast<std::size_t>(i)].label; }
  std::string do_name(int i) const override { return (folder_ / entries_[static_cast<std::size_t>(i)].path).string(); }

  void do_read(int i, std::span<float> nhwc) const override {
    const rgb_image image = decode_image(do_name(i), options_.limits);
    try {
      preprocess(image, options_, nhwc);
    } catch (const error& problem) {
      fail(do_name(i), ": ", problem.what());
    }
  }

  std::filesystem::path folder_;
  preprocessing options_;
  std::vector<entry> entries_;
};

}  // namespace octavo
