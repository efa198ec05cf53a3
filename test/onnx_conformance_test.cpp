// Every node test of ONNX in $OCTAVO_DATA/vectors through the public interface: composed by graph::append, planned, run
// by a session. A node may be several operators here. What is out of scope is printed with the reason. NCHW becomes
// NHWC by transposing the test's tensors.
#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>

#include "octavo/octavo.hpp"
#include "support/onnx_vectors.hpp"
#include "support/run.hpp"
#include "temporary_folder.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

/// Thrown where Octavo leaves something out on purpose.
struct out_of_scope {
  std::string why;
};

/// One node test: the graph that stands for its node, what goes in, and what shall come out.
class node_test {
 public:
  explicit node_test(onnx_vector vector) : v(std::move(vector)) {}

  const onnx_vector v;

  /// A value of the graph that the test gives, at each run.
  int input(tensor t, const affine& q = {}) {
    const int id = *g_.append(op::input{}, "input", {}, tensor_type{t.type(), t.extents(), q});
    inputs_.push_back(std::move(t));
    return id;
  }
  /// Input `i` of the node as it is.
  int input(std::size_t i) { return input(v.x(i).reshaped(v.x(i).extents().rank == 0 ? dims{1} : v.x(i).extents())); }

  int apply(const operation& o, std::vector<int> src, std::vector<constant> constants = {}) {
    return *g_.append(o, std::string(name_of(o)), std::move(src), std::move(constants));
  }
  std::vector<int> apply_all(const operation& o, std::vector<int> src, std::vector<constant> constants) {
    return g_.append(o, std::string(name_of(o)), std::move(src), std::move(constants));
  }
  int apply(const operation& o, std::vector<int> src, const tensor_type& y, std::vector<constant> constants = {}) {
    return *g_.append(o, std::string(name_of(o)), std::move(src), y, std::move(constants));
  }
  int reshape(int x, const dims& to) { return apply(op::reshape{to}, {x}); }
  const dims& extents(int x) const { return g_.type(x).extents; }

  void expect(int value, tensor y) {
    g_.outputs.push_back({value, text("y", expected_.size())});
    expected_.push_back(std::move(y));
  }

  /// What is wrong with the outputs; nothing where they are right.
  std::string difference() const {
    const auto wanted =
        std::count_if(v.outputs.begin(), v.outputs.end(), [](const constant& y) { return y != nullptr; });
    if (static_cast<std::ptrdiff_t>(expected_.size()) != wanted) return text(expected_.size(), " outputs of ", wanted);
    const std::vector<tensor> found = outputs_of(octavo::compile(g_), inputs_);
    for (std::size_t i = 0; i < found.size(); ++i)
      if (std::string wrong = difference(found[i], expected_[i]); !wrong.empty())
        return text("output ", i, ": ", wrong);
    return {};
  }

 private:
  /// Integers are equal, also where they come as FP32; floats have the tolerances of ONNX's own runner.
  static std::string difference(const tensor& found, const tensor& expected) {
    if (found.extents() != (expected.extents().rank == 0 ? dims{1} : expected.extents()))
      return text("extents ", found.extents(), " for ", expected.extents());
    for (std::size_t i = 0; i < found.extents().count(); ++i) {
      const bool is_float = expected.type() == element::f32;
      const float e = is_float ? expected.as<float>()[i] : static_cast<float>(integer_at(expected, i));
      const float f = found.type() == element::f32 ? found.as<float>()[i] : static_cast<float>(integer_at(found, i));
      if (!(std::fabs(f - e) <= (is_float ? 1e-7f + 1e-3f * std::fabs(e) : 0.0f)))
        return text("element ", i, " is ", f, ", expected ", e);
    }
    return {};
  }

  graph g_;
  std::vector<tensor> inputs_, expected_;
};

std::vector<int> integers_of(const tensor& t) {
  std::vector<int> all;
  for (std::size_t i = 0; i < t.extents().count(); ++i) all.push_back(integer_at(t, i));
  return all;
}

axis_numbers numbers(const std::vector<int>& list) {
  axis_numbers a;
  from_attribute(attribute(std::vector<std::int64_t>(list.begin(), list.end())), a);
  return a;
}

