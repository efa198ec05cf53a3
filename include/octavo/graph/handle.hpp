// Handles on the values of a graph under construction: they follow the graph when it is moved, and know when it is
// gone.
#pragma once

#include <memory>
#include <string_view>

#include "octavo/base/error.hpp"
#include "octavo/tensor/shape.hpp"

namespace octavo {

class graph;

namespace detail {

/// The base of graph: where the graph lies now, for those who hold handles. A copy is a graph of its own.
class graph_anchor {
 public:
  graph_anchor() = default;
  graph_anchor(const graph_anchor&) noexcept {}
  graph_anchor(graph_anchor&& other) noexcept : place_(std::move(other.place_)) { settle(); }
  graph_anchor& operator=(const graph_anchor& other) noexcept {
    if (this != &other) leave();
    return *this;
  }
  graph_anchor& operator=(graph_anchor&& other) noexcept {
    if (this == &other) return *this;
    leave();
    place_ = std::move(other.place_);
    settle();
    return *this;
  }
  ~graph_anchor() { leave(); }

  /// Points to this anchor wherever it is moved, and to null when it is gone.
  const std::shared_ptr<graph_anchor*>& place() {
    if (!place_) place_ = std::make_shared<graph_anchor*>(this);
    return place_;
  }

 private:
  void settle() noexcept {
    if (place_) *place_ = this;
  }
  void leave() noexcept {
    if (place_) *place_ = nullptr;
    place_.reset();
  }

  std::shared_ptr<graph_anchor*> place_;
};

}  // namespace detail

/// Which value of which graph: what a handle knows at run time. One that is made by default belongs to no graph.
class value_handle {
 public:
  int id = -1;  ///< the value's index

  value_handle() = default;
  OCTAVO_COLD value_handle(detail::graph_anchor* owner, int value) : id(value) {
    if (owner) place_ = owner->place();
  }
  OCTAVO_COLD value_handle(const value_handle& other) : id(other.id), place_(other.place_) {}
  OCTAVO_COLD value_handle(value_handle&& other) noexcept : id(other.id), place_(std::move(other.place_)) {}
  OCTAVO_COLD value_handle& operator=(const value_handle& other) {
    id = other.id;
    place_ = other.place_;
    return *this;
  }
  OCTAVO_COLD ~value_handle() {}

  /// The graph. Throws octavo::error, beginning with `what`, when there is none, or not any more.
  OCTAVO_COLD inline graph& owner(std::string_view what) const;

 private:
  std::shared_ptr<detail::graph_anchor*> place_;
};

/// A handle whose type says what the value is: elements of T in a Shape.
template <class T, class Shape>
struct value : value_handle {
  using element_type = T;
  using shape_type = Shape;
  static constexpr dims extents = Shape::value;

  value() = default;
  value(detail::graph_anchor* owner, int value_id) : value_handle(owner, value_id) {}
  explicit value(value_handle&& handle) noexcept : value_handle(std::move(handle)) {}
};

}  // namespace octavo
