// Tensors that own their elements, and views of elements that somebody else owns.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "octavo/base/aligned_memory.hpp"
#include "octavo/base/error.hpp"
#include "octavo/tensor/element.hpp"
#include "octavo/tensor/shape.hpp"

namespace octavo {

/// Elements that somebody else owns: rows of extents.back() elements, `stride` elements apart.
/// With stride > extents.back() the view is a slice of a wider tensor, as the inputs of a concat are.
template <class T>
struct view {
  T* data = nullptr;
  dims extents;
  std::ptrdiff_t stride = 0;

  view() = default;
  /// A dense view: rows follow each other.
  view(T* d, const dims& e) : data(d), extents(e), stride(e.back()) {}
  view(T* d, const dims& e, std::ptrdiff_t s) : data(d), extents(e), stride(s) {}
};

/// What the s8 elements of one row add up to.
struct row_sums {
  std::int64_t all = 0, positive = 0;
  std::int64_t least = 0;  ///< the smallest, 0 where none is negative
};

/// What is known of elements that never change, so that not everybody need read them all.
struct element_facts {
  std::uint64_t digest = 0;                ///< of type, extents and elements: digest_of()
  std::vector<row_sums> rows;              ///< of each outermost row of s8 elements; may be empty
  mutable std::atomic<bool> read = false;  ///< whether somebody asked for the elements all the same
};

/// A dense tensor whose element type is known at run time. It owns its elements; copies have elements of their own; one
/// that is made by default, or was moved from, has none. Only one that is const may borrow them: see borrowing().
class tensor {
 public:
  tensor() = default;
  tensor(const tensor& other) : type_(other.type_), extents_(other.extents_), memory_(other.bytes().size()) {
    std::ranges::copy(other.bytes(), memory_.data());
  }
  tensor(tensor&& other) noexcept
      : type_(other.type_), extents_(std::exchange(other.extents_, {})), memory_(std::move(other.memory_)) {}
  tensor& operator=(tensor other) noexcept {
    type_ = other.type_;
    extents_ = other.extents_;
    memory_ = std::move(other.memory_);
    return *this;
  }

  /// Zeros. Throws octavo::error for extents that no tensor can have, std::bad_alloc for more than there is memory.
  tensor(element type, const dims& extents) : type_(type), extents_(extents), memory_(bytes_of(type, extents)) {}

  /// Copies `values`, one for each element. Throws octavo::error when the counts differ.
  template <class T>
  static tensor of(const dims& extents, std::span<const T> values) {
    require(values.size() == extents.count(), "tensor ", extents, " needs ", extents.count(), " elements, got ",
            values.size());
    tensor t(element_of<T>, extents);
    std::memcpy(t.bytes().data(), values.data(), values.size_bytes());
    return t;
  }

  /// A tensor whose elements are somebody else's: it shares them, in a file mapped into memory, say. They never change,
  /// and `facts` tells what is known of them. Throws octavo::error for extents that no tensor can have, or elements
  /// that are not aligned to their size.
  static std::shared_ptr<const tensor> borrowing(element type, const dims& extents,
                                                 std::shared_ptr<const std::byte> elements,
                                                 std::shared_ptr<const element_facts> facts = nullptr) {
    require(is_aligned(elements.get(), type), "a tensor of ", name_of(type), " cannot borrow elements that are not ",
            "aligned to ", size_of(type), " bytes");
    const std::shared_ptr<tensor> t(new tensor);
    t->type_ = type, t->extents_ = extents;
    t->borrowed_bytes_ = bytes_of(type, extents), t->borrowed_ = std::move(elements);
    t->facts_ = std::move(facts);
    return t;
  }
  static bool is_aligned(const std::byte* elements, element type) {
    return type != element::none && reinterpret_cast<std::uintptr_t>(elements) % size_of(type) == 0;
  }

  /// A copy with other extents of the same count.
  tensor reshaped(const dims& extents) const {
    require(bytes_of(type_, extents) == bytes().size(), "cannot reshape ", extents_, " to ", extents,
            bytes().empty() ? ": the tensor is empty" : "");
    tensor t = *this;
    t.extents_ = extents;
    return t;
  }

  element type() const noexcept { return type_; }
  const dims& extents() const noexcept { return extents_; }
  std::span<std::byte> bytes() noexcept { return {memory_.data(), memory_.size()}; }
  std::span<const std::byte> bytes() const noexcept {
    if (facts_ && !facts_->read) facts_->read = true;
    if (borrowed_) return {borrowed_.get(), borrowed_bytes_};
    return {memory_.data(), memory_.size()};
  }

  /// What is known of the elements, or null.
  const element_facts* facts() const noexcept { return facts_.get(); }

  /// The elements as T. Throws octavo::error when the tensor holds another type.
  template <class T>
  std::span<T> as() {
    check<T>();
    return {reinterpret_cast<T*>(memory_.data()), memory_.size() / sizeof(T)};
  }
  template <class T>
  std::span<const T> as() const {
    check<T>();
    return {reinterpret_cast<const T*>(bytes().data()), bytes().size() / sizeof(T)};
  }

 private:
  template <class T>
  void check() const {
    require(type_ == element_of<T>, "tensor holds ", name_of(type_), ", asked for ", name_of(element_of<T>));
  }

  static std::size_t bytes_of(element type, const dims& extents) {
    const std::size_t count = extents.count();
    require(count > 0, "a tensor cannot have the extents ", extents, ": they must be at least 1");
    return count * size_of(type);
  }

  element type_ = element::f32;
  dims extents_;
  aligned_memory memory_;
  std::shared_ptr<const std::byte> borrowed_;  // instead of memory_
  std::size_t borrowed_bytes_ = 0;
  std::shared_ptr<const element_facts> facts_;  // only where elements are borrowed
};

/// A constant shared by graphs, plans and passes, none of which changes it.
using constant = std::shared_ptr<const tensor>;

/// Moves `t` behind a shared pointer to const.
inline constant make_constant(tensor t) { return std::make_shared<const tensor>(std::move(t)); }

}  // namespace octavo
