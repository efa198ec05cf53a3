// Convolutions over three axes and transposed ones, as fully connected layers: what lies under the windows of some
// outputs is gathered into rows (im2col of what fits into L2), which a dense kernel multiplies by the weights.
//
//   y(p, oc) = end( sum over k of row(p, k) * w(oc, k) )     p = (n, od, oh, ow), k = (kd, kh, kw, i), for each group
//
// A transposed convolution of stride s is s*s of them, its phases: outputs with the same oh mod sh and ow mod sw meet
// the same taps of the kernel, and neighbours among them read neighbours of the input. A phase that meets no tap
// multiplies zeros. Other convolutions are one phase.
#pragma once

#include <array>

#include "octavo/backends/blocking/copy.hpp"
#include "octavo/backends/blocking/dense_problem.hpp"
#include "octavo/backends/blocking/microkernel.hpp"
#include "octavo/backends/blocking/task_pieces.hpp"

namespace octavo::blocking::inline OCTAVO_ARCH_NAMESPACE {

/// Bytes of rows that are gathered at a time.
inline constexpr int gathered_budget = 256 * 1024;

/// Outputs first, first + step, ... along an axis, and the taps of the kernel that they meet: output number j of them
/// meets tap `index` at input j * stride + offset.
struct axis_phase {
  struct tap {
    int index, offset;
  };
  int first = 0, step = 1, stride = 1;
  std::vector<tap> taps{{0, 0}};

  /// How many of `outputs` there are.
  int count(int outputs) const { return first < outputs ? ceil_div(outputs - first, step) : 0; }
};

/// The only phase of a convolution.
inline axis_phase convolution_axis(int kernel, int stride, int dilation, int before) {
  axis_phase a{0, 1, stride, {}};
  for (int k = 0; k < kernel; ++k) a.taps.push_back({k, k * dilation - before});
  return a;
}

/// The phases of a transposed convolution.
inline std::vector<axis_phase> transposed_axis(int outputs, int kernel, int stride, int dilation, int before) {
  std::vector<axis_phase> all;
  for (int first = 0; first < std::min(stride, outputs); ++first) {
    axis_phase a{first, stride, 1, {}};
    for (int k = 0; k < kernel; ++k)
      if (const int at = first + before - k * dilation; at % stride == 0) a.taps.push_back({k, at / stride});
    all.push_back(std::move(a));
  }
  return all;
}

/// A conv3d or a conv_transpose2d as such phases; images have depth 1.
struct gathered_problem {
  int groups = 1, out = 0;
  int taps = 0;  ///< of the whole kernel
  activation act{};
  bool residual = false;
  std::array<int, 2> kernel{1, 1};  ///< its height and width
  std::vector<std::array<axis_phase, 3>> phases;

  explicit gathered_problem(const problem& p) {
    if (const op::conv3d* c = p.op.as<op::conv3d>())
      describe(*c);
    else
      describe(*p.op.as<op::conv_transpose2d>(), p.dst->extents);
  }

 private:
  void describe(const op::conv3d& c) {
    groups = c.groups, out = c.out, act = c.act, residual = c.residual;
    kernel = {c.kernel.h, c.kernel.w}, taps = c.kernel.d * c.kernel.h * c.kernel.w;
    phases = {{convolution_axis(c.kernel.d, c.stride.d, c.dilation.d, c.pad.front),
               convolution_axis(c.kernel.h, c.stride.h, c.dilation.h, c.pad.top),
               convolution_axis(c.kernel.w, c.stride.w, c.dilation.w, c.pad.left)}};
  }
  void describe(const op::conv_transpose2d& c, const dims& y) {
    groups = c.groups, out = c.out, act = c.act, residual = c.residual;
    kernel = {c.kernel.h, c.kernel.w}, taps = c.kernel.h * c.kernel.w;
    for (const axis_phase& h : transposed_axis(y[1], c.kernel.h, c.stride.h, c.dilation.h, c.pad.top))
      for (const axis_phase& w : transposed_axis(y[2], c.kernel.w, c.stride.w, c.dilation.w, c.pad.left))
        phases.push_back({axis_phase{}, h, w});
  }
};

/// The extents of the axes of (N, H, W, C), which have depth 1, or (N, D, H, W, C).
inline std::array<int, 3> axes_of(const dims& x) { return {x.rank == 5 ? x[1] : 1, x[x.rank - 3], x[x.rank - 2]}; }

/// A phase: the fully connected layers of its groups.
struct gathered_phase {
  std::array<axis_phase, 3> axes;
  int depth = 0;  ///< values of a row, in whole groups of 4 bytes
  int rows = 1;   ///< that are gathered at a time
  std::vector<std::unique_ptr<const executable>> layers{};

