// BERT (Devlin et al., arXiv 1810.04805) and ERNIE 1.0, which has the same structure with relu. Parameter names: those
// of Hugging Face's BertModel, embeddings.word_embeddings.weight, encoder.layer.0.attention.self.query ...
// pooler.dense, and classifier beside "bert" for BertForSequenceClassification.
#pragma once

#include "octavo/model/transformer_encoder.hpp"

namespace octavo::model {

/// The sizes; the defaults are ERNIE's.
struct bert_options {
  int vocabulary = 18000, positions = 513, types = 2;
  int layers = 12, hidden = 768, heads = 12, feed_forward = 3072;
  feed_forward_activation activation = feed_forward_activation::relu;
};

/// Those of bert-base-uncased.
inline constexpr bert_options bert_base{
    .vocabulary = 30522, .positions = 512, .activation = feed_forward_activation::gelu};

/// What BERT can do without.
struct bert_inputs {
  value_handle lengths{};  ///< (N) s32: tokens from the length on are padding, which no token attends to
  float eps = 1e-5f;       ///< of layer normalisation; 1e-12 in bert-base
};

/// Token ids and sentence types, each (N, T) of s32 or s64 -> sequence (N, T, hidden). Reads the parameters of
/// BertModel. A run in which an id is out of range is refused.
template <bert_options O = bert_options{}>
auto bert_encoder(auto ids, auto types, const params& w, const bert_inputs& more = {}) {
  constexpr int tokens = ids.extents[1];
  static_assert(tokens <= O.positions, "octavo: the sequence is longer than BERT has positions");
  const params e = w / "embeddings";
  const constant positions = e.get("position_embeddings.weight", {O.positions, O.hidden});
  auto sum =
      embedding<O.vocabulary, O.hidden>(ids, e / "word_embeddings") +
      embedding<O.types, O.hidden>(types, e / "token_type_embeddings") +
      constant_value<float, shape<tokens, O.hidden>>(ids.owner("bert"), e.path() + ".position_embeddings",
                                                     positions->as<float>().first(std::size_t{tokens} * O.hidden));
  auto x = layer_norm(sum, e / "LayerNorm", more.eps);  // (N, T, hidden)
  for (int i = 0; i < O.layers; ++i) {
    const params l = w / "encoder" / "layer" / i, a = l / "attention";
    x = encoder_layer<O.heads, O.feed_forward, O.activation>(
        x,
        {a / "self" / "query", a / "self" / "key", a / "self" / "value", a / "output" / "dense",
         a / "output" / "LayerNorm", l / "intermediate" / "dense", l / "output" / "dense", l / "output" / "LayerNorm",
         more.eps},
        more.lengths);
  }
  return x;
}

/// Sequence (N, T, hidden) -> (N, hidden): the first token through a layer with tanh.
auto bert_pooler(auto x, const params& w) {
  constexpr int hidden = x.extents.back();
  return tanh(fc<hidden>(reshape<nc<x.extents.encoded(0), hidden>>(slice<1, 0, 1>(x)), w / "pooler" / "dense"));
}

/// Token ids and sentence types -> logits (N, Labels). Reads "bert..." and "classifier" of `w`.
template <int Labels, bert_options O = bert_options{}>
auto bert_classifier(auto ids, auto types, const params& w, const bert_inputs& more = {}) {
  return fc<Labels>(bert_pooler(bert_encoder<O>(ids, types, w / "bert", more), w / "bert"), w / "classifier");
}

}  // namespace octavo::model
