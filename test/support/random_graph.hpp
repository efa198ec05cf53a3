// Random graphs of every operator: branches, residuals, concats, reshapes, several inputs and outputs.
#pragma once

#include <string>
#include <vector>

#include "octavo/graph/graph.hpp"
#include "support/evaluate.hpp"
#include "support/random.hpp"

namespace octavo::test {

/// Makes one random FP32 graph.
class graph_maker {
 public:
  /// `batch` is the outermost extent of everything; negative means "up to". With `exported` there are also the nodes
  /// that exporters write where Octavo has an operator or an attribute; the graphs without are as they always were.
  graph_maker(unsigned seed, int nodes, int batch = 2, bool exported = false)
      : random_(seed), batch_(batch), exported_(exported) {
    const int inputs = random_.between(1, 2);
    for (int i = 0; i < inputs; ++i) {
      // Braces draw in order; the arguments of a call may be drawn in any.
      const dims image{batch_, random_.between(3, 6), random_.between(3, 6), random_.between(1, 5)};
      add_value(graph_.append(op::input{}, text("in", i), {}, {element::f32, image, {}}));
    }
    while (static_cast<int>(graph_.nodes.size()) < nodes) add_node();
    for (int v : images_)
      if (graph_.uses(v) == 0 || random_.chance(10)) graph_.outputs.push_back({v, text("out", graph_.outputs.size())});
    const int flat = reshaped(images_.back(), {});
    graph_.outputs.push_back({connected(flat, 3), "logits"});
  }

  const graph& made() const { return graph_; }

 private:
  void add_value(int v) { images_.push_back(v); }
  int any() { return images_[static_cast<std::size_t>(random_.below(static_cast<int>(images_.size())))]; }
  const dims& extents(int v) const { return graph_.type(v).extents; }
  constant constants(const dims& d, float lower = -1.0f, float upper = 1.0f) {
    return random_constant(element::f32, d, random_, lower, upper);
  }

  int convolution(int x, op::conv2d c) {
    const dims& d = extents(x);
    c.pad = resolve(c.pad, d[1], d[2], c.kernel, c.stride, c.dilation);
    constant bias = random_.chance(50) ? constants({c.out}) : nullptr;
    const float bound = 2.0f / std::sqrt(static_cast<float>(d[3] / c.groups * c.kernel.h * c.kernel.w));
    return graph_.append(c, "conv", {x}, {element::f32, op::infer(c, d), {}},
                         {constants(op::weight_extents(c, d), -bound, bound), std::move(bias)});
  }

  int some_convolution(int x) {
    const dims& d = extents(x);
    op::conv2d c;
    c.groups = random_.chance(30) ? d[3] : d[3] % 2 == 0 && random_.chance(30) ? 2 : 1;
    c.out = c.groups * random_.between(1, c.groups == 1 ? 6 : 2);
    c.kernel = {random_.between(1, 3), random_.between(1, 3)};
    c.stride = random_.chance(80) ? 1 : 2;
    c.pad = same;
    return convolution(x, c);
  }

  /// A value of x's extents that is not x: a convolution of it.
  int companion(int x) {
    op::conv2d c;
    c.out = extents(x)[3];
    return convolution(x, c);
  }

  int batch_norm(int x) {
    const dims c{extents(x).back()};
    return graph_.append(op::batch_norm{}, "bn", {x}, graph_.type(x),
                         {constants(c), constants(c), constants(c), constants(c, 0.5f, 1.5f)});
  }

  int activation_of(int x) {
    const activation some[] = {relu_activation, relu6_activation, {-0.5f, 0.75f}};
    return graph_.append(op::activate{some[random_.below(3)]}, "act", {x}, graph_.type(x));
  }

  int pooling(int x) {
    const dims& d = extents(x);
    op::pool2d p;
    p.kernel = {random_.between(1, std::min(3, d[1])), random_.between(1, std::min(3, d[2]))};
    p.stride = random_.between(1, 2);
    p.ceil_mode = random_.chance(50);
    p.count_padding = random_.chance(50);
    p.kind = random_.chance(50) ? op::pool2d::max : op::pool2d::average;
    if (random_.chance(50)) p.pad = resolve(same, d[1], d[2], p.kernel, p.stride, 1);
    return graph_.append(p, "pool", {x}, {element::f32, op::infer(p, d), {}});
  }