  /// How many of the outputs there are along each axis.
  std::array<int, 3> counts(const std::array<int, 3>& outputs) const {
    return {axes[0].count(outputs[0]), axes[1].count(outputs[1]), axes[2].count(outputs[2])};
  }
  std::size_t taps() const { return axes[0].taps.size() * axes[1].taps.size() * axes[2].taps.size(); }
};

/// The types of a layer that multiplies `rows` rows at a time.
inline problem layer_of(const problem& p, const gathered_problem& g, const gathered_phase& phase) {
  const dims y{phase.rows, g.out / g.groups};
  problem q;
  op::fc f;
  f.out = y[1], f.act = g.act, f.residual = g.residual;
  q.op = f;
  q.src = {{p.src[0].type, {phase.rows, phase.depth}, p.src[0].q}};
  if (g.residual) q.src.push_back({p.src[1].type, y, p.src[1].q});
  q.dst = {p.dst->type, y, p.dst->q};
  return q;
}

/// The phase without its layers.
inline gathered_phase phase_of(const problem& p, const std::array<axis_phase, 3>& axes, int groups) {
  gathered_phase f{axes};
  const int bytes = static_cast<int>(size_of(p.src[0].type));
  const int used = static_cast<int>(f.taps()) * (p.src[0].extents.back() / groups) * bytes;
  f.depth = std::max(ceil_div(used, group_bytes), 1) * group_bytes / bytes;
  // Whole strips and blocks of all kernels, while they fit; no more than there are.
  for (f.rows = 224; f.rows > 28 && std::int64_t{f.rows} * f.depth * bytes > gathered_budget;) f.rows /= 2;
  const std::array<int, 3> counts = f.counts(axes_of(p.dst->extents));
  f.rows = std::min(f.rows, p.src[0].extents[0] * counts[0] * counts[1] * counts[2]);
  return f;
}

/// A convolution on the layers that a dense kernel makes of its phases and groups.
class gathered_convolution final : public executable {
 public:
  /// Throws octavo::error when a sum could overflow.
  gathered_convolution(const kernel& dense, const problem& p) : gathered_convolution(dense, p, gathered_problem(p)) {}

  int tasks(const arguments& a) const noexcept override {
    return static_cast<int>(phases_.size()) * call(*this, a).pieces;
  }

  std::size_t scratch_bytes() const noexcept override { return row_memory_ + output_memory_ + layer_scratch_; }

  std::size_t packed_bytes() const noexcept override {
    std::size_t all = 0;
    for (const gathered_phase& f : phases_)
      for (const auto& layer : f.layers) all += layer->packed_bytes();
    return all;
  }

  std::span<const std::byte> first_weights() const noexcept override { return phases_[0].layers[0]->first_weights(); }

  void run(const arguments& a, int begin, int end, std::byte* scratch) const noexcept override {
    const call c(*this, a);
    for (int task = begin; task < end; ++task) {
      const part f(c, phases_[static_cast<std::size_t>(task / c.pieces)]);
      const int last = cut(f.all, task % c.pieces + 1, c.pieces);
      for (int first = cut(f.all, task % c.pieces, c.pieces); first < last; first += f.phase.rows)
        for (int group = 0; group < groups_; ++group)
          run_rows(c, f, first, std::min(f.phase.rows, last - first), group, scratch);
    }
  }

 private:
  gathered_convolution(const kernel& dense, const problem& p, const gathered_problem& g)
      : groups_(g.groups),
        group_inputs_(p.src[0].extents.back() / g.groups),
        group_outputs_(g.out / g.groups),
        src_bytes_(static_cast<int>(size_of(p.src[0].type))),
        dst_bytes_(static_cast<int>(size_of(p.dst->type))),
        zero_(p.src[0].is_u8() ? p.src[0].q.zero_point : 0),
        residual_(g.residual),
        in_place_(g.phases.size() == 1) {
    for (const auto& axes : g.phases) {
      gathered_phase f = phase_of(p, axes, groups_);
      for (int group = 0; group < groups_; ++group) f.layers.push_back(pack_layer(dense, p, g, f, group));
      for (const auto& layer : f.layers) layer_scratch_ = std::max(layer_scratch_, layer->scratch_bytes());
      const auto bytes = [&](int values, int each) {
        return round_up(static_cast<std::size_t>(f.rows) * static_cast<std::size_t>(values * each), cache_line);
      };
      row_memory_ = std::max(row_memory_, bytes(f.depth, src_bytes_));
      if (!in_place_) output_memory_ = std::max(output_memory_, bytes(group_outputs_, dst_bytes_));
      phases_.push_back(std::move(f));
    }
  }

  /// What one call has to do: each phase in `pieces`.
  struct call {
    const operand &src, &dst;
    const operand* residual;
    std::array<int, 3> inputs, outputs;  ///< extents of the axes
    int pieces;

