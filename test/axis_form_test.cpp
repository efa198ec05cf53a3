// Bounded axes: how their extents follow from symbols, as types, as numbers of a list, and in print.
#include "octavo/tensor/axis_form.hpp"

#include <doctest/doctest.h>

#include "octavo/op/operators.hpp"
#include "temporary_folder.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

constexpr axis_form w = axis_form::of(symbol_of('w'));

}  // namespace

// What the compiler must be able to do.
static_assert(upto<8> == -8);
static_assert(nhwc<upto<8>, 1, 2, 3>::value == dims{upto<8>, 1, 2, 3});
static_assert(std::is_same_v<shape_of<dims{upto<8>, upto<9, 'w'>, 3}>, ntc<upto<8>, upto<9, 'w'>, 3>>);
static_assert(dims{upto<8>, 3} != dims{8, 3} && dims{upto<8>, 3} != dims{upto<8, 'n'>, 3});
static_assert(dims{upto<8, 'a'>, 3} != dims{upto<8, 'b'>, 3} && dims{upto<8, 'a'>, 3} != dims{upto<9, 'a'>, 3});
static_assert(w.then(1, 2) == w.then(-1, 2).then(1, 1));

TEST_CASE("axis_form: windows of windows are what the formulas say, for every symbol") {
  int compared = 0;
  for (int b1 : {-6, -1, 0, 1, 5})
    for (int t1 : {1, 2, 3, 4})
      for (int b2 : {-7, -2, 0, 1, 3})
        for (int t2 : {1, 2, 5}) {
          const axis_form f = w.then(b1, t1).then(b2, t2);
          for (std::int64_t s = 1; s <= 60; ++s) {
            const auto floor = [](std::int64_t n, std::int64_t d) { return n >= 0 ? n / d : -((-n + d - 1) / d); };
            CHECK(f.at(s) == floor(floor(s + b1, t1) + b2, t2));
            const symbol_range r = f.symbols(f.at(s));
            CHECK((s >= r.least && s <= r.most));
            CHECK(f.at(r.most + 1) > f.at(s));
            CHECK((r.least == 1 || f.at(r.least - 1) < f.at(s)));
            ++compared;
          }
        }
  CHECK(compared == 5 * 4 * 5 * 3 * 60);
}

TEST_CASE("axis_form: equal where the extents are the same thing") {
  CHECK(w.then(2 - 3 + 2, 2) == w.then(0 - 1 + 2, 2));              // 3x3 and 1x1, stride 2
  CHECK(w.then(1, 2).then(1, 2).then(1, 2) == w.then(7, 8));        // three of them, and one of stride 8
  CHECK(w.then(-2, 1).then(2, 1) == w);                             // valid, then a full one
  CHECK(w.then(1, 2) != w.then(0, 2));                              // ceil(w/2) and floor(w/2)
  CHECK(w.then(1, 2) != axis_form::of(symbol_of('v')).then(1, 2));  // another symbol
  const axis_form twice{w.symbol, 2, 0, 1};
  CHECK(twice.then(0, 2) == w);
  CHECK(twice.then(1, 2) == w);  // floor((2w + 1) / 2)
  CHECK(twice.then(3, 4) == w.then(1, 2));
}

TEST_CASE("axis_form: the least symbol that leaves something") {
  CHECK(w.then(-4, 1).symbols_within(10) == symbol_range{5, 14});
  CHECK(w.then(-3 + 2, 2).symbols_within(4) == symbol_range{3, 10});
  CHECK(w.symbols_within(9) == symbol_range{1, 9});
  CHECK(w.then(-4, 1).symbols(0) == symbol_range{4, 4});
  CHECK(axis_form{w.symbol, 2, 0, 1}.symbols(3).is_empty());  // no 2w is 3
}

TEST_CASE("axis_form: numbers that are too large are refused") {
  CHECK(w.then(0, 1023).div == 1023);
  check_failure(failure_of([] { w.then(0, 1024); }), "(1 w + 0) / 1024", "too large");
  check_failure(failure_of([] { w.then(0, 32).then(0, 32); }), "too large");
  check_failure(failure_of([] { w.then(2048, 1); }), "(1 w + 2048) / 1", "at most 31, 2047 and 1023");
  CHECK(w.then(-2048, 1).add == -2048);
  check_failure(failure_of([] { w.then(-2049, 1); }), "too large");
  check_failure(failure_of([] { w.then(0, 0); }), "out of range");
  check_failure(failure_of([] { w.then(std::int64_t{1} << 40, 1); }), "out of range");
  check_failure(failure_of([] { symbol_of('W'); }), "a symbol is a letter from a to z, found 'W'");
}

TEST_CASE("dims: bounded axes in print") {
  dims d{upto<8>, upto<50, 'w'>, 3};
  CHECK(text(d) == "<=8x<=50wx3");
  d.bind(1, w.then(1, 2));
  CHECK(text(d) == "<=8x<=50((w+1)/2)x3");
  d.bind(1, w.then(0, 2));
  CHECK(text(d) == "<=8x<=50(w/2)x3");
  d.bind(1, w.then(-2, 1));
  CHECK(text(d) == "<=8x<=50(w-2)x3");
  d.bind(1, {w.symbol, 2, 0, 1});
  CHECK(text(d) == "<=8x<=50(2w)x3");
  d.bind(2, axis_form::of(0));  // elsewhere than where upto<N> would mean it
  CHECK(text(d) == "<=8x<=50(2w)x<=3(axis0)");
}

TEST_CASE("dims: a bounded axis as a number of a list means the same in any place") {
  dims d{upto<8>, upto<50, 'w'>, upto<7>};
  d.bind(1, w.then(-5, 3));
  const dims moved{d.encoded(2), d.encoded(0), d.encoded(1)};
  CHECK(text(moved) == "<=7(axis2)x<=8(axis0)x<=50((w-5)/3)");
  CHECK(dims{moved.encoded(1), moved.encoded(2), moved.encoded(0)} == d);
  CHECK(dims{d.encoded_in_place(0), d.encoded_in_place(1), d.encoded_in_place(2)} == d);
  CHECK(d.encoded_in_place(0) == -8);
  CHECK(dims{5}.encoded(0) == 5);
  dims read;
  from_attribute(to_attribute(moved), read);
  CHECK(read == moved);
}

TEST_CASE("dims: numbers that are no extents are refused") {
  const std::int64_t two_31 = std::int64_t{1} << 31;
  for (const std::int64_t e : {two_31, -two_31, -two_31 - 5, std::int64_t{1} << 62, -(std::int64_t{1} << 62)}) {
    CAPTURE(e);
    check_failure(failure_of([&] { dims{e}; }), "out of range");
  }
  CHECK(dims{two_31 - 1}[0] == two_31 - 1);
  CHECK(dims{-two_31 + 1}[0] == two_31 - 1);
}

TEST_CASE("dims: extents that are fixed or stay do not remember a form") {
  dims d{upto<9, 'w'>, 3};
  d.fix(0, 4);
  CHECK(d == dims{4, 3});
  CHECK(text(d) == "4x3");
}
