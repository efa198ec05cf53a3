// A small recurrent network of 6 classes on sequences of 25 steps of 10 features: a gru, the state after its last step,
// fully connected. Parameter names: gru.weight_ih, gru.weight_hh, gru.bias, fc.weight, fc.bias.
#pragma once

#include "octavo/graph/builder.hpp"

namespace octavo::model {

/// Features (N, 25, 10) -> logits (N, 6).
auto embedded_sequence(auto features, const params& w) {
  auto last = gru<gru_options{.hidden = 32}>(features, w / "gru").h;  // (N, 32)
  return fc<6>(last, w / "fc");                                       // (N, 6)
}

}  // namespace octavo::model