    call(const gathered_convolution& k, const arguments& a)
        : src(a.src[0]),
          dst(*a.dst),
          residual(k.residual_ ? &a.src[1] : nullptr),
          inputs(axes_of(src.extents)),
          outputs(axes_of(dst.extents)) {
      double products = 0;
      int most = 1;  // no piece has so few rows that the weights, which all of them pass, show
      for (const gathered_phase& f : k.phases_) {
        const int rows = part(*this, f).all;
        products += static_cast<double>(rows) * f.depth * k.groups_ * k.group_outputs_;
        most = std::max(most, rows / 28);
      }
      const int wanted = native::task_count({.multiply_adds = products});
      pieces = std::min(most, ceil_div(wanted, static_cast<int>(k.phases_.size())));
    }
  };

  /// The outputs of a phase in a call.
  struct part {
    const gathered_phase& phase;
    std::array<int, 3> counts;
    int all;

    part(const call& c, const gathered_phase& f)
        : phase(f), counts(f.counts(c.outputs)), all(c.dst.extents[0] * counts[0] * counts[1] * counts[2]) {}
  };

  /// An output of a phase: image, and number along each axis.
  struct place {
    int image, d, h, w;

    place(const part& f, int i)
        : image(i / f.counts[2] / f.counts[1] / f.counts[0]),
          d(i / f.counts[2] / f.counts[1] % f.counts[0]),
          h(i / f.counts[2] % f.counts[1]),
          w(i % f.counts[2]) {}
  };

  std::unique_ptr<const executable> pack_layer(const kernel& dense, const problem& p, const gathered_problem& g,
                                               const gathered_phase& f, int group) const {
    problem q = layer_of(p, g, f);
    q.blocks = {p.blocks.store, text(p.blocks.key, "/", phases_.size(), ".", group)};
    const auto row = static_cast<std::size_t>(g.taps * group_inputs_) * size_of(p.at(0)->type());
    tensor w(p.at(0)->type(), {group_outputs_, f.depth});
    const std::byte* from = p.at(0)->bytes().data() + static_cast<std::size_t>(group * group_outputs_) * row;
    const std::size_t value = size_of(w.type());
    for (int oc = 0; oc < group_outputs_; ++oc, from += row) {
      std::byte* to = w.bytes().data() + static_cast<std::size_t>(oc * f.depth) * value;
      for (const auto& d : f.axes[0].taps)
        for (const auto& h : f.axes[1].taps)
          for (const auto& k : f.axes[2].taps)
            for (int i = 0; i < group_inputs_; ++i, to += value) {
              const int at = i * g.taps + (d.index * g.kernel[0] + h.index) * g.kernel[1] + k.index;
              std::memcpy(to, from + static_cast<std::size_t>(at) * value, value);
            }
    }
    q.constants = {make_constant(std::move(w)), of_group(p.at(1), group), of_group(p.at(2), group)};
    return dense.pack(q);
  }

  /// What a group has of a number for each output channel.
  constant of_group(const tensor* all, int group) const {
    if (!all) return nullptr;
    const auto count = static_cast<std::size_t>(group_outputs_);
    return make_constant(
        tensor::of({group_outputs_}, all->as<float>().subspan(static_cast<std::size_t>(group) * count, count)));
  }

  /// The innermost row of output `i` of a phase among those of all images.
  static std::ptrdiff_t output_row(const call& c, const part& f, int i) noexcept {
    const place at(f, i);
    const auto along = [&](std::size_t axis, int n) { return f.phase.axes[axis].first + n * f.phase.axes[axis].step; };
    const std::ptrdiff_t slice = static_cast<std::ptrdiff_t>(at.image) * c.outputs[0] + along(0, at.d);
    return (slice * c.outputs[1] + along(1, at.h)) * c.outputs[2] + along(2, at.w);
  }

