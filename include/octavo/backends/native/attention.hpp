// Attention: the products of one head by the kernels of matmul, softmax in between, for all native instruction sets.
//
// A task takes some rows of q of one head: so few that their scores, and what softmax makes of them, stay in the second
// cache, and all rows of short sequences, since each task packs k and v. An instruction set brings its kernels for
// matmul, two functions of softmax.inc, and a class `elementwise`, see elementwise.hpp.
#pragma once

#include "octavo/backends/native/softmax.hpp"
#include "octavo/op/attention.hpp"

namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE {

/// What attention is made of.
struct attention_functions {
  std::span<const kernel> products;  ///< the first that supports a product runs it
  softmax_row_function softmax;      ///< quotients of f32, steps where the inputs are u8
  affine_function as_output;         ///< sums of products as outputs, where the inputs are u8
};

/// A prepared attention.
class attention final : public executable {
 public:
  attention(const problem& p, const attention_functions& functions)
      : functions_(functions),
        heads_(p.op.as<op::attention>()->heads),
        positions_(p.src[1].extents[1]),
        columns_(p.dst->extents[2] / heads_),
        has_mask_(p.has(3)),
        has_lengths_(p.has(4)),
        x_(p.src[0].type),
        y_(p.dst->type),
        stride_(stride_of(positions_)) {
    const int rows = p.src[0].extents[1], fitting = score_budget / stride_;
    rows_ = ceil_div(rows, ceil_div(rows, std::max(fitting, fewest_rows)));
    const op::attention_products products(*p.op.as<op::attention>(), p, rows_);
    score_ = pack(products.score_op, products.score);
    value_ = pack(products.value_op, products.value);
    if (is_u8()) ratio_ = op::value_ratio(p);
    offset_.fill(-0.0f);
    end_ = make_epilogue(*p.dst, no_activation);
    const auto scores = static_cast<std::size_t>(rows_) * static_cast<std::size_t>(stride_);
    const auto sums = static_cast<std::size_t>(rows_) * static_cast<std::size_t>(columns_);
    steps_at_ = scores * sizeof(float);
    sums_at_ = steps_at_ + (is_u8() ? round_up(scores, cache_line) : 0);
    factors_at_ = sums_at_ + (is_u8() ? round_up(sums * sizeof(float), cache_line) : 0);
    inner_at_ = factors_at_ + round_up(static_cast<std::size_t>(rows_) * sizeof(float), cache_line);
  }

  int tasks(const arguments& a) const noexcept override { return a.dst->extents[0] * heads_ * blocks(a); }
  std::size_t scratch_bytes() const noexcept override {
    return inner_at_ + std::max(score_->scratch_bytes(), value_->scratch_bytes());
  }
  std::size_t packed_bytes() const noexcept override { return score_->packed_bytes() + value_->packed_bytes(); }

  void run(const arguments& a, int begin, int end, std::byte* scratch) const noexcept override {
    for (int task = begin; task < end; ++task) {
      const int first = task % blocks(a) * rows_, h = task / blocks(a) % heads_, n = task / blocks(a) / heads_;
      const int rows = std::min(rows_, a.dst->extents[1] - first);
      const operand q = head_of(a.src[0], x_, n, h, first, rows), k = head_of(a.src[1], x_, n, h, 0, positions_),
                    v = head_of(a.src[2], x_, n, h, 0, positions_), y = head_of(*a.dst, y_, n, h, first, rows);
      const operand scores{scratch, {rows, positions_}, stride_}, steps{scratch + steps_at_, scores.extents, stride_},
          sums{scratch + sums_at_, y.extents, columns_};
      auto* factors = reinterpret_cast<float*>(scratch + factors_at_);
      const operand of_score[] = {q, k}, of_value[] = {is_u8() ? steps : scores, v};
      run_all(*score_, {of_score, scores}, scratch + inner_at_);
      normalise(a, n, h, first, scores, steps, factors);
      run_all(*value_, {of_value, is_u8() ? sums : y}, scratch + inner_at_);
      if (is_u8()) end_rows(sums, factors, y);
    }
  }

 private:
  static constexpr int score_budget = 64 * 1024;  // f32 values: 256 KB
  static constexpr int fewest_rows = 16;

  bool is_u8() const { return x_ == element::u8; }

  /// From one row of scores to the next: not a page, whose lines all share one set of the first cache.
  static int stride_of(int positions) {
    const int stride = ceil_div(positions, 64) * 64;
    return stride % 1024 == 0 ? stride + 64 : stride;
  }

  /// How many blocks of rows each head has.
  int blocks(const arguments& a) const noexcept { return ceil_div(a.dst->extents[1], rows_); }

  std::unique_ptr<const executable> pack(const op::matmul& o, const signature& s) const {
    const problem p{s, o};
    const kernel* k = find_kernel(functions_.products, p);
    require(k != nullptr, "attention: no kernel for its products");  // there is one for every product
    return k->pack(p);
  }

  /// Rows [first, first + rows) of one head.
  operand head_of(const operand& o, element type, int n, int h, int first, int rows) const noexcept {
    const int columns = o.extents[2] / heads_;
    return {element_at(o, type, std::ptrdiff_t{n} * o.extents[1] + first, std::ptrdiff_t{h} * columns),
            {rows, columns},
            o.stride};
  }

  /// Softmax of each row of scores, in place, or as steps and what their products are to be multiplied by.
  void normalise(const arguments& a, int n, int h, int first, const operand& scores, const operand& steps,
                 float* factors) const noexcept {
    const dims all{a.dst->extents[0], heads_, a.dst->extents[1], positions_};
    op::axis_strides mask_strides{};
    if (has_mask_) mask_strides = op::strides_of(a.src[3], all);
    const int length = has_lengths_ ? op::length_at(a, a.src[4], static_cast<std::size_t>(n), positions_) : positions_;
    for (int i = 0; i < scores.extents[0]; ++i) {
      softmax_row r;
      r.y = scores.row<float>(static_cast<std::size_t>(i));
      r.x = r.y, r.n = length;
      const auto row = static_cast<std::size_t>((n * heads_ + h) * all[2] + first + i);
      if (has_mask_) r.mask = a.src[3].as<const float>() + op::row_offset(mask_strides, all, row);
      r.steps = steps.row<std::uint8_t>(static_cast<std::size_t>(i));
      const float sum = functions_.softmax(r);
      if (is_u8()) {
        factors[i] = ratio_ / sum;
        std::memset(r.steps + length, 0, static_cast<std::size_t>(positions_ - length));
      } else {
        std::fill(r.y + length, r.y + positions_, 0.0f);
      }
    }
  }

  /// Outputs from sums of products.
  void end_rows(const operand& sums, const float* factors, const operand& y) const noexcept {
    alignas(64) std::array<float, 64> factor;
    for (int i = 0; i < y.extents[0]; ++i) {
      factor.fill(factors[i]);
      functions_.as_output({sums.row<float>(static_cast<std::size_t>(i)), element_at(y, y_, i, 0), factor.data(),
                            offset_.data(), false, 0, end_},
                           columns_);
    }
  }

  attention_functions functions_;
  int heads_, positions_, columns_;
  bool has_mask_, has_lengths_;
  element x_, y_;
  int stride_, rows_;  ///< of scores; rows of q in a task
  std::unique_ptr<const executable> score_, value_;
  float ratio_ = 1.0f;
  alignas(64) std::array<float, 64> offset_;
  epilogue end_;
  std::size_t steps_at_, sums_at_, factors_at_, inner_at_;  // in scratch, behind the scores
};

/// The kernel `name` for attention on X, with the products of `Products`, an array of kernels.
template <const auto& Products, softmax_row_function Softmax, class Elementwise, class X>
constexpr kernel attention_kernel(std::string_view name, isa needs) {
  return {name, needs, [](const problem& p) { return p.op.is<op::attention>() && p.src[0].type == element_of<X>; },
          [](const problem& p) -> std::unique_ptr<const executable> {
            return std::make_unique<attention>(
                p, attention_functions{Products, Softmax,
                                       p.dst->is_u8() ? Elementwise::template affine<float, std::uint8_t>
                                                      : Elementwise::template affine<float, float>});
          }};
}

}  // namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE
