// Composing a network: what detectors do with the boxes and scores that their convolutions predict. Included by
// builder.hpp.
#pragma once

#include "octavo/graph/builder.hpp"

namespace octavo {

namespace detail {
template <class X, class Priors>
concept decodable = X::value.rank >= 2 && X::value.back() == 4 && Priors::value.rank == 2 && Priors::value[1] == 4 &&
                    X::value.encoded(X::value.rank - 2) == Priors::value.encoded(0);

template <class Boxes, class Scores>
concept same_boxes =
    Boxes::value.rank == 3 && Scores::value.rank == 3 && Boxes::value[2] == 4 &&
    Boxes::value.encoded(0) == Scores::value.encoded(0) && Boxes::value.encoded(1) == Scores::value.encoded(1) &&
    only_batch_bounded(Boxes::value);
}  // namespace detail

/// The corners of boxes that are predicted as differences from priors: see op/box_decode.hpp. Throws octavo::error
/// where an attribute has no meaning.
template <class T, class S, class Priors>
auto box_decode(const value<T, S>& x, const value<T, Priors>& priors, const op::box_decode& options = {}) {
  static_assert(detail::decodable<S, Priors>,
                "octavo: box_decode needs predictions of (..., B, 4) and priors of (B, 4), B the same and not bounded");
  return detail::append<S::value>(options, "box_decode", x, priors);
}

/// The best Keep detections of each image, (N, Keep, 6): see op/multiclass_nms.hpp. Throws octavo::error where an
/// attribute has no meaning.
template <int Keep, class T, class Boxes, class Scores>
auto multiclass_nms(const value<T, Boxes>& boxes, const value<T, Scores>& scores, op::multiclass_nms options = {}) {
  static_assert(Keep > 0, "octavo: multiclass_nms keeps at least 1 box");
  static_assert(detail::same_boxes<Boxes, Scores>,
                "octavo: multiclass_nms needs boxes of (N, B, 4) and scores of (N, B, C), N and B the same");
  options.keep = Keep;
  constexpr dims y = op::infer(op::multiclass_nms{.keep = Keep}, Boxes::value, Scores::value);
  return detail::append<y>(options, "multiclass_nms", boxes, scores);
}

}  // namespace octavo
