// Operators of ONNX with weights: convolutions, products of matrices, normalisations; and pooling.
#pragma once

#include "octavo/importer/onnx/movement.hpp"

namespace octavo::onnx {

using importer::layer_weights;

/// Known weights, rows of output channels, and their places on their grid where they have one. `axis`: the one of the
/// output channels before `weights` was transposed to be so.
inline layer_weights on_grid(node_import& n, const std::string& name, tensor weights, int axis) {
  const weight_grid* g = n.into.grid(name);
  std::shared_ptr<const quantized_weights> places;
  if (g && (g->scales.size() == 1 || g->axis == axis)) places = importer::places_on_grid(weights, g->scales);
  return {std::move(weights), std::move(places)};
}

/// What conv and pooling say of their windows along each spatial axis.
struct window_attributes {
  std::vector<int> kernel, stride, dilation, before, after;
  padding::rule_type rule = padding::explicit_;

  /// `axes`: how many spatial ones.
  window_attributes(const node_import& n, std::vector<int> of, int axes) : kernel(std::move(of)) {
    const auto list = [&](std::string_view name, std::size_t count, int otherwise) {
      std::vector<int> all;
      for (std::int64_t i : n.integers(name)) {
        require(std::in_range<int>(i), "attribute '", name, "' has the number ", i);
        all.push_back(static_cast<int>(i));
      }
      if (all.empty()) all.assign(count, otherwise);
      require(all.size() == count, "attribute '", name, "' has ", all.size(), " numbers, expected ", count);
      return all;
    };
    const auto count = static_cast<std::size_t>(axes);
    if (kernel.empty()) kernel = list("kernel_shape", count, 0);
    stride = list("strides", count, 1), dilation = list("dilations", count, 1);
    const std::vector<int> pads = list("pads", 2 * count, 0);
    before.assign(pads.begin(), pads.begin() + axes), after.assign(pads.begin() + axes, pads.end());
    const std::string automatic = n.string("auto_pad", "NOTSET");
    if (automatic == "SAME_UPPER") rule = padding::same_upper;
    if (automatic == "SAME_LOWER") rule = padding::same_lower;
    if (automatic == "VALID") before.assign(count, 0), after.assign(count, 0);
    require(automatic == "NOTSET" || automatic == "VALID" || automatic == "" || rule != padding::explicit_,
            "auto_pad '", automatic, "' is not supported");
  }

