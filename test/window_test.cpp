// Geometry of windows against brute force: windows are placed one by one and their pixels looked at.
#include "octavo/op/window.hpp"

#include <doctest/doctest.h>

#include "octavo/op/conv2d.hpp"
#include "octavo/op/pool2d.hpp"

namespace {

using namespace octavo;

/// How many windows fit: all positions are tried. In ceil mode the last one may also reach beyond the padded end, by
/// less than a stride, but must begin in the image or in the padding before it.
int counted_windows(int in, int before, int after, int k, int stride, int dilation, bool ceil_mode) {
  const int reach = (k - 1) * dilation;  // from a window's first pixel to its last
  int count = 0;
  for (int start = -before;; start += stride) {
    const bool fits = start + reach < in + after;
    const bool ceil_fits = ceil_mode && start + reach - (in + after) + 1 < stride && start < in;
    if (!fits && !ceil_fits) return count;
    ++count;
    if (!fits) return count;
  }
}

}  // namespace

TEST_CASE("window_count: every small geometry, explicit padding") {
  for (int in = 1; in <= 9; ++in)
    for (int k = 1; k <= 4; ++k)
      for (int before = 0; before < 4; ++before)
        for (int after = 0; after < 4; ++after)
          for (int stride = 1; stride <= 4; ++stride)
            for (int dilation = 1; dilation <= 3; ++dilation)
              for (bool ceil : {false, true}) {
                if (ceil && (before >= dilated(k, dilation) || after >= dilated(k, dilation)))
                  continue;  // no pooling takes those
                CAPTURE(in);
                CAPTURE(k);
                CAPTURE(before);
                CAPTURE(after);
                CAPTURE(stride);
                CAPTURE(dilation);
                CAPTURE(ceil);
                CHECK(window_count(in, before, after, k, stride, dilation, ceil) ==
                      counted_windows(in, before, after, k, stride, dilation, ceil));
              }
}

TEST_CASE("resolve: same padding gives ceil(in / stride) windows with the least padding, the odd pixel at its side") {
  for (int in = 1; in <= 12; ++in)
    for (int k = 1; k <= 5; ++k)
      for (int stride = 1; stride <= 5; ++stride)
        for (int dilation = 1; dilation <= 3; ++dilation) {
          CAPTURE(in);
          CAPTURE(k);
          CAPTURE(stride);
          CAPTURE(dilation);
          const int windows = (in + stride - 1) / stride;
          int total = 0;  // the least padding that makes room for so many
          while (window_count(in, 0, total, k, stride, dilation) < windows) ++total;
          const padding upper = resolve(same, in, 1, {k, 1}, stride, dilation),
                        lower = resolve(same_lower, in, 1, {k, 1}, stride, dilation);
          CHECK(upper.top + upper.bottom == total);
          CHECK(lower.top + lower.bottom == total);
          CHECK((upper.bottom == upper.top || upper.bottom == upper.top + 1));
          CHECK(lower.top == upper.bottom);
          CHECK(lower.bottom == upper.top);
          CHECK(window_count(in, upper.top, upper.bottom, k, stride, dilation) == windows);
          const padding columns = resolve(same, 1, in, {1, k}, stride, dilation);
          CHECK(columns.left == upper.top);
          CHECK(columns.right == upper.bottom);
        }
}

TEST_CASE("resolve: explicit numbers and valid stay") {
  CHECK(resolve({1, 2, 3, 4}, 9, 9, 3, 2, 1) == padding(1, 2, 3, 4));
  CHECK(resolve(valid, 9, 9, 3, 2, 1) == padding(0));
}

TEST_CASE("resolve: TensorFlow's 224 with stride 2 pads after only") {
  CHECK(resolve(same, 224, 224, 3, 2, 1) == padding(0, 0, 1, 1));
  CHECK(resolve(same, 112, 112, 3, 1, 1) == padding(1, 1, 1, 1));
}

TEST_CASE("infer: a bounded extent gives a bounded one, with the actual extent of each symbol") {
  int compared = 0;
  for (const hw kernel : {hw(1), hw(3), hw(2, 5)})
    for (const hw stride : {hw(1), hw(2), hw(3, 2)})
      for (const padding& pad : {padding(0), padding(1, 0, 0, 1)})
        for (const bool ceil : {false, true}) {
          pool p{.kernel = kernel, .stride = stride, .pad = pad, .ceil_mode = ceil};
          if (!op::is_padding_inside(pad, kernel)) continue;
          const dims y = op::infer(p, dims{2, upto<30>, upto<40, 'w'>, 8});
          CHECK((y.is_bounded(1) && y.is_bounded(2) && !y.is_bounded(0) && !y.is_bounded(3)));
          for (int h = 1; h <= 30; ++h) {
            const dims exact = op::infer(p, dims{2, h, h + 10, 8});
            CHECK(std::max<std::int64_t>(y.form(1).at(h), 0) == exact[1]);
            CHECK(y.form(2).at(h + 10) == exact[2]);
            ++compared;
          }
        }
  CHECK(compared > 500);
}

TEST_CASE("infer: what follows from a bounded width in two ways is the same") {
  const dims x{1, 8, upto<41, 'w'>, 8};
  const dims main = op::infer(conv{.out = 8, .kernel = 3, .stride = 2, .pad = 1}, x);
  CHECK(main == op::infer(conv{.out = 8, .stride = 2}, x));
  CHECK(op::infer(conv{.out = 8, .kernel = 3, .pad = same}, main) == main);
  CHECK(main != op::infer(conv{.out = 8, .stride = 2}, dims{1, 8, upto<41, 'v'>, 8}));
}

TEST_CASE("infer: extents of real layers") {
  CHECK(op::infer(conv{.out = 64, .kernel = 7, .stride = 2, .pad = 3}, dims{1, 224, 224, 3}) == dims{1, 112, 112, 64});
  CHECK(op::infer(pool{.kernel = 3, .stride = 2, .pad = 1}, dims{1, 112, 112, 64}) == dims{1, 56, 56, 64});
  CHECK(op::infer(pool{.kernel = 2, .ceil_mode = true}, dims{upto<4>, 75, 75, 8}) == dims{upto<4>, 38, 38, 8});
  CHECK(op::infer(conv{.out = 8, .kernel = 3, .pad = 1, .dilation = 2}, dims{1, 10, 10, 8}) == dims{1, 8, 8, 8});
  CHECK(op::infer(conv{.out = 8, .kernel = 3}, dims{1, 2, 5, 8})[1] == 0);
  CHECK(op::weight_extents(conv{.out = 8, .kernel = {3, 5}, .groups = 2}, dims{1, 9, 9, 6}) == dims{8, 3, 3, 5});
}
