// Functions of one number, applied to each element: y = f(x). x, y: any extents, f32 or u8.
//
// On u8 the function is computed between the real numbers: q_y = clamp(rne(f(s_x (q_x - zp_x)) / s_y) + zp_y), with
// products by s_x and by float(1 / s_y). That is a table of 256 entries. Where f gives a NaN, as the logarithm does
// below 0, q_y is 0, the lower bound.
//
// On f32 a NaN gives a NaN. Accuracies are in units in the last place of the exact result (ulp).
#pragma once

#include "octavo/base/math.hpp"
#include "octavo/op/elementwise.hpp"

namespace octavo::op {

namespace detail {
template <class F>
void check_unary(const F& f, const signature& s);
template <class F>
void evaluate_unary_function(const F& f, const signature& s, const arguments& a);
}  // namespace detail

/// What makes F such a function: a name and fields, and its formula in unary.inc.
template <class F>
struct unary {
  static constexpr port inputs[] = {{"x"}};
  static constexpr bool elementwise = true;
  static constexpr auto fields = std::tuple{};

  /// Throws octavo::error, naming what is wrong, unless `s` describes a function that can be run.
  friend void check(const F& f, const signature& s) { detail::check_unary(f, s); }
  /// Reference evaluation.
  friend void evaluate(const F& f, const signature& s, const arguments& a) { detail::evaluate_unary_function(f, s, a); }
};

/// x, and alpha x below 0.
struct leaky_relu : unary<leaky_relu> {
  static constexpr std::string_view name = "leaky_relu";
  float alpha = 0.01f;
  static constexpr auto fields = std::tuple{field{"alpha", &leaky_relu::alpha}};
};
/// x above alpha, else 0.
struct thresholded_relu : unary<thresholded_relu> {
  static constexpr std::string_view name = "thresholded_relu";
  float alpha = 1.0f;
  static constexpr auto fields = std::tuple{field{"alpha", &thresholded_relu::alpha}};
};
/// x, and alpha (exp(x) - 1) below 0. 2 ulp. Source: Clevert, Unterthiner and Hochreiter, arXiv 1511.07289.
struct elu : unary<elu> {
  static constexpr std::string_view name = "elu";
  float alpha = 1.0f;
  static constexpr auto fields = std::tuple{field{"alpha", &elu::alpha}};
};
/// gamma x, and gamma alpha (exp(x) - 1) below 0. 2 ulp. Source: Klambauer et al., arXiv 1706.02515.
struct selu : unary<selu> {
  static constexpr std::string_view name = "selu";
  float alpha = 1.67326319f;
  float gamma = 1.05070102f;
  static constexpr auto fields = std::tuple{field{"alpha", &selu::alpha}, field{"gamma", &selu::gamma}};
};
/// 1 / (1 + exp(-x)). 3 ulp.
struct sigmoid : unary<sigmoid> {
  static constexpr std::string_view name = "sigmoid";
};
/// min(max(alpha x + beta, 0), 1), the sum rounded once.
struct hard_sigmoid : unary<hard_sigmoid> {
  static constexpr std::string_view name = "hard_sigmoid";
  float alpha = 0.2f;
  float beta = 0.5f;
  static constexpr auto fields = std::tuple{field{"alpha", &hard_sigmoid::alpha}, field{"beta", &hard_sigmoid::beta}};
};
/// x sigmoid(beta x), which is silu for beta = 1; 0 at -infinity. 4 ulp for beta = 1 from -87 up, where the sigmoid is
/// no subnormal number. Source: Ramachandran, Zoph and Le, arXiv 1710.05941.
struct swish : unary<swish> {
  static constexpr std::string_view name = "swish";
  float beta = 1.0f;
  static constexpr auto fields = std::tuple{field{"beta", &swish::beta}};
};
/// x min(max(x / 6 + 1/2, 0), 1). Source: Howard et al., arXiv 1905.02244.
struct hard_swish : unary<hard_swish> {
  static constexpr std::string_view name = "hard_swish";
};
/// x tanh(softplus(x)); 0 at -infinity. 5 ulp from -86 up. Source: Misra, arXiv 1908.08681.
struct mish : unary<mish> {
  static constexpr std::string_view name = "mish";
};
/// x (1 + erf(x / sqrt(2))) / 2, or with the tanh form x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2; 0 at
/// -infinity. 4 ulp above 0, within 2e-7 below. Source: Hendrycks and Gimpel, arXiv 1606.08415.
struct gelu : unary<gelu> {
  static constexpr std::string_view name = "gelu";
  bool approximate_tanh = false;
  static constexpr auto fields = std::tuple{field{"approximate_tanh", &gelu::approximate_tanh}};
};
/// log(1 + exp(x)). 2 ulp.
struct softplus : unary<softplus> {
  static constexpr std::string_view name = "softplus";
};
/// x / (1 + |x|).
struct softsign : unary<softsign> {
  static constexpr std::string_view name = "softsign";
};
/// The hyperbolic tangent. 3 ulp.
struct tanh : unary<tanh> {
  static constexpr std::string_view name = "tanh";
};
/// The error function. 1 ulp.
struct erf : unary<erf> {
  static constexpr std::string_view name = "erf";
};
/// e^x, with gradual underflow. 1 ulp.
struct exp : unary<exp> {
  static constexpr std::string_view name = "exp";
};
/// The natural logarithm; -infinity at 0, NaN below. 1 ulp.
struct log : unary<log> {
  static constexpr std::string_view name = "log";
};
/// x^exponent. 2 + |exponent| ulp; exponents -1, 0, 1 and 0.5 are exact or rounded once, 2 and 3 are products. NaN
/// where x < 0 and the exponent is no integer.
struct pow : unary<pow> {
  static constexpr std::string_view name = "pow";
  float exponent = 2.0f;
  static constexpr auto fields = std::tuple{field{"exponent", &pow::exponent}};
};
/// The square root; NaN below 0.
struct sqrt : unary<sqrt> {
  static constexpr std::string_view name = "sqrt";
};
/// x x.
struct square : unary<square> {
  static constexpr std::string_view name = "square";
};
/// 1 / x.
struct reciprocal : unary<reciprocal> {
  static constexpr std::string_view name = "reciprocal";
};
/// |x|.
struct abs : unary<abs> {
  static constexpr std::string_view name = "abs";
};
/// -x.
struct neg : unary<neg> {
  static constexpr std::string_view name = "neg";
};
/// 1, 0 or -1 as x is above, equal to or below 0.
struct sign : unary<sign> {
  static constexpr std::string_view name = "sign";
};
/// The largest integer that is at most x.
struct floor : unary<floor> {
  static constexpr std::string_view name = "floor";
};
/// The smallest integer that is at least x.
struct ceil : unary<ceil> {
  static constexpr std::string_view name = "ceil";
};
/// The nearest integer, the even one of two.
struct round : unary<round> {
  static constexpr std::string_view name = "round";
};

/// All of them.
using unary_functions =
    type_list<leaky_relu, thresholded_relu, elu, selu, sigmoid, hard_sigmoid, swish, hard_swish, mish, gelu, softplus,
              softsign, tanh, erf, exp, log, pow, sqrt, square, reciprocal, abs, neg, sign, floor, ceil, round>;

}  // namespace octavo::op