  int concatenation(int x) {
    const op::concat c{random_.chance(80) ? 3 : random_.between(1, 2)};
    std::vector<int> src{x};
    const int more = random_.between(0, 2);
    for (int i = 0; i < more; ++i) {
      std::vector<int> fitting;
      for (int v : images_) {
        dims d = extents(v);
        d[c.axis] = extents(x)[c.axis];
        if (d == extents(x)) fitting.push_back(v);
      }
      src.push_back(random_.chance(70)
                        ? fitting[static_cast<std::size_t>(random_.below(static_cast<int>(fitting.size())))]
                        : companion(x));
    }
    std::vector<dims> all;
    for (int v : src) all.push_back(extents(v));
    return graph_.append(c, "concat", src, {element::f32, op::infer(c, all), {}});
  }

  /// x under other extents: a permutation of its height, width and channels, or (N, everything else) for `to` = {}.
  int reshaped(int x, dims to) {
    const dims d = extents(x);
    if (to.rank == 0) to = {batch_, d[1] * d[2] * d[3]};
    return graph_.append(op::reshape{}, "reshape", {x}, {element::f32, to, {}});
  }
  int some_reshape(int x) {
    const dims d = extents(x);
    switch (random_.below(3)) {
      case 0: return reshaped(x, {batch_, d[2], d[1], d[3]});
      case 1: return reshaped(x, {batch_, d[1], d[3], d[2]});
      default: return reshaped(x, d);  // to the extents that it has
    }
  }

  int connected(int x, int out) {
    const op::fc f{.out = out};
    const int depth = extents(x).back();
    const float bound = 2.0f / std::sqrt(static_cast<float>(depth));
    return graph_.append(f, "fc", {x}, {element::f32, op::infer(f, extents(x)), {}},
                         {constants({out, depth}, -bound, bound), constants({out})});
  }

  /// softmax(x y^T) y for each line of the image, where y is a convolution of x: attention.
  int attention(int x) {
    const int y = companion(x);
    if (random_.chance(50)) {  // the same for all pixels, as one operator
      const dims d = extents(x), rows{batch_, d[1] * d[2], d[3]};
      const op::attention o{d[3] % 2 == 0 ? 2 : 1, 0.5f};
      const int q = reshaped(x, rows), k = reshaped(y, rows);
      return reshaped(graph_.append(o, "attention", {q, k, k}), d);
    }
    const auto product = [&](int a, int b, bool transpose_b) {
      const op::matmul f{.transpose_b = transpose_b};
      return graph_.append(f, "matmul", {a, b}, {element::f32, op::infer(f, extents(a), extents(b)), {}});
    };
    const int scores = product(x, y, true);
    return product(graph_.append(op::softmax{}, "softmax", {scores}, graph_.type(scores)), y, false);
  }

  /// An operator that moves elements; images stay images.
  int movement(int x) {
    const dims d = extents(x);
    switch (random_.below(9)) {
      case 0:
      case 1: {  // some lines, columns or channels, now and then backwards
        const int axis = random_.between(1, 3), first = random_.below(d[axis]),
                  last = random_.between(first, d[axis] - 1);
        if (random_.chance(20))
          return graph_.append(op::slice{{last}, {first - d[axis] - 1}, {axis}, {-1}}, "slice", {x});
        return graph_.append(op::slice{{first}, {last + 1}, {axis}, {random_.between(1, 2)}}, "slice", {x});
      }
      case 2: {  // halves of the channels, the second of them first
        const int half = (d[3] + 1) / 2;
        if (half == d[3]) return x;
        const int a = graph_.append(op::slice{{0}, {half}, {3}}, "left", {x}),
                  b = graph_.append(op::slice{{half}, {d[3]}, {3}}, "right", {x});
        return graph_.append(op::concat{3}, "swapped", {random_.chance(50) ? activation_of(b) : b, a});
      }
      case 3: {
        const axis_numbers some[] = {{0, 2, 1, 3}, {0, 3, 1, 2}, {0, 2, 3, 1}, {0, 1, 3, 2}};
        return graph_.append(op::transpose{some[random_.below(4)]}, "transpose", {x});
      }
      case 4: {
        op::pad p{{0, random_.below(2), -random_.below(2), 1}, {0, 1, random_.below(2), 0}};
        p.mode = static_cast<op::pad::mode_type>(random_.below(2));
        return d[2] < 2 ? x : *graph_.append(p, "pad", {x});
      }
      case 5: return graph_.append(op::shuffle_channel{d[3] % 2 == 0 ? 2 : d[3]}, "shuffle", {x});
      case 6:
        if (d[1] % 2 == 0 && d[2] % 2 == 0) return graph_.append(op::space_to_depth{2}, "deep", {x});
        return d[3] % 4 == 0 ? *graph_.append(op::depth_to_space{2}, "wide", {x}) : x;
      case 7: {
        op::interp2d o{.mode = static_cast<op::interp2d::mode_type>(random_.below(2)),
                       .size = {random_.between(1, 6), random_.between(1, 6)}};
        return graph_.append(o, "interp2d", {x});
      }
      default: {  // some channels, by numbers that are a constant
        tensor ids(element::s64, {random_.between(1, 4)});
        for (std::int64_t& id : ids.as<std::int64_t>()) id = random_.below(2 * d[3]) - d[3];
        const int which = graph_.append(op::constant{}, "ids", {}, {make_constant(std::move(ids))});
        return graph_.append(op::gather{3}, "gather", {x, which});
      }
    }
  }

