// PaddlePaddle's operators of detectors.
#pragma once

#include "octavo/importer/paddle/operator.hpp"

namespace octavo::paddle {
namespace detail {

/// Prior boxes follow from extents alone, so they are known.
inline void prior_box(const imported_op& o) {
  const auto list = [&](std::string_view name, std::vector<float> otherwise = {}) {
    const std::vector<float> v = o.numbers(name, std::move(otherwise));
    op::number_list all;
    all.assign(v.begin(), v.end());
    return all;
  };
  const op::prior_box p{.min_sizes = list("min_sizes"),
                        .max_sizes = list("max_sizes"),
                        .aspect_ratios = list("aspect_ratios"),
                        .variances = list("variances", {0.1f, 0.1f, 0.2f, 0.2f}),
                        .flip = o.flag("flip", true),
                        .clip = o.flag("clip", true),
                        .squares_first = o.flag("min_max_aspect_ratios_order", false),
                        .step_w = o.number("step_w", 0.0f),
                        .step_h = o.number("step_h", 0.0f),
                        .offset = o.number("offset", 0.5f)};
  std::vector<int> src{o.net.channels_last(o.input("Input")), o.net.channels_last(o.input("Image"))};
  signature s{o.net.net.types(src), {}, {}};
  s.dst = output_types(infer(p, s.src));
  for (const tensor_type& t : s.dst) check(t);
  check(p, s);
  o.net.take_bytes(2 * s.dst->extents.count() * sizeof(float));
  tensor boxes(element::f32, s.dst[0].extents), variances(element::f32, s.dst[1].extents);
  std::vector<operand> from, to;
  for (const tensor_type& t : s.src) from.push_back({nullptr, t.extents, t.extents.back()});
  for (tensor* t : {&boxes, &variances}) to.push_back({t->bytes().data(), t->extents(), 4});
  evaluate(p, s, arguments{from, std::span<const operand>(to)});
  o.set_known(std::move(boxes), {}, "Boxes");
  o.set_known(std::move(variances), {}, "Variances");
}

/// Boxes that are decoded from predictions (N, B, 4) and priors (B, 4).
inline void box_coder(const imported_op& o) {
  const std::string type = o.string("code_type", "encode_center_size");
  require(type == "decode_center_size" && o.integer("axis", 0) == 0 && o.flag("box_normalized", true),
          "only decode_center_size of normalized boxes along axis 0 is supported");
  const std::vector<float> v = o.has("PriorBoxVar") ? o.net.numbers(o.input("PriorBoxVar"), "the variances")
                                                    : o.numbers("variance", {1, 1, 1, 1});
  require(v.size() >= 4 && v.size() % 4 == 0, "expected 4 variances for each box, found ", v.size());
  for (std::size_t i = 0; i < v.size(); ++i)
    require(v[i] == v[i % 4] && v[i % 4 / 2 * 2] == v[i % 4], "variances must be the same for all boxes and both axes");
  const op::box_decode d{.centre_variance = v[0], .size_variance = v[2], .corners = true};
  o.set(o.append(d, {o.net.plain(o.input("TargetBox")), o.net.plain(o.input("PriorBox"))}, {}, "OutputBox"), false,
        "OutputBox");
}

/// The best detections, (N, keep_top_k, 6): rows that are not used have class -1, where Paddle leaves them out.
inline void multiclass_nms(const imported_op& o) {
  require(o.flag("normalized", true) && o.number("nms_eta", 1.0f) == 1.0f,
          "only normalized boxes and an nms_eta of 1 are supported");
  const int most = o.small_integer("nms_top_k", -1), keep = o.small_integer("keep_top_k", -1);
  const dims boxes = o.net.extents(o.input("BBoxes"));
  require(boxes.rank == 3, "expected boxes (N, B, 4), found ", boxes);
  const op::multiclass_nms m{.score_threshold = o.number("score_threshold", 0.0f),
                             .iou_threshold = o.number("nms_threshold", 0.3f),
                             .top_per_class = std::max(most, 0),
                             .keep = keep > 0 ? keep : boxes[1],
                             .background = o.small_integer("background_label", 0)};
  const int scores = o.append_inner(op::transpose{{0, 2, 1}}, o.net.plain(o.input("Scores")));  // (N, C, B)
  o.set(o.append(m, {o.net.plain(o.input("BBoxes")), scores}));
}

}  // namespace detail

/// What detectors need.
inline const operator_table& detection_operators() {
  using namespace detail;
  static const operator_table table{
      {"prior_box", prior_box},
      {"box_coder", box_coder},
      {"multiclass_nms", multiclass_nms},
      {"multiclass_nms2", multiclass_nms},
      {"multiclass_nms3", multiclass_nms},
  };
  return table;
}

}  // namespace octavo::paddle
