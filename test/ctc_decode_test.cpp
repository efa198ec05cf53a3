// ctc_greedy_decode and ctc_beam_decode: against sums over all paths, by hand, and their kernels against the
// references.
#include <doctest/doctest.h>

#include <map>
#include <numeric>

#include "octavo/octavo.hpp"
#include "support/sequence.hpp"
#include "temporary_folder.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

using labels = std::vector<std::int64_t>;

/// What a path of classes reads: blanks and repeated classes left out.
labels collapsed(const std::vector<int>& path, int blank) {
  labels y;
  for (std::size_t t = 0; t < path.size(); ++t)
    if (path[t] != blank && (t == 0 || path[t] != path[t - 1])) y.push_back(path[t]);
  return y;
}

/// The probability of each list of labels, summed over all paths in binary64.
std::map<labels, double> probabilities_of_all(std::span<const float> log_probabilities, int length, int classes,
                                              int blank) {
  std::map<labels, double> sums;
  std::vector<int> path(static_cast<std::size_t>(length), 0);
  for (bool more = true; more;) {
    double logarithm = 0;
    for (int t = 0; t < length; ++t)
      logarithm += static_cast<double>(
          log_probabilities[static_cast<std::size_t>(t * classes + path[static_cast<std::size_t>(t)])]);
    sums[collapsed(path, blank)] += std::exp(logarithm);
    more = false;
    for (std::size_t i = path.size(); i-- > 0 && !more;) more = ++path[i] < classes || (path[i] = 0) != 0;
  }
  return sums;
}

tensor random_log_probabilities(const dims& extents, random_numbers& random) {
  const tensor logits = random_tensor(element::f32, extents, random, -2, 2);
  const tensor_type t{element::f32, extents, {}};
  return reference_output(op::log_softmax{}, {{t}, t, {}}, list_of(logits.reshaped(extents)));
}

/// The labels in row `i` of an output of rows.
labels row_of(const tensor& t, std::size_t i, std::int64_t count) {
  const auto row = t.as<std::int64_t>().subspan(i * static_cast<std::size_t>(t.extents().back()),
                                                static_cast<std::size_t>(t.extents().back()));
  for (std::size_t k = 0; k < row.size(); ++k) CHECK((row[k] >= 0) == (static_cast<std::int64_t>(k) < count));
  return {row.begin(), row.begin() + static_cast<std::ptrdiff_t>(std::max<std::int64_t>(count, 0))};
}

}  // namespace

TEST_CASE("ctc_greedy_decode: the best class of each step, repeats merged, blanks left out") {
  // The best classes are 2 2 0 2 1 1, by logits that tell them apart.
  const std::vector<int> best{2, 2, 0, 2, 1, 1};
  tensor x(element::f32, {2, 6, 3});
  for (std::size_t t = 0; t < 12; ++t)
    x.as<float>()[t * 3 + static_cast<std::size_t>(best[t % 6])] = 1.0f + static_cast<float>(t % 6);
  const auto y = reference_outputs_of(op::ctc_greedy_decode{}, {},
                                      list_of(x.reshaped({2, 6, 3}), tensor::of<std::int64_t>({2}, labels{6, 2})));
  CHECK(std::ranges::equal(y[0].as<std::int64_t>(), labels{2, 2, 1, -1, -1, -1, 2, -1, -1, -1, -1, -1}));
  CHECK(std::ranges::equal(y[1].as<std::int64_t>(), labels{3, 1}));
  CHECK(std::ranges::equal(y[2].as<float>(), std::vector<float>{21, 3}));
  const auto blank1 = reference_outputs_of(op::ctc_greedy_decode{.blank = 1}, {}, list_of(x.reshaped({2, 6, 3})));
  CHECK(row_of(blank1[0], 0, 3) == labels{2, 0, 2});
}

TEST_CASE("ctc_greedy_decode: reads what its best path reads; of equal classes the lowest, a NaN before all") {
  tensor x(element::f32, {1, 2, 4});
  std::ranges::copy(std::vector<float>{1, 2, 2, 0, 1, NAN, 9, NAN}, x.as<float>().begin());
  CHECK(row_of(reference_outputs_of(op::ctc_greedy_decode{3}, {}, list_of(x.reshaped({1, 2, 4})))[0], 0, 1) ==
        labels{1});
  for (unsigned seed = 0; seed < 40; ++seed) {
    random_numbers random(seed);
    const int steps = random.between(1, 12), classes = random.between(1, 4), blank = random.below(classes);
    const tensor logits = random_tensor(element::f32, {1, steps, classes}, random);
    std::vector<int> path;
    for (int t = 0; t < steps; ++t) {
      const auto row =
          logits.as<float>().subspan(static_cast<std::size_t>(t * classes), static_cast<std::size_t>(classes));
      path.push_back(static_cast<int>(std::ranges::max_element(row) - row.begin()));
    }
    const auto y =
        reference_outputs_of(op::ctc_greedy_decode{blank}, {}, list_of(logits.reshaped({1, steps, classes})));
    CHECK(row_of(y[0], 0, y[1].as<std::int64_t>()[0]) == collapsed(path, blank));
  }
}