bool is_float(const tensor& t) { return t.type() == element::f32; }

/// Integers without a scale have the scale 1; s8 is taken as u8, 128 higher.
template <class F>
void arithmetic(node_test& t) {
  const onnx_vector& v = t.v;
  if (is_float(v.x())) return t.expect(t.apply(F{}, {t.input(0), t.input(1)}), v.y());
  if (std::is_same_v<F, op::mul>) throw out_of_scope{"integer products wrap around there, and are clamped here"};
  const affine q{1.0f, v.x().type() == element::s8 ? 128 : 0};
  const tensor y = as_u8(v.y());
  t.expect(t.apply(F{}, {t.input(as_u8(v.x()), q), t.input(as_u8(v.x(1)), q)}, {element::u8, y.extents(), q}), y);
}

template <class F>
void function(node_test& t, const F& f = {}) {
  t.expect(t.apply(f, {t.input(0)}), t.v.y());
}

void pooling(node_test& t, op::pool2d::kind_type kind) {
  const onnx_vector& v = t.v;
  if (v.x().extents().rank > 4) throw out_of_scope{"pooling in three dimensions"};
  if (v.pair("dilations", 1) != hw(1)) throw out_of_scope{"dilated pooling"};
  if (v.outputs.size() > 1) throw out_of_scope{"the places of the maxima"};
  const tensor x = channels_last(v.x());
  op::pool2d p{{.kernel = v.pair("kernel_shape", {x.extents()[1], x.extents()[2]}),
                .stride = v.pair("strides", 1),
                .pad = v.padding_of_window(),
                .ceil_mode = v.attribute("ceil_mode", 0) != 0,
                .count_padding = v.attribute("count_include_pad", 0) != 0},
               kind};
  t.expect(t.apply(p, {t.input(x)}), channels_last(v.y()));
}

op::conv2d convolution_of(const onnx_vector& v, const dims& w) {
  return {{.out = w[0],
           .kernel = {w[2], w[3]},
           .stride = v.pair("strides", 1),
           .pad = v.padding_of_window(),
           .dilation = v.pair("dilations", 1),
           .groups = v.attribute("group", 1)}};
}

void conv(node_test& t) {
  const onnx_vector& v = t.v;
  const int x = t.input(channels_last(v.x()));
  t.expect(t.apply(convolution_of(v, v.x(1).extents()), {x}, {v.inputs[1], v.has(2) ? v.inputs[2] : nullptr}),
           channels_last(v.y()));
}

constant scales_of(int channels, float scale) {
  tensor s(element::f32, {channels});
  std::ranges::fill(s.as<float>(), scale);
  return make_constant(std::move(s));
}

/// s8 weights: what the integers are above their zero point, divided by `divisor`. Throws out_of_scope where that is
/// none.
constant weights_of(const tensor& w, const tensor* zero_point, int divisor = 1) {
  tensor weights(element::s8, w.extents());
  const std::size_t row = w.extents().count() / static_cast<std::size_t>(w.extents()[0]);
  for (std::size_t i = 0; i < w.extents().count(); ++i) {
    const int value = integer_at(w, i) - (zero_point ? integer_at(*zero_point, i / row) : 0);
    if (value % divisor != 0 || value / divisor < -127 || value / divisor > 127)
      throw out_of_scope{"weights beyond s8"};
    weights.as<std::int8_t>()[i] = static_cast<std::int8_t>(value / divisor);
  }
  return make_constant(std::move(weights));
}

/// With scales of 1 the FP32 output is the 32-bit sum.
void conv_integer(node_test& t) {
  const onnx_vector& v = t.v;
  const tensor x = channels_last(v.x()), y = channels_last(v.y());
  const op::conv2d c = convolution_of(v, v.x(1).extents());
  const int in = t.input(x, {1.0f, v.has(2) ? integer_at(v.x(2), 0) : 0});
  const tensor_type type{element::f32, y.extents(), {}};
  t.expect(t.apply(op::resolved(c, x.extents()), {in}, type,
                   {weights_of(v.x(1), v.has(3) ? &v.x(3) : nullptr), nullptr, scales_of(c.out, 1.0f)}),
           y);
}

