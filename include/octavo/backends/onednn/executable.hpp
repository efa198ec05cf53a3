// A node as primitives of oneDNN behind the kernel contract. oneDNN's fast implementations want dense operands of
// extents that are known when they are made; Octavo's may be strided, and their batch any up to a bound. So:
//   - a primitive is made for the whole batch, for 1, and where the batch is bounded for each power of 2 below; a run
//     takes the largest that fit, one after the other. Those that want the same layout of weights share them;
//   - where rows lie apart (a slice of a concat's output, a view of the user's), the run goes image by image, through
//     dense copies in the scratch memory.
#pragma once

#include <dnnl.hpp>

#include <algorithm>
#include <bit>
#include <memory>
#include <mutex>

#include "octavo/backends/onednn/bound_primitive.hpp"

namespace octavo::onednn::inline OCTAVO_ARCH_NAMESPACE {

/// A primitive that any number of threads run at once: each borrows arguments. More are made only when more threads
/// than ever before are inside at one time.
class shared_primitive {
 public:
  explicit shared_primitive(node_primitive l) : layer_(std::move(l)), primitive_(layer_.primitive.get()) {
    give_back(make());
  }

  void run(std::span<const void* const> src, void* dst, void* scratchpad) const noexcept {
    std::unique_ptr<bound_primitive> mine = borrow();
    mine->bind(src, dst, scratchpad);
    mine->run();
    give_back(std::move(mine));
  }

  std::size_t scratchpad_bytes() const { return layer_.primitive.scratchpad_desc().get_size(); }

 private:
  std::unique_ptr<bound_primitive> make() const { return std::make_unique<bound_primitive>(layer_, primitive_); }
  std::unique_ptr<bound_primitive> borrow() const {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) return make();
    std::unique_ptr<bound_primitive> last = std::move(free_.back());
    free_.pop_back();
    return last;
  }
  void give_back(std::unique_ptr<bound_primitive> b) const {
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(b));
  }

  node_primitive layer_;
  dnnl::primitive primitive_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<bound_primitive>> free_;
};

/// The outermost extent, along which a problem can be cut. A vector is one piece.
inline int batch_of(const dims& e) { return e.rank > 1 ? e[0] : 1; }

/// `p` for `n` images.
inline problem with_batch(problem p, int n) {
  const auto set = [n](dims& e) {
    if (e.rank > 1) e[0] = n;
    e.bounded = 0;
  };
  for (tensor_type& t : p.src) set(t.extents);
  set(p.dst->extents);
  return p;
}

/// Runs a problem by primitives for several batch sizes.
class primitive_executable : public executable {
 public:
  /// Throws octavo::error when oneDNN cannot make the primitive.
  explicit primitive_executable(const problem& p) try {
    const one_thread guard;
    std::vector<dnnl::memory> packed;
    const int batch = batch_of(p.dst->extents);
    const bool bounded = p.dst->extents.bounded != 0;
    for (int n = batch; n > 0; n = bounded ? below(n) : std::min(n - 1, 1)) {
      node_primitive l = make_node_primitive(with_batch(p, n));
      pack_weights(l, packed);
      sizes_.push_back({n, std::make_unique<shared_primitive>(std::move(l))});
      scratchpad_ = std::max(scratchpad_, round_up(sizes_.back().run->scratchpad_bytes(), cache_line));
    }
    for (const dnnl::memory& m : packed) packed_ += m.get_desc().get_size();
    const problem one = with_batch(p, 1);
    for (const tensor_type& t : one.src) src_.push_back(image(t));
    dst_ = image(one.dst);
    const bool* residual = fused_residual(p.op);
    residual_ = residual && *residual;
  } catch (const dnnl::error& e) {
    fail("oneDNN: ", e.what());
  }