  /// A function that calibration can take: finite for every x near 0.
  int function_of(int x) {
    const operation some[] = {op::leaky_relu{}, op::sigmoid{},  op::tanh{}, op::hard_swish{},
                              op::gelu{},       op::softplus{}, op::abs{},  op::mish{}};
    return *graph_.append(some[random_.below(8)], "function", {x}, graph_.type(x));
  }

  /// x combined with one of its extents, or with what has 1 in some of their places: a mean of it, or a maximum.
  int combined(int x) {
    const operation some[] = {op::add{}, op::sub{}, op::mul{}, op::min{}, op::max{}};
    op::reduce r{random_.chance(50) ? op::reduce::mean : op::reduce::max, {}, true};
    for (int axis = 1; axis < 4; ++axis)
      if (random_.chance(50)) r.axes.push_back(axis);
    const int other = r.axes.count == 0
                          ? companion(x)
                          : *graph_.append(r, "reduce", {x}, {element::f32, op::infer(r, extents(x)), {}});
    const bool first = random_.chance(50);
    return *graph_.append(some[random_.below(5)], "combined", first ? std::vector{x, other} : std::vector{other, x},
                          graph_.type(x));
  }

  int scaled(int x) {
    const dims c{extents(x).back()};
    if (random_.chance(30))
      return *graph_.append(op::layer_norm{}, "layer_norm", {x}, graph_.type(x), {constants(c), constants(c)});
    if (random_.chance(50)) return *graph_.append(op::prelu{}, "prelu", {x}, graph_.type(x), {constants(c)});
    return *graph_.append(op::scale{.alpha = 0.5f}, "scale", {x}, graph_.type(x), {constants(c), constants(c)});
  }

  /// x moved and moved again: back, on, or as a shuffle of channels.
  int moved_twice(int x) {
    const dims d = extents(x);
    const axis_numbers there[] = {{0, 3, 1, 2}, {0, 2, 1, 3}}, on[] = {{0, 2, 3, 1}, {0, 2, 1, 3}};
    if (random_.chance(60)) {
      const int y = graph_.append(op::transpose{there[random_.below(2)]}, "there", {x});
      return graph_.append(op::transpose{on[random_.below(2)]}, "on", {y});
    }
    const int groups = d[3] % 2 == 0 ? 2 : d[3];
    const int split = graph_.append(op::reshape{{batch_, d[1], d[2], groups, d[3] / groups}}, "split", {x});
    const int swapped = graph_.append(op::transpose{{0, 1, 2, 4, 3}}, "swapped", {split});
    return graph_.append(op::reshape{{batch_, d[1], d[2], d[3]}}, "joined", {swapped});
  }

  /// x combined with a constant of one number or one for each channel.
  int with_constant(int x) {
    const operation some[] = {op::add{}, op::sub{}, op::mul{}, op::div{}};
    const dims numbers[] = {{}, {extents(x).back()}};
    const constant c = constants(numbers[random_.below(2)], 0.5f, 1.5f);
    const int which = graph_.append(op::constant{}, "c", {}, {c});
    const int operation = random_.below(4);
    const bool first = operation != 3 && random_.chance(50);
    return graph_.append(some[operation], "line", first ? std::vector{which, x} : std::vector{x, which});
  }

