// Lexical analysis of Chinese, LAC (Jiao, Sun and Sun, arXiv 1807.01882): characters to tags that say where words begin
// and, with more tags, what they are. An embedding, layers of gru in both directions, a fully connected layer, and a
// linear-chain conditional random field.
// Parameter names: embedding.weight, gru.N.forward.input.weight, .input.bias, .hidden.weight, .hidden.bias, the same of
// gru.N.reverse, fc.weight, fc.bias, crf.transitions.
#pragma once

#include "octavo/graph/builder.hpp"

namespace octavo::model {

/// The sizes of a network; those of lac_seg segment only.
struct lac_options {
  int vocabulary = 0, embedding = 128, hidden = 128, layers = 2, labels = 0;
};
inline constexpr lac_options lac_seg{.vocabulary = 8224, .embedding = 96, .hidden = 96, .layers = 2, .labels = 4};

namespace detail {

/// The parameters of gru layers, which build_recurrent.hpp calls weight_ih, bias_ih, weight_hh and bias_hh, by the
/// names of LAC's files.
class lac_gru_parameters : public weight_source {
 public:
  explicit lac_gru_parameters(params from) : from_(std::move(from)) {}

  constant find(const std::string& name, const dims& expected) const override {
    const std::size_t part = name.rfind('.') + 1, kind = name.rfind('_');
    const params place = from_ / name.substr(0, part - 1) / (name.substr(kind) == "_ih" ? "input" : "hidden");
    return place.maybe(name.substr(part, kind - part), expected);
  }
  std::string description() const override { return text("'", from_.path(), "' by LAC's names"); }

 private:
  params from_;
};

}  // namespace detail

/// Ids of characters (N, T) and how many of them count (N) s32, or value_handle{} for all -> what the tags of each are
/// worth (N, T, labels).
template <lac_options O>
auto lac_emissions(auto ids, auto lengths, const params& w) {
  static_assert(O.vocabulary > 0 && O.embedding > 0 && O.layers > 0 && O.labels > 0,
                "octavo: lac needs a vocabulary, labels and layers");
  constexpr gru_options layer{.hidden = O.hidden, .direction = direction::both};
  auto x = embedding<O.vocabulary, O.embedding>(ids, w / "embedding");  // (N, T, embedding)
  const params gru(std::make_shared<detail::lac_gru_parameters>(w), "gru");
  auto y = multi_gru<layer, O.layers>(x, gru, lengths).y;  // (N, T, 2 hidden)
  return fc<O.labels>(y, w / "fc");
}

/// Ids of characters (N, T) and how many of them count (N) s32 -> tags (N, T) and their score (N), see
/// op/crf_decode.hpp: auto [tags, score] = lac<lac_seg>(ids, lengths, weights).
template <lac_options O>
auto lac(auto ids, auto lengths, const params& w) {
  return crf_decode(lac_emissions<O>(ids, lengths, w), w / "crf", lengths);
}

}  // namespace octavo::model
