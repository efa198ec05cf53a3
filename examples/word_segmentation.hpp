// Chinese text for LAC's networks: characters become ids by its dictionaries, tags become words, and words are compared
// with those that people found.
#pragma once

#include <charconv>
#include <cstdint>
#include <set>
#include <span>
#include <unordered_map>

#include "octavo/tensor/tensor.hpp"
#include "text_file.hpp"

namespace octavo::example {

/// A whole number of a dictionary's field, from 0 to last. Throws octavo::error, naming the line, where it is none.
inline int number_of(const std::string& field, int last, const text_line& line) {
  int n = -1;
  const auto [end, failed] = std::from_chars(field.data(), field.data() + field.size(), n);
  require(failed == std::errc() && end == field.data() + field.size() && n >= 0 && n <= last, line.where,
          ": expected a number from 0 to ", last, ", found '", field, "'");
  return n;
}

/// What is in a folder of LAC's dictionaries:
///   q2b.dic   lines of a character and the one that stands for it: traditional to simplified, full width to half
///   word.dic  lines of id and character; "OOV" for those that are not in there
///   tag.dic   lines of id and tag, which ends in B, I, E or S: begin, inside and end of a word, a word of its own
class lac_dictionary {
 public:
  /// Throws octavo::error, naming file and line, where they are not as above, with ids below `vocabulary` and `tags`,
  /// of tags each.
  lac_dictionary(const std::filesystem::path& folder, int vocabulary, int tags) {
    for (const text_line& line : read_lines(folder / "q2b.dic")) {
      auto [from, to] = two_fields(line, "two characters");
      require(characters_of({from, line.where}).size() == 1, line.where, ": expected one character, found '", from,
              "'");
      simplified_.emplace(std::move(from), std::move(to));
    }
    const std::filesystem::path words = folder / "word.dic";
    for (const text_line& line : read_lines(words)) {
      auto [id, word] = two_fields(line, "id and character");
      const bool is_new = ids_.emplace(std::move(word), number_of(id, vocabulary - 1, line)).second;
      require(is_new, line.where, ": the character was there before");
    }
    const auto oov = ids_.find("OOV");
    require(oov != ids_.end(), words.string(), ": expected an id of 'OOV', for characters that are not in there");
    unknown_ = oov->second;
    read_tags(folder / "tag.dic", tags);
  }

  int id(const std::string& character) const {
    const auto simplified = simplified_.find(character);
    const auto found = ids_.find(simplified == simplified_.end() ? character : simplified->second);
    return found == ids_.end() ? unknown_ : found->second;
  }

  /// The words that characters with these tags are.
  std::vector<std::string> words(std::span<const std::string> characters, std::span<const std::int64_t> tags) const {
    std::vector<std::string> all;
    for (std::size_t i = 0; i < characters.size(); ++i) {
      if (i == 0 || begins_word_.at(static_cast<std::size_t>(tags[i]))) all.emplace_back();
      all.back() += characters[i];
    }
    return all;
  }

 private:
  void read_tags(const std::filesystem::path& path, int tags) {
    std::vector<bool> known(static_cast<std::size_t>(tags));
    begins_word_.resize(known.size());
    for (const text_line& line : read_lines(path)) {
      const auto [id, tag] = two_fields(line, "id and tag");
      require(!tag.empty() && std::string_view("BIES").find(tag.back()) != std::string_view::npos, line.where,
              ": expected a tag that ends in B, I, E or S, found '", tag, "'");
      const auto place = static_cast<std::size_t>(number_of(id, tags - 1, line));
      known[place] = true;
      begins_word_[place] = tag.back() == 'B' || tag.back() == 'S';
    }
    for (std::size_t i = 0; i < known.size(); ++i)
      require(known[i], path.string(), ": expected a tag ", i, ", found none");
  }