  /// A matrix product with factors and transposes around it: of x and a convolution of it, or a constant.
  int scaled_product(int x) {
    const auto maybe_scaled = [&](int v) {
      return random_.chance(50) ? v : *graph_.append(op::scale{.alpha = random_.real(-1.0f, 1.0f)}, "factor", {v});
    };
    int y = -1;
    if (random_.chance(50))
      y = graph_.append(op::constant{}, "b", {}, {constants({random_.between(1, 5), extents(x).back()})});
    else
      y = maybe_scaled(companion(x));
    const axis_numbers swap = extents(y).rank == 2 ? axis_numbers{1, 0} : axis_numbers{0, 1, 3, 2};
    const bool swapped = extents(y).rank == 4 && random_.chance(50);
    if (swapped) y = graph_.append(op::transpose{swap}, "swap", {y});
    const int a = maybe_scaled(x);
    return maybe_scaled(graph_.append(op::matmul{.transpose_b = !swapped}, "product", {a, y}));
  }

  int exported_node(int x) {
    switch (random_.below(4)) {
      case 0: return moved_twice(x);
      case 1: return with_constant(random_.chance(50) ? x : some_convolution(x));
      case 2: return scaled_product(x);
      default: return extents(x).count() > 2000 ? x : activation_of(concatenation(companion(x)));
    }
  }

  void add_node() {
    const int x = random_.chance(60) ? images_.back() : any();
    if (exported_ && random_.chance(50)) return add_value(exported_node(x));
    switch (random_.below(19)) {
      case 0:
      case 1: return add_value(some_convolution(x));
      case 2: return add_value(activation_of(batch_norm(some_convolution(x))));
      case 3: return add_value(batch_norm(x));
      case 4: return add_value(activation_of(x));
      case 5: return add_value(pooling(x));
      case 6: {
        const int y = companion(x);
        const int sum =
            graph_.append(op::add{}, "add", random_.chance(50) ? std::vector{x, y} : std::vector{y, x}, graph_.type(x));
        return add_value(random_.chance(50) ? activation_of(sum) : sum);
      }
      case 7:
      case 8: return extents(x).count() > 2000 ? void() : add_value(concatenation(x));
      case 9: return add_value(some_reshape(x));
      case 10: {
        const int after = random_.below(3), before = random_.below(3);
        return add_value(graph_.append(op::channel_padding(4, before, after), "pad", {x}));
      }
      case 11: return add_value(attention(x));
      case 12:
      case 13:
      case 14: return extents(x).count() > 2000 ? void() : add_value(movement(x));
      case 15: return add_value(function_of(x));
      case 16: return add_value(combined(x));
      case 17: return add_value(scaled(x));
      default:
        if (random_.chance(30))
          return add_value(*graph_.append(op::softmax{random_.chance(50) ? -1 : random_.between(1, 2)}, "softmax", {x},
                                          graph_.type(x)));
        return add_value(graph_.append(op::bias_add{}, "bias", {x}, graph_.type(x), {constants({extents(x).back()})}));
    }
  }

  random_numbers random_;
  int batch_;
  bool exported_;
  graph graph_;
  std::vector<int> images_;  // values of (N, H, W, C)
};

inline graph random_graph(unsigned seed, int nodes, int batch = 2) { return graph_maker(seed, nodes, batch).made(); }
inline graph random_exported_graph(unsigned seed, int nodes, int batch = 2) {
  return graph_maker(seed, nodes, batch, true).made();
}

/// Random tensors for the inputs of `g`.
inline std::vector<tensor> random_inputs(const graph& g, unsigned seed, int batch = 0) {
  random_numbers random(seed);
  std::vector<tensor> inputs;
  for (int v : g.input_values()) {
    dims extents = g.type(v).extents;
    if (batch > 0 && extents.is_bounded(0)) extents[0] = batch;
    extents.bounded = 0;
    inputs.push_back(random_tensor(g.type(v).type, extents, random));
  }
  return inputs;
}

}  // namespace octavo::test
