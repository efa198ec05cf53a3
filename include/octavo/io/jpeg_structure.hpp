// The structure of a JPEG file, checked before it is decoded. Any decoder takes the time that a file asks for, and
// stb_image 2.27 trusts its tables, so that a damaged file may make it read and write beyond its memory, and fills
// missing pixels without saying so.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "octavo/base/error.hpp"
#include "octavo/io/rgb_image.hpp"

namespace octavo::detail {

/// The marker segments of a JPEG file, one after the other.
class jpeg_segments {
 public:
  jpeg_segments(const std::string& file, std::span<const std::byte> bytes) : file_(file), bytes_(bytes) {}

  /// Calls visit(marker, content) for each segment; of a scan, after its coded pixels. Throws octavo::error, naming
  /// file and offset, unless the file is a sequence of complete segments and coded pixels up to an end-of-image marker.
  template <class Visit>
  void for_each(const Visit& visit) {
    offset_ = 2;  // after the start-of-image marker
    for (;;) {
      const unsigned marker = next_marker();
      if (marker == 0xd9) return;
      want(marker >= 0xc0 && (marker < 0xd0 || marker > 0xd8), "unexpected marker ", marker);
      want(bytes_.size() - offset_ >= 2, "the file ends in a segment");
      const std::size_t length = at(offset_) << 8 | at(offset_ + 1);
      want(length >= 2 && length <= bytes_.size() - offset_, "a segment of ", length, " bytes does not fit");
      const std::span<const std::byte> content = bytes_.subspan(offset_ + 2, length - 2);
      offset_ += length;
      if (marker == 0xda) skip_coded_pixels();
      visit(marker, content);
    }
  }

  /// How many restart markers the coded pixels of the last scan had.
  std::uint64_t restarts() const noexcept { return restarts_; }

  /// Throws octavo::error, naming file and offset, unless `ok`.
  template <class... Parts>
  void want(bool ok, const Parts&... parts) const {
    require(ok, file_, ": JPEG: before offset ", offset_, ": ", parts...);
  }

 private:
  unsigned at(std::size_t i) const { return std::to_integer<unsigned>(bytes_[i]); }

  // Any number of bytes 0xff may stand before a marker's second byte.
  unsigned next_marker() {
    want(offset_ < bytes_.size() && at(offset_) == 0xff, "expected a marker");
    while (offset_ < bytes_.size() && at(offset_) == 0xff) ++offset_;
    want(offset_ < bytes_.size(), "the file ends in a marker");
    return at(offset_++);
  }

  // In coded pixels 0xff is followed by 0; restart markers are part of them.
  void skip_coded_pixels() {
    restarts_ = 0;
    for (; offset_ + 1 < bytes_.size(); ++offset_) {
      const unsigned next = at(offset_ + 1);
      if (at(offset_) != 0xff || next == 0 || next == 0xff) continue;
      if (next < 0xd0 || next > 0xd7) return;
      ++restarts_;
    }
    want(false, "the file ends in coded pixels");
  }

  const std::string& file_;
  std::span<const std::byte> bytes_;
  std::size_t offset_ = 0;
  std::uint64_t restarts_ = 0;
};

/// Throws octavo::error when the file is no sequence of segments or has more scans than the limit.
inline void check_jpeg_scans(const std::string& file, std::span<const std::byte> bytes, const image_limits& limits) {
  int scans = 0;
  jpeg_segments(file, bytes).for_each([&](unsigned marker, std::span<const std::byte>) { scans += marker == 0xda; });
  require(scans <= limits.scans, file, ": JPEG: ", scans, " scans are over the limit of ", limits.scans);
}

/// Keeps track of the tables that the segments of a JPEG file define, and of what each scan gives.
class jpeg_structure {
 public:
  jpeg_structure(const std::string& file, std::span<const std::byte> bytes) : segments_(file, bytes) {}

  /// Throws octavo::error, naming file and offset, unless the file is a sequence of complete segments, each scan has
  /// the tables and restart markers that it needs, and each component of the frame has a scan, the first one not a
  /// refinement: where any of that is missing, stb_image shows what its memory held before.
  void check() {
    segments_.for_each([this](unsigned marker, std::span<const std::byte> segment) {
      if (marker == 0xc4) read_huffman_tables(segment);
      if (marker == 0xdb) read_quantization_tables(segment);
      if (marker == 0xdd) read_restart_interval(segment);
      if (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc)
        read_frame(segment, marker == 0xc2);
      if (marker == 0xda) read_scan(segment);
    });
    want(!components_.empty(), "no frame");
    for (const component& c : components_) want(c.scanned, "component ", c.id, " has no pixels");
  }

 private:
  struct component {
    unsigned id;
    unsigned quantization;
    std::uint64_t across, down;  // sampling
    bool scanned;
  };

  template <class... Parts>
  void want(bool ok, const Parts&... parts) const {
    segments_.want(ok, parts...);
  }

  // Table class and number, 16 counts of codes by length, the symbols.
  void read_huffman_tables(std::span<const std::byte> s) {
    while (!s.empty()) {
      want(s.size() >= 17, "a Huffman table is cut off");
      const auto which = std::to_integer<unsigned>(s[0]);
      want(which >> 4 <= 1 && (which & 15) <= 3, "Huffman table number ", which);
      std::size_t symbols = 0;
      for (std::size_t i = 1; i <= 16; ++i) symbols += std::to_integer<std::size_t>(s[i]);
      want(symbols <= 256 && s.size() - 17 >= symbols, "a Huffman table of ", symbols, " codes does not fit");
      huffman_[which >> 4][which & 15] = true;
      s = s.subspan(17 + symbols);
    }
  }

