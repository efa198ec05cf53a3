// Labelled images, read one at a time, so that a set of 50 000 needs no more memory than one of 10.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "octavo/base/error.hpp"
#include "octavo/tensor/shape.hpp"

namespace octavo {

/// N images of one size with a label each. Implementations are a file (binary_image_set) and a folder (image_folder);
/// derive from it for others. All functions may be called by several threads at the same time.
class image_set {
 public:
  virtual ~image_set() = default;

  /// Number of images, at least 1.
  int count() const { return do_count(); }

  /// Height, width and channels of every image.
  dims extents() const { return do_extents(); }

  /// The class of image `i`, at least 0. Throws octavo::error when there is no image `i`.
  int label(int i) const {
    check_index(i);
    return do_label(i);
  }

  /// What to call image `i` in a message. Throws octavo::error when there is no image `i`.
  std::string name(int i) const {
    check_index(i);
    return do_name(i);
  }

  /// Writes image `i`, scaled for the network, to `nhwc` (height, width, channels). Throws octavo::error, naming the
  /// image, when it cannot be read, when there is no image `i` or `nhwc` has another size.
  void read(int i, std::span<float> nhwc) const {
    check_index(i);
    require(nhwc.size() == extents().count(), "image set: expected room for an image of ", extents(), ", ",
            extents().count(), " numbers, found ", nhwc.size());
    do_read(i, nhwc);
  }

 private:
  void check_index(int i) const {
    require(i >= 0 && i < count(), "image set: there is no image ", i, "; it has ", count());
  }

  // The arguments have been checked.
  virtual int do_count() const = 0;
  virtual dims do_extents() const = 0;
  virtual int do_label(int i) const = 0;
  virtual std::string do_name(int i) const = 0;
  virtual void do_read(int i, std::span<float> nhwc) const = 0;
};

/// The images [first, first + count) of another set, which must outlive this.
class image_subset : public image_set {
 public:
  /// Throws octavo::error when `all` does not have these images, or `count` is below 1.
  image_subset(const image_set& all, int first, int count) : all_(all), first_(first), count_(count) {
    require(first >= 0 && count >= 1 && first < all.count() && count <= all.count() - first, "image subset: expected ",
            count, " images (at least 1) from number ", first, " on; the set has ", all.count());
  }

 private:
  int do_count() const override { return count_; }
  dims do_extents() const override { return all_.extents(); }
  int do_label(int i) const override { return all_.label(first_ + i); }
  std::string do_name(int i) const override { return all_.name(first_ + i); }
  void do_read(int i, std::span<float> nhwc) const override { all_.read(first_ + i, nhwc); }

  const image_set& all_;
  int first_;
  int count_;
};

}  // namespace octavo
