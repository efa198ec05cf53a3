// Text for the applications: characters of UTF-8, lines, words that are compared.
#include "../examples/word_segmentation.hpp"

#include <doctest/doctest.h>

#include "temporary_folder.hpp"

using namespace octavo;
using namespace octavo::test;
using namespace octavo::example;

TEST_CASE("text: which bytes are a character of UTF-8") {
  // The first and last of each length, then what RFC 3629 rules out.
  for (const std::string_view c : {"\x01", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf",
                                   "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"})
    CHECK(utf8_length(c) == c.size());
  for (const std::string_view c : {"\x80", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41", "\xe0\x9f\xbf", "\xe4\xb8",
                                   "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff"})
    CHECK(utf8_length(c) == 0);
  CHECK(characters_of({"a\xe4\xb8\x80\xf0\x9f\x98\x80", "x"}) ==
        std::vector<std::string>{"a", "\xe4\xb8\x80", "\xf0\x9f\x98\x80"});
  check_failure(failure_of([] {
                  characters_of({"ab\xff", "f: line 3"});
                }),
                "f: line 3: byte 2: expected a character of UTF-8, found 0xff");
}

TEST_CASE("text: lines end in a line feed, after a carriage return or not") {
  const temporary_folder folder;
  const auto lines = read_lines(folder.write("a", "one\r\ntwo\n\nfour"));
  REQUIRE(lines.size() == 4);
  CHECK(lines[0].content == "one");
  CHECK(lines[2].content.empty());
  CHECK(lines[3].content == "four");
  CHECK(lines[3].where.ends_with("a: line 4"));
  CHECK(read_lines(folder.write("b", "one\n")).size() == 1);
}

TEST_CASE("text: words count where both ends are right") {
  const std::vector<std::string> gold{"ab", "c", "de"}, found{"ab", "cd", "e"}, none;
  word_score s;
  s.add(gold, found);
  CHECK((s.gold == 3 && s.found == 3 && s.right == 1));
  s.add(gold, gold);
  CHECK(s.right == 4);
  CHECK(s.f1() == doctest::Approx(4.0 / 6));
  CHECK(word_score().f1() == 0);
}