/// Its one weight is -255 and no s8: it is taken as -1 with 255 times the scale.
void qlinear_conv(node_test& t) {
  const onnx_vector& v = t.v;
  const tensor x = channels_last(v.x()), y = channels_last(v.y());
  const op::conv2d c = convolution_of(v, v.x(3).extents());
  t.expect(t.apply(op::resolved(c, x.extents()), {t.input(x, map_of(v.x(1), v.x(2)))},
                   {element::u8, y.extents(), map_of(v.x(6), v.x(7))},
                   {weights_of(v.x(3), &v.x(5), 255), nullptr, scales_of(1, 255 * v.x(4).as<float>()[0])}),
           y);
}

void concat(node_test& t) {
  std::vector<int> x;
  for (std::size_t i = 0; i < t.v.inputs.size(); ++i) x.push_back(t.input(i));
  t.expect(t.apply(op::concat{axis_of(t.v.attribute("axis", 0), t.v.x().extents().rank)}, x), t.v.y());
}

/// A scale or zero point of every element of `x`: one for all, one for each index of an axis, or one for each block.
int spread(node_test& t, int of, const dims& x) {
  const int axis = axis_of(t.v.attribute("axis", 1), x.rank), block = t.v.attribute("block_size", 0);
  const dims& d = t.extents(of);
  if (d.count() == 1) return t.reshape(of, {1});
  if (block == 0) {
    dims along;
    for (int i = axis; i < x.rank; ++i) along.push_back(i == axis ? d[0] : 1);
    return t.reshape(of, along);
  }
  dims split, whole;
  for (int i = 0; i < x.rank; ++i) {
    split.push_back(d[i]), whole.push_back(d[i]);
    if (i == axis) split.push_back(1), whole.push_back(block);
  }
  return t.reshape(t.apply(op::expand{whole}, {t.reshape(of, split)}), x);
}

int as_f32(node_test& t, int x) { return t.apply(op::convert{}, {x}, {element::f32, t.extents(x), {}}); }
int as_u8_of_scale_1(node_test& t, int x) { return t.apply(op::convert{}, {x}, {element::u8, t.extents(x), {1, 0}}); }

/// One scale: a conversion. Several: round(x / scale) + zero point, as ONNX has it.
void quantize_linear(node_test& t) {
  const onnx_vector& v = t.v;
  if (v.x(1).extents().count() == 1)
    return t.expect(t.apply(op::convert{}, {t.input(0)}, {element::u8, v.y().extents(), map_of(v.x(1), v.x(2))}),
                    v.y());
  const dims& x = v.x().extents();
  const int zero_point = as_f32(t, t.input(v.x(2).reshaped(v.x(2).extents()), {1, 0}));
  const int steps = t.apply(op::round{}, {t.apply(op::div{}, {t.input(0), spread(t, t.input(1), x)})});
  t.expect(as_u8_of_scale_1(t, t.apply(op::add{}, {steps, spread(t, zero_point, x)})), v.y());
}

void dequantize_linear(node_test& t) {
  const onnx_vector& v = t.v;
  if (v.x(1).extents().count() == 1)
    return t.expect(t.apply(op::convert{}, {t.input(v.x().reshaped(v.x().extents()), map_of(v.x(1), v.x(2)))},
                            {element::f32, v.y().extents(), {}}),
                    v.y());
  const dims& x = v.x().extents();
  const auto real = [&](std::size_t i) { return as_f32(t, t.input(v.x(i).reshaped(v.x(i).extents()), {1, 0})); };
  const int centred = t.apply(op::sub{}, {real(0), spread(t, real(2), x)});
  t.expect(t.apply(op::mul{}, {centred, spread(t, t.input(1), x)}), v.y());
}

