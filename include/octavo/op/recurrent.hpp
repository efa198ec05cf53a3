// What the recurrent operators, gru and lstm, have in common: sequences in a batch, directions, states, and products of
// a state with recurrent weights.
//
// Their input is the product of the layer's input with its input weights, for all steps at once: an fc whose output is
// f32. So each fc kernel serves, and a stack of layers stays u8 between them (graph/build_recurrent.hpp composes both).
//   x:       (N, T, D G H) f32, for each of D directions G gates of H units
//   lengths: (N) s32 or s64, optional: sequence n has lengths(n) <= T steps. A reverse direction begins at its last.
//            Beyond it y is 0, and states stay what they were.
//   h0, c0:  (N, D P) and (N, D H) f32, optional, else 0: states before the first step
//   y:       (N, T, D P) f32 or u8: the state h after each step. P = H but for an lstm with a projection.
//   h_n, c_n: as h0, c0: states after the last step. Given as h0 and c0 of the next piece, a stream that was cut gives
//            the bits of the whole, forwards.
//   weights: (D G H, P) f32, or s8 with a scale for each row; bias (D G H) f32 or null
//
// A recurrent product is that of an fc from the state to f32: with s8 weights the state is quantized first, by the map
// `state`, and states themselves stay f32. What tanh and sigmoids make is at most 1 in size, so by default `state` is
// the map of [-1, 1]; quantization replaces it by that of y.
#pragma once

#include "octavo/base/math.hpp"
#include "octavo/op/conv2d.hpp"
#include "octavo/op/lengths.hpp"
#include "octavo/op/unary.hpp"

namespace octavo::scalar {
#define OCTAVO_LANES_FUNCTION inline
#include "octavo/op/recurrent.inc"
#undef OCTAVO_LANES_FUNCTION
}  // namespace octavo::scalar

namespace octavo {

/// The order in which a recurrent layer goes through time; `both`: two layers, whose outputs lie side by side, the
/// forward one first.
enum class direction : std::uint8_t { forward, reverse, both };

inline constexpr std::string_view direction_names[] = {"forward", "reverse", "both"};
inline std::ostream& operator<<(std::ostream& out, direction d) { return out << direction_names[static_cast<int>(d)]; }
inline attribute to_attribute(direction d) { return std::string(direction_names[static_cast<int>(d)]); }
inline void from_attribute(const attribute& from, direction& d) {
  const auto& name = detail::attribute_as<std::string>(from, "'forward', 'reverse' or 'both'");
  const auto found = std::find(std::begin(direction_names), std::end(direction_names), name);
  require(found != std::end(direction_names), "expected 'forward', 'reverse' or 'both', found '", name, "'");
  d = static_cast<direction>(found - std::begin(direction_names));
}

/// How many layers that is.
constexpr int count_of(direction d) { return d == direction::both ? 2 : 1; }
/// Whether layer `i` of them goes backwards.
constexpr bool goes_back(direction d, int i) { return d == direction::reverse || i == 1; }

/// The map of what lies in [-1, 1].
inline constexpr affine unit_map{1.0f / 127, 128};

namespace op::detail {

/// Places of inputs, outputs and constants that gru and lstm share.
namespace recurrent {
inline constexpr std::size_t x = 0, h0 = 2;
inline constexpr std::size_t y = 0, h_n = 1;
}  // namespace recurrent

/// The numbers of a recurrent operator.
struct recurrent_shape {
  int directions, gates, hidden, state;  ///< D, G, H and P above

