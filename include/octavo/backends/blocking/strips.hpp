// How direct convolutions cut their output: lines into strips, strips into tiles.
#pragma once

#include <cstddef>

#include "octavo/base/arch_namespace.hpp"

namespace octavo::blocking::inline OCTAVO_ARCH_NAMESPACE {

/// A line of pixels cut into strips of one length. What is left makes one strip more, which overlaps the one before
/// where it may, or single pixels where it is but one or two or the line is shorter than a strip.
struct cut_line {
  int pixels, strip;
  bool may_overlap;

  int whole() const { return pixels / strip; }
  int rest() const { return pixels % strip; }
  bool overlaps() const { return may_overlap && whole() > 0 && rest() > 2; }
  int pieces() const { return whole() + (overlaps() ? 1 : rest()); }
  int first(int piece) const {
    if (piece < whole()) return piece * strip;
    return overlaps() ? pixels - strip : whole() * (strip - 1) + piece;
  }
  bool is_strip(int piece) const { return piece < whole() || overlaps(); }
  int end(int piece) const { return first(piece) + (is_strip(piece) ? strip : 1); }

  /// Whether that is little more work than the pixels are; a single one takes about as long as two in a strip.
  bool suits() const {
    const int rows = (whole() + (overlaps() ? 1 : 0)) * strip + (overlaps() ? 0 : 2 * rest());
    return 20 * rows <= 23 * pixels;
  }
};

/// Where a tile reads and writes: a pixel, or one or two strips.
struct placed_tile {
  std::ptrdiff_t src[2];    ///< bytes
  std::ptrdiff_t pixel[2];  ///< of the output
  int strips;               ///< 0 for a single pixel
  int first_run, runs;      ///< of depth: those that meet the image
  int start;                ///< index of what the sums begin with
};

/// Puts pieces of lines together to tiles: two strips of the same depth make one.
class tile_list {
 public:
  explicit tile_list(placed_tile* tiles) : tiles_(tiles) {}

  /// `t` has one piece in place 0, of strips 0 or 1.
  void add(const placed_tile& t) {
    placed_tile* last = open_ ? &tiles_[count_ - 1] : nullptr;
    if (last && t.strips == 1 && last->first_run == t.first_run && last->runs == t.runs) {
      last->src[1] = t.src[0], last->pixel[1] = t.pixel[0], last->strips = 2;
      open_ = false;
    } else {
      tiles_[count_++] = t;
      open_ = t.strips == 1;
    }
  }
  int count() const { return count_; }

 private:
  placed_tile* tiles_;
  int count_ = 0;
  bool open_ = false;  ///< the last tile wants a second strip
};

}  // namespace octavo::blocking::inline OCTAVO_ARCH_NAMESPACE
