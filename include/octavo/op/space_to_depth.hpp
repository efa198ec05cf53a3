// Pixels to channels and back, and channels between groups: images (N, H, W, C) whose elements change places.
//   space_to_depth   (N, H, W, C) -> (N, H/b, W/b, b b C): y(n, h, w, (i b + j) C + c) = x(n, h b + i, w b + j, c)
//   depth_to_space   (N, H, W, b b C) -> (N, H b, W b, C): its inverse
//   With `channels_first` the place in the block is the inner part: y(n, h, w, c b b + i b + j), which is ONNX's CRD;
//   else the outer one, DCR.
//   shuffle_channel  y(..., c) = x(..., (c mod g) C/g + c / g): x's channels as (g, C/g), transposed
#pragma once

#include "octavo/op/axis_numbers.hpp"
#include "octavo/op/position.hpp"

namespace octavo::op {

/// Space to depth in a graph.
struct space_to_depth {
  static constexpr std::string_view name = "space_to_depth";
  static constexpr port inputs[] = {{"x", port_rule::moved}};
  int block = 2;
  bool channels_first = false;

  static constexpr auto fields =
      std::tuple{field{"block", &space_to_depth::block}, field{"channels_first", &space_to_depth::channels_first}};
};

/// Depth to space in a graph.
struct depth_to_space {
  static constexpr std::string_view name = "depth_to_space";
  static constexpr port inputs[] = {{"x", port_rule::moved}};
  int block = 2;
  bool channels_first = false;

  static constexpr auto fields =
      std::tuple{field{"block", &depth_to_space::block}, field{"channels_first", &depth_to_space::channels_first}};
};

/// Channel shuffle in a graph.
struct shuffle_channel {
  static constexpr std::string_view name = "shuffle_channel";
  static constexpr port inputs[] = {{"x", port_rule::moved}};
  int groups = 1;

  static constexpr auto fields = std::tuple{field{"groups", &shuffle_channel::groups}};
};

/// The largest block: its square is an int by far.
inline constexpr int largest_block = 1024;

/// Whether x has whole blocks.
constexpr bool fits(const space_to_depth& o, const dims& x) {
  return o.block >= 1 && o.block <= largest_block && x.rank == 4 && only_batch_bounded(x) && x[1] % o.block == 0 &&
         x[2] % o.block == 0 && x[3] <= std::numeric_limits<int>::max() / (o.block * o.block);
}
constexpr bool fits(const depth_to_space& o, const dims& x) {
  return o.block >= 1 && o.block <= largest_block && x.rank == 4 && only_batch_bounded(x) &&
         x[3] % (o.block * o.block) == 0 && x[1] <= std::numeric_limits<int>::max() / o.block &&
         x[2] <= std::numeric_limits<int>::max() / o.block;
}
constexpr bool fits(const shuffle_channel& o, const dims& x) {
  return x.rank >= 1 && !innermost_bounded(x) && o.groups >= 1 && x.back() % o.groups == 0;
}

/// Extents of the output; those of x where it does not fit.
constexpr dims infer(const space_to_depth& o, const dims& x) {
  dims y = x;
  if (fits(o, x)) y[1] /= o.block, y[2] /= o.block, y[3] *= o.block * o.block;
  return y;
}
constexpr dims infer(const depth_to_space& o, const dims& x) {
  dims y = x;
  if (fits(o, x)) y[1] *= o.block, y[2] *= o.block, y[3] /= o.block * o.block;
  return y;
}

/// Throws octavo::error, naming what is wrong, unless `s` describes such an operator that can be run.
inline void check(const space_to_depth& o, const signature& s) {
  require(s.src.size() == 1 && fits(o, s.src[0].extents),
          "space_to_depth: expected (N, H, W, C) with N alone bounded, H and W multiples ", "of the block ", o.block,
          ", found ", s.src.empty() ? dims{} : s.src[0].extents);
  check_moved(s, 1, infer(o, s.src[0].extents), space_to_depth::name);
}
inline void check(const depth_to_space& o, const signature& s) {
  require(s.src.size() == 1 && fits(o, s.src[0].extents),
          "depth_to_space: expected (N, H, W, C) with N alone bounded, C a multiple of ", "the square of the block ",
          o.block, ", found ", s.src.empty() ? dims{} : s.src[0].extents);
  check_moved(s, 1, infer(o, s.src[0].extents), depth_to_space::name);
}
inline void check(const shuffle_channel& o, const signature& s) {
  require(s.src.size() == 1 && fits(o, s.src[0].extents), "shuffle_channel: ", o.groups,
          " groups must divide the channels, which cannot be bounded, of ", s.src.empty() ? dims{} : s.src[0].extents);
  check_moved(s, 1, s.src[0].extents, shuffle_channel::name);
}

namespace detail {

/// Where channel `c` of an image of `depth` deep pixels is in the block: row, column, channel.
constexpr std::array<int, 3> place_in_block(int c, int depth, int block, bool channels_first) {
  const int channels = depth / (block * block);
  const int place = channels_first ? c % (block * block) : c / channels;
  return {place / block, place % block, channels_first ? c / (block * block) : c % channels};
}

}  // namespace detail

/// Reference evaluation.
inline void evaluate(const space_to_depth& o, const signature& s, const arguments& a) {
  move_elements(s.dst->type, a.src[0], *a.dst, [&](const position& p) {
    const auto [i, j, c] = detail::place_in_block(p[3], a.dst->extents[3], o.block, o.channels_first);
    return position{p[0], p[1] * o.block + i, p[2] * o.block + j, c};
  });
}
inline void evaluate(const depth_to_space& o, const signature& s, const arguments& a) {
  const int b = o.block, channels = a.dst->extents[3];
  move_elements(s.dst->type, a.src[0], *a.dst, [&](const position& p) {
    const int place = p[1] % b * b + p[2] % b;
    return position{p[0], p[1] / b, p[2] / b, o.channels_first ? p[3] * b * b + place : place * channels + p[3]};
  });
}
inline void evaluate(const shuffle_channel& o, const signature& s, const arguments& a) {
  const auto last = static_cast<std::size_t>(a.dst->extents.rank - 1);
  const int per_group = a.dst->extents.back() / o.groups;
  move_elements(s.dst->type, a.src[0], *a.dst, [&](position p) {
    p[last] = p[last] % o.groups * per_group + p[last] / o.groups;
    return p;
  });
}

}  // namespace octavo::op
