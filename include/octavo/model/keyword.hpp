// Keyword spotting with recurrent networks (Zhang et al., arXiv 1711.07128): features of a second of speech, (N, T, F),
// to keywords. Parameter names: gru.weight_ih, gru.weight_hh, gru.bias; lstm.weight_ih, lstm.weight_hh, lstm.bias,
// lstm.peephole_i, _f and _o, lstm.weight_hr; fc.weight, fc.bias.
#pragma once

#include <set>
#include <string>

#include "octavo/graph/builder.hpp"

namespace octavo::model {

/// The sizes of a network: those of GRU_S and LSTM_S of the paper.
struct keyword_options {
  int hidden = 0;
  int projected = 0;  ///< of an lstm: the size of what goes on to the next step
  int classes = 12;
};
inline constexpr keyword_options keyword_gru_s{.hidden = 154}, keyword_lstm_s{.hidden = 144, .projected = 98};

/// Features (N, T, F) -> logits (N, classes) of a gru's last state.
template <keyword_options O = keyword_gru_s>
auto keyword_gru(auto features, const params& w) {
  constexpr gru_options layer{.hidden = O.hidden, .origin_mode = true};
  return fc<O.classes>(gru<layer>(features, w / "gru").h, w / "fc");
}

/// Features (N, T, F) -> logits (N, classes) of the last state of an lstm with peepholes and a projection.
template <keyword_options O = keyword_lstm_s>
auto keyword_lstm(auto features, const params& w) {
  constexpr lstm_options layer{.hidden = O.hidden, .projected = O.projected, .peepholes = true};
  return fc<O.classes>(lstm<layer>(features, w / "lstm").h, w / "fc");
}

/// The node of such a network with an input product `layer`, "gru" or "lstm", for quantize_options::keep_fp32: features
/// of speech have ranges of their own, 256 levels for all lose the small ones. Each step multiplies an INT8 state by
/// fifteen times as many weights.
inline std::set<std::string> keyword_nodes_in_fp32(const std::string& layer) { return {layer + ".input"}; }

}  // namespace octavo::model
