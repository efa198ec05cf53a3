// Binary files of images: what is written is read back; a file whose size does not match its count is refused.
#include "octavo/io/image_binary.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "temporary_folder.hpp"

namespace octavo::test {
namespace {

/// Images in memory: element k of image i is 1000 i + k; label 10 i.
class counting_set : public image_set {
 public:
  counting_set(int count, const dims& extents) : count_(count), extents_(extents) {}

 private:
  int do_count() const override { return count_; }
  dims do_extents() const override { return extents_; }
  int do_label(int i) const override { return 10 * i; }
  std::string do_name(int i) const override { return text("counting ", i); }
  void do_read(int i, std::span<float> nhwc) const override {
    require(i != 7, "counting: image 7 is broken");
    for (std::size_t k = 0; k < nhwc.size(); ++k) nhwc[k] = 1000.0f * static_cast<float>(i) + static_cast<float>(k);
  }
  int count_;
  dims extents_;
};

/// A valid file of `n` images of `side` x `side`.
std::string make_file(int n, int side) {
  std::string bytes = bytes_of(std::int64_t{n});
  for (int i = 0; i < n * 3 * side * side; ++i) bytes += bytes_of(static_cast<float>(i));
  for (int i = 0; i < n; ++i) bytes += bytes_of(std::int64_t{i});
  return bytes;
}

}  // namespace

TEST_CASE("image binary: written and read back, planes on disk and channels innermost in memory") {
  const temporary_folder folder;
  const auto path = folder / "images.bin";
  const counting_set set(5, {3, 3, 3});  // an odd number of floats: the labels are not aligned to 8 bytes
  std::vector<int> calls;
  write_image_binary(path, set, [&](int written) { calls.push_back(written); });
  CHECK(calls == std::vector<int>{1, 2, 3, 4, 5});
  CHECK(folder.entries() == 1);

  const std::string bytes = read_all(path);
  CHECK(bytes.size() == 8 + 5 * (27 * 4 + 8));
  float second_of_red = 0, first_of_green = 0;
  std::memcpy(&second_of_red, bytes.data() + 8 + 4, 4);
  std::memcpy(&first_of_green, bytes.data() + 8 + 9 * 4, 4);
  CHECK(second_of_red == 3);
  CHECK(first_of_green == 1);

  const binary_image_set read(path, 3);
  CHECK(read.count() == 5);
  CHECK(read.extents() == dims{3, 3, 3});
  std::vector<float> expected(27), found(27);
  for (int i = 0; i < 5; ++i) {
    set.read(i, expected);
    read.read(i, found);
    CHECK(found == expected);
    CHECK(read.label(i) == 10 * i);
    CHECK(read.name(i) == text(path.string(), ": image ", i));
  }
  check_failure(failure_of([&] { read.read(5, found); }), "no image 5", "has 5");
  check_failure(failure_of([&] { (void)read.label(-1); }), "no image -1");
  found.resize(26);
  check_failure(failure_of([&] { read.read(0, found); }), "27", "26");
}

TEST_CASE("image binary: a subset") {
  const counting_set set(5, {2, 2, 3});
  const image_subset middle(set, 1, 3);
  CHECK(middle.count() == 3);
  CHECK(middle.label(0) == 10);
  CHECK(middle.name(2) == "counting 3");
  CHECK(middle.extents() == dims{2, 2, 3});
  for (const auto& [first, count] : {std::pair{-1, 2}, {5, 1}, {3, 3}, {0, 0}, {2, std::numeric_limits<int>::max()}})
    check_failure(failure_of([&, f = first, c = count] { image_subset(set, f, c); }), "the set has 5");
}

TEST_CASE("image binary: sets that cannot be written leave no file") {
  const temporary_folder folder;
  const auto write = [&](const image_set& set) { return failure_of([&] { write_image_binary(folder / "x", set); }); };
  check_failure(write(counting_set(1, {2, 3, 3})), "square", "2x3x3");
  check_failure(write(counting_set(1, {2, 2, 1})), "2x2x1");
  check_failure(write(counting_set(8, {2, 2, 3})), "image 7 is broken");
  CHECK(folder.entries() == 0);
}

TEST_CASE("image binary: sizes that do not match the count") {
  const temporary_folder folder;
  const std::string whole = make_file(3, 2);  // 8 + 3 * (48 + 8) = 176 bytes
  const auto opened = [&](const std::string& bytes, int side) {
    const auto path = folder.write("damaged.bin", bytes);
    return failure_of([&] { binary_image_set(path, side); });
  };
  REQUIRE(!opened(whole, 2));
  for (std::size_t length = 0; length < whole.size(); ++length) {
    CAPTURE(length);
    check_failure(opened(whole.substr(0, length), 2), "damaged.bin",
                  text("found ", length < 8 ? "a file of " : "", length));
  }
  check_failure(opened(whole + '\0', 2), "176 bytes", "found 177");
  check_failure(opened(whole, 3), "3 images of 3 x 3 x 3", text(8 + 3 * (108 + 8)), "found 176");
  for (const int side : {0, -1, 8193, std::numeric_limits<int>::max()}) check_failure(opened(whole, side), "rows");

  const auto with_count = [&](std::int64_t n) { return opened(bytes_of(n) + whole.substr(8), 2); };
  CHECK(!with_count(3));
  for (const std::int64_t n : {std::int64_t{0}, std::int64_t{-1}, INT64_MIN, INT64_MAX, std::int64_t{1} << 31})
    check_failure(with_count(n), "number of images at offset 0", text("found ", n));
  check_failure(with_count(2), "found 176");
  check_failure(with_count(std::numeric_limits<int>::max()), "2147483647 images", "found 176");
  // 8 + n * 56 = 176 modulo 2^64 has the solution n = 3 + 2^61, which must not pass.
  check_failure(with_count(3 + (std::int64_t{1} << 61)), "number of images");
}

TEST_CASE("image binary: labels and numbers that cannot be") {
  const temporary_folder folder;
  std::string bytes = make_file(3, 2);
  const auto put = [&](std::size_t offset, const std::string& value) {
    std::string changed = bytes;
    return folder.write("damaged.bin", changed.replace(offset, value.size(), value));
  };
  const std::size_t labels = 8 + 3 * 48;
  for (const std::int64_t label : {std::int64_t{-1}, INT64_MIN, std::int64_t{1} << 31})
    check_failure(failure_of([&] { binary_image_set(put(labels + 8, bytes_of(label)), 2); }),
                  "label of image 1 at offset 160", text("found ", label));
  std::vector<float> image(12);
  const binary_image_set set(put(8 + 48 + 4, bytes_of(std::numeric_limits<float>::quiet_NaN())), 2);
  set.read(0, image);
  check_failure(failure_of([&] { set.read(1, image); }), "damaged.bin: image 1", "offset 60", "nan");
  check_failure(failure_of([&] { binary_image_set(folder / "absent", 2); }), "absent", "cannot be opened");
}

TEST_CASE("image binary: any byte of the count or the labels changed") {
  const temporary_folder folder;
  const std::string whole = make_file(3, 2);
  for (std::size_t position = 0; position < whole.size(); position += position == 7 ? 8 + 3 * 48 - 7 : 1)
    for (const int change : {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff}) {
      std::string bytes = whole;
      bytes[position] = static_cast<char>(bytes[position] ^ change);
      const auto path = folder.write("damaged.bin", bytes);
      const auto message = failure_of([&] {
        const binary_image_set set(path, 2);
        CHECK(set.count() == 3);
        for (int i = 0; i < 3; ++i) CHECK(set.label(i) >= 0);
      });
      if (position < 8) CHECK(message.has_value());
      if (message) CHECK(message->find(path.string()) == 0);
    }
}

TEST_CASE("image binary: copied images do not change with their file") {
  const temporary_folder folder;
  const auto path = folder.write("images.bin", make_file(3, 64));
  const binary_image_set set(path, 64, file_access::copy);
  std::filesystem::resize_file(path, 1);
  std::vector<float> image(64 * 64 * 3);
  set.read(2, image);
  CHECK(image[0] == 2 * 64 * 64 * 3);
  CHECK(set.label(2) == 2);
}

TEST_CASE("image binary: what is no file") {
  for (const file_access access : {file_access::map, file_access::copy})
    check_refuses_no_file([&](const auto& path) { (void)binary_image_set(path, 2, access); });
}

TEST_CASE("image binary: CIFAR-10 of the data folder") {
  const auto data = data_folder();
  if (!data) return;
  const binary_image_set set(*data / "images/cifar10/cifar10_200.bin", 32);
  CHECK(set.count() == 200);
  std::vector<float> image(32 * 32 * 3);
  for (int i = 0; i < set.count(); ++i) {
    set.read(i, image);
    CHECK(set.label(i) < 10);
    // Scaled as torchvision does it: each number is a whole grey level.
    const float red = (image[0] * 0.229f + 0.485f) * 255;
    CHECK(red == doctest::Approx(std::round(red)).epsilon(1e-4));
  }
}

}  // namespace octavo::test