  std::unordered_map<std::string, std::string> simplified_;
  std::unordered_map<std::string, int> ids_;
  int unknown_ = 0;
  std::vector<bool> begins_word_;
};

/// A line of text for a network.
struct sentence {
  std::vector<std::string> characters;
  std::vector<std::int64_t> ids;
};

/// The lines of a file that are not empty. Throws octavo::error, naming the line, where one is not UTF-8 or has more
/// than `longest` characters.
inline std::vector<sentence> read_sentences(const std::filesystem::path& path, const lac_dictionary& dictionary,
                                            int longest) {
  std::vector<sentence> all;
  for (const text_line& line : read_lines(path)) {
    sentence s{characters_of(line), {}};
    require(s.characters.size() <= static_cast<std::size_t>(longest), line.where, ": expected at most ", longest,
            " characters, found ", s.characters.size());
    for (const std::string& c : s.characters) s.ids.push_back(dictionary.id(c));
    if (!s.ids.empty()) all.push_back(std::move(s));
  }
  require(!all.empty(), path.string(), ": expected lines of text, found empty ones only");
  return all;
}

/// Sentences `first` to `first + count` as a network takes them: ids (count, T) s64 and lengths (count) s32, where T is
/// the longest one's.
inline std::vector<tensor> batch_of(std::span<const sentence> all, std::size_t first, std::size_t count) {
  std::size_t longest = 0;
  for (const sentence& s : all.subspan(first, count)) longest = std::max(longest, s.ids.size());
  std::vector<tensor> inputs;
  inputs.emplace_back(element::s64, dims{static_cast<int>(count), static_cast<int>(longest)});
  inputs.emplace_back(element::s32, dims{static_cast<int>(count)});
  for (std::size_t i = 0; i < count; ++i) {
    std::ranges::copy(all[first + i].ids, inputs[0].as<std::int64_t>().subspan(i * longest).begin());
    inputs[1].as<std::int32_t>()[i] = static_cast<std::int32_t>(all[first + i].ids.size());
  }
  return inputs;
}

/// The words of each line, which spaces separate. Throws octavo::error, naming the line, where the characters are not
/// those of the sentence.
inline std::vector<std::vector<std::string>> read_words(const std::filesystem::path& path,
                                                        std::span<const sentence> sentences) {
  std::vector<std::vector<std::string>> all;
  for (const text_line& line : read_lines(path)) {
    std::vector<std::string> words{""};
    std::string joined;
    for (const std::string& c : characters_of(line)) {
      if (c != " ")
        words.back() += c, joined += c;
      else if (!words.back().empty())
        words.emplace_back();
    }
    if (words.back().empty()) words.pop_back();
    if (words.empty()) continue;
    require(all.size() < sentences.size(), line.where, ": the text has ", sentences.size(), " lines only");
    std::string expected;
    for (const std::string& c : sentences[all.size()].characters) expected += c;
    require(joined == expected, line.where, ": expected words that make '", expected, "', found '", joined, "'");
    all.push_back(std::move(words));
  }
  require(all.size() == sentences.size(), path.string(), ": expected ", sentences.size(), " lines, found ", all.size());
  return all;
}

/// How many words were found, and how many of them are right: at the same place from end to end.
struct word_score {
  int gold = 0, found = 0, right = 0;

  /// One line in words, twice.
  void add(std::span<const std::string> gold_words, std::span<const std::string> found_words) {
    std::set<std::pair<std::size_t, std::size_t>> places;
    std::size_t at = 0;
    for (const std::string& w : gold_words) places.emplace(at, at + w.size()), at += w.size();
    at = 0;
    for (const std::string& w : found_words)
      right += static_cast<int>(places.count({at, at + w.size()})), at += w.size();
    gold += static_cast<int>(gold_words.size());
    found += static_cast<int>(found_words.size());
  }
  double precision() const { return found == 0 ? 0 : static_cast<double>(right) / found; }
  double recall() const { return gold == 0 ? 0 : static_cast<double>(right) / gold; }
  double f1() const { return right == 0 ? 0 : 2 * precision() * recall() / (precision() + recall()); }
};

}  // namespace octavo::example