  /// Runs `count` rows of a phase from output `first` on, of one group.
  void run_rows(const call& c, const part& f, int first, int count, int group, std::byte* scratch) const noexcept {
    const int depth = f.phase.depth;
    for (int i = 0; i < count; ++i)
      gather_row(c, f.phase, place(f, first + i), group, scratch + i * depth * src_bytes_);
    const auto of_group = [&](const operand& o, std::ptrdiff_t row) {
      return o.as<std::byte>() + (row * o.stride + group * group_outputs_) * dst_bytes_;
    };
    const dims y{count, group_outputs_};
    operand src[2] = {{scratch, {count, depth}, depth}, {}}, dst;
    if (in_place_) {
      dst = {of_group(c.dst, first), y, c.dst.stride};
      if (c.residual) src[1] = {of_group(*c.residual, first), y, c.residual->stride};
    } else {
      dst = src[1] = {scratch + row_memory_, y, group_outputs_};
    }
    const auto bytes = static_cast<std::size_t>(group_outputs_ * dst_bytes_);
    const auto row_at = [&](int i) { return dst.as<std::byte>() + static_cast<std::size_t>(i) * bytes; };
    for (int i = 0; i < count && c.residual && !in_place_; ++i)
      copy_run(row_at(i), of_group(*c.residual, output_row(c, f, first + i)), bytes);
    const arguments layer{std::span<const operand>(src, c.residual ? 2 : 1), dst};
    const executable& e = *f.phase.layers[static_cast<std::size_t>(group)];
    e.run(layer, 0, e.tasks(layer), scratch + row_memory_ + output_memory_);
    for (int i = 0; i < count && !in_place_; ++i)
      copy_run(of_group(c.dst, output_row(c, f, first + i)), row_at(i), bytes);
  }

  /// Gathers what lies under the window of an output. Zeros follow where whole groups of 4 bytes have room for them.
  void gather_row(const call& c, const gathered_phase& f, const place& at, int group, std::byte* to) const noexcept {
    const std::byte* const end = to + f.depth * src_bytes_;
    const int tap_bytes = group_inputs_ * src_bytes_;
    const std::ptrdiff_t pixel = c.src.stride * src_bytes_;
    const auto inside = [&](std::size_t axis, int i) { return i >= 0 && i < c.inputs[axis]; };
    const auto& taps = f.axes[2].taps;
    const int left = at.w * f.axes[2].stride;
    for (const auto& kd : f.axes[0].taps)
      for (const auto& kh : f.axes[1].taps) {
        const int id = at.d * f.axes[0].stride + kd.offset, ih = at.h * f.axes[1].stride + kh.offset;
        if (!inside(0, id) || !inside(1, ih)) {
          const std::size_t bytes = taps.size() * static_cast<std::size_t>(tap_bytes);
          std::memset(to, zero_, bytes);
          to += bytes;
          continue;
        }
        const std::ptrdiff_t line =
            ((static_cast<std::ptrdiff_t>(at.image) * c.inputs[0] + id) * c.inputs[1] + ih) * c.inputs[2];
        const std::byte* from = c.src.as<const std::byte>() + line * pixel + group * tap_bytes;
        for (std::size_t k = 0; k < taps.size();) {
          const int iw = left + taps[k].offset;
          std::size_t together = 1;  // taps whose pixels are neighbours in memory
          if (inside(2, iw))
            while (pixel == tap_bytes && k + together < taps.size() && iw + static_cast<int>(together) < c.inputs[2] &&
                   taps[k + together].offset == taps[k].offset + static_cast<int>(together))
              ++together;
          const std::size_t bytes = together * static_cast<std::size_t>(tap_bytes);
          if (inside(2, iw))
            copy_run(to, from + iw * pixel, bytes);
          else
            std::memset(to, zero_, bytes);
          to += bytes, k += together;
        }
      }
    std::memset(to, 0, static_cast<std::size_t>(end - to));
  }

  int groups_, group_inputs_, group_outputs_;
  int src_bytes_, dst_bytes_;
  int zero_;  ///< what the bytes of the padding are
  bool residual_;
  bool in_place_;  ///< rows of a layer are rows of the output
  std::vector<gathered_phase> phases_;
  std::size_t row_memory_ = 0, output_memory_ = 0, layer_scratch_ = 0;
};

/// Dense kernel `index` of `dense` for conv3d and conv_transpose2d. It keeps its name, which says what multiplies.
template <const auto& dense, std::size_t index>
constexpr kernel gathered_kernel() {
  kernel k = dense[index];
  k.supports = [](const problem& p) {
    if (!p.op.is<op::conv3d>() && !p.op.is<op::conv_transpose2d>()) return false;
    const gathered_problem g(p);
    return std::ranges::all_of(
        g.phases, [&](const auto& axes) { return dense[index].supports(layer_of(p, g, phase_of(p, axes, g.groups))); });
  };
  k.pack = [](const problem& p) -> std::unique_ptr<const executable> {
    return std::make_unique<gathered_convolution>(dense[index], p);
  };
  k.pays = nullptr;
  return k;
}

/// Kernels for conv3d and conv_transpose2d: all of `dense`, which are for fc.
template <const auto& dense>
inline constexpr auto gathered_kernels = []<std::size_t... index>(std::index_sequence<index...>) {
  return std::array<kernel, sizeof...(index)>{gathered_kernel<dense, index>()...};
}
(std::make_index_sequence<std::size(dense)>{});

}  // namespace octavo::blocking::inline OCTAVO_ARCH_NAMESPACE
