// Images in one binary file, already scaled for a network. Little-endian:
//
//   int64    N
//   float32  N * 3 * S * S   planes of red, green, blue
//   int64    N labels
//
// S is not stored: the reader has to know it.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "octavo/base/error.hpp"
#include "octavo/io/atomic_file.hpp"
#include "octavo/io/image_set.hpp"
#include "octavo/io/mapped_file.hpp"

namespace octavo {

/// A binary file of images. By default it is mapped, so that reading image i reads only its part of the file;
/// file_access says what must not happen to the file then.
class binary_image_set : public image_set {
 public:
  /// Opens a file of square images with `side` rows and columns. Throws octavo::error, naming the file, when `side` is
  /// not 1..8192, the file's size does not match its N exactly (with the bytes expected and found), N is below 1, or a
  /// label is negative or above 2147483647.
  binary_image_set(const std::filesystem::path& path, int side, file_access access = file_access::map)
      : file_(path, access), side_(side) {
    require(side >= 1 && side <= 8192, file_.name(), ": expected images of 1 to 8192 rows, asked for ", side);
    const std::uint64_t found = file_.bytes().size();
    require(found >= 8, file_.name(), ": expected a number of images at offset 0, found a file of ", found, " bytes");
    const auto n = file_.read<std::int64_t>(0);
    require(n >= 1 && n <= std::numeric_limits<int>::max(), file_.name(),
            ": number of images at offset 0: expected 1 to 2147483647, found ", n);
    count_ = static_cast<int>(n);
    // At most 2^31 * (2^30 + 8) + 8: no overflow.
    const std::uint64_t expected = 8 + static_cast<std::uint64_t>(n) * (image_bytes() + 8);
    require(found == expected, file_.name(), ": ", n, " images of 3 x ", side, " x ", side, " need a file of ",
            expected, " bytes, found ", found);
    for (int i = 0; i < count_; ++i) {
      const auto label = file_.read<std::int64_t>(label_offset(i));
      require(label >= 0 && label <= std::numeric_limits<int>::max(), file_.name(), ": label of image ", i,
              " at offset ", label_offset(i), ": expected 0 to 2147483647, found ", label);
    }
  }

 private:
  std::size_t plane() const { return static_cast<std::size_t>(side_) * static_cast<std::size_t>(side_); }
  std::size_t image_bytes() const { return plane() * 3 * sizeof(float); }
  std::size_t image_offset(int i) const { return 8 + static_cast<std::size_t>(i) * image_bytes(); }
  std::size_t label_offset(int i) const { return image_offset(count_) + static_cast<std::size_t>(i) * 8; }

  int do_count() const override { return count_; }
  dims do_extents() const override { return {side_, side_, 3}; }
  int do_label(int i) const override { return static_cast<int>(file_.read<std::int64_t>(label_offset(i))); }
  std::string do_name(int i) const override { return text(file_.name(), ": image ", i); }

  void do_read(int i, std::span<float> nhwc) const override {
    const std::byte* planes = file_.bytes().data() + image_offset(i);  // (3, side, side)
    for (std::size_t c = 0; c < 3; ++c)
      for (std::size_t p = 0; p < plane(); ++p) {
        float value;
        std::memcpy(&value, planes + (c * plane() + p) * sizeof value, sizeof value);
        if (!std::isfinite(value))
          fail(do_name(i), ": the number at offset ", image_offset(i) + (c * plane() + p) * sizeof value, " is ",
               value);
        nhwc[p * 3 + c] = value;
      }
  }

  mapped_file file_;
  int side_;
  int count_ = 0;
};

/// Writes all of `images` as a binary file; `path` appears complete or not at all. `done` is called after each image
/// with the number written so far. Throws octavo::error when an image cannot be read, is not square or has not three
/// channels, or the file cannot be written.
inline void write_image_binary(const std::filesystem::path& path, const image_set& images,
                               const std::function<void(int written)>& done = {}) {
  const dims extents = images.extents();
  require(extents.rank == 3 && extents[0] == extents[1] && extents[2] == 3, path.string(),
          ": the format holds square images of 3 channels, found ", extents);
  const std::size_t plane = extents.count() / 3;
  std::vector<float> nhwc(extents.count()), planes(extents.count());
  std::vector<std::int64_t> labels;
  atomic_file out(path);
  const std::int64_t n = images.count();
  out.write(std::as_bytes(std::span(&n, 1)));
  for (int i = 0; i < images.count(); ++i) {
    images.read(i, nhwc);
    for (std::size_t p = 0; p < plane; ++p)
      for (std::size_t c = 0; c < 3; ++c) planes[c * plane + p] = nhwc[p * 3 + c];
    out.write(std::as_bytes(std::span(planes)));
    labels.push_back(images.label(i));
    if (done) done(i + 1);
  }
  out.write(std::as_bytes(std::span(labels)));
  out.commit();
}

}  // namespace octavo
