// crf_decode: against all paths of short sequences, by hand, and the kernel against the reference.
#include "octavo/op/crf_decode.hpp"

#include <doctest/doctest.h>

#include <map>

#include "octavo/io/safetensors.hpp"
#include "octavo/octavo.hpp"
#include "support/random.hpp"
#include "support/sequence.hpp"
#include "temporary_folder.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

/// Small whole numbers, so that sums are exact in any order and ties are many.
tensor whole_numbers(const dims& extents, random_numbers& random) {
  tensor t(element::f32, extents);
  for (float& v : t.as<float>()) v = static_cast<float>(random.between(-3, 3));
  return t;
}

struct scored_tags {
  std::vector<std::int64_t> tags;
  float score = 0;
};

/// The best of all paths, the first in the order of the alphabet.
scored_tags best_of_all(std::span<const float> emissions, std::span<const float> transitions, int length, int tags) {
  const auto e = [&](int t, std::int64_t k) { return emissions[static_cast<std::size_t>(t * tags + k)]; };
  const auto transition = [&](std::int64_t row, std::int64_t k) {
    return transitions[static_cast<std::size_t>(row * tags + k)];
  };
  std::vector<std::int64_t> path(static_cast<std::size_t>(length), 0);
  scored_tags best{path, -HUGE_VALF};
  for (bool more = true; more;) {
    float score = transition(0, path.front()) + transition(1, path.back());
    for (int t = 0; t < length; ++t) {
      const auto i = static_cast<std::size_t>(t);
      score += e(t, path[i]) + (t > 0 ? transition(2 + path[i - 1], path[i]) : 0);
    }
    if (score > best.score) best = {path, score};
    more = false;
    for (std::size_t i = path.size(); i-- > 0 && !more;) more = ++path[i] < tags || (path[i] = 0) != 0;
  }
  return best;
}

}  // namespace

TEST_CASE("crf_decode: the best of all paths") {
  int checked = 0;
  for (unsigned seed = 0; seed < 60; ++seed) {
    CAPTURE(seed);
    random_numbers random(seed);
    const int n = random.between(1, 3), steps = random.between(1, 5), tags = random.between(1, 4);
    const tensor e = whole_numbers({n, steps, tags}, random), w = whole_numbers({tags + 2, tags}, random);
    tensor lengths(element::s32, {n});
    for (std::int32_t& v : lengths.as<std::int32_t>()) v = random.between(1, steps);
    const auto y = reference_outputs_of(op::crf_decode{}, {make_constant(w.reshaped(w.extents()))},
                                        list_of(e.reshaped(e.extents()), lengths.reshaped({n})));
    for (int i = 0; i < n; ++i) {
      const int length = lengths.as<std::int32_t>()[static_cast<std::size_t>(i)];
      scored_tags best =
          best_of_all(e.as<float>().subspan(static_cast<std::size_t>(i * steps * tags)), w.as<float>(), length, tags);
      best.tags.resize(static_cast<std::size_t>(steps), 0);
      const auto found = y[0].as<std::int64_t>().subspan(static_cast<std::size_t>(i * steps), best.tags.size());
      CHECK(std::ranges::equal(found, best.tags));
      CHECK(y[1].as<float>()[static_cast<std::size_t>(i)] == best.score);
      ++checked;
    }
  }
  CHECK(checked > 100);
}

TEST_CASE("crf_decode: its kernel gives the reference's bits, with lengths and without, fewer than there is room for") {
  for (unsigned seed = 0; seed < 60; ++seed) {
    CAPTURE(seed);
    random_numbers random(seed);
    const int n = random.between(1, 4), steps = random.between(1, 12), tags = random.between(1, 40);
    std::vector<tensor> src = list_of(seed % 2 ? random_tensor(element::f32, {n, steps, tags}, random)
                                               : whole_numbers({n, steps, tags}, random));
    if (seed % 4 != 0) src.push_back(random_lengths(seed % 3 ? element::s32 : element::s64, n, steps, random));
    const constant w = make_constant(seed % 2 ? random_tensor(element::f32, {tags + 2, tags}, random)
                                              : whole_numbers({tags + 2, tags}, random));
    check_kernel_on_sequences(op::crf_decode{}, "crf_decode", {w}, src);
  }
}