TEST_CASE("ctc_greedy_decode: its kernel gives the reference's bits, for many classes, ties and NaNs") {
  for (unsigned seed = 0; seed < 60; ++seed) {
    CAPTURE(seed);
    random_numbers random(seed);
    const int n = random.between(1, 3), steps = random.between(1, 9);
    const int classes = random.chance(50) ? random.between(1, 40) : random.between(200, 1100);
    tensor x = random_tensor(element::f32, {n, steps, classes}, random, -1, 1);
    for (float& v : x.as<float>())
      if (seed % 3 == 0) v = std::floor(v * 4);
    for (int i = 0; seed % 4 == 0 && i < 3; ++i)
      x.as<float>()[static_cast<std::size_t>(random.below(n * steps * classes))] = NAN;
    if (seed % 7 == 0) std::ranges::fill(x.as<float>().first(static_cast<std::size_t>(classes)), -HUGE_VALF);
    std::vector<tensor> src = list_of(std::move(x));
    if (seed % 2) src.push_back(random_lengths(seed % 4 == 1 ? element::s32 : element::s64, n, steps, random));
    check_kernel_on_sequences(op::ctc_greedy_decode{random.below(classes)}, "ctc_greedy_decode", {}, src);
  }
}

TEST_CASE("ctc_beam_decode: wide enough, it finds the probabilities of all labels, summed over all paths") {
  int checked = 0;
  for (unsigned seed = 0; seed < 100; ++seed) {
    CAPTURE(seed);
    random_numbers random(seed);
    const int steps = random.between(1, 5), classes = random.between(2, 3), length = random.between(1, steps);
    const op::ctc_beam_decode o{.width = 128, .blank = random.below(classes)};
    const tensor x = random_log_probabilities({1, steps, classes}, random);
    const auto y =
        reference_outputs_of(o, {}, list_of(x.reshaped(x.extents()), tensor::of<std::int64_t>({1}, labels{length})));
    std::map<labels, double> all = probabilities_of_all(x.as<float>(), length, classes, o.blank);
    double before = 1.0;
    std::size_t used = 0;
    for (; used < 128 && y[1].as<std::int64_t>()[used] >= 0; ++used) {
      const labels found = row_of(y[0], used, y[1].as<std::int64_t>()[used]);
      const double probability = std::exp(static_cast<double>(y[2].as<float>()[used]));
      // Each of up to 5 steps rounds a logarithm of up to 20 once or twice, to 2^-20.
      CHECK(std::fabs(probability / all.at(found) - 1) < 2e-5);
      CHECK(probability <= before);
      before = probability;
      all.erase(found);
      ++checked;
    }
    CHECK(all.empty());
    for (std::size_t i = used; i < 128; ++i) {
      row_of(y[0], i, 0);
      CHECK(y[1].as<std::int64_t>()[i] == -1);
      CHECK(y[2].as<float>()[i] == std::numeric_limits<float>::lowest());
    }
  }
  CHECK(checked > 300);
}

TEST_CASE("ctc_beam_decode: the likeliest labels are not those of the best path") {
  // Twice 0.6 for blank, 0.4 for the only label: the best path is blank twice, 0.36, but three paths read the label.
  const std::vector<float> p{std::log(0.6f), std::log(0.4f), std::log(0.6f), std::log(0.4f)};
  const auto y = reference_outputs_of(op::ctc_beam_decode{.width = 2}, {}, list_of(tensor::of<float>({1, 2, 2}, p)));
  CHECK(row_of(y[0], 0, 1) == labels{1});
  CHECK(y[2].as<float>()[0] == doctest::Approx(std::log(0.64f)));
  CHECK(y[2].as<float>()[1] == doctest::Approx(std::log(0.36f)));
  CHECK(std::ranges::equal(y[1].as<std::int64_t>(), labels{1, 0}));
}