/// scale = (max(x, 0) - min(x, 0)) / 255, zero point = round(-min(x, 0) / scale), y = round(x / scale) + zero point.
void dynamic_quantize_linear(node_test& t) {
  const int x = t.input(0);
  const auto extreme = [&](op::reduce::kind_type kind, const activation& with_zero) {
    const int found = t.apply(op::reduce{.kind = kind, .keep_dims = true}, {x});
    return t.reshape(t.apply(op::activate{with_zero}, {found}), {1});
  };
  const int most = extreme(op::reduce::max, relu_activation), least = extreme(op::reduce::min, {-HUGE_VALF, 0});
  const int steps = t.input(tensor::of<float>({1}, std::vector<float>{255}));
  const int scale = t.apply(op::div{}, {t.apply(op::sub{}, {most, least}), steps});
  const auto rounded = [&](int v) { return t.apply(op::round{}, {t.apply(op::div{}, {v, scale})}); };
  const int zero_point = rounded(t.apply(op::neg{}, {least}));
  t.expect(as_u8_of_scale_1(t, t.apply(op::add{}, {rounded(x), zero_point})), t.v.y());
  t.expect(scale, *t.v.outputs[1]);
  t.expect(as_u8_of_scale_1(t, zero_point), *t.v.outputs[2]);
}

/// Over the axes from `axis` on, which are one: y; mean and 1 / sqrt(variance + epsilon) are other operators.
void layer_normalization(node_test& t) {
  const onnx_vector& v = t.v;
  const dims& d = v.x().extents();
  const int first = axis_of(v.attribute("axis", -1), d.rank);
  dims rows{1, 1};
  for (int i = 0; i < d.rank; ++i) rows[i < first ? 0 : 1] *= d[i];
  const float epsilon = v.attribute("epsilon", 1e-5f);
  const int x = t.reshape(t.input(0), rows);
  const auto row = [&](std::size_t i) { return v.has(i) ? make_constant(v.x(i).reshaped({rows[1]})) : nullptr; };
  t.expect(t.reshape(t.apply(op::layer_norm{.eps = epsilon}, {x}, {row(1), row(2)}), d), v.y());
  const auto mean_of = [&](int y) {
    return t.apply(op::reduce{.kind = op::reduce::mean, .axes = {1}, .keep_dims = true}, {y});
  };
  const int mean = mean_of(x), variance = mean_of(t.apply(op::square{}, {t.apply(op::sub{}, {x, mean})}));
  const int deviation = t.apply(op::sqrt{}, {t.apply(op::scale{.beta = epsilon}, {variance})});
  t.expect(t.reshape(mean, v.outputs[1]->extents()), *v.outputs[1]);
  t.expect(t.reshape(t.apply(op::reciprocal{}, {deviation}), v.outputs[2]->extents()), *v.outputs[2]);
}

constant times(const tensor& t, float factor) {
  tensor y(element::f32, t.extents());
  for (std::size_t i = 0; i < y.extents().count(); ++i) y.as<float>()[i] = t.as<float>()[i] * factor;
  return make_constant(std::move(y));
}

/// A fully connected layer; c is added to it, which may be for each row.
void gemm(node_test& t) {
  const onnx_vector& v = t.v;
  int a = t.input(0);
  if (v.attribute("transA", 0) != 0) a = t.apply(op::transpose{}, {a});
  const tensor w = v.attribute("transB", 0) != 0 ? v.x(1) : transposed(v.x(1));
  int y = t.apply(op::fc{.out = w.extents()[0]}, {a}, {times(w, v.attribute("alpha", 1.0f)), nullptr});
  if (v.has(2)) y = t.apply(op::add{}, {y, t.apply(op::scale{.alpha = v.attribute("beta", 1.0f)}, {t.input(2)})});
  t.expect(y, v.y());
}

