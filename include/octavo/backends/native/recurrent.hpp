// gru and lstm: what they share but the arithmetic of gates, for all native instruction sets. The product of each step
// is a fully connected layer, from the states of all sequences of a task (state_product.hpp).
//
// A task takes some sequences in one direction through time; states and sums stay in its scratch memory.
#pragma once

#include "octavo/backends/blocking/task_pieces.hpp"
#include "octavo/backends/native/state_product.hpp"
#include "octavo/op/recurrent.hpp"

namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE {

/// Bytes of input products that a task computes at a time where it does so: they stay in the second cache. Where one
/// step of all units has more than half of that, a task takes some units after the other, whose sums stay in the first.
inline constexpr std::int64_t input_product_budget = 256 * 1024, unit_block_budget = 64 * 1024;

/// A recurrent layer: what gru and lstm share. Where the problem comes with the fc that makes its input, a task
/// computes that product too, of a few steps at a time.
class recurrent : public executable {
 public:
  recurrent(const problem& p, std::span<const kernel> kernels, const op::detail::recurrent_shape& shape,
            octavo::direction direction, const affine& state, const gate_functions& functions, bool in_blocks)
      : shape_(shape),
        types_{p.src, p.dst, {}},
        direction_(direction),
        functions_(functions),
        round_y_(functions.quantize, p.dst[0]),
        y_is_state_(p.dst[0].is_u8() && p.at(0)->type() == element::s8 && p.dst[0].q == state),
        most_rows_(static_cast<std::size_t>(p.src[0].extents[0])) {
    unit_block_ = shape.hidden;
    if (!p.producer) return;
    const int rows = p.src[0].extents[0];
    const std::int64_t unit_bytes = std::int64_t{rows} * shape.gates * std::int64_t{sizeof(float)},
                       step_bytes = unit_bytes * shape.hidden;
    if (in_blocks && 2 * step_bytes > input_product_budget)
      unit_block_ =
          std::min(shape.hidden, static_cast<int>(std::max<std::int64_t>(unit_block_budget / unit_bytes / 32, 1)) * 32);
    if (blocks() == 1)
      steps_together_ =
          static_cast<int>(std::clamp<std::int64_t>(input_product_budget / step_bytes, 1, p.src[0].extents[1]));
    input_type_ = p.producer->src[0].type;
    for (int d = 0; d < shape.directions; ++d)
      for (int b = 0; b < blocks(); ++b)
        inputs_.emplace_back(kernels, layer_of(*p.producer, 0, p.producer->at(1), 2, rows_of(d, 0, shape.gates, b),
                                               p.producer->src[0].q, rows * steps_together_));
  }

  int tasks(const arguments& a) const noexcept override { return shape_.directions * pieces(a); }

  void run(const arguments& a, int begin, int end, std::byte* scratch) const noexcept override {
    const int parts = pieces(a), batch = a.src[0].extents[0];
    while (begin < end) {
      const int d = begin / parts, part = begin % parts, together = std::min(parts - part, end - begin);
      const int first = blocking::cut(batch, part, parts);
      cutter memory(scratch);
      piece p{a, d, first, blocking::cut(batch, part + together, parts) - first};
      if (!inputs_.empty()) {
        p.inputs = memory.bytes(gathered_bytes());
        p.products = memory.floats(products_count());
        p.rest = memory.bytes(input_scratch_bytes());
      }
      run_sequences(p, memory.bytes(0));
      begin += together;
    }
  }

  std::size_t scratch_bytes() const noexcept final {
    if (inputs_.empty()) return scratch_of_steps();
    return round_up(gathered_bytes(), cache_line) + round_up(products_count() * sizeof(float), cache_line) +
           input_scratch_bytes() + scratch_of_steps();
  }

  std::size_t packed_bytes() const noexcept final {
    std::size_t all = packed_bytes_of_steps();
    for (const layer_product& i : inputs_) all += i.packed_bytes();
    return all;
  }

 protected:
  /// Sequences [first, first + rows) in one direction, and room for input products.
  struct piece {
    const arguments& a;
    int d, first, rows;
    std::byte* inputs = nullptr;
    float* products = nullptr;
    std::byte* rest = nullptr;
  };
  virtual void run_sequences(const piece& p, std::byte* scratch) const noexcept = 0;
  virtual std::size_t scratch_of_steps() const noexcept = 0;
  virtual std::size_t packed_bytes_of_steps() const noexcept = 0;

  /// Units that are taken together.
  struct unit_range {
    int first, count;
  };
  int blocks() const { return ceil_div(shape_.hidden, unit_block_); }
  unit_range units_of(int block) const {
    const int first = block * unit_block_;
    return {first, std::min(unit_block_, shape_.hidden - first)};
  }

  /// The rows of the weights of gates [gate, gate + gates) of a block of units in one direction.
  std::vector<int> rows_of(int d, int gate, int gates, int block) const {
    const unit_range u = units_of(block);
    std::vector<int> rows;
    for (int g = gate; g < gate + gates; ++g)
      for (int j = 0; j < u.count; ++j) rows.push_back((d * shape_.gates + g) * shape_.hidden + u.first + j);
    return rows;
  }

  /// The fc by those rows of constants `weights`, of `p`, and `bias`, of at most `batch` rows of numbers, which have
  /// the map `x` where the weights are s8.
  static problem layer_of(const problem& p, std::size_t weights, const tensor* bias, std::size_t scales,
                          const std::vector<int>& rows, const affine& x, int batch) {
    const tensor& w = *p.at(weights);
    const int inputs = w.extents()[1], outputs = static_cast<int>(rows.size());
    const bool int8 = w.type() == element::s8;
    const auto slice = [&](const tensor& t) {
      dims e = t.extents();
      const std::size_t bytes = t.bytes().size() / static_cast<std::size_t>(e[0]);
      e[0] = outputs;
      tensor part(t.type(), e);
      auto to = part.bytes().begin();
      for (int row : rows)
        to = std::ranges::copy(t.bytes().subspan(static_cast<std::size_t>(row) * bytes, bytes), to).out;
      return make_constant(std::move(part));
    };
    problem layer;
    layer.op = op::fc{.out = outputs};
    const std::int64_t up_to = dims::code(batch, axis_form::of(0));
    layer.src = {{int8 ? element::u8 : element::f32, {up_to, inputs}, x}};
    layer.dst = {element::f32, {up_to, outputs}, {}};
    layer.constants = {slice(w), bias ? slice(*bias) : nullptr};
    if (int8) layer.constants.push_back(slice(*p.at(scales)));
    layer.blocks = p.blocks.of(text(weights, ".", rows[0]));
    return layer;
  }

  /// What the gates of sequence `row` add at step number `k`, which is at time `t`, to the units of a block.
  const float* input_of(const piece& p, int row, int k, int t, int block) const noexcept {
    const unit_range u = units_of(block);
    if (!inputs_.empty())
      return p.products + std::ptrdiff_t{k % steps_together_ * p.rows + row} * shape_.gates * u.count;
    const auto at = static_cast<std::size_t>((p.first + row) * p.a.src[0].extents[1] + t);
    return p.a.src[0].row<float>(at) + std::ptrdiff_t{p.d} * shape_.gates * shape_.hidden + u.first;
  }
  /// From one gate to the next there.
  std::ptrdiff_t gate_stride(int block) const noexcept {
    return inputs_.empty() ? shape_.hidden : units_of(block).count;
  }

  /// Before step number `k` of `steps`: puts the inputs of some steps together, and brings near those of the next and
  /// where y is written: rows lie far apart.
  void gather_inputs(const piece& p, int k, int steps) const noexcept {
    if (inputs_.empty()) return prefetch_products(p, k + 1);
    if (k % steps_together_ == 0) {
      const auto bytes = static_cast<std::size_t>(inputs_[0].inputs()) * size_of(input_type_);
      std::byte* to = p.inputs;
      for (int i = k; i < std::min(k + steps_together_, steps); ++i)
        for (int row = 0; row < p.rows; ++row, to += bytes)
          if (const int t = time(p, row, i); t >= 0)
            std::memcpy(to, input_row(p, row, t), bytes);
          else
            std::memset(to, 0, bytes);  // nobody reads what becomes of it
    }
    prefetch_rows(p, k);
  }

  /// Computes the input products of a block of units, where that is to be done before step number `k`.
  void multiply_inputs(const piece& p, int k, int steps, int block) const noexcept {
    if (inputs_.empty() || k % steps_together_ != 0) return;
    const layer_product& product = inputs_[static_cast<std::size_t>(p.d * blocks() + block)];
    product.multiply(p.inputs, product.inputs(), std::min(steps_together_, steps - k) * p.rows, p.products, p.rest);
  }

  /// Reads the states of a piece, (rows, count); zeros where the input is left out.
  void read(const piece& p, std::size_t input, int count, float* to) const noexcept {
    for (int row = 0; row < p.rows; ++row)
      op::detail::read_state(types_, p.a, input, p.first + row, p.d * count, count, to + row * count);
  }
  static void write(const piece& p, std::size_t output, int count, const float* from) noexcept {
    for (int row = 0; row < p.rows; ++row)
      std::copy_n(from + row * count, count,
                  p.a.dst[output].row<float>(static_cast<std::size_t>(p.first + row)) + p.d * count);
  }

  /// The time at which a sequence takes its step number `k`; -1 where it has no such step.
  int time(const piece& p, int row, int k) const noexcept {
    const int n = length(p, row);
    return k >= n ? -1 : goes_back(direction_, p.d) ? n - 1 - k : k;
  }
  /// The steps of the longest sequence.
  int longest(const piece& p) const noexcept {
    int n = 0;
    for (int row = 0; row < p.rows; ++row) n = std::max(n, length(p, row));
    return n;
  }

  /// Writes the states after step number `k` to y: h, of which round() made `rounded`.
  void write_step(const piece& p, int k, const float* h, const std::byte* rounded) const noexcept {
    for (int row = 0; row < p.rows; ++row)
      if (const int t = time(p, row, k); t >= 0) write_y(p, row, t, h, rounded);
  }
  /// Sets y to 0 beyond the sequences.
  void clear_rest(const piece& p) const noexcept {
    for (int row = 0; row < p.rows; ++row)
      for (int t = length(p, row); t < p.a.src[0].extents[1]; ++t)
        op::detail::write_state(types_, p.a, p.first + row, t, p.d * shape_.state, shape_.state, nullptr);
  }

  op::detail::recurrent_shape shape_;
  signature types_;
  octavo::direction direction_;
  gate_functions functions_;

  /// Cuts scratch memory into pieces, each aligned to a cache line.
  class cutter {
   public:
    explicit cutter(std::byte* memory) : at_(memory) {}
    float* floats(std::size_t n) { return reinterpret_cast<float*>(bytes(n * sizeof(float))); }
    std::byte* bytes(std::size_t n) {
      std::byte* from = at_;
      at_ += round_up(n, cache_line);
      return from;
    }

   private:
    std::byte* at_;
  };
  /// What it takes for `n` floats for each sequence, in so many pieces.
  std::size_t floats_bytes(int n, std::size_t parts) const {
    return most_rows_ * static_cast<std::size_t>(n) * sizeof(float) + parts * cache_line;
  }
  std::size_t most_rows() const { return most_rows_; }

 private:
  int length(const piece& p, int row) const noexcept {
    return op::sequence_length(types_, p.a, static_cast<std::size_t>(p.first + row));
  }

  std::size_t gathered_bytes() const {
    return most_rows_ * static_cast<std::size_t>(steps_together_ * inputs_[0].inputs()) * size_of(input_type_);
  }
  std::size_t products_count() const {
    return most_rows_ * static_cast<std::size_t>(steps_together_ * shape_.gates * unit_block_);
  }

  std::size_t input_scratch_bytes() const {
    std::size_t most = 0;
    for (const layer_product& i : inputs_) most = std::max(most, i.scratch_bytes());
    return most;
  }

  /// The input of the input product of a sequence at time `t`.
  const std::byte* input_row(const piece& p, int row, int t) const noexcept {
    const operand& x = p.a.src[0];
    const std::ptrdiff_t at = (static_cast<std::ptrdiff_t>(p.first + row) * x.extents[1] + t) * x.stride;
    return x.as<std::byte>() + at * static_cast<std::ptrdiff_t>(size_of(input_type_));
  }

  static void prefetch(const void* from, std::size_t bytes) noexcept {
#if defined(__GNUC__)
    for (std::size_t i = 0; i < bytes; i += cache_line)
      __builtin_prefetch(static_cast<const std::byte*>(from) + i, 0, 2);
#else
    (void)from, (void)bytes;
#endif
  }

  /// Brings near what step number `k` will add.
  void prefetch_products(const piece& p, int k) const noexcept {
    const auto bytes = static_cast<std::size_t>(shape_.gates * shape_.hidden) * sizeof(float);
    for (int row = 0; row < p.rows; ++row)
      if (const int t = time(p, row, k); t >= 0) prefetch(input_of(p, row, k, t, 0), bytes);
  }

  /// Brings near the inputs after step number `k`, and where its states go.
  void prefetch_rows(const piece& p, int k) const noexcept {
    const auto x_bytes = static_cast<std::size_t>(inputs_[0].inputs()) * size_of(input_type_),
               y_bytes = static_cast<std::size_t>(shape_.state) * size_of(types_.dst[0].type);
    for (int row = 0; row < p.rows; ++row) {
      if (const int t = time(p, row, k + steps_together_); t >= 0) prefetch(input_row(p, row, t), x_bytes);
      if (const int t = time(p, row, k); t >= 0) prefetch(y_row(p, row, t), y_bytes);
    }
  }

  int pieces(const arguments& a) const noexcept {
    const int batch = a.src[0].extents[0];
    const int depth = shape_.state + (inputs_.empty() ? 0 : inputs_[0].inputs());
    const double products = static_cast<double>(a.src[0].extents[0]) * a.src[0].extents[1] * shape_.rows() * depth;
    const int wanted = native::task_count({.multiply_adds = products});
    return std::clamp(ceil_div(wanted, shape_.directions), 1, ceil_div(batch, sequences_together));
  }

  std::byte* y_row(const piece& p, int row, int t) const noexcept {
    const operand& y = p.a.dst[0];
    const std::ptrdiff_t at = (static_cast<std::ptrdiff_t>(p.first + row) * p.a.src[0].extents[1] + t) * y.stride;
    return element_at(y, types_.dst[0].type, 0, at + std::ptrdiff_t{p.d} * shape_.state);
  }
  void write_y(const piece& p, int row, int t, const float* h, const std::byte* rounded) const noexcept {
    const int count = shape_.state;
    const std::ptrdiff_t from = std::ptrdiff_t{row} * count;
    std::byte* to = y_row(p, row, t);
    if (!types_.dst[0].is_u8())
      std::memcpy(to, h + from, static_cast<std::size_t>(count) * sizeof(float));
    else if (y_is_state_)
      std::copy_n(rounded + from, count, to);
    else
      round_y_(h + from, to, count);
  }

  static constexpr int sequences_together = 14;  // fewer leave tiles empty

  state_rounding round_y_;
  bool y_is_state_;  // y is what round() makes of h
  std::size_t most_rows_;
  std::vector<layer_product> inputs_;  // of each direction and block, where tasks compute the input products
  int steps_together_ = 1;             // of these
  int unit_block_ = 0;                 // units whose gates are computed together
  element input_type_ = element::f32;
};

/// Kernels for gru and lstm whose products run on `products`, kernels for fc.
template <const auto& products, const gate_functions& functions>
struct recurrent_kernel {
  /// The steps alone.
  template <class Operator, class Executable>
  static constexpr kernel of(std::string_view name, isa needs, bool (*pays)(const problem&) = nullptr) {
    return {name, needs,
            [](const problem& p) { return p.op.is<Operator>() && is_multiplied(p.at(0)->type() == element::s8); },
            make<Executable>, pays};
  }

  /// The steps with the product before them. For a few sequences alone it is better done by all threads.
  template <class Operator, class Executable>
  static constexpr kernel with_input(std::string_view name, isa needs, bool (*pays)(const problem&) = several) {
    return {name,
            needs,
            [](const problem& p) {
              if (!p.op.is<Operator>() || !p.producer || !p.producer->op.is<op::fc>()) return false;
              const op::fc& f = *p.producer->op.as<op::fc>();
              return f.act.is_none() && !f.residual && is_multiplied(p.at(0)->type() == element::s8) &&
                     is_multiplied(p.producer->src[0].is_u8());
            },
            make<Executable>,
            pays,
            true};
  }

 private:
  template <class Executable>
  static std::unique_ptr<const executable> make(const problem& p) {
    return std::make_unique<Executable>(p, products, functions);
  }
  static bool several(const problem& p) { return p.src[0].extents[0] >= 4; }

  /// Whether some kernel is for an fc from u8, or f32, to f32.
  static bool is_multiplied(bool u8) {
    problem layer;
    layer.op = op::fc{.out = 1};
    layer.src = {{u8 ? element::u8 : element::f32, {1, 1}, {}}};
    layer.dst = {element::f32, {1, 1}, {}};
    return std::any_of(std::begin(products), std::end(products), [&](const kernel& k) { return k.supports(layer); });
  }
};

}  // namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE
