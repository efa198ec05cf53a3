// Where weights come from: named tensors, addressed by a path such as weights / "layer1.0" / "conv1".
#pragma once

#include <string>
#include <string_view>

#include "octavo/tensor/tensor.hpp"

namespace octavo {

/// A set of named constant tensors: a file, or a generator of random weights.
class weight_source {
 public:
  virtual ~weight_source() = default;

  /// The tensor of that name, or null where there is none. `expected` is the shape that the caller will
  /// demand; a generator makes a tensor of it, a file ignores it.
  virtual constant find(const std::string& name, const dims& expected) const = 0;

  /// What to call the source in a message: a file's path.
  virtual std::string description() const = 0;
};

/// A place in a weight source: operators read "<path>.weight", "<path>.bias" and so on.
class params {
 public:
  params() = default;
  params(const params&) = default;
  params& operator=(const params&) = default;
  OCTAVO_COLD ~params() {}
  explicit params(std::shared_ptr<const weight_source> source, std::string path = {})
      : source_(std::move(source)), path_(std::move(path)) {}

  /// The place `part` below this one: names are joined by dots.
  OCTAVO_COLD params operator/(std::string_view part) const {
    return params(source_, path_.empty() ? std::string(part) : path_ + "." + std::string(part));
  }
  OCTAVO_COLD params operator/(int index) const { return *this / std::to_string(index); }

  const std::string& path() const noexcept { return path_; }

  /// The FP32 tensor "<path>.<name>". Throws octavo::error, naming source, tensor, expected and found, when it is
  /// missing, is not f32 or has another shape.
  constant get(std::string_view name, const dims& expected) const {
    constant found = maybe(name, expected);
    require(found != nullptr, where(name), "missing; expected f32 ", expected);
    return found;
  }

  /// As get(), but null where the source has no such tensor.
  constant maybe(std::string_view name, const dims& expected) const {
    require(source_ != nullptr, "weights for '", path_, "': no weight source was given");
    constant found = source_->find((*this / name).path(), expected);
    if (found)
      require(found->type() == element::f32 && found->extents() == expected, where(name), "expected f32 ", expected,
              ", found ", name_of(found->type()), " ", found->extents());
    return found;
  }

 private:
  std::string where(std::string_view name) const {
    return text(source_->description(), ": tensor '", (*this / name).path(), "': ");
  }

  std::shared_ptr<const weight_source> source_;
  std::string path_;
};

}  // namespace octavo