/// Vectors are matrices of one row or column; batch extents are made equal.
void matmul(node_test& t) {
  const onnx_vector& v = t.v;
  int a = t.input(0), b = t.input(1);
  if (t.extents(a).rank == 1) a = t.reshape(a, {1, t.extents(a)[0]});
  if (t.extents(b).rank == 1) b = t.reshape(b, {t.extents(b)[0], 1});
  const int rank = std::max(t.extents(a).rank, t.extents(b).rank);
  const auto with_batch = [&](int x, const dims& other) {
    const dims own = t.extents(x);
    dims batch, ones;
    for (int i = 0; i < rank; ++i) {
      const int at = own.rank - rank + i, there = other.rank - rank + i, mine = at < 0 ? 1 : own[at];
      ones.push_back(mine);
      batch.push_back(i + 2 < rank ? std::max(mine, there < 0 ? 1 : other[there]) : mine);
    }
    return t.apply(op::expand{batch}, {t.reshape(x, ones)});
  };
  const dims of_a = t.extents(a), of_b = t.extents(b);
  const int y = t.apply(op::matmul{}, {with_batch(a, of_b), with_batch(b, of_a)});
  t.expect(t.reshape(y, v.y().extents().rank == 0 ? dims{1} : v.y().extents()), v.y());
}

/// With scales of 1 the FP32 output is the 32-bit sum.
void matmul_integer(node_test& t) {
  const onnx_vector& v = t.v;
  const int a = t.input(as_u8(v.x()), {1.0f, integer_at(v.x(2), 0)}),
            b = t.input(as_u8(v.x(1)), {1.0f, integer_at(v.x(3), 0)});
  t.expect(t.apply(op::matmul{}, {a, b}, {element::f32, v.y().extents(), {}}), v.y());
}

void qlinear_matmul(node_test& t) {
  const onnx_vector& v = t.v;
  const tensor y = as_u8(v.y());
  const int a = t.input(as_u8(v.x()), map_of(v.x(1), v.x(2))), b = t.input(as_u8(v.x(3)), map_of(v.x(4), v.x(5)));
  t.expect(t.apply(op::matmul{}, {a, b}, {element::u8, y.extents(), map_of(v.x(6), v.x(7))}), y);
}

/// 0 keeps an extent, -1 is what is left.
void reshape(node_test& t) {
  const onnx_vector& v = t.v;
  const std::vector<int> asked = integers_of(v.x(1));
  const dims& x = v.x().extents();
  std::size_t left = x.count();
  dims to;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    to.push_back(asked[i] == 0 ? x[static_cast<int>(i)] : std::max(asked[i], 1));
    if (asked[i] != -1) left /= static_cast<std::size_t>(to.back());
  }
  for (std::size_t i = 0; i < asked.size(); ++i)
    if (asked[i] == -1) to[static_cast<int>(i)] = static_cast<int>(left);
  t.expect(t.reshape(t.input(0), to), v.y());
}

/// Number `axis` of an input that has one for each of "axes", or for all axes.
float of_axis(const onnx_vector& v, std::size_t input, int axis, float otherwise) {
  if (!v.has(input)) return otherwise;
  const std::vector<int> axes = v.attribute("axes", std::vector<int>{0, 1, 2, 3});
  for (std::size_t k = 0; k < axes.size(); ++k)
    if (axes[k] == axis)
      return is_float(v.x(input)) ? v.x(input).as<float>()[k] : static_cast<float>(integer_at(v.x(input), k));
  return otherwise;
}

void resize(node_test& t) {
  const onnx_vector& v = t.v;
  op::interp2d o{.scale_h = of_axis(v, 2, 2, 0), .scale_w = of_axis(v, 2, 3, 0)};
  from_attribute(attribute(v.attributes.value("coordinate_transformation_mode", "half_pixel")), o.coordinates);
  from_attribute(attribute(v.attributes.value("nearest_mode", "round_prefer_floor")), o.rounding);
  if (v.has(3)) {
    const auto height = static_cast<float>(v.x().extents()[2]), width = static_cast<float>(v.x().extents()[3]);
    float by_h = of_axis(v, 3, 2, height) / height, by_w = of_axis(v, 3, 3, width) / width;
    const std::string policy = v.attributes.value("keep_aspect_ratio_policy", "stretch");
    if (policy == "not_larger") by_h = by_w = std::min(by_h, by_w);
    if (policy == "not_smaller") by_h = by_w = std::max(by_h, by_w);
    o.size = {static_cast<int>(std::floor(by_h * height + 0.5f)), static_cast<int>(std::floor(by_w * width + 0.5f))};
  }
  t.expect(t.apply(o, {t.input(channels_last(v.x()))}), channels_last(v.y()));
}

