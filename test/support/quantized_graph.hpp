// INT8 graphs, calibrated on random inputs.
#pragma once

#include "octavo/exec/calibrate.hpp"
#include "octavo/plan/compile.hpp"
#include "support/random.hpp"

namespace octavo::test {

/// Samples of random values from -1 to 1.
inline sample_set random_samples(int count = 1) {
  return {count, [](int sample, std::span<tensor> inputs) {
            for (random_numbers random(static_cast<unsigned>(sample)); tensor & t : inputs)
              if (t.type() == element::f32)
                for (float& v : t.as<float>()) v = random.real(-1.0f, 1.0f);
              else
                for (std::uint8_t& v : t.as<std::uint8_t>()) v = random.byte();
          }};
}

/// What calibration finds out about the folded graph.
inline calibration random_calibration(const graph& g, const calibrate_options& options = {}, int samples = 1) {
  return calibrate(plan_graph(fold(g), {}), random_samples(samples), options);
}

/// The INT8 graph of `g`.
inline graph quantized_graph(const graph& g, const calibrate_options& options = {}) {
  return quantize_graph(g, random_calibration(g, options));
}

}  // namespace octavo::test
