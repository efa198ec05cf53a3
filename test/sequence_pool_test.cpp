// sequence_pool and reverse_sequence: by their definitions, in INT8, and their kernels against the references.
#include <doctest/doctest.h>

#include "octavo/octavo.hpp"
#include "support/sequence.hpp"
#include "temporary_folder.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;
using kind = op::sequence_pool::kind_type;

/// What a pooling makes of `x`, u8 with the map qx to u8 with qy.
tensor pooled_u8(kind k, const tensor& x, const affine& qx, const affine& qy, const tensor& lengths) {
  const signature s{{{element::u8, x.extents(), qx}, {element::s32, lengths.extents(), {}}},
                    {element::u8, {x.extents()[0], x.extents()[2]}, qy},
                    {}};
  return reference_output(op::sequence_pool{k}, s,
                          list_of(x.reshaped(x.extents()), lengths.reshaped(lengths.extents())));
}

}  // namespace

TEST_CASE("sequence_pool: by its definition, in exact numbers") {
  int checked = 0;
  for (unsigned seed = 0; seed < 30; ++seed) {
    random_numbers random(seed);
    const int n = random.between(1, 3), steps = random.between(1, 9), channels = random.between(1, 5);
    tensor x(element::f32, {n, steps, channels});
    for (float& v : x.as<float>()) v = static_cast<float>(random.between(-50, 50));
    const tensor lengths = random_lengths(element::s32, n, steps, random);
    for (const kind k :
         {op::sequence_pool::mean, op::sequence_pool::sum, op::sequence_pool::max, op::sequence_pool::last}) {
      const auto y =
          reference_outputs_of(op::sequence_pool{k}, {}, list_of(x.reshaped(x.extents()), lengths.reshaped({n})));
      for (int i = 0; i < n; ++i)
        for (int c = 0; c < channels; ++c) {
          const int length = lengths.as<std::int32_t>()[static_cast<std::size_t>(i)];
          const auto at = [&](int t) {
            return x.as<float>()[static_cast<std::size_t>((i * steps + t) * channels + c)];
          };
          float sum = 0, largest = length > 0 ? -HUGE_VALF : 0;
          for (int t = 0; t < length; ++t) sum += at(t), largest = std::max(largest, at(t));
          const float expected = length == 0                   ? 0
                                 : k == op::sequence_pool::sum ? sum
                                 : k == op::sequence_pool::max ? largest
                                 : k == op::sequence_pool::last
                                     ? at(length - 1)
                                     : sum * static_cast<float>(1.0 / static_cast<double>(length));
          CHECK(y[0].as<float>()[static_cast<std::size_t>(i * channels + c)] == expected);
          ++checked;
        }
    }
  }
  CHECK(checked > 500);
}

TEST_CASE("sequence_pool: a NaN is the maximum wherever it stands") {
  for (std::size_t at : {std::size_t{0}, std::size_t{1}, std::size_t{2}}) {
    std::vector<float> x{1, 2, 3};
    x[at] = NAN;
    CHECK(std::isnan(
        reference_outputs_of(op::sequence_pool{op::sequence_pool::max}, {}, list_of(tensor::of<float>({1, 3, 1}, x)))[0]
            .as<float>()[0]));
  }
}

TEST_CASE("sequence_pool: u8, each sum exact and rounded once; a length of 0 is the zero point") {
  for (unsigned seed = 0; seed < 20; ++seed) {
    random_numbers random(seed);
    const int n = random.between(1, 3), steps = random.between(1, 300), channels = random.between(1, 4);
    const affine qx{0.05f, random.below(256)}, qy{0.02f + random.real(0, 1), random.below(256)};
    const tensor x = random_tensor(element::u8, {n, steps, channels}, random);
    const tensor lengths = random_lengths(element::s32, n, steps, random);
    for (const kind k :
         {op::sequence_pool::mean, op::sequence_pool::sum, op::sequence_pool::max, op::sequence_pool::last}) {
      const bool moves = k == op::sequence_pool::max || k == op::sequence_pool::last;
      const tensor y = pooled_u8(k, x, qx, moves ? qx : qy, lengths);
      for (int i = 0; i < n; ++i)
        for (int c = 0; c < channels; ++c) {
          const int length = lengths.as<std::int32_t>()[static_cast<std::size_t>(i)];
          const auto at = [&](int t) {
            return int{x.as<std::uint8_t>()[static_cast<std::size_t>((i * steps + t) * channels + c)]};
          };
          int sum = 0, largest = 0;
          for (int t = 0; t < length; ++t) sum += at(t) - qx.zero_point, largest = std::max(largest, at(t));
          double m = static_cast<double>(qx.scale) / static_cast<double>(qy.scale);
          if (k == op::sequence_pool::mean) m /= std::max(length, 1);
          const float scaled = static_cast<float>(sum) * static_cast<float>(m);
          const int expected =
              length == 0                   ? (moves ? qx : qy).zero_point
              : k == op::sequence_pool::max ? largest
              : k == op::sequence_pool::last
                  ? at(length - 1)
                  : std::clamp(static_cast<int>(std::nearbyint(std::clamp(scaled, -1e6f, 1e6f))) + qy.zero_point, 0,
                               255);
          CHECK(int{y.as<std::uint8_t>()[static_cast<std::size_t>(i * channels + c)]} == expected);
        }
    }
  }
}

