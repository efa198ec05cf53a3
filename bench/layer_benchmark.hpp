// The program that all benchmarks of single operators are: Google Benchmark over the layers of layers.hpp.
//
// A benchmark is <network>/<layer>/<isa>/<warm or cold>. It runs Octavo and oneDNN, INT8 and FP32, in turn on one
// thread: warm, where operands and weights are in the caches that hold them, or cold, where they are in none. Its time
// is the median of Octavo's INT8; counters:
//   octavo_int8_us, onednn_int8_us, octavo_fp32_us, onednn_fp32_us   medians; those that there are
//   ratio, ratio_fp32            oneDNN's time by Octavo's: above 1 Octavo is quicker
//   operations, gops, peak_percent   two for each product; the rate of Octavo's INT8, and its share of the core's peak
//   bytes, gbs                   of all operands as INT8, and the rate at which Octavo goes through them
//   read_int8_us, read_percent, read_fp32_us, read_percent_fp32
//                                where there are few operations: a plain read of as many bytes, its time by Octavo's
// oneDNN can be limited to an instruction set only once in a process: it takes part where <isa> is the best that --isa
// and OCTAVO_ISA allow, and Octavo alone runs with the lesser ones.
#pragma once

#include "layers.hpp"

namespace octavo::bench {

/// Runs the benchmarks of those layers that are `wanted`; returns the exit code of the program.
int benchmark_layers(int argc, char** argv, bool (*wanted)(const layer&));

}  // namespace octavo::bench
