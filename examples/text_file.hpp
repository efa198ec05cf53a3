// Text files of UTF-8: lines, and the characters of each.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "octavo/io/mapped_file.hpp"

namespace octavo::example {

/// A line of a file, as messages name it: "words.dic: line 3".
struct text_line {
  std::string content;
  std::string where;
};

/// The lines of a file, without what ends them: a line feed, after a carriage return or not. What follows the last line
/// feed is a line unless it is empty. Throws octavo::error when the file cannot be read or has no lines.
inline std::vector<text_line> read_lines(const std::filesystem::path& path) {
  const mapped_file file(path);
  std::string_view rest(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  std::vector<text_line> lines;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back({std::string(line), text(file.name(), ": line ", lines.size() + 1)});
  }
  require(!lines.empty(), file.name(), ": expected lines of text, found none");
  return lines;
}

/// The length in bytes of the UTF-8 character that `bytes` begins with; 0 where that is none: RFC 3629.
inline std::size_t utf8_length(std::string_view bytes) {
  const auto byte = [&](std::size_t i) { return i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0u; };
  const unsigned first = byte(0);
  const std::size_t length = first < 0x80   ? 1
                             : first < 0xc2 ? 0
                             : first < 0xe0 ? 2
                             : first < 0xf0 ? 3
                             : first < 0xf5 ? 4
                                            : 0;
  if (length > bytes.size()) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if (byte(i) >> 6 != 2) return 0;
  const bool overlong = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xf0 && byte(1) < 0x90);
  const bool no_character = (first == 0xed && byte(1) > 0x9f) || (first == 0xf4 && byte(1) > 0x8f);
  return overlong || no_character ? 0 : length;
}

/// The characters of a line. Throws octavo::error, naming line and byte, where they are not UTF-8.
inline std::vector<std::string> characters_of(const text_line& line) {
  std::vector<std::string> all;
  for (std::size_t at = 0; at < line.content.size(); at += all.back().size()) {
    const std::size_t length = utf8_length(std::string_view(line.content).substr(at));
    require(length > 0, line.where, ": byte ", at, ": expected a character of UTF-8, found 0x",
            "0123456789abcdef"[static_cast<unsigned char>(line.content[at]) >> 4],
            "0123456789abcdef"[line.content[at] & 15]);
    all.push_back(line.content.substr(at, length));
  }
  return all;
}

/// The two fields of a line of a dictionary. Throws octavo::error, naming the line, where there are not two.
inline std::pair<std::string, std::string> two_fields(const text_line& line, std::string_view expected) {
  const std::size_t tab = line.content.find('\t');
  require(tab != std::string::npos && line.content.find('\t', tab + 1) == std::string::npos, line.where, ": expected ",
          expected, ", separated by one tab, found '", line.content, "'");
  return {line.content.substr(0, tab), line.content.substr(tab + 1)};
}

}  // namespace octavo::example