  void run(const arguments& a, int begin, int end, std::byte* scratch) const noexcept override {
    if (begin == end) return;
    const one_thread guard;
    const int batch = batch_of(a.dst->extents);
    const bool dense = is_dense(*a.dst) && std::all_of(a.src.begin(), a.src.end(), is_dense);
    for (int at = 0; at < batch;) {
      const int most = dense ? batch - at : 1;
      const sized& s = *std::find_if(sizes_.begin(), sizes_.end(), [&](const sized& z) { return z.batch <= most; });
      run_images(s, a, at, scratch);
      at += s.batch;
    }
  }

  std::size_t scratch_bytes() const noexcept override {
    std::size_t bytes = scratchpad_ + dst_.bytes();
    for (const image& i : src_) bytes += i.bytes();
    return bytes;
  }
  std::size_t packed_bytes() const noexcept override { return packed_; }

 private:
  struct sized {
    int batch;
    std::unique_ptr<const shared_primitive> run;
  };

  /// One image of an operand.
  struct image {
    std::size_t rows = 0, row_bytes = 0;
    std::size_t element_bytes = 0;
    image() = default;
    explicit image(const tensor_type& t)
        : rows(t.extents.rows()),
          row_bytes(static_cast<std::size_t>(t.extents.back()) * size_of(t.type)),
          element_bytes(size_of(t.type)) {}
    std::size_t bytes() const { return round_up(rows * row_bytes, cache_line); }
    /// Bytes between the rows of `o`.
    std::size_t step(const operand& o) const { return static_cast<std::size_t>(o.stride) * element_bytes; }
    /// Where image `i` of `o` begins.
    std::byte* find(const operand& o, int i) const {
      return o.as<std::byte>() + static_cast<std::size_t>(i) * rows * step(o);
    }
    bool is_apart(const operand& o) const { return rows > 1 && step(o) != row_bytes; }
  };

  static int below(int n) { return static_cast<int>(std::bit_floor(static_cast<unsigned>(n - 1))); }
  static bool is_dense(const operand& o) { return o.stride == o.extents.back(); }

  static void copy_rows(const std::byte* from, std::size_t from_step, std::byte* to, std::size_t to_step,
                        std::size_t rows, std::size_t row_bytes) noexcept {
    if (from_step == row_bytes && to_step == row_bytes) row_bytes *= rows, rows = 1;
    for (; rows > 0; --rows, from += from_step, to += to_step) std::memcpy(to, from, row_bytes);
  }

  /// Runs the `s.batch` images from number `at` on; just one where some operand is not dense.
  void run_images(const sized& s, const arguments& a, int at, std::byte* scratch) const noexcept {
    std::byte* copies = scratch + scratchpad_;
    const void* src[2] = {};
    for (std::size_t i = 0; i < src_.size(); ++i) {
      const std::byte* const x = src_[i].find(a.src[i], at);
      src[i] = x;
      if (!src_[i].is_apart(a.src[i]) || (residual_ && i == 1)) continue;
      copy_rows(x, src_[i].step(a.src[i]), copies, src_[i].row_bytes, src_[i].rows, src_[i].row_bytes);
      src[i] = copies;
      copies += src_[i].bytes();
    }
    std::byte* const dst = dst_.find(*a.dst, at);
    const bool apart = dst_.is_apart(*a.dst);
    std::byte* const y = apart ? copies : dst;
    if (residual_ && src[1] != y) {
      // The stride of a single row means nothing; that of many images is dense.
      const std::size_t step = src_[1].is_apart(a.src[1]) ? src_[1].step(a.src[1]) : dst_.row_bytes;
      copy_rows(src_[1].find(a.src[1], at), step, y, dst_.row_bytes, dst_.rows * static_cast<std::size_t>(s.batch),
                dst_.row_bytes);
    }
    s.run->run(src, y, scratch);
    if (apart) copy_rows(y, dst_.row_bytes, dst, dst_.step(*a.dst), dst_.rows, dst_.row_bytes);
  }

  std::vector<sized> sizes_;  // the largest first
  std::vector<image> src_;
  image dst_;
  bool residual_ = false;
  std::size_t scratchpad_ = 0, packed_ = 0;
};

}  // namespace octavo::onednn::inline OCTAVO_ARCH_NAMESPACE