TEST_CASE("crf_decode: the published tags of a word segmenter") {
  const auto folder = data_folder();
  if (!folder) return;
  const safetensors weights(*folder / "weights" / "lac_seg.safetensors");
  const safetensors expected(*folder / "reference" / "lac_seg_emissions20.safetensors");
  const constant transitions = weights.find("crf.transitions", {});
  for (int i = 0; i < 20; ++i) {
    const constant e = expected.find(text("emissions.", i), {}), tags = expected.find(text("tags.", i), {});
    REQUIRE((e && tags));
    const auto y = reference_outputs_of(op::crf_decode{}, {transitions},
                                        list_of(e->reshaped({1, e->extents()[0], e->extents()[1]})));
    CHECK(std::ranges::equal(y[0].as<std::int64_t>(), tags->as<float>(),
                             [](std::int64_t a, float b) { return static_cast<float>(a) == b; }));
  }
}

TEST_CASE("crf_decode: composed; lengths of 0, below 0 and beyond the steps") {
  const params w(std::make_shared<known_weights>(
      std::map<std::string, constant>{{"crf.transitions", values({4, 2}, {0, 0, 1, 0, 0, 3, 0, 0})}}));
  graph g;
  auto e = g.input<float, shape<upto<3>, upto<4>, 2>>("emissions");
  auto lengths = g.input<std::int64_t, shape<upto<3>>>("lengths");
  auto [tags, score] = crf_decode(e, w / "crf", lengths);
  static_assert(std::is_same_v<decltype(tags), value<std::int64_t, shape<upto<3>, upto<4>>>>);
  static_assert(std::is_same_v<decltype(score), value<float, shape<upto<3>>>>);
  g.output(tags, "tags");
  g.output(score, "score");
  session run(octavo::compile(g));
  const tensor x = tensor::of<float>({2, 2, 2}, std::vector<float>{1, 0, 0, 0, 5, 6, 7, 8});
  std::vector<std::int64_t> y(4), given{2, 0};
  std::vector<float> s(2);
  run(x, given, y, s).or_throw();
  CHECK(y == std::vector<std::int64_t>{0, 1, 0, 0});  // 1 + 3; tags 0, 0 would be 1 + 1 for its end
  CHECK(s == std::vector<float>{4, 0});
  for (const std::vector<std::int64_t>& bad : {std::vector<std::int64_t>{3, 1}, {1, -1}, {std::int64_t{1} << 40, 1}}) {
    const run_status status = run(x, bad, y, s);
    CHECK(status.code() == run_status::refused_data);
    check_failure(failure_of([&] { status.or_throw(); }), "crf_decode");
  }
  CHECK(run(x, given, y, s));
}

TEST_CASE("crf_decode: what it refuses, by name") {
  const tensor_type e{element::f32, {2, 3, 4}, {}}, lengths{element::s32, {2}, {}};
  const auto refused = [](std::vector<tensor_type> src, const dims& transitions, const char* why) {
    check_failure(failure_of([&] {
                    graph g;
                    std::vector<int> in;
                    for (const tensor_type& t : src) in.push_back(*g.append(op::input{}, "x", {}, t));
                    g.append(op::crf_decode{}, "crf", in, {make_constant(tensor(element::f32, transitions))});
                  }),
                  why);
  };
  refused({e, lengths}, {4, 4}, "crf_decode: transitions must be f32[6x4] for 4 tags, found f32[4x4]");
  refused({{element::f32, {2, 3}, {}}}, {4, 3}, "crf_decode: emissions must be f32 (N, T, K)");
  refused({{element::u8, {2, 3, 4}, {}}}, {6, 4}, "crf_decode: emissions must be f32 (N, T, K)");
  refused({e, {element::f32, {2}, {}}}, {6, 4}, "crf_decode: lengths must be s32 or s64, found f32[2]");
  refused({e, {element::s32, {3}, {}}}, {6, 4}, "crf_decode: lengths must be of 2, one for each sequence, found 3");
  refused({{element::f32, {1, 1, 1025}, {}}}, {1027, 1025}, "at most 1024 tags are supported, found 1025");
}