  int rows() const { return directions * gates * hidden; }
  std::vector<tensor_type> infer(const tensor_type& x) const {
    tensor_type y{element::f32, x.extents, {}}, h{element::f32, {}, {}};
    if (x.extents.rank != 3) return {y, h};  // which check() refuses
    y.extents = {x.extents.encoded(0), x.extents.encoded(1), directions * state};
    h.extents = {x.extents.encoded(0), directions * state};
    return {y, h};
  }
};

/// Throws octavo::error, beginning with `what`, unless the input, where it is there, is f32 of extents `e`.
inline void check_state(const signature& s, std::size_t input, const dims& e, std::string_view what) {
  if (!s.has(input)) return;
  const tensor_type expected{element::f32, e, {}};
  require(s.src[input] == expected, what, ": a state must be ", expected, ", found ", s.src[input]);
}

/// Throws octavo::error, beginning with `what`, unless constants `weights`, `bias` and `scales` are those of a product
/// of rows by `depth` numbers, of weights that are s8 where `int8`, and no sum could overflow.
inline void check_product(const tensor* weights, const tensor* bias, const tensor* scales, int rows, int depth,
                          bool int8, const affine& x, std::string_view what) {
  const dims expected{rows, depth}, each{rows};
  const element type = int8 ? element::s8 : element::f32;
  require(weights && weights->type() == type && weights->extents() == expected, what, ": weights must be ",
          name_of(type), "[", expected, "]",
          weights ? text(", found ", name_of(weights->type()), "[", weights->extents(), "]") : ", found none");
  if (bias) require(bias->type() == element::f32 && bias->extents() == each, what, ": bias must be f32[", each, "]");
  if (!int8) return;
  require(scales && scales->type() == element::f32 && scales->extents() == each, what, ": s8 weights need f32[", each,
          "] scales");
  fold_output_scales(*weights, *scales, bias, x, 1.0f, 0.0f, what);
}

/// What gru and lstm check alike.
inline void check_recurrent(const signature& s, const recurrent_shape& r, const affine& state, std::string_view what) {
  namespace at = recurrent;
  require(r.hidden > 0, what, ": needs at least one hidden unit, found ", r.hidden);
  const tensor_type& x = s.src[at::x];
  require(x.type == element::f32 && x.extents.rank == 3, what, ": input must be f32 (N, T, C), found ", x);
  check_channels(x, what);
  require(x.extents.back() == r.rows(), what, ": input must have ", r.rows(), " channels, ", r.gates, " gates of ",
          r.hidden, " units for each direction, found ", x.extents);
  check_lengths(s, what);
  const std::vector<tensor_type> outputs = r.infer(x);
  check_state(s, at::h0, outputs[at::h_n].extents, what);
  require(s.dst[at::y].extents == outputs[at::y].extents && s.dst[at::y].is_number(), what,
          ": output must be f32 or u8 of ", outputs[at::y].extents, ", found ", s.dst[at::y]);
  require(s.dst[at::h_n] == outputs[at::h_n], what, ": the last state must be ", outputs[at::h_n], ", found ",
          s.dst[at::h_n]);
  check(state);
  const bool int8 = s.at(0) && s.at(0)->type() == element::s8;
  require(int8 || !s.dst[at::y].is_u8(), what, ": f32 weights need f32 output");
  check_product(s.at(0), s.at(1), s.at(2), r.rows(), r.state, int8, state, what);
}

/// The fc that multiplies a state.
struct recurrent_product {
  const tensor *weights, *bias, *scales;
  affine x;  ///< the map of its input where weights are s8

  /// The product of row `r` and `from`; `rounded` is room for as many u8, filled by round().
  float operator()(int r, std::span<const float> from, std::span<const std::uint8_t> rounded) const {
    const auto row = static_cast<std::size_t>(r), depth = from.size();
    if (weights->type() == element::f32) {
      const std::span<const float> w = weights->as<float>().subspan(row * depth, depth);
      float acc = 0.0f;
      for (std::size_t k = 0; k < depth; ++k) acc = std::fma(from[k], w[k], acc);
      return acc + bias_at(bias, row);
    }
    const std::span<const std::int8_t> w = weights->as<std::int8_t>().subspan(row * depth, depth);
    std::int32_t acc = 0;
    for (std::size_t k = 0; k < depth; ++k) acc += rounded[k] * w[k];
    const channel_scale scale =
        fold_channel(w, scales->as<float>()[row], bias_at(bias, row), x, 1.0f, "recurrent", row);
    return std::fma(static_cast<float>(acc), scale.multiplier, scale.offset);
  }

  void round(std::span<const float> from, std::span<std::uint8_t> to) const {
    for (std::size_t k = 0; k < from.size(); ++k) to[k] = quantize_u8(from[k], x);
  }
};

/// Writes `h`, or 0 where it is null, to y at step `t` of sequence `n`, from channel `first` on.
inline void write_state(const signature& s, const arguments& a, int n, int t, int first, int count, const float* h) {
  const auto row = static_cast<std::size_t>(n * a.src[recurrent::x].extents[1] + t);
  const operand& y = a.dst[recurrent::y];
  for (int j = 0; j < count; ++j) {
    const float value = h ? h[j] : 0.0f;
    if (s.dst[recurrent::y].is_u8())
      y.row<std::uint8_t>(row)[first + j] = quantize_u8(value, s.dst[recurrent::y].q);
    else
      y.row<float>(row)[first + j] = value;
  }
}

/// Copies the `count` numbers of a state of sequence `n` from `first` on, zeros where it is left out.
inline void read_state(const signature& s, const arguments& a, std::size_t input, int n, int first, int count,
                       float* to) {
  if (s.has(input))
    std::copy_n(a.src[input].row<float>(static_cast<std::size_t>(n)) + first, count, to);
  else
    std::fill_n(to, count, 0.0f);
}

/// Calls step(n, d, t) for each step of each sequence and direction, in its order, between begin(n, d) and end(n, d).
/// Sets y to 0 beyond the sequences.
template <class Begin, class Step, class End>
void for_each_step(const signature& s, const arguments& a, direction d, const recurrent_shape& r, Begin&& begin,
                   Step&& step, End&& end) {
  const int batch = a.src[recurrent::x].extents[0], steps = a.src[recurrent::x].extents[1];
  for (int n = 0; n < batch; ++n)
    for (int i = 0; i < r.directions; ++i) {
      const int length = sequence_length(s, a, static_cast<std::size_t>(n));
      begin(n, i);
      for (int k = 0; k < length; ++k) step(n, i, goes_back(d, i) ? length - 1 - k : k);
      for (int t = length; t < steps; ++t) write_state(s, a, n, t, i * r.state, r.state, nullptr);
      end(n, i);
    }
}

}  // namespace op::detail
}  // namespace octavo
