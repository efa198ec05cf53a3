// Data sets of $OCTAVO_DATA as networks take them, and how they do on them.
#pragma once

#include <doctest/doctest.h>

#include <functional>

#include "octavo/exec/calibrate.hpp"
#include "octavo/io/npy.hpp"
#include "octavo/plan/compile.hpp"
#include "temporary_folder.hpp"

namespace octavo::test {

/// Rows of `all`, (items, ...), from `first` on as a batch.
inline tensor batch_of(const tensor& all, int first, int count) {
  dims e = all.extents();
  const std::size_t bytes = all.bytes().size() / static_cast<std::size_t>(e[0]);
  e[0] = count;
  tensor t(all.type(), e);
  std::ranges::copy(all.bytes().subspan(static_cast<std::size_t>(first) * bytes, t.bytes().size()), t.bytes().begin());
  return t;
}

/// Every tenth item, for calibration.
inline sample_set every_tenth(const tensor& all) {
  return {all.extents()[0] / 10, [&all](int i, std::span<tensor> inputs) { inputs[0] = batch_of(all, 10 * i, 1); }};
}

/// The logits (items, classes) of a classifier.
inline tensor logits_of(const network& net, const tensor& all, int classes) {
  const int items = all.extents()[0];
  tensor y(element::f32, {items, classes});
  session run(net);
  for (int i = 0; i < items; ++i)
    run(batch_of(all, i, 1),
        y.as<float>().subspan(static_cast<std::size_t>(i * classes), static_cast<std::size_t>(classes)))
        .or_throw();
  return y;
}

/// How many rows of `logits` have their largest number at their label.
inline int right_answers(const tensor& logits, const tensor& labels) {
  int right = 0;
  const auto classes = static_cast<std::size_t>(logits.extents()[1]);
  for (std::size_t i = 0; i < logits.extents().rows(); ++i) {
    const auto row = logits.as<float>().subspan(i * classes, classes);
    right += std::ranges::max_element(row) - row.begin() == labels.as<std::int32_t>()[i];
  }
  return right;
}

/// |found - expected| / |expected|.
inline double relative_error(std::span<const float> found, std::span<const float> expected) {
  REQUIRE(found.size() == expected.size());
  double error = 0, norm = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const double e = static_cast<double>(expected[i]), d = static_cast<double>(found[i]) - e;
    error += d * d, norm += e * e;
  }
  REQUIRE(norm > 0);
  return std::sqrt(error / norm);
}

}  // namespace octavo::test
