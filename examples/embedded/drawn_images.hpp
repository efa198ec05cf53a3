// The procedural images of draw.hpp as a data set.
#pragma once

#include "draw.hpp"
#include "octavo/io/image_set.hpp"

namespace octavo::example {

/// `count` drawn images of 32 x 32, scaled for the embedded network.
class drawn_images : public octavo::image_set {
 public:
  drawn_images(std::uint64_t seed, int count) : seed_(seed), set_(draw_images(seed, count)) {}

 private:
  int do_count() const override { return static_cast<int>(set_.labels.size()); }
  dims do_extents() const override { return {image_size, image_size, image_channels}; }
  int do_label(int i) const override { return static_cast<int>(set_.labels[static_cast<std::size_t>(i)]); }
  std::string do_name(int i) const override { return text("drawn image ", i, " of seed ", seed_); }
  void do_read(int i, std::span<float> nhwc) const override {
    constexpr std::size_t plane = std::size_t{image_size} * image_size;
    const float* planes = set_.planes.data() + static_cast<std::size_t>(i) * image_values;  // (3, 32, 32)
    for (std::size_t c = 0; c < image_channels; ++c)
      for (std::size_t p = 0; p < plane; ++p) nhwc[p * image_channels + c] = planes[c * plane + p];
  }

  std::uint64_t seed_;
  example::image_set set_;
};

}  // namespace octavo::example
