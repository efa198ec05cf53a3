// PaddlePaddle's arithmetic, functions of single numbers, reductions.
#pragma once

#include "octavo/importer/paddle/operator.hpp"

namespace octavo::paddle {
namespace detail {

// Arithmetic of two tensors. The lower one's axes begin at `axis` of the other, or end with it; then they broadcast.

/// Tensor `name` as an operand of `rank` axes, of which its own begin at `first`; channels last where `last`.
inline int operand_of(composer& net, const std::string& name, int rank, int first, bool last) {
  const dims own = net.extents(name);
  const axis_numbers perm = importer::to_channels_last(rank);
  dims full;
  for (int i = 0; i < rank; ++i) full.push_back(i < first || i >= first + own.rank ? 1 : own.encoded(i - first));
  if (const constant t = net.known(name)) {  // a constant that lies as it is read goes into weights
    tensor elements = t->reshaped(full);
    if (last) elements = importer::transposed(elements, perm);
    return *net.append(op::constant{}, name, {}, {make_constant(std::move(elements))});
  }
  if (own.rank == rank) return last ? net.channels_last(name) : net.plain(name);
  const int x = *net.append(op::reshape{full}, name + ".aligned", {net.plain(name)});
  return last && rank > 2 ? *net.append(op::transpose{perm}, name + ".nhwc", {x}) : x;
}

/// Whole numbers that are known, as shapes are: the result is known, too.
template <class Combine>
void combine_integers(const imported_op& o, Combine&& combine) {
  const auto x = o.net.integers(o.input("X"), "X"), y = o.net.integers(o.input("Y"), "Y");
  const std::size_t n = std::max(x.size(), y.size());
  require((x.size() == n || x.size() == 1) && (y.size() == n || y.size() == 1), "cannot combine ", x.size(), " and ",
          y.size(), " whole numbers");
  tensor z(element::s64, o.net.extents(o.input(x.size() == n ? "X" : "Y")));
  for (std::size_t i = 0; i < n; ++i) {
    const std::int64_t a = x[x.size() == 1 ? 0 : i], b = y[y.size() == 1 ? 0 : i];
    constexpr std::int64_t most = std::numeric_limits<int>::max();
    require(std::max(a, b) <= most && std::min(a, b) >= -most, "cannot compute with ", a, " and ", b,
            ": they are no numbers of 32 bits, as the extents of bounded axes are none");
    z.as<std::int64_t>()[i] = combine(a, b);
  }
  o.set_known(std::move(z));
}

/// `a` / `b`, rounded to 0.
inline std::int64_t quotient(std::int64_t a, std::int64_t b) {
  require(b != 0, "division by 0");
  return a / b;
}

/// Appends F of two values.
template <class F>
void append_binary(const imported_op& o, const F& f) {
  const std::string &x = o.input("X"), &y = o.input("Y");
  dims a = o.net.extents(x), b = o.net.extents(y);
  const int rank = std::max({a.rank, b.rank, 1}), axis = o.small_integer("axis", -1);
  const auto first_of = [&](const dims& d) { return axis < 0 || d.rank == rank ? rank - d.rank : axis; };
  require(first_of(a) >= 0 && first_of(b) >= 0 && first_of(a) + a.rank <= rank && first_of(b) + b.rank <= rank, "axis ",
          axis, " does not align ", a, " and ", b);
  const auto lies_so = [&](const std::string& name, const dims& d) {
    return d.rank == rank && o.net.lies_channels_last(name);
  };
  const bool last = lies_so(x, a) || lies_so(y, b);
  const int left = operand_of(o.net, x, rank, first_of(a), last), right = operand_of(o.net, y, rank, first_of(b), last);
  o.set(o.append(f, {left, right}), last);
}

template <class F, class Combine>
void arithmetic(const imported_op& o, Combine&& combine) {
  if (is_integer(o.net, o.input("X")) && is_integer(o.net, o.input("Y"))) return combine_integers(o, combine);
  append_binary(o, F{});
}

inline void elementwise_pow(const imported_op& o) {
  const std::vector<float> exponent = o.net.numbers(o.input("Y"), "the exponent");
  require(exponent.size() == 1, "expected one exponent, found ", exponent.size());
  o.apply_to_elements(op::pow{{}, exponent[0]});
}

inline void sum(const imported_op& o) {
  const bool last = o.net.lies_channels_last(o.input("X"));
  const auto value = [&](const std::string& name) { return last ? o.net.channels_last(name) : o.net.plain(name); };
  int y = value(o.input("X"));
  for (std::size_t i = 1; i < o.inputs("X").size(); ++i) y = o.append(op::add{}, {y, value(o.inputs("X")[i])});
  o.set(y, last);
}

// Lines.

inline void scale(const imported_op& o) {
  const float alpha = o.number_of("ScaleTensor", "scale", 1.0f), bias = o.number("bias", 0.0f);
  if (alpha == 1.0f && bias == 0.0f) return o.set_same();
  const float beta = o.flag("bias_after_scale", true) ? bias : alpha * bias;
  if (!is_integer(o.net, o.input("X"))) return o.apply_to_elements(op::scale{.alpha = alpha, .beta = beta});
  tensor y(element::s64, o.net.extents(o.input("X")));
  std::ranges::transform(o.net.integers(o.input("X"), "X"), y.as<std::int64_t>().begin(), [&](std::int64_t v) {
    require(std::abs(v) <= std::numeric_limits<int>::max(), "cannot compute with the extent of a bounded axis");
    return static_cast<std::int64_t>(static_cast<double>(alpha) * static_cast<double>(v) + static_cast<double>(beta));
  });
  o.set_known(std::move(y));
}

/// What is left at inference: by default the elements are scaled by how many of them are kept in training.
inline void dropout(const imported_op& o) {
  const std::string how = o.string("dropout_implementation", "downgrade_in_infer");
  require(how == "downgrade_in_infer" || how == "upscale_in_train", "unknown dropout_implementation ", how);
  if (how == "upscale_in_train") return o.set_same();
  o.apply_to_elements(op::scale{.alpha = 1.0f - o.number("dropout_prob", 0.5f)});
}

inline void prelu(const imported_op& o) {
  const std::string mode = o.string("mode", "channel");
  const bool last = o.string("data_format", "NCHW") != "NHWC";
  const int x = mode != "channel" ? o.net.as_it_lies(o.input())
                : last            ? o.net.channels_last(o.input())
                                  : o.net.plain(o.input());
  require(mode == "channel" || mode == "all", "the mode ", mode, " is not supported");
  const auto count = mode == "all" ? 1 : static_cast<std::size_t>(o.net.net.type(x).extents.back());
  const bool lies_so = mode == "all" ? o.net.lies_channels_last(o.input()) : last;
  o.set(o.append(op::prelu{}, {x}, {o.row("Alpha", count)}), lies_so);
}

// Functions of single numbers.

inline void clip(const imported_op& o, std::string_view lower, std::string_view upper, float from, float to) {
  o.apply_to_elements(op::activate{{o.number_of("Min", lower, from), o.number_of("Max", upper, to)}});
}

/// x min(max(x + offset, 0), threshold) / scale.
inline void hard_swish(const imported_op& o) {
  const float threshold = o.number("threshold", 6), by = o.number("scale", 6), offset = o.number("offset", 3);
  if (threshold == 6 && by == 6 && offset == 3) return o.apply_to_elements(op::hard_swish{});
  const bool last = o.net.lies_channels_last(o.input());
  const int x = o.net.as_it_lies(o.input());
  const int gate = o.append_inner(op::hard_sigmoid{{}, 1 / threshold, offset / threshold}, x);
  o.set(o.append(op::scale{.alpha = threshold / by}, {o.append(op::mul{}, {x, gate})}), last);
}

/// log(1 + exp(beta x)) / beta. Above the threshold Paddle takes x, as does rounding.
inline void softplus(const imported_op& o) {
  require(o.number("beta", 1) == 1, "the beta ", o.number("beta", 1), " is not supported");
  o.apply_to_elements(op::softplus{});
}

/// `f` of `g` of each element.
template <class F, class G>
void apply_both(const imported_op& o, const F& f, const G& g) {
  const bool last = o.net.lies_channels_last(o.input());
  o.set(o.append(f, {o.append_inner(g, o.net.as_it_lies(o.input()))}), last);
}
inline void log_sigmoid(const imported_op& o) {  // -softplus(-x)
  const bool last = o.net.lies_channels_last(o.input());
  const int y = o.append_inner(op::softplus{}, o.append_inner(op::neg{}, o.net.as_it_lies(o.input())));
  o.set(o.append(op::neg{}, {y}), last);
}

/// To another type of element: between numbers, and from known whole numbers.
inline void cast(const imported_op& o) {
  const auto to = static_cast<type_code>(o.integer("out_dtype", static_cast<int>(type_code::f32)));
  const bool to_float = to == type_code::f32 || to == type_code::f64 || to == type_code::f16;
  const element from = o.net.type(o.input());
  if (to_float == (from == element::f32)) return o.set_same();
  const constant t = o.net.known(o.input());
  if (to_float && from == element::u8 && !t) {
    const bool last = o.net.lies_channels_last(o.input());
    const int x = o.net.as_it_lies(o.input());
    return o.set(*o.net.append(op::convert{}, o.output(), {x}, {element::f32, o.net.net.type(x).extents, {}}), last);
  }
  require(t != nullptr, "cannot cast ", name_of(from), " that depends on an input to type ", static_cast<int>(to));
  tensor y(to_float ? element::f32 : element::s64, t->extents());
  if (to_float)
    std::ranges::transform(o.net.integers(o.input(), "X"), y.as<float>().begin(),
                           [](std::int64_t v) { return static_cast<float>(v); });
  else
    std::ranges::transform(t->as<float>(), y.as<std::int64_t>().begin(), [](float v) {
      require(std::fabs(v) <= 0x1p31f, "cannot cast ", v, " to a whole number");
      return static_cast<std::int64_t>(v);
    });
  o.set_known(std::move(y));
}

// Along axes.

/// Which axes of the value as it lies.
inline axis_numbers axes_as_they_lie(const imported_op& o, const std::vector<std::int64_t>& axes, bool last) {
  const int rank = o.net.extents(o.input()).rank;
  const axis_numbers perm = importer::to_channels_last(rank);
  axis_numbers all;
  for (std::int64_t axis : axes) {
    require(axis >= -rank && axis < rank, "there is no axis ", axis, " in ", o.net.extents(o.input()));
    const int a = axis_of(static_cast<int>(axis), rank);
    all.push_back(last ? static_cast<int>(std::ranges::find(perm, a) - perm.begin()) : a);
  }
  std::sort(all.number.begin(), all.number.begin() + all.count);
  return all;
}

inline void reduce(const imported_op& o, op::reduce::kind_type kind, bool all) {
  const dims x = o.net.extents(o.input());
  auto axes = o.integers("dim", {0});
  if (all || o.flag("reduce_all", false) || axes.empty()) {
    axes.clear();
    for (int i = 0; i < x.rank; ++i) axes.push_back(i);
  }
  if (is_integer(o.net, o.input())) {  // the number of elements of a shape, say
    require(kind == op::reduce::prod && axes.size() == static_cast<std::size_t>(x.rank),
            "of whole numbers only the product of all is supported");
    std::int64_t product = 1;
    for (std::int64_t v : o.net.integers(o.input(), "X")) {
      require(v >= 0 && product <= std::numeric_limits<int>::max(), "the product is out of range");
      product *= v;
    }
    return o.set_known(tensor::of<std::int64_t>({1}, {{product}}));
  }
  const bool keep = o.flag("keep_dim", false);
  bool last = o.net.lies_channels_last(o.input());
  for (std::int64_t axis : axes)  // without batch or channels, what is left does not lie channels last
    last = last && (keep || (axis_of(static_cast<int>(axis), x.rank) > 1));
  const int v = last ? o.net.channels_last(o.input()) : o.net.plain(o.input());
  const op::reduce r{kind, axes_as_they_lie(o, axes, last), keep || axes.size() == static_cast<std::size_t>(x.rank)};
  const int y = o.append(r, {v});
  if (r.keep_dims && !keep) return o.set(o.append_inner(op::reshape{{1}}, y));
  o.set(y, last);
}

template <class F>
void along_axis(const imported_op& o, F f) {
  f.axis = o.net.axis_as_it_lies(o.input(), o.integer("axis", -1));
  o.apply_to_elements(f);
}

template <class F>
void best_place(const imported_op& o) {
  F f;
  f.axis = o.integer_of("", "axis", -1);
  f.keep_dims = o.flag("keepdims", false);
  require(!o.flag("flatten", false), "the place in a flattened tensor is not supported");
  int y = o.append(f, {o.net.plain(o.input())});
  if (o.net.net.type(y).extents.rank == 0) y = o.append_inner(op::reshape{{1}}, y);
  o.set(y);
}

inline void top_k(const imported_op& o) {
  require(o.integer("sorted", 1) != 0 || o.integer("k", 1) == 1, "top_k that is not sorted is not supported");
  const op::top_k f{o.integer_of("K", "k", 1), o.small_integer("axis", -1), o.flag("largest", true)};
  const auto y = o.net.append(f, o.output(), {o.net.plain(o.input())});
  o.set(y[0]);
  o.set(y[1], false, "Indices");
}

}  // namespace detail

/// Arithmetic and what works on each element, or along axes.
inline const operator_table& elementwise_operators() {
  using namespace detail;
  using in = const imported_op&;
  using s64 = std::int64_t;
  static const operator_table table{
      {"elementwise_add", [](in o) { arithmetic<op::add>(o, [](s64 a, s64 b) { return a + b; }); }},
      {"elementwise_sub", [](in o) { arithmetic<op::sub>(o, [](s64 a, s64 b) { return a - b; }); }},
      {"elementwise_mul", [](in o) { arithmetic<op::mul>(o, [](s64 a, s64 b) { return a * b; }); }},
      {"elementwise_div", [](in o) { arithmetic<op::div>(o, quotient); }},
      {"elementwise_floordiv", [](in o) { combine_integers(o, quotient); }},
      {"elementwise_mod", [](in o) { combine_integers(o, [](s64 a, s64 b) { return a - quotient(a, b) * b; }); }},
      {"elementwise_max", [](in o) { arithmetic<op::max>(o, [](s64 a, s64 b) { return std::max(a, b); }); }},
      {"elementwise_min", [](in o) { arithmetic<op::min>(o, [](s64 a, s64 b) { return std::min(a, b); }); }},
      {"elementwise_pow", elementwise_pow},
      {"sum", sum},
      {"scale", scale},
      {"dropout", dropout},
      {"cast", cast},
      {"relu", [](in o) { o.apply_to_elements(op::activate{relu_activation}); }},
      {"relu6",
       [](in o) {
         o.apply_to_elements(op::activate{{0.0f, o.number("threshold", 6.0f)}});
       }},
      {"clip", [](in o) { clip(o, "min", "max", -HUGE_VALF, HUGE_VALF); }},
      {"brelu", [](in o) { clip(o, "t_min", "t_max", 0.0f, 24.0f); }},
      {"hard_tanh", [](in o) { clip(o, "t_min", "t_max", -1.0f, 1.0f); }},
      {"leaky_relu",
       [](in o) {
         o.apply_to_elements(op::leaky_relu{{}, o.number("alpha", 0.02f)});
       }},
      {"thresholded_relu",
       [](in o) {
         o.apply_to_elements(op::thresholded_relu{{}, o.number("threshold", 1.0f)});
       }},
      {"prelu", prelu},
      {"elu",
       [](in o) {
         o.apply_to_elements(op::elu{{}, o.number("alpha", 1.0f)});
       }},
      {"selu",
       [](in o) {
         o.apply_to_elements(op::selu{{}, o.number("alpha", 1.67326319f), o.number("scale", 1.05070102f)});
       }},
      {"sigmoid", [](in o) { o.apply_to_elements(op::sigmoid{}); }},
      {"logsigmoid", log_sigmoid},
      {"hard_sigmoid",
       [](in o) {
         o.apply_to_elements(op::hard_sigmoid{{}, o.number("slope", 0.2f), o.number("offset", 0.5f)});
       }},
      {"hard_swish", hard_swish},
      {"swish",
       [](in o) {
         o.apply_to_elements(op::swish{{}, o.number("beta", 1.0f)});
       }},
      {"silu", [](in o) { o.apply_to_elements(op::swish{}); }},
      {"mish", [](in o) { o.apply_to_elements(op::mish{}); }},
      {"gelu",
       [](in o) {
         o.apply_to_elements(op::gelu{{}, o.flag("approximate", false)});
       }},
      {"softplus", softplus},
      {"softsign", [](in o) { o.apply_to_elements(op::softsign{}); }},
      {"tanh", [](in o) { o.apply_to_elements(op::tanh{}); }},
      {"erf", [](in o) { o.apply_to_elements(op::erf{}); }},
      {"exp", [](in o) { o.apply_to_elements(op::exp{}); }},
      {"log", [](in o) { o.apply_to_elements(op::log{}); }},
      {"pow",
       [](in o) {
         o.apply_to_elements(op::pow{{}, o.number_of("FactorTensor", "factor", 1.0f)});
       }},
      {"sqrt", [](in o) { o.apply_to_elements(op::sqrt{}); }},
      {"rsqrt", [](in o) { apply_both(o, op::reciprocal{}, op::sqrt{}); }},
      {"square", [](in o) { o.apply_to_elements(op::square{}); }},
      {"reciprocal", [](in o) { o.apply_to_elements(op::reciprocal{}); }},
      {"abs", [](in o) { o.apply_to_elements(op::abs{}); }},
      {"sign", [](in o) { o.apply_to_elements(op::sign{}); }},
      {"floor", [](in o) { o.apply_to_elements(op::floor{}); }},
      {"ceil", [](in o) { o.apply_to_elements(op::ceil{}); }},
      {"reduce_mean", [](in o) { reduce(o, op::reduce::mean, false); }},
      {"reduce_sum", [](in o) { reduce(o, op::reduce::sum, false); }},
      {"reduce_prod", [](in o) { reduce(o, op::reduce::prod, false); }},
      {"reduce_max", [](in o) { reduce(o, op::reduce::max, false); }},
      {"reduce_min", [](in o) { reduce(o, op::reduce::min, false); }},
      {"mean", [](in o) { reduce(o, op::reduce::mean, true); }},
      {"softmax", [](in o) { along_axis(o, op::softmax{}); }},
      {"log_softmax", [](in o) { along_axis(o, op::log_softmax{}); }},
      {"arg_max", best_place<op::argmax>},
      {"arg_min", best_place<op::argmin>},
      {"top_k", top_k},
      {"top_k_v2", top_k},
  };
  return table;
}

}  // namespace octavo::paddle
