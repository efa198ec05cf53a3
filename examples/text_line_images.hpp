// Images of lines of text for a recogniser, the characters that its classes are, and what is written in the images.
#pragma once

#include <map>
#include <span>

#include "image_files.hpp"
#include "octavo/io/decode_image.hpp"
#include "octavo/io/image_set.hpp"
#include "octavo/io/resize.hpp"
#include "text_file.hpp"

namespace octavo::example {

/// The JPEG and PNG files of a folder by name, each resized to a height of 32 and at most 320 columns: v / 127.5 - 1,
/// channels blue, green, red, and zeros on the right up to 320 columns.
class text_line_images : public image_set {
 public:
  static constexpr int height = 32, width = 320;

  /// Throws octavo::error where there are none.
  explicit text_line_images(const std::filesystem::path& folder) : files_(image_files(folder)) {}

  const std::vector<std::filesystem::path>& files() const { return files_; }

 private:
  int do_count() const override { return static_cast<int>(files_.size()); }
  dims do_extents() const override { return {height, width, 3}; }
  int do_label(int) const override { return 0; }
  std::string do_name(int i) const override { return files_[static_cast<std::size_t>(i)].string(); }
  void do_read(int i, std::span<float> nhwc) const override {
    const rgb_image found = decode_image(files_[static_cast<std::size_t>(i)]);
    const auto wide = (std::int64_t{height} * found.width + found.height - 1) / found.height;
    const int columns = static_cast<int>(std::clamp<std::int64_t>(wide, 8, width));
    const rgb_image image = found.height == height && found.width <= width
                                ? found
                                : resize(found, columns, height, resize_filter::bilinear, image_limits{});
    std::ranges::fill(nhwc, 0.0f);
    for (std::size_t y = 0; y < height; ++y)
      for (std::size_t x = 0; x < static_cast<std::size_t>(image.width); ++x)
        for (std::size_t c = 0; c < 3; ++c)
          nhwc[(y * width + x) * 3 + c] =
              static_cast<float>(image.pixels[(y * static_cast<std::size_t>(image.width) + x) * 3 + 2 - c]) / 127.5f -
              1;
  }

  std::vector<std::filesystem::path> files_;
};

/// The characters of classes 1, 2 ...: the lines of a file. Throws octavo::error, naming file and line, where there are
/// not `count` of them or one is not a character.
inline std::vector<std::string> read_characters(const std::filesystem::path& path, std::size_t count) {
  std::vector<std::string> all;
  for (const text_line& line : read_lines(path)) {
    require(characters_of(line).size() == 1, line.where, ": expected one character, found '", line.content, "'");
    all.push_back(line.content);
  }
  require(all.size() == count, path.string(), ": expected ", count, " lines, a character each, found ", all.size());
  return all;
}

/// The text that classes are, up to the first -1.
inline std::string text_of(std::span<const std::int64_t> classes, const std::vector<std::string>& characters) {
  std::string all;
  for (; !classes.empty() && classes[0] >= 0; classes = classes.subspan(1))
    all += characters.at(static_cast<std::size_t>(classes[0]) - 1);
  return all;
}

/// A text in lower case, of which digits, Latin letters and Chinese characters are left: readers differ in the others.
inline std::string letters_of(const std::string& line) {
  std::string kept;
  for (const std::string& c : characters_of({line, "text"})) {
    const char lower = c[0] >= 'A' && c[0] <= 'Z' ? static_cast<char>(c[0] - 'A' + 'a') : c[0];
    const bool is_letter = (lower >= '0' && lower <= '9') || (lower >= 'a' && lower <= 'z');
    if (c.size() == 1 && is_letter) kept += lower;
    if (c.size() == 3 && c >= "\u4e00" && c <= "\u9fff") kept += c;  // the order of UTF-8 is that of code points
  }
  return kept;
}

/// What is written in each of the files, from lines of name, width in pixels and text. Throws octavo::error, naming the
/// line, where it is none, or the file where it has no line.
inline std::vector<std::string> read_labels(const std::filesystem::path& path,
                                            const std::vector<std::filesystem::path>& files) {
  std::map<std::string, std::string> known;
  for (const text_line& line : read_lines(path)) {
    const std::size_t first = line.content.find('\t'), second = line.content.find('\t', first + 1);
    require(first != std::string::npos && second != std::string::npos, line.where,
            ": expected name, width and text, separated by tabs, found '", line.content, "'");
    characters_of(line);
    const bool is_new = known.emplace(line.content.substr(0, first), line.content.substr(second + 1)).second;
    require(is_new, line.where, ": there was a line for '", line.content.substr(0, first), "' before");
  }
  std::vector<std::string> texts;
  for (const std::filesystem::path& file : files) {
    const auto found = known.find(file.filename().string());
    require(found != known.end(), path.string(), ": expected a line for '", file.filename().string(), "', found none");
    texts.push_back(found->second);
  }
  return texts;
}

}  // namespace octavo::example
