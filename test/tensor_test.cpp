// Shapes and tensors: the most axes and elements, copies, tensors that were moved from.
#include "octavo/tensor/tensor.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <vector>

#include "temporary_folder.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

tensor one_two_three() { return tensor::of<float>({3}, std::vector<float>{1, 2, 3}); }

}  // namespace

TEST_CASE("tensor: a constant may borrow its elements, and its copies own theirs") {
  const auto memory = std::make_shared<aligned_memory>(64);
  const std::shared_ptr<const std::byte> elements(memory, memory->data() + 4);
  constant borrowed = tensor::borrowing(element::f32, {2, 3}, elements);
  CHECK(borrowed->bytes().data() == memory->data() + 4);
  CHECK(borrowed->as<float>().size() == 6);
  CHECK(memory.use_count() == 3);
  tensor copy = *borrowed;
  const tensor reshaped = borrowed->reshaped({3, 2});
  copy.as<float>()[5] = 7;
  CHECK(borrowed->as<float>()[5] == 0);
  CHECK(copy.extents() == dims{2, 3});
  borrowed = nullptr;
  CHECK(memory.use_count() == 2);
  CHECK(reshaped.as<float>()[5] == 0);
  copy = tensor(copy);
  CHECK(copy.as<float>()[5] == 7);
  CHECK_THROWS_WITH_AS(tensor::borrowing(element::s64, {2}, elements), doctest::Contains("aligned to 8 bytes"), error);
  CHECK_THROWS_AS(tensor::borrowing(element::f32, {0}, elements), error);
}

TEST_CASE("dims: an axis too many is refused") {
  dims d{1, 2, 3, 4, 5, 6};
  check_failure(failure_of([&] { d.push_back(7); }), "at most 6 axes", "1x2x3x4x5x6");
  CHECK(d == dims{1, 2, 3, 4, 5, 6});
  check_failure(failure_of([] { dims{1, 1, 1, 1, 1, 1, 1, 1}; }), "at most 6 axes");
  check_failure(failure_of([] { dims{std::numeric_limits<int>::min()}; }), "out of range");
}

TEST_CASE("dims: a number of elements that has no place in memory is refused") {
  const int most = std::numeric_limits<int>::max();
  for (const dims& d : {dims{65536, 65536, 65536, 65536}, dims{most, most, most}, dims{most, most, 1, 1, 1, 5},
                        dims{most, most, most, most, most, most}, dims{upto<65536>, 65536, 65536, 65536}}) {
    CAPTURE(text(d));
    check_failure(failure_of([&] { d.count(); }), text(d));
    check_failure(failure_of([&] { tensor(element::s64, d); }), text(d));
  }
  dims negative{2, 3};
  negative[0] = -2;
  check_failure(failure_of([&] { negative.count(); }), "-2x3");
  check_failure(failure_of([] { dims{1 << 28, 1 << 28}.count(); }), "at most 72057594037927935 elements");
  CHECK(dims{1 << 28, (1 << 28) - 1}.count() == max_count + 1 - (std::size_t{1} << 28));
  CHECK(dims{65536, 65536, 1, 255}.count() == std::size_t{255} << 32);
  CHECK(dims{}.count() == 1);
  CHECK(dims{7}.rows() == 1);
  CHECK(dims{2, 3, 7}.rows() == 6);
}

TEST_CASE("tensor: extents below 1 are refused") {
  for (const dims& d : {dims{0}, dims{3, 0}, dims{0, 3}}) {
    CAPTURE(text(d));
    check_failure(failure_of([&] { tensor(element::f32, d); }), text(d), "at least 1");
  }
}

TEST_CASE("tensor: a copy has elements of its own") {
  tensor a = one_two_three(), b = a, c;
  c = a;
  b.as<float>()[0] = 10;
  c.as<float>()[1] = 20;
  CHECK(std::vector<float>(a.as<float>().begin(), a.as<float>().end()) == std::vector<float>{1, 2, 3});
  CHECK(std::vector<float>(b.as<float>().begin(), b.as<float>().end()) == std::vector<float>{10, 2, 3});
  CHECK(std::vector<float>(c.as<float>().begin(), c.as<float>().end()) == std::vector<float>{1, 20, 3});
  CHECK(b.extents() == dims{3});
  const tensor& itself = a;
  a = itself;
  CHECK(a.as<float>()[2] == 3);
  const std::vector<tensor> list{a, b};
  CHECK(list[1].as<float>()[0] == 10);
}

TEST_CASE("tensor: one that is made by default or was moved from has no elements") {
  tensor a = one_two_three();
  const tensor b = std::move(a);
  CHECK(b.as<float>()[2] == 3);
  for (const tensor& empty : {a, tensor()}) {
    CHECK(empty.bytes().empty());
    CHECK(empty.as<float>().empty());
    CHECK(empty.extents() == dims{});
    check_failure(failure_of([&] { empty.reshaped({1}); }), "empty");
    CHECK(tensor(empty).bytes().empty());
  }
  a = b;
  CHECK(a.as<float>()[2] == 3);
}

TEST_CASE("tensor: reshaped") {
  const tensor a = tensor::of<float>({2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6}), b = a.reshaped({3, 2});
  CHECK(b.extents() == dims{3, 2});
  CHECK(b.as<float>()[5] == 6);
  check_failure(failure_of([&] { a.reshaped({7}); }), "2x3", "7");
}