TEST_CASE("reverse_sequence: the steps that count, in reverse order, of any type and rank") {
  int checked = 0;
  for (const element type : {element::f32, element::u8, element::s32, element::s64})
    for (const dims& rest : {dims{}, dims{3}, dims{2, 3}}) {
      random_numbers random(7);
      dims extents{3, 5};
      std::size_t inner = 1;
      for (int i = 0; i < rest.rank; ++i) extents.push_back(rest[i]), inner *= static_cast<std::size_t>(rest[i]);
      const tensor x = random_tensor(type, extents, random);
      const tensor lengths = tensor::of<std::int32_t>({3}, std::vector<std::int32_t>{5, 0, 3});
      const auto y =
          reference_outputs_of(op::reverse_sequence{}, {}, list_of(x.reshaped(extents), lengths.reshaped({3})));
      const std::size_t bytes = inner * size_of(type);
      for (std::size_t n = 0; n < 3; ++n)
        for (std::size_t t = 0; t < 5; ++t) {
          const auto length = static_cast<std::size_t>(lengths.as<std::int32_t>()[n]);
          const std::size_t from = t < length ? length - 1 - t : t;
          CHECK(std::ranges::equal(y[0].bytes().subspan((n * 5 + t) * bytes, bytes),
                                   x.bytes().subspan((n * 5 + from) * bytes, bytes)));
          ++checked;
        }
    }
  CHECK(checked == 4 * 3 * 15);
}

TEST_CASE("sequence_pool, reverse_sequence: their kernels give the references' bits") {
  for (unsigned seed = 0; seed < 40; ++seed) {
    CAPTURE(seed);
    random_numbers random(seed);
    const int n = random.between(1, 20), steps = random.between(1, 40), channels = random.between(1, 70);
    std::vector<tensor> src = list_of(random_tensor(element::f32, {n, steps, channels}, random));
    if (seed % 3) src.push_back(random_lengths(seed % 2 ? element::s32 : element::s64, n, steps, random));
    check_kernel_on_sequences(op::sequence_pool{static_cast<kind>(seed % 4)}, "sequence_pool", {}, src);
    check_kernel_on_sequences(op::reverse_sequence{}, "reverse_sequence", {}, src);
  }
}

TEST_CASE("sequence_pool: composed, in INT8 the bytes of the last step move") {
  graph g;
  const params w = random_params(4);
  auto x = g.input<float, ntc<upto<2>, upto<6>, 8>>("x");
  auto lengths = g.input<std::int32_t, shape<upto<2>>>("lengths");
  auto last = sequence_pool<op::sequence_pool::last>(fc<5>(reverse_sequence(x, lengths), w / "fc"), lengths);
  auto mean = sequence_pool(x);
  static_assert(std::is_same_v<decltype(last), value<float, shape<upto<2>, 5>>>);
  static_assert(std::is_same_v<decltype(mean), value<float, shape<upto<2>, 8>>>);
  g.output(fc<3>(last, w / "out"), "last");
  g.output(fc<3>(mean, w / "out2"), "mean");
  const sample_set samples{2, [](int sample, std::span<tensor> inputs) {
                             random_numbers random(static_cast<unsigned>(sample));
                             inputs[0] = random_tensor(element::f32, inputs[0].extents(), random);
                             inputs[1] = tensor::of<std::int32_t>({2}, std::vector<std::int32_t>{6, 2});
                           }};
  const graph int8 = quantize_graph(g, calibrate(octavo::compile(g), samples));
  int moved = 0;
  for (const node& n : int8.nodes)
    if (n.as<op::sequence_pool>() || n.as<op::reverse_sequence>()) moved += int8.type(*n.dst).is_u8() ? 1 : 0;
  CHECK(moved == 3);
}

TEST_CASE("sequence_pool, reverse_sequence: what they refuse, by name") {
  const tensor_type lengths{element::s32, {2}, {}};
  const auto refused = [&](const operation& o, const tensor_type& x, const tensor_type& l, const char* why) {
    check_failure(failure_of([&] {
                    graph g;
                    g.append(o, "y", {*g.append(op::input{}, "x", {}, x), *g.append(op::input{}, "l", {}, l)});
                  }),
                  why);
  };
  refused(op::sequence_pool{}, {element::f32, {2, 3}, {}}, lengths, "sequence_pool: expected an input of (N, T, C)");
  refused(op::sequence_pool{}, {element::s32, {2, 3, 4}, {}}, lengths,
          "sequence_pool: input and output must be f32 or u8");
  refused(op::sequence_pool{}, {element::u8, {2, 9000000, 1}, {1, 0}}, lengths, "could overflow 32 bits");
  refused(op::reverse_sequence{}, {element::f32, {3, 3}, {}}, lengths,
          "reverse_sequence: lengths must be of 3, one for each sequence, found 2");
  refused(op::reverse_sequence{}, {element::f32, {2}, {}}, lengths,
          "reverse_sequence: expected sequences of (N, T, ...)");
}

TEST_CASE("sequence_pool: a length out of range refuses the run and reads nothing outside") {
  graph g;
  auto x = g.input<float, ntc<2, 3, 1>>("x");
  auto lengths = g.input<std::int64_t, shape<2>>("lengths");
  g.output(sequence_pool<op::sequence_pool::last>(x, lengths), "y");
  session run(octavo::compile(g));
  const std::vector<float> steps{1, 2, 3, 4, 5, 6};
  std::vector<float> y(2);
  run(steps, std::vector<std::int64_t>{3, 1}, y).or_throw();
  CHECK(y == std::vector<float>{3, 4});
  CHECK(run(steps, std::vector<std::int64_t>{std::int64_t{1} << 40, -1}, y).code() == run_status::refused_data);
  CHECK(y == std::vector<float>{3, 0});
}