namespace octavo::scalar {
#define OCTAVO_LANES_FUNCTION inline
#include "octavo/op/unary.inc"
#undef OCTAVO_LANES_FUNCTION
}  // namespace octavo::scalar

namespace octavo::op::detail {

template <class F>
void check_unary(const F& f, const signature& s) {
  check_elementwise(s, 1, F::name);
  for_each_field<F>([&](const auto& attribute) {
    if constexpr (std::is_same_v<decltype(attribute.member), float F::*>)
      require(std::isfinite(f.*attribute.member), F::name, ": ", attribute.name, " must be finite, found ",
              f.*attribute.member);
  });
}

template <class F>
void evaluate_unary_function(const F& f, const signature& s, const arguments& a) {
  const tensor_type &x = s.src[0], &y = *s.dst;
  const std::size_t rows = a.dst->extents.rows(), columns = static_cast<std::size_t>(a.dst->extents.back());
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t c = 0; c < columns; ++c) {
      const float from = x.is_u8() ? dequantize_u8(a.src[0].row<std::uint8_t>(r)[c], x.q) : a.src[0].row<float>(r)[c];
      const float to = scalar::apply(f, from);
      if (y.is_u8())
        a.dst->row<std::uint8_t>(r)[c] = quantize_u8(to, y.q);
      else
        a.dst->row<float>(r)[c] = to;
    }
}

}  // namespace octavo::op::detail