void slice(node_test& t) {
  const onnx_vector& v = t.v;
  const auto list = [&](std::size_t i) { return v.has(i) ? numbers(integers_of(v.x(i))) : axis_numbers{}; };
  t.expect(t.apply(op::slice{list(1), list(2), list(3), list(4)}, {t.input(0)}), v.y());
}

void softmax(node_test& t) { t.expect(t.apply(op::softmax{t.v.attribute("axis", -1)}, {t.input(0)}), t.v.y()); }

/// The sizes are given, or all are the first, but for the last one, which is what is left.
void split(node_test& t) {
  const onnx_vector& v = t.v;
  const int axis = axis_of(v.attribute("axis", 0), v.x().extents().rank), n = v.x().extents()[axis];
  const int parts = static_cast<int>(v.outputs.size()), each = (n + parts - 1) / parts, x = t.input(0);
  for (int i = 0, start = 0; i < parts; ++i) {
    const int size = v.has(1) ? integer_at(v.x(1), static_cast<std::size_t>(i)) : std::min(each, n - start);
    const op::slice part{{start}, {start + size}, {axis}, {}};
    t.expect(t.apply(part, {x}), *v.outputs[static_cast<std::size_t>(i)]);
    start += size;
  }
}

void transpose(node_test& t) {
  t.expect(t.apply(op::transpose{numbers(t.v.attribute("perm", std::vector<int>{}))}, {t.input(0)}), t.v.y());
}

/// Rows of a tensor (1, blocks of equal size, ...) in the order of `blocks`, from number `first` of such rows on.
constant gates_of(const tensor& t, const std::vector<int>& blocks, int first = 0, int of = 1) {
  dims e;
  for (int i = 1; i < t.extents().rank; ++i) e.push_back(t.extents()[i]);
  e[0] /= of;
  tensor y(element::f32, e);
  const std::size_t block = e.count() / blocks.size();
  for (std::size_t i = 0; i < blocks.size(); ++i)
    std::ranges::copy(
        t.as<float>().subspan(static_cast<std::size_t>(first) * e.count() + static_cast<std::size_t>(blocks[i]) * block,
                              block),
        y.as<float>().begin() + static_cast<std::ptrdiff_t>(i * block));
  return make_constant(std::move(y));
}

/// A recurrent node; all tests have one direction. `gates`: places there of Octavo's gates.
void recurrent(node_test& t, operation o, const std::vector<int>& gates, std::size_t outputs) {
  const onnx_vector& v = t.v;
  if (v.attributes.contains("direction") && v.attributes["direction"] != "forward") throw out_of_scope{"no such test"};
  const bool batch_first = v.attribute("layout", 0) == 1;
  const dims& x = v.x().extents();
  const int n = x[batch_first ? 0 : 1];
  int in = t.input(0);
  if (!batch_first) in = t.apply(op::transpose{{1, 0, 2}}, {in});
  const auto bias = [&](int which) { return v.has(3) ? gates_of(v.x(3), gates, which, 2) : nullptr; };
  std::vector<int> src{t.apply(op::fc{.out = v.x(1).extents()[1]}, {in}, {gates_of(v.x(1), gates), bias(0)})};
  src.push_back(v.has(4) ? t.input(4) : -1);
  for (std::size_t i : {5, 6})
    if (src.size() < 1 + outputs) src.push_back(v.has(i) ? t.reshape(t.input(i), {n, v.x(i).extents().back()}) : -1);
  std::vector<constant> constants{gates_of(v.x(2), gates), bias(1)};
  if (v.has(7)) constants.insert(constants.end(), {nullptr, gates_of(v.x(7), {0, 2, 1})});
  const std::vector<int> y = t.apply_all(o, src, std::move(constants));
  for (std::size_t i = 0; i < v.outputs.size(); ++i)
    if (v.outputs[i]) {
      if (i == 0 && !batch_first) throw out_of_scope{"no such test"};
      t.expect(t.reshape(y[i], v.outputs[i]->extents()), v.outputs[i]->reshaped(v.outputs[i]->extents()));
    }
}