  hw pair(const std::vector<int>& v) const { return {v[0], v[1]}; }
  padding pad() const {
    return rule != padding::explicit_ ? padding(rule) : padding{before[0], before[1], after[0], after[1]};
  }
  /// Of one axis of `extent`.
  padding1 pad1(int extent) const {
    if (rule == padding::explicit_) return {before[0], after[0]};
    const padding p = resolve(padding(rule), 1, extent, {1, kernel[0]}, {1, stride[0]}, {1, dilation[0]});
    return {p.left, p.right};
  }
};

/// A convolution of `x`, which lies channels last, with weights (OC, IC / groups, kernel ..).
inline int append_convolution(node_import& n, int x, layer_weights weights, constant bias, const std::string& name) {
  const dims w = weights.values.extents(), e = n.into.net.type(x).extents;
  require(w.rank == e.rank && w.rank >= 3 && w.rank <= 5, "an input of ", e, " (N, spatial axes, C) and weights of ", w,
          " do not make a convolution over one to three axes");
  std::vector<int> kernel;
  for (int i = 2; i < w.rank; ++i) kernel.push_back(w[i]);
  const window_attributes a(n, std::move(kernel), w.rank - 2);
  const int groups = n.integer("group", 1);
  if (w.rank == 4) {
    const conv c{w[0], a.pair(a.kernel), a.pair(a.stride), a.pad(), a.pair(a.dilation), groups};
    return n.into.append_layer(op::conv2d{c}, name, x, std::move(weights), std::move(bias));
  }
  if (w.rank == 3) {
    require(a.rule == padding::explicit_ || !e.is_bounded(1) || a.stride[0] == 1,
            "auto_pad of an extent that is chosen at each run");
    const conv1 c{w[0], w[2], a.stride[0], a.pad1(e[1]), a.dilation[0], groups};
    return n.into.append_layer(op::conv1d{c}, name, x, std::move(weights), std::move(bias));
  }
  require(a.rule == padding::explicit_, "auto_pad over three axes is not supported");
  const auto triple = [](const std::vector<int>& v) { return dhw{v[0], v[1], v[2]}; };
  op::conv3d c;
  c.out = w[0], c.kernel = triple(a.kernel), c.stride = triple(a.stride), c.dilation = triple(a.dilation);
  c.pad = {a.before[0], a.before[1], a.before[2], a.after[0], a.after[1], a.after[2]}, c.groups = groups;
  return n.into.append_layer(c, name, x, std::move(weights), std::move(bias));
}

inline void conv(node_import& n) {
  const int x = n.into.channels_last(n.in());
  n.write(append_convolution(n, x, on_grid(n, n.in(1), n.needed(1), 0), n.known_vector(2), n.out()), true);
}

inline void conv_transpose(node_import& n) {
  const dims w = n.needed(1).extents();
  require(w.rank == 4 && n.rank() == 4, "images and weights of four axes are supported, found ", n.extents(), " and ",
          w);
  const window_attributes a(n, {w[2], w[3]}, 2);
  require(a.rule == padding::explicit_ && n.integers("output_shape").empty(),
          "paddings must be given: auto_pad and output_shape are not supported");
  const std::vector<std::int64_t> more = n.integers("output_padding");
  require(more.empty() || (more.size() == 2 && std::ranges::all_of(more, [](auto m) { return m >= 0 && m < 1 << 15; })),
          "attribute 'output_padding' must be two small numbers");
  const int groups = n.integer("group", 1);
  require(groups > 0, groups, " groups");
  op::conv_transpose2d c;
  c.out = w[1] * groups, c.kernel = a.pair(a.kernel), c.stride = a.pair(a.stride), c.pad = a.pad();
  c.dilation = a.pair(a.dilation), c.groups = groups;
  c.output_padding = more.empty() ? hw(0) : hw(static_cast<int>(more[0]), static_cast<int>(more[1]));
  tensor weights = weights_by_output(n.needed(1), groups);
  layer_weights on = on_grid(n, n.in(1), std::move(weights), groups == 1 ? 1 : -1);
  const int x = n.into.channels_last(n.in());
  n.write(n.into.append_layer(c, n.out(), x, std::move(on), n.known_vector(2)), true);
}

/// Calls `append` for input 0 as images (N, H, W, C): sequences (N, C, T) are images of height 1.
template <class Append>
void on_images(node_import& n, Append&& append) {
  const int rank = n.rank(), x = n.into.channels_last(n.in());
  require(rank == 3 || rank == 4, "images and sequences are supported, found ", n.extents());
  if (rank == 4) return n.write(append(x), true);
  const dims e = n.into.net.type(x).extents;
  const int y = append(n.reshape(x, {e.encoded(0), 1, e.encoded(1), e.encoded(2)}, ".image"));
  const dims f = n.into.net.type(y).extents;
  n.write(n.reshape(y, {f.encoded(0), f.encoded(2), f.encoded(3)}, ""), true);
}

template <op::pool2d::kind_type Kind>
void pooling(node_import& n) {
  n.writes_only(1);
  const int axes = n.rank() - 2;
  require(axes == 1 || axes == 2, "images and sequences are supported, found ", n.extents());
  window_attributes a(n, {}, axes);
  for (int d : a.dilation) require(d == 1, "dilated pooling is not supported");
  if (axes == 1)
    for (auto* v : {&a.kernel, &a.stride, &a.dilation}) v->insert(v->begin(), 1);
  if (axes == 1)
    for (auto* v : {&a.before, &a.after}) v->insert(v->begin(), 0);
  op::pool2d p{{.kernel = a.pair(a.kernel),
                .stride = a.pair(a.stride),
                .pad = a.pad(),
                .ceil_mode = n.flag("ceil_mode"),
                .count_padding = n.flag("count_include_pad")},
               Kind};
  on_images(n, [&](int x) { return *n.append(p, {x}, {}, axes == 1 ? ".pool" : ""); });
}

template <op::pool2d::kind_type Kind>
void global_pooling(node_import& n) {
  on_images(n, [&](int x) {
    const dims e = n.into.net.type(x).extents;
    if (e.is_bounded(1) || e.is_bounded(2))
      return *n.append(op::reduce{Kind == op::pool2d::max ? op::reduce::max : op::reduce::mean, {1, 2}, true}, {x});
    return *n.append(op::pool2d{{.kernel = {e[1], e[2]}}, Kind}, {x}, {}, n.rank() == 3 ? ".pool" : "");
  });
}

inline void batch_normalization(node_import& n) {
  n.expects("training_mode", 0);
  n.expects("spatial", 1);
  n.writes_only(1);
  const int x = n.into.channels_last(n.in());
  std::vector<constant> constants;
  for (std::size_t i = 1; i < 5; ++i) n.in(i), constants.push_back(n.known_vector(i));
  n.write(*n.append(op::batch_norm{.eps = n.real("epsilon", 1e-5f)}, {x}, std::move(constants)), n.rank() > 2);
}

/// Over the axes from `axis` on, which become one; mean and 1 / sqrt(variance + epsilon) are other operators.
inline void layer_normalization(node_import& n) {
  const dims e = n.extents();
  const int first = n.axis("axis", -1);
  std::int64_t row = 1;
  dims rows, ones;
  for (int i = 0; i < e.rank; ++i) {
    ones.push_back(i < first ? e.encoded(i) : 1);
    if (i < first)
      rows.push_back(e.encoded(i));
    else
      row *= no_bounded_extent(e.encoded(i));
  }
  rows.push_back(row);
  const float epsilon = n.real("epsilon", 1e-5f);
  const int x = n.reshape(n.into.plain(n.in()), rows, ".in");
  const int y = *n.append(op::layer_norm{.eps = epsilon}, {x}, {n.known_vector(1), n.known_vector(2)},
                          first == e.rank - 1 ? "" : ".rows");
  n.write(n.reshape(y, e, ""));
  if (!n.writes(1) && !n.writes(2)) return;
  const op::reduce mean_of_row{.kind = op::reduce::mean, .axes = {rows.rank - 1}, .keep_dims = true};
  const int mean = *n.append(mean_of_row, {x}, {}, ".mean"), centred = *n.append(op::sub{}, {x, mean}, {}, ".centred");
  const int variance = *n.append(mean_of_row, {*n.append(op::square{}, {centred}, {}, ".squares")}, {}, ".variance");
  const int deviation =
      *n.append(op::sqrt{}, {*n.append(op::scale{.beta = epsilon}, {variance}, {}, ".sum")}, {}, ".sqrt");
  if (n.writes(1)) n.write(n.reshape(mean, ones), false, 1);
  if (n.writes(2)) n.write(n.reshape(*n.append(op::reciprocal{}, {deviation}, {}, ".inverse"), ones), false, 2);
}

/// A known matrix (I, O) as the weights (O, I) of a layer; as they are where they are `by_output` already.
inline layer_weights matrix_weights(node_import& n, std::size_t i, bool by_output) {
  const tensor& w = n.needed(i);
  require(w.extents().rank == 2, "input ", i, " must be a matrix, found ", w.extents());
  return on_grid(n, n.in(i), by_output ? w : importer::transposed(w, {1, 0}), by_output ? 0 : 1);
}

/// The known numbers of input `i` that are added to each row of `out` numbers, times `factor`; null where it is not
/// known or not so.
inline constant row_bias(node_import& n, std::size_t i, int out, float factor) {
  const constant c = n.has(i) ? n.known(i) : nullptr;
  if (!c || c->type() != element::f32 || static_cast<int>(c->extents().count()) != out || c->extents().back() != out)
    return nullptr;
  tensor bias = c->reshaped({out});
  for (float& b : bias.as<float>()) b *= factor;
  return make_constant(std::move(bias));
}

/// y = alpha A B + beta C. Known B are the weights of a layer.
inline void gemm(node_import& n) {
  const float alpha = n.real("alpha", 1.0f), beta = n.real("beta", 1.0f);
  const bool transpose_a = n.flag("transA"), transpose_b = n.flag("transB");
  const dims a = n.extents(0), b = n.extents(1);
  require(a.rank == 2 && b.rank == 2, "A and B must be matrices, found ", a, " and ", b);
  const int out = b[transpose_b ? 0 : 1];
  const constant bias = row_bias(n, 2, out, beta);
  const bool sum = n.has(2) && !bias;
  const std::string name = sum ? n.out() + ".product" : n.out();
  int y;
  if (n.known(1) && !n.known(0)) {
    layer_weights w = matrix_weights(n, 1, transpose_b);
    if (alpha != 1.0f) w.rounded = nullptr;
    for (float& v : w.values.as<float>()) v *= alpha;
    int x = n.into.plain(n.in());
    if (transpose_a) x = n.transpose(x, {1, 0});
    y = n.into.append_layer(op::fc{.out = out}, name, x, std::move(w), bias);
  } else {
    const op::matmul m{.transpose_b = transpose_b, .transpose_a = transpose_a, .alpha = alpha};
    y = *n.into.append(m, bias ? n.out() + ".product" : name, {n.into.plain(n.in(0)), n.into.plain(n.in(1))});
    if (bias) y = *n.append(op::bias_add{}, {y}, {bias});
  }
  if (sum) {
    int c = aligned(n, n.in(2), 2, false);
    if (beta != 1.0f) c = *n.append(op::scale{.alpha = beta}, {c}, {}, ".beta");
    y = *n.append(op::add{}, {y, c});
  }
  n.write(y);
}

/// Vectors are matrices of one row or column, whose axis the result lacks.
inline void matmul(node_import& n) {
  const dims a = n.extents(0), b = n.extents(1);
  require(a.rank > 0 && b.rank > 0, "A and B must have axes, found ", a, " and ", b);
  require(a.back() == b[std::max(0, b.rank - 2)], "A of ", a, " and B of ", b, " do not fit");
  dims y;
  if (b.rank == 2 && n.known(1) && !n.known(0)) {
    const int x = n.into.plain(n.in());
    return n.write(n.into.append_layer(op::fc{.out = b[1]}, n.out(), x, matrix_weights(n, 1, false), nullptr));
  }
  const bool row = a.rank == 1, column = b.rank == 1;
  const int x0 = row ? n.reshape(n.into.plain(n.in(0)), {1, a.encoded(0)}, ".row") : n.into.plain(n.in(0));
  const int x1 = column ? n.reshape(n.into.plain(n.in(1)), {b.encoded(0), 1}, ".column") : n.into.plain(n.in(1));
  const int product = *n.append(op::matmul{}, {x0, x1}, {}, row || column ? ".product" : "");
  if (!row && !column) return n.write(product);
  const dims full = n.into.net.type(product).extents;
  for (int i = 0; i < full.rank; ++i)
    if (!(row && i == full.rank - 2) && !(column && i == full.rank - 1)) y.push_back(full.encoded(i));
  const int value = n.reshape(product, in_graph(y), "");
  y.rank == 0 ? n.write_scalar(value) : n.write(value);
}

}  // namespace octavo::onnx
