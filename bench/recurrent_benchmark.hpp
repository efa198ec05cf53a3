// The program that bench_gru and bench_lstm are: a layer of as many inputs as hidden units, from u8 to u8 and in FP32,
// by Octavo and by oneDNN's primitives, in turn on one thread. Rows of its table are sizes; times are medians.
#pragma once

#include "octavo/op/operation.hpp"

namespace octavo::bench {

/// A layer of gru or lstm, of which Octavo's and oneDNN's are the same.
struct recurrent_kind {
  const char* name;
  int gates;
  operation (*make)(int hidden);
};

/// Runs the program; returns its exit code.
int benchmark_recurrent(int argc, char** argv, const recurrent_kind& kind);

}  // namespace octavo::bench