  void read_quantization_tables(std::span<const std::byte> s) {
    while (!s.empty()) {
      const auto which = std::to_integer<unsigned>(s[0]);
      const std::size_t size = which >> 4 != 0 ? 129 : 65;
      want(which >> 4 <= 1 && (which & 15) <= 3 && s.size() >= size, "a quantization table is damaged");
      quantization_[which & 15] = true;
      s = s.subspan(size);
    }
  }

  // After how many blocks, or groups of them, there is a restart marker; 0 for none.
  void read_restart_interval(std::span<const std::byte> s) {
    want(s.size() == 2, "a restart interval of ", s.size(), " bytes");
    restart_interval_ = read_number(s, 0);
  }

  static std::uint64_t read_number(std::span<const std::byte> s, std::size_t offset) {
    return std::to_integer<std::uint64_t>(s[offset]) << 8 | std::to_integer<std::uint64_t>(s[offset + 1]);
  }

  // Precision, height, width, number of components; for each: id, sampling, quantization table.
  void read_frame(std::span<const std::byte> s, bool progressive) {
    want(components_.empty(), "a second frame");
    want(s.size() > 6 && s.size() == 6 + 3 * std::to_integer<std::size_t>(s[5]), "a frame header of ", s.size(),
         " bytes");
    progressive_ = progressive;
    height_ = read_number(s, 1);
    width_ = read_number(s, 3);
    for (std::size_t i = 6; i < s.size(); i += 3) {
      const auto sampling = std::to_integer<std::uint64_t>(s[i + 1]);
      const component c{std::to_integer<unsigned>(s[i]), std::to_integer<unsigned>(s[i + 2]), sampling >> 4,
                        sampling & 15, false};
      want(c.quantization <= 3, "quantization table number ", c.quantization);
      want(c.across >= 1 && c.across <= 4 && c.down >= 1 && c.down <= 4, "sampling of ", c.across, " x ", c.down);
      components_.push_back(c);
      across_ = std::max(across_, c.across);
      down_ = std::max(down_, c.down);
    }
  }

  // Number of components; for each: id, table numbers (DC << 4 | AC); first and last coefficient, bits.
  void read_scan(std::span<const std::byte> s) {
    want(!components_.empty(), "a scan without a frame");
    want(s.size() > 4 && s.size() == 4 + 2 * std::to_integer<std::size_t>(s[0]), "a scan header of ", s.size(),
         " bytes");
    const bool starts_at_dc = s[s.size() - 3] == std::byte{0};
    const bool refines = std::to_integer<unsigned>(s[s.size() - 1]) >> 4 != 0;
    const bool needs_dc = !progressive_ || (starts_at_dc && !refines);
    const bool needs_ac = !progressive_ || !starts_at_dc;
    component alone{};
    for (std::size_t i = 1; i + 3 < s.size(); i += 2) {
      const auto id = std::to_integer<unsigned>(s[i]), tables = std::to_integer<unsigned>(s[i + 1]);
      const auto c =
          std::find_if(components_.begin(), components_.end(), [&](const component& k) { return k.id == id; });
      want(c != components_.end(), "a scan of component ", id, ", which the frame has not");
      want(tables >> 4 <= 3 && (tables & 15) <= 3, "Huffman table numbers ", tables);
      want(!needs_dc || huffman_[0][tables >> 4], "DC Huffman table ", tables >> 4, " is missing");
      want(!needs_ac || huffman_[1][tables & 15], "AC Huffman table ", tables & 15, " is missing");
      want(quantization_[c->quantization], "quantization table ", c->quantization, " is missing");
      want(c->scanned || needs_dc, "component ", id, " is refined before its first scan");
      c->scanned = true;
      alone = *c;
    }
    // The restarts of a scan of one component count its blocks of 8 x 8; of a scan of several, groups of blocks, one
    // for each block of a component that is sampled once.
    if (s.size() != 6) alone.across = alone.down = 1;
    check_restarts(alone.across, alone.down);
  }

  void check_restarts(std::uint64_t across, std::uint64_t down) const {
    const auto blocks = [](std::uint64_t pixels, std::uint64_t sampling, std::uint64_t finest) {
      return (pixels * sampling + 8 * finest - 1) / (8 * finest);
    };
    const std::uint64_t count = blocks(width_, across, across_) * blocks(height_, down, down_);
    if (restart_interval_ == 0 || count == 0) return;
    const std::uint64_t needed = (count - 1) / restart_interval_;
    want(segments_.restarts() >= needed, "a scan of ", segments_.restarts(), " restart markers, expected ", needed);
  }

  jpeg_segments segments_;
  std::array<std::array<bool, 4>, 2> huffman_{};  // defined so far: by class (DC, AC) and number
  std::array<bool, 4> quantization_{};
  std::vector<component> components_;
  std::uint64_t width_ = 0, height_ = 0, across_ = 1, down_ = 1;  // of the frame: pixels, finest sampling
  std::uint64_t restart_interval_ = 0;
  bool progressive_ = false;
};

}  // namespace octavo::detail
