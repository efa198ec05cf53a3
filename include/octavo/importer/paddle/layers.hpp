// PaddlePaddle's layers with weights, and what else works on windows or channels of images: convolutions, matrix
// products, pooling, resizing, normalisation.
#pragma once

#include "octavo/importer/paddle/operator.hpp"

namespace octavo::paddle {
namespace detail {

/// The number `i` of a list of one number for all, or one for each.
inline int at_or_only(const std::vector<std::int64_t>& list, std::size_t i, std::string_view what) {
  require(list.size() == 1 || i < list.size(), what, ": expected more than ", list.size(), " numbers");
  return imported_op::as_int(list.size() == 1 ? list[0] : list[i], what);
}
inline hw pair_of(const imported_op& o, std::string_view name, std::vector<std::int64_t> otherwise = {1, 1}) {
  const auto list = o.integers(name, std::move(otherwise));
  return {at_or_only(list, 0, name), at_or_only(list, 1, name)};
}

/// Numbers before and after each of `axes` spatial axes.
inline std::vector<int> padding_of(const imported_op& o, std::size_t axes) {
  auto list = o.integers("paddings", std::vector<std::int64_t>(axes, 0));
  if (o.string("padding_algorithm", "EXPLICIT") == "VALID") list.assign(axes, 0);
  if (list.size() == 2 * axes + 4)  // also of batch and channels
    list = o.is_nhwc() ? std::vector(list.begin() + 2, list.end() - 2) : std::vector(list.begin() + 4, list.end());
  require(list.size() == axes || list.size() == 2 * axes, "paddings: expected ", axes, " or ", 2 * axes,
          " numbers, found ", list.size());
  std::vector<int> all;
  for (std::size_t i = 0; i < 2 * axes; ++i)
    all.push_back(imported_op::as_int(list[list.size() == axes ? i / 2 : i], "padding"));
  return all;
}
inline padding window_padding(const imported_op& o) {
  if (o.string("padding_algorithm", "EXPLICIT") == "SAME") return same;
  const std::vector<int> p = padding_of(o, 2);
  return {p[0], p[2], p[1], p[3]};
}

/// The places of `rows` on the grid of the weights `name`, whose output channels are axis `axis` of the file.
inline std::shared_ptr<const quantized_weights> places_of(const imported_op& o, const std::string& name, int axis,
                                                          const tensor& rows) {
  const weight_grid* grid = o.net.grid(name);
  if (!grid || (grid->scales.size() > 1 && grid->axis != axis)) return nullptr;
  return importer::places_on_grid(rows, grid->scales);
}

/// The weights of a convolution, of that rank.
inline const tensor& filter_of(const imported_op& o, int rank) {
  const tensor& w = o.net.needed(o.input("Filter"), "the filter");
  require(w.extents().rank == rank, "the filter must have ", rank, " axes, found ", w.extents());
  return w;
}

/// The activation that Paddle's own optimizations fused into a layer.
inline activation fused_activation_of(const imported_op& o) {
  const std::string act = o.string("fuse_activation", o.flag("fuse_relu", false) ? "relu" : "");
  require(act.empty() || act == "relu" || act == "relu6", "the fused activation ", act, " is not supported");
  return act.empty() ? no_activation : act == "relu" ? relu_activation : relu6_activation;
}

/// Appends a convolution `c` of images and sets its output.
template <class Convolution>
void append_convolution(const imported_op& o, Convolution c, const tensor& weights, int output_axis) {
  require(!o.has("ResidualData"), "a convolution with a residual is not supported");
  c.act = fused_activation_of(o);
  const int x = o.image("Input");
  const auto channels = static_cast<std::size_t>(std::max(c.out, 0));
  const int y =
      o.net.append_layer(c, o.output("Output"), x, {weights, places_of(o, o.input("Filter"), output_axis, weights)},
                         o.maybe_row("Bias", channels));
  o.set_image(y, "Output");
}

inline void conv2d(const imported_op& o) {
  const tensor& w = filter_of(o, 4);
  const bool is_same = o.string("padding_algorithm", "EXPLICIT") == "SAME";  // where Paddle forgets the dilation
  append_convolution(o,
                     op::conv2d{{.out = w.extents()[0],
                                 .kernel = {w.extents()[2], w.extents()[3]},
                                 .stride = pair_of(o, "strides"),
                                 .pad = window_padding(o),
                                 .dilation = is_same ? hw(1) : pair_of(o, "dilations"),
                                 .groups = o.small_integer("groups", 1)}},
                     w, 0);
}

inline void conv3d(const imported_op& o) {
  const tensor& w = filter_of(o, 5);
  const dims& e = w.extents();
  require(o.string("padding_algorithm", "EXPLICIT") != "SAME", "the padding SAME of conv3d is not supported");
  const auto triple = [&](std::string_view name) {
    const auto list = o.integers(name, {1, 1, 1});
    return dhw(at_or_only(list, 0, name), at_or_only(list, 1, name), at_or_only(list, 2, name));
  };
  const std::vector<int> p = padding_of(o, 3);
  append_convolution(o,
                     op::conv3d{{.out = e[0],
                                 .kernel = {e[2], e[3], e[4]},
                                 .stride = triple("strides"),
                                 .pad = {p[0], p[2], p[4], p[1], p[3], p[5]},
                                 .dilation = triple("dilations"),
                                 .groups = o.small_integer("groups", 1)}},
                     w, 0);
}

inline void conv2d_transpose(const imported_op& o) {
  const tensor& w = filter_of(o, 4);
  const int groups = o.small_integer("groups", 1);
  require(o.string("padding_algorithm", "EXPLICIT") != "SAME", "the padding SAME of conv2d_transpose is not supported");
  op::conv_transpose2d c{{.kernel = {w.extents()[2], w.extents()[3]},
                          .stride = pair_of(o, "strides"),
                          .pad = window_padding(o),
                          .output_padding = 0,
                          .dilation = pair_of(o, "dilations"),
                          .groups = groups}};
  const tensor rows = weights_by_output(w, groups);
  c.out = rows.extents()[0];
  if (!o.integers("output_padding").empty()) c.output_padding = pair_of(o, "output_padding");
  if (const auto size = o.integers("output_size"); !size.empty()) {
    const dims y = op::infer(c, o.net.net.type(o.image("Input")).extents);
    c.output_padding = {at_or_only(size, 0, "output_size") - y[1] + c.output_padding.h,
                        at_or_only(size, 1, "output_size") - y[2] + c.output_padding.w};
  }
  append_convolution(o, c, rows, groups == 1 ? 1 : -1);
}

// Matrix products.

/// The product of the extents from `begin` to `end`; a bounded one stays where it is alone.
inline std::int64_t product_of(const dims& x, int begin, int end) {
  std::int64_t product = 1;
  for (int i = begin; i < end; ++i) {
    require((!x.is_bounded(i) && product > 0) || product == 1 || x.encoded(i) == 1, "the axes ", begin, " to ", end,
            " of ", x, " cannot be one: one of them is bounded");
    if (product > 0 && !x.is_bounded(i))
      product *= x[i];
    else if (product == 1)
      product = x.encoded(i);
  }
  return product;
}

/// Appends a fully connected layer on the innermost axis of `x` and returns its output. `w`: (I, O), (O, I) where
/// `by_output`.
inline int append_fc(const imported_op& o, int x, const std::string& name, const tensor& w, bool by_output,
                     float alpha = 1.0f, constant bias = nullptr) {
  tensor rows = by_output ? w : importer::transposed(w, {1, 0});
  auto places = places_of(o, name, by_output ? 0 : 1, rows);
  if (alpha != 1.0f) {
    places = nullptr;
    for (float& v : rows.as<float>()) v *= alpha;
  }
  const int out = rows.extents()[0];
  return o.net.append_layer(op::fc{.out = out}, o.output(), x, {std::move(rows), std::move(places)}, std::move(bias));
}

/// A matrix product of `x` seen as (the first `columns` axes) by the rest.
inline void product_of_matrices(const imported_op& o, const std::string& x_name, const std::string& w_name, int columns,
                                int weight_columns, const constant& bias = nullptr) {
  const dims x = o.net.extents(x_name);
  const tensor& w = o.net.needed(w_name, "the weights");
  const dims& e = w.extents();
  require(columns >= 1 && columns < x.rank && weight_columns >= 1 && weight_columns < e.rank, "cannot multiply ", x,
          " and ", e, " as matrices whose columns begin at axes ", columns, " and ", weight_columns);
  dims to, y;
  for (int i = 0; i < columns; ++i) to.push_back(x.encoded(i)), y.push_back(x.encoded(i));
  to.push_back(product_of(x, columns, x.rank));
  for (int i = weight_columns; i < e.rank; ++i) y.push_back(e[i]);
  const tensor matrix = w.reshaped({product_of(e, 0, weight_columns), product_of(e, weight_columns, e.rank)});
  int v = o.net.plain(x_name);
  if (to.rank != x.rank) v = o.append_inner(op::reshape{to}, v);
  v = append_fc(o, v, w_name, matrix, false, 1.0f, bias);
  o.set(y.rank == columns + 1 ? v : o.append_inner(op::reshape{y}, v));
}

inline void mul(const imported_op& o) {
  product_of_matrices(o, o.input("X"), o.input("Y"), o.small_integer("x_num_col_dims", 1),
                      o.small_integer("y_num_col_dims", 1));
}

inline void fc(const imported_op& o) {
  const dims& w = o.net.needed(o.input("W"), "the weights").extents();
  const constant bias = w.rank == 2 ? o.maybe_row("Bias", static_cast<std::size_t>(w[1])) : nullptr;
  product_of_matrices(o, o.input("Input"), o.input("W"), o.small_integer("in_num_col_dims", 1), 1, bias);
  const std::string act = o.string("activation_type", "");
  require(act.empty() || act == "relu", "the activation ", act, " of fc is not supported");
  if (act == "relu") o.set(o.append(op::activate{relu_activation}, {o.net.plain(o.output())}));
}

/// A product of two values; a vector is a row on the left, a column on the right, and leaves no axis.
inline void product_of_values(const imported_op& o, bool transpose_x, bool transpose_y, float alpha) {
  int a = o.net.plain(o.input("X")), b = o.net.plain(o.input("Y"));
  const auto extents = [&](int v) { return o.net.net.type(v).extents; };
  const bool row = extents(a).rank == 1, column = extents(b).rank == 1;
  if (row) a = o.append_inner(op::reshape{{1, extents(a).encoded(0)}}, a);
  if (column) b = o.append_inner(op::reshape{{extents(b).encoded(0), 1}}, b);
  const op::matmul product{.transpose_b = transpose_y && !column, .transpose_a = transpose_x && !row, .alpha = alpha};
  int y = o.append(product, {a, b});
  if (row || column) {
    const dims whole = extents(y);
    dims to;
    for (int i = 0; i < whole.rank; ++i)
      if (!(row && i == whole.rank - 2) && !(column && i == whole.rank - 1)) to.push_back(whole.encoded(i));
    if (to.rank == 0) to.push_back(1);
    y = o.append_inner(op::reshape{to}, y);
  }
  o.set(y);
}

/// With known weights it is a fully connected layer.
inline void matrix_product(const imported_op& o, std::string_view transpose_x, std::string_view transpose_y) {
  for (const char* fused : {"fused_reshape_X", "fused_transpose_X", "fused_reshape_Y", "fused_transpose_Y",
                            "fused_reshape_Out", "fused_transpose_Out"})
    require(o.integers(fused).empty(), fused, " is not supported");
  const bool by_columns = o.flag(transpose_x, false), by_output = o.flag(transpose_y, false);
  const float alpha = o.number("alpha", 1.0f);
  const constant w = o.net.known(o.input("Y"));
  const dims x = o.net.extents(o.input("X"));
  if (!w || w->extents().rank != 2 || w->type() != element::f32 || x.rank < 2)
    return product_of_values(o, by_columns, by_output, alpha);
  int v = o.net.plain(o.input("X"));
  if (by_columns) {
    axis_numbers perm;
    for (int i = 0; i < x.rank; ++i) perm.push_back(i + 2 < x.rank ? i : i + 2 == x.rank ? i + 1 : i - 1);
    v = o.append_inner(op::transpose{perm}, v);
  }
  o.set(append_fc(o, v, o.input("Y"), *w, by_output, alpha));
}

// Pooling and resizing.

/// The first and the one after the last index that output `i` of `out` of an adaptive pooling sees, on an axis of `in`.
inline std::pair<int, int> adaptive_window(int in, int out, int i) {
  const std::int64_t n = in, m = out;
  return {static_cast<int>(i * n / m), static_cast<int>(((i + 1) * n + m - 1) / m)};
}

/// Adaptive pooling along rows, or along columns: one window where all are alike and evenly spaced, else a slice each.
inline int adaptive_pool(const imported_op& o, int x, bool rows, int out, op::pool2d::kind_type kind) {
  const int axis = rows ? 1 : 2;
  const dims e = o.net.net.type(x).extents;
  require(!e.is_bounded(axis) && out >= 1 && out <= e[axis], "cannot pool ", e, " to ", out, " windows on axis ", axis);
  const auto along = [&](int n) { return rows ? hw(n, 1) : hw(1, n); };
  const auto [begin, end] = adaptive_window(e[axis], out, 0);
  const int kernel = end - begin, step = out > 1 ? adaptive_window(e[axis], out, 1).first : kernel;
  bool even = true;
  for (int i = 0; i < out; ++i)
    even = even && adaptive_window(e[axis], out, i) == std::pair(i * step, i * step + kernel);
  if (even) return o.append_inner(op::pool2d{{.kernel = along(kernel), .stride = along(step)}, kind}, x);
  std::vector<int> parts;
  for (int i = 0; i < out; ++i) {
    const auto [first, last] = adaptive_window(e[axis], out, i);
    const int part = o.append_inner(op::slice{{first}, {last}, {axis}, {}}, x);
    parts.push_back(o.append_inner(op::pool2d{{.kernel = along(last - first)}, kind}, part));
  }
  return *o.net.append(op::concat{axis}, o.output() + ".concat", parts);
}

inline void pool2d(const imported_op& o) {
  const std::string type = o.string("pooling_type", "max");
  require(type == "max" || type == "avg", "expected the pooling_type max or avg, found ", type);
  const auto kind = type == "max" ? op::pool2d::max : op::pool2d::average;
  const int x = o.image("X");
  const dims e = o.net.net.type(x).extents;
  require(e.rank == 4, "expected an image, found ", e);
  hw kernel = pair_of(o, "ksize", {-1, -1});
  const bool global = o.flag("global_pooling", false), adaptive = o.flag("adaptive", false);
  if (global || (adaptive && kernel == hw(1))) {
    require(!e.is_bounded(1) && !e.is_bounded(2), "global pooling of ", e, " needs a height and width that are known");
    return o.set_image(o.append(op::pool2d{{.kernel = {e[1], e[2]}}, kind}, {x}));
  }
  if (adaptive) return o.set_image(adaptive_pool(o, adaptive_pool(o, x, true, kernel.h, kind), false, kernel.w, kind));
  o.set_image(o.append(op::pool2d{{.kernel = kernel,
                                   .stride = pair_of(o, "strides"),
                                   .pad = window_padding(o),
                                   .ceil_mode = o.flag("ceil_mode", false),
                                   .count_padding = !o.flag("exclusive", true)},
                                  kind},
                       {x}));
}

/// The size of the output, or the scales, whichever Paddle takes first.
inline void read_interp_size(const imported_op& o, op::interp2d& r) {
  std::vector<std::int64_t> size = o.integers_of("SizeTensor", "OutSize", "", {});
  std::vector<float> scale = o.has("Scale") ? o.net.numbers(o.input("Scale"), "Scale") : o.numbers("scale");
  if (size.empty() && (scale.empty() || scale[0] <= 0)) size = {o.integer("out_h", -1), o.integer("out_w", -1)};
  if (!size.empty()) {
    r.size = {at_or_only(size, 0, "the size"), at_or_only(size, 1, "the size")};
    return;
  }
  r.scale_h = scale[0], r.scale_w = scale.back();
}

inline void interp(const imported_op& o, op::interp2d::mode_type mode) {
  op::interp2d r{.mode = mode};
  read_interp_size(o, r);
  const bool corners = o.flag("align_corners", true), half = o.integer("align_mode", 1) == 0;
  r.coordinates = corners                                  ? op::interp2d::align_corners
                  : mode == op::interp2d::bilinear && half ? op::interp2d::half_pixel
                                                           : op::interp2d::asymmetric;
  r.rounding = corners ? op::interp2d::round_prefer_ceil : op::interp2d::floor;
  o.set_image(o.append(r, {o.image("X", "data_layout")}), "Out", "data_layout");
}

// Normalisation.

inline void batch_norm(const imported_op& o) {
  const int x = o.image("X", "data_layout");
  const auto channels = static_cast<std::size_t>(o.net.net.type(x).extents.back());
  const op::batch_norm b{.eps = o.number("epsilon", 1e-5f),
                         .act = o.flag("fuse_with_relu", false) ? relu_activation : no_activation};
  const int y = o.append(
      b, {x}, {o.row("Scale", channels), o.row("Bias", channels), o.row("Mean", channels), o.row("Variance", channels)},
      "Y");
  o.set_image(y, "Y", "data_layout");
}

inline void layer_norm(const imported_op& o) {
  const dims x = o.net.extents(o.input("X"));
  const int begin = axis_of(o.small_integer("begin_norm_axis", 1), x.rank);
  require(begin >= 0, "there is no axis ", o.integer("begin_norm_axis", 1), " in ", x);
  int v = o.net.plain(o.input("X"));
  if (begin + 1 < x.rank) {
    dims rows;
    for (int i = 0; i < begin; ++i) rows.push_back(x.encoded(i));
    rows.push_back(product_of(x, begin, x.rank));
    v = o.append_inner(op::reshape{rows}, v, {}, "Y");
  }
  const auto count = static_cast<std::size_t>(o.net.net.type(v).extents.back());
  v = o.append(op::layer_norm{.eps = o.number("epsilon", 1e-5f)}, {v},
               {o.maybe_row("Scale", count), o.maybe_row("Bias", count)}, "Y");
  o.set(begin + 1 < x.rank ? o.append_inner(op::reshape{x}, v, {}, "Y") : v, false, "Y");
}

}  // namespace detail

/// Layers and what works on images.
inline const operator_table& layer_operators() {
  using namespace detail;
  static const operator_table table{
      {"conv2d", conv2d},
      {"depthwise_conv2d", conv2d},
      {"conv3d", conv3d},
      {"conv2d_transpose", conv2d_transpose},
      {"depthwise_conv2d_transpose", conv2d_transpose},
      {"mul", mul},
      {"fc", fc},
      {"matmul", [](const imported_op& o) { matrix_product(o, "transpose_X", "transpose_Y"); }},
      {"matmul_v2", [](const imported_op& o) { matrix_product(o, "trans_x", "trans_y"); }},
      {"pool2d", pool2d},
      {"nearest_interp", [](const imported_op& o) { interp(o, op::interp2d::nearest); }},
      {"nearest_interp_v2", [](const imported_op& o) { interp(o, op::interp2d::nearest); }},
      {"bilinear_interp", [](const imported_op& o) { interp(o, op::interp2d::bilinear); }},
      {"bilinear_interp_v2", [](const imported_op& o) { interp(o, op::interp2d::bilinear); }},
      {"batch_norm", batch_norm},
      {"sync_batch_norm", batch_norm},
      {"layer_norm", layer_norm},
  };
  return table;
}

}  // namespace octavo::paddle