TEST_CASE("ctc_beam_decode: few candidates, no steps, impossible classes") {
  random_numbers random(3);
  const tensor x = random_log_probabilities({2, 6, 9}, random);
  const auto y = reference_outputs_of(op::ctc_beam_decode{.width = 5, .candidates = 1}, {},
                                      list_of(x.reshaped({2, 6, 9}), tensor::of<std::int64_t>({2}, labels{0, 6})));
  CHECK(y[1].as<std::int64_t>()[0] == 0);  // nothing, for certain
  CHECK(y[2].as<float>()[0] == 0);
  CHECK(y[1].as<std::int64_t>()[1] == -1);
  for (std::size_t i = 5; i < 10; ++i)
    for (const std::int64_t label : row_of(y[0], i, y[1].as<std::int64_t>()[i])) {
      bool best_somewhere = false;
      for (std::size_t t = 6; t < 12; ++t) {
        const auto row = x.as<float>().subspan(t * 9 + 1, 8);
        best_somewhere |= std::ranges::max_element(row) - row.begin() + 1 == label;
      }
      CHECK(best_somewhere);
    }
  tensor never(element::f32, {1, 3, 4});
  std::ranges::fill(never.as<float>(), -HUGE_VALF);
  CHECK(reference_outputs_of(op::ctc_beam_decode{}, {}, list_of(never.reshaped({1, 3, 4})))[1].as<std::int64_t>()[0] ==
        -1);
  std::ranges::fill(never.as<float>(), NAN);
  CHECK(reference_outputs_of(op::ctc_beam_decode{}, {}, list_of(std::move(never)))[1].as<std::int64_t>()[0] == -1);
}

TEST_CASE("ctc_beam_decode: its kernel gives the reference's bits") {
  for (unsigned seed = 0; seed < 20; ++seed) {
    CAPTURE(seed);
    random_numbers random(seed);
    const int n = random.between(1, 5), steps = random.between(1, 20), classes = random.between(1, 60);
    std::vector<tensor> src = list_of(random_log_probabilities({n, steps, classes}, random));
    if (seed % 2) src.push_back(random_lengths(element::s32, n, steps, random));
    const op::ctc_beam_decode o{random.between(1, 20), random.between(1, 30), random.below(classes)};
    check_kernel_on_sequences(o, "ctc_beam_decode", {}, src);
  }
}

TEST_CASE("ctc decoders: composed, and a length that is out of range refuses the run") {
  graph g;
  auto logits = g.input<float, shape<upto<2>, upto<5, 't'>, 4>>("logits");
  auto lengths = g.input<std::int32_t, shape<upto<2>>>("lengths");
  auto greedy = ctc_greedy_decode(logits, lengths);
  auto beams = ctc_beam_decode<3>(log_softmax(logits), lengths);
  static_assert(std::is_same_v<decltype(greedy.labels), value<std::int64_t, shape<upto<2>, upto<5, 't'>>>>);
  static_assert(std::is_same_v<decltype(beams.labels), value<std::int64_t, shape<upto<2>, 3, upto<5, 't'>>>>);
  static_assert(std::is_same_v<decltype(beams.score), value<float, shape<upto<2>, 3>>>);
  g.output(greedy.labels, "greedy");
  g.output(greedy.count, "count");
  g.output(beams.labels, "beams");
  session run(octavo::compile(g));
  const tensor x = tensor::of<float>({1, 3, 4}, std::vector<float>{0, 9, 0, 0, 0, 9, 0, 0, 0, 0, 0, 9});
  std::vector<std::int32_t> length{3};
  labels read(3), count(1), likeliest(9);
  run(x, length, read, count, likeliest).or_throw();
  CHECK(read == labels{1, 3, -1});
  CHECK(count == labels{2});
  CHECK(labels(likeliest.begin(), likeliest.begin() + 3) == labels{1, 3, -1});
  for (const int bad : {-1, 4}) {
    length[0] = bad;
    CHECK(run(x, length, read, count, likeliest).code() == run_status::refused_data);
  }
}

TEST_CASE("ctc decoders: what they refuse, by name") {
  const tensor_type x{element::f32, {2, 3, 4}, {}};
  const auto refused = [](const operation& o, const tensor_type& t, const char* why) {
    check_failure(failure_of([&] {
                    graph g;
                    g.append(o, "ctc", {*g.append(op::input{}, "x", {}, t)});
                  }),
                  why);
  };
  refused(op::ctc_greedy_decode{4}, x, "ctc_greedy_decode: expected a blank class from 0 to 3, found 4");
  refused(op::ctc_greedy_decode{}, {element::f32, {2, 3}, {}}, "ctc_greedy_decode: input must be f32 (N, T, C)");
  refused(op::ctc_beam_decode{.width = 0}, x, "ctc_beam_decode: expected width from 1 to 128, found 0");
  refused(op::ctc_beam_decode{.candidates = 129}, x, "ctc_beam_decode: expected candidates from 1 to 128, found 129");
  refused(op::ctc_beam_decode{.blank = -1}, x, "ctc_beam_decode: expected a blank class");
  refused(op::ctc_beam_decode{}, {element::u8, {2, 3, 4}, {1, 0}}, "ctc_beam_decode: input must be f32 (N, T, C)");
}