void gru(node_test& t) {
  const op::gru g{.hidden = t.v.attribute("hidden_size", 0),
                  .reset_after = t.v.attribute("linear_before_reset", 0) != 0,
                  .origin_mode = true};
  recurrent(t, g, {0, 1, 2}, 2);
}
void lstm(node_test& t) { recurrent(t, op::lstm{.hidden = t.v.attribute("hidden_size", 0)}, {0, 2, 3, 1}, 3); }

const std::map<std::string, void (*)(node_test&)> mappings = {
    {"Add", arithmetic<op::add>},
    {"AveragePool", [](node_test& t) { pooling(t, op::pool2d::average); }},
    {"Concat", concat},
    {"Conv", conv},
    {"ConvInteger", conv_integer},
    {"DequantizeLinear", dequantize_linear},
    {"DynamicQuantizeLinear", dynamic_quantize_linear},
    {"Gelu",
     [](node_test& t) {
       function(t, op::gelu{{}, t.v.attributes.value("approximate", "none") == "tanh"});
     }},
    {"GRU", gru},
    {"Gemm", gemm},
    {"GlobalAveragePool", [](node_test& t) { pooling(t, op::pool2d::average); }},
    {"HardSigmoid",
     [](node_test& t) {
       function(t, op::hard_sigmoid{{}, t.v.attribute("alpha", 0.2f), t.v.attribute("beta", 0.5f)});
     }},
    {"HardSwish", [](node_test& t) { function<op::hard_swish>(t); }},
    {"LSTM", lstm},
    {"LayerNormalization", layer_normalization},
    {"LeakyRelu",
     [](node_test& t) {
       function(t, op::leaky_relu{{}, t.v.attribute("alpha", 0.01f)});
     }},
    {"MatMul", matmul},
    {"MatMulInteger", matmul_integer},
    {"MaxPool", [](node_test& t) { pooling(t, op::pool2d::max); }},
    {"Mul", arithmetic<op::mul>},
    {"QLinearConv", qlinear_conv},
    {"QLinearMatMul", qlinear_matmul},
    {"QuantizeLinear", quantize_linear},
    {"Reshape", reshape},
    {"Resize", resize},
    {"Sigmoid", [](node_test& t) { function<op::sigmoid>(t); }},
    {"Slice", slice},
    {"Softmax", softmax},
    {"Split", split},
    {"Sub", arithmetic<op::sub>},
    {"Tanh", [](node_test& t) { function<op::tanh>(t); }},
    {"Transpose", transpose},
};

}  // namespace

TEST_CASE("ONNX: the node tests") {
  const auto folder = data_folder();
  if (!folder) return;
  std::ifstream file(*folder / "vectors" / "index.json");
  REQUIRE(file.good());
  int passed = 0, failed = 0, left_out = 0;
  for (const auto& entry : nlohmann::json::parse(file)) {
    const std::string name = entry["test"], kind = entry["op"];
    std::string wrong;
    try {
      const auto mapping = mappings.find(kind);
      if (mapping == mappings.end()) throw out_of_scope{"no operator for " + kind};
      std::ifstream description(*folder / "vectors" / (name + ".json"));
      const nlohmann::json all = nlohmann::json::parse(description);
      for (const auto& t : all["tensors"])
        for (int extent : t["shape"])
          if (extent == 0) throw out_of_scope{"a tensor without elements"};
      node_test t(std::move(onnx_vectors({name}).at(0)));
      mapping->second(t);
      wrong = t.difference();
      wrong.empty() ? ++passed : ++failed;
    } catch (const out_of_scope& reason) {
      std::printf("out of scope: %s: %s\n", name.c_str(), reason.why.c_str());
      ++left_out;
    } catch (const error& e) {
      wrong = e.what();
      ++failed;
    }
    CHECK_MESSAGE(wrong.empty(), name << ": " << wrong);
  }
  CHECK(passed >= 193);  // of 213
  static std::string summary;
  summary = text("onnx vectors: ", passed, " passed, ", failed, " failed, ", left_out, " out of scope");
  std::atexit([] { std::puts(summary.c_str()); });  // the last line, behind what doctest has to say
}
