// 1-d convolutions on the kernels for 2-d ones: a sequence is an image of height 1.
#pragma once

#include <array>

#include "octavo/op/kernel.hpp"

namespace octavo::blocking::inline OCTAVO_ARCH_NAMESPACE {

/// `p`, a 1-d convolution, as a convolution of images. Its weights stay (OC, IC/groups, K).
inline problem as_images(problem p) {
  for (tensor_type& t : p.src) t.extents = op::as_image(t.extents);
  p.dst->extents = op::as_image(p.dst->extents);
  p.op = op::as_convolution(*p.op.as<op::conv1d>());
  return p;
}

/// What a kernel made of as_images(), run on sequences.
class sequence_convolution final : public executable {
 public:
  explicit sequence_convolution(std::unique_ptr<const executable> images) : images_(std::move(images)) {}

  int tasks(const arguments& a) const noexcept override { return images_->tasks(image_arguments(a).get()); }
  void run(const arguments& a, int begin, int end, std::byte* scratch) const noexcept override {
    images_->run(image_arguments(a).get(), begin, end, scratch);
  }
  int phases() const noexcept override { return images_->phases(); }
  std::size_t scratch_bytes() const noexcept override { return images_->scratch_bytes(); }
  std::size_t shared_bytes() const noexcept override { return images_->shared_bytes(); }
  std::span<const std::byte> first_weights() const noexcept override { return images_->first_weights(); }
  std::size_t packed_bytes() const noexcept override { return images_->packed_bytes(); }

 private:
  /// The arguments of a call with sequences seen as images.
  class image_arguments {
   public:
    explicit image_arguments(const arguments& a)
        : src_{op::as_image(a.src.front()), op::as_image(a.src.back())},
          dst_(op::as_image(*a.dst)),
          all_{std::span<const operand>(src_).first(a.src.size()), dst_, a.ahead, a.phase, a.shared} {}
    image_arguments(const image_arguments&) = delete;
    image_arguments& operator=(const image_arguments&) = delete;

    const arguments& get() const { return all_; }

   private:
    std::array<operand, 2> src_;
    operand dst_;
    arguments all_;
  };

  std::unique_ptr<const executable> images_;
};

/// Kernel `index` of `images`, which are for conv2d, for conv1d. It keeps its name, which says what multiplies.
template <const auto& images, std::size_t index>
constexpr kernel sequence_kernel() {
  kernel k = images[index];
  k.supports = [](const problem& p) { return p.op.is<op::conv1d>() && images[index].supports(as_images(p)); };
  k.pack = [](const problem& p) -> std::unique_ptr<const executable> {
    return std::make_unique<sequence_convolution>(images[index].pack(as_images(p)));
  };
  if (k.pays) k.pays = [](const problem& p) { return images[index].pays(as_images(p)); };
  return k;
}

/// Kernels for conv1d: all of `images`.
template <const auto& images>
inline constexpr auto sequence_kernels = []<std::size_t... index>(std::index_sequence<index...>) {
  return std::array<kernel, sizeof...(index)>{sequence_kernel<images, index>()...};
}
(std::make_index_sequence<std::size(images)>{});

}  // namespace octavo::blocking::inline OCTAVO_ARCH_NAMESPACE
