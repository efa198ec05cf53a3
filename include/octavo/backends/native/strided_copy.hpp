// Copies between two lattices of addresses: what all operators that move elements are made of.
//
// A copy is a nest of loops, each with a number of turns and the bytes that one turn goes on in the destination and in
// the source: 0 where a source is repeated, negative where it is read backwards. Loops that go on as one become one. If
// the innermost moves neighbours to neighbours, whole runs are copied; if it does so on one side, and another loop on
// the other, it is a transposition, done in tiles of 16 by 16 bytes (transpose_tile.hpp); the rest goes one by one.
#pragma once

#include "octavo/backends/blocking/copy.hpp"
#include "octavo/backends/native/transpose_tile.hpp"
#include "octavo/op/kernel.hpp"

namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE {

/// A nest of loops, outermost first.
class strided_copy {
 public:
  /// From `from` to `to`, elements of `bytes` each.
  strided_copy(std::byte* to, const std::byte* from, std::size_t bytes)
      : to_(to), from_(from), bytes_(static_cast<std::ptrdiff_t>(bytes)) {}

  /// Adds an innermost loop of `count` turns; steps are in elements.
  void add(std::ptrdiff_t count, std::ptrdiff_t to, std::ptrdiff_t from) {
    if (count == 1) return;
    const loop next{count, to * bytes_, from * bytes_};
    if (depth_ > 0) {
      loop& outer = loops_[depth_ - 1];
      if (outer.to == next.to * count && outer.from == next.from * count) {
        outer = {outer.count * count, next.to, next.from};
        return;
      }
    }
    loops_[depth_++] = next;
  }

  /// Does parts [begin, end) of `parts` of all; the parts are disjoint.
  void run(int begin, int end, int parts) noexcept {
    if (!take(begin, end, parts)) return;
    const loop inner = pop();
    if (inner.to == bytes_ && inner.from == bytes_) return run_rows(inner.count * bytes_);
    if (inner.to == bytes_ && inner.from == 0) return run_repetition(inner.count * bytes_);
    if (inner.to == bytes_)
      for (std::size_t i = depth_; i-- > 0;)
        if (loops_[i].from == bytes_) return run_transposition(i, inner);
    run_single(inner);
  }

 private:
  struct loop {
    std::ptrdiff_t count, to, from;
  };

  // Cuts the longest loop: between lines of the cache where its turns are neighbours, else tiles would be cut.
  bool take(int begin, int end, int parts) noexcept {
    if (depth_ == 0) return begin == 0;
    loop* longest = loops_.data();
    for (std::size_t i = 1; i < depth_; ++i)
      if (loops_[i].count > longest->count) longest = &loops_[i];
    const std::ptrdiff_t unit = longest->to == bytes_ || longest->from == bytes_ ? 64 / bytes_ : 1;
    const auto cut = [&](std::ptrdiff_t part) {
      return part == parts ? longest->count : longest->count * part / parts / unit * unit;
    };
    const std::ptrdiff_t first = cut(begin), last = cut(end);
    to_ += first * longest->to;
    from_ += first * longest->from;
    longest->count = last - first;
    return last > first;
  }

  // Calls body(to, from) for each turn of all loops but the last `inside`.
  template <class Body>
  void for_each(const Body& body) const noexcept {
    std::array<std::ptrdiff_t, most_loops> at{};
    std::byte* to = to_;
    const std::byte* from = from_;
    for (;;) {
      body(to, from);
      std::size_t i = depth_;
      for (; i-- > 0;) {
        to += loops_[i].to;
        from += loops_[i].from;
        if (++at[i] < loops_[i].count) break;
        to -= loops_[i].to * loops_[i].count;
        from -= loops_[i].from * loops_[i].count;
        at[i] = 0;
      }
      if (i == static_cast<std::size_t>(-1)) return;
    }
  }

  void run_rows(std::ptrdiff_t row_bytes) noexcept {
    const auto n = static_cast<std::size_t>(row_bytes);
    const loop rows = pop();
    for_each([&](std::byte* to, const std::byte* from) {
      for (std::ptrdiff_t i = 0; i < rows.count; ++i) {
        if (n < 128)
          blocking::copy_run(to + i * rows.to, from + i * rows.from, n);
        else
          std::memcpy(to + i * rows.to, from + i * rows.from, n);
      }
    });
  }

  void run_transposition(std::size_t at, const loop& inner) noexcept {
    const loop outer = loops_[at];
    std::copy(loops_.begin() + static_cast<std::ptrdiff_t>(at) + 1,
              loops_.begin() + static_cast<std::ptrdiff_t>(depth_), loops_.begin() + static_cast<std::ptrdiff_t>(at));
    --depth_;
    for_each([&](std::byte* to, const std::byte* from) {
      transpose_matrix({to, from, outer.to, inner.from, outer.count, inner.count}, static_cast<std::size_t>(bytes_));
    });
  }

  // One element fills a row: what is there already is copied behind itself.
  void run_repetition(std::ptrdiff_t row_bytes) noexcept {
    const auto n = static_cast<std::size_t>(row_bytes), first = static_cast<std::size_t>(bytes_);
    for_each([&](std::byte* to, const std::byte* from) {
      std::memcpy(to, from, first);
      for (std::size_t done = first; done < n; done *= 2) std::memcpy(to + done, to, std::min(done, n - done));
    });
  }

  // Nothing is next to each other: element by element.
  void run_single(const loop& inner) noexcept {
    for_each([&](std::byte* to, const std::byte* from) {
      switch (bytes_) {
        case 1: return copy_each<1>(to, from, inner);
        case 4: return copy_each<4>(to, from, inner);
        default: return copy_each<8>(to, from, inner);
      }
    });
  }
  template <std::size_t Bytes>
  static void copy_each(std::byte* to, const std::byte* from, const loop& inner) noexcept {
    for (std::ptrdiff_t i = 0; i < inner.count; ++i) std::memcpy(to + i * inner.to, from + i * inner.from, Bytes);
  }

  loop pop() noexcept { return depth_ == 0 ? loop{1, bytes_, bytes_} : loops_[--depth_]; }

  static constexpr std::size_t most_loops = 2 * max_rank;  // an axis that is repeated is two

  std::byte* to_;
  const std::byte* from_;
  std::ptrdiff_t bytes_;
  std::array<loop, most_loops> loops_{};
  std::size_t depth_ = 0;
};

/// How many elements lie between neighbours on each axis of an operand.
inline std::array<std::ptrdiff_t, max_rank> steps_of(const operand& o) noexcept {
  std::array<std::ptrdiff_t, max_rank> steps{};
  std::ptrdiff_t step = o.stride;
  for (int i = o.extents.rank - 2; i >= 0; --i) {
    steps[static_cast<std::size_t>(i)] = step;
    step *= o.extents[i];
  }
  if (o.extents.rank > 0) steps[static_cast<std::size_t>(o.extents.rank - 1)] = 1;
  return steps;
}

}  // namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE
