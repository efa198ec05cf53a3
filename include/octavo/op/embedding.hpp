// Rows of an s8 table, each with a scale of its own, by their numbers: an embedding in a quarter of the memory.
//   y(i..., c) = scales(ids(i...)) rows(ids(i...), c)
// Constants: [0] rows (R, C) s8, [1] scales (R) f32: what quantize_weights() makes of an f32 table. y: (..., C) f32.
// Ids as for gather: one below 0 is counted from the end; one that is out of range gives zeros, and the run is refused.
#pragma once

#include "octavo/op/gather.hpp"

namespace octavo::op {

/// An embedding from s8 rows in a graph; gather takes tables of other types.
struct embedding {
  static constexpr std::string_view name = "embedding";
  static constexpr port inputs[] = {{"ids", port_rule::untouched}};
  static constexpr std::string_view constants[] = {"rows", "scales"};
  static constexpr auto fields = std::tuple{};
};

/// Type of the output.
inline std::vector<tensor_type> infer(const embedding&, std::span<const tensor_type> src,
                                      std::span<const octavo::constant> constants) {
  tensor_type y;
  if (!src.empty() && src[0].extents.rank < max_rank) y.extents = src[0].extents;  // others are refused by check()
  if (!constants.empty() && constants[0]) y.extents.push_back(constants[0]->extents().back());
  return {y};
}

/// Throws octavo::error, naming what is wrong, unless `s` describes an embedding that can be run.
inline void check(const embedding& e, const signature& s) {
  require(s.src.size() == 1, "embedding: expected 1 input, found ", s.src.size());
  const tensor_type& ids = s.src[0];
  check_ids(ids, embedding::name);
  require(ids.extents.rank < max_rank, "embedding: ids of ", ids.extents, " leave no axis for columns");
  const tensor *rows = s.at(0), *scales = s.at(1);
  require(rows && rows->type() == element::s8 && rows->extents().rank == 2,
          "embedding: rows must be s8 (rows, columns)");
  const dims each{rows->extents()[0]};
  require(scales && scales->type() == element::f32 && scales->extents() == each, "embedding: scales must be f32[", each,
          "], one for each row");
  for (const float scale : scales->as<float>())
    require(std::isfinite(scale), "embedding: a scale is ", scale, ", expected a number");
  const std::vector<tensor_type> y = infer(e, s.src, s.constants);
  require(*s.dst == y[0], "embedding: output must be ", y[0], ", found ", *s.dst);
}

/// Writes the row of id number `i`.
inline void look_up_row(const signature& s, const arguments& a, std::size_t i) {
  const tensor &rows = *s.at(0), &scales = *s.at(1);
  const int columns = rows.extents().back();
  const std::ptrdiff_t id = id_at(s.src[0].type, a.src[0], i, rows.extents()[0]);
  float* y = a.dst->row<float>(i);
  if (id < 0) {
    std::fill_n(y, columns, 0.0f);
    return a.refuse();
  }
  const float scale = scales.as<float>()[static_cast<std::size_t>(id)];
  const std::int8_t* row = rows.as<std::int8_t>().data() + id * columns;
  for (int c = 0; c < columns; ++c) y[c] = static_cast<float>(row[c]) * scale;
}

/// Reference evaluation.
inline void evaluate(const embedding&, const signature& s, const arguments& a) {
  for (std::size_t i = 0; i < a.src[0].extents.count(); ++i) look_up_row(s, a, i);
}

}  // namespace octavo::op
