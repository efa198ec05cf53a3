// Composing a graph from a file of another framework, whose tensors have names and whose images lie channels first. The
// readers of ONNX and Paddle are built on this.
//
// A tensor of the file is known (its elements are: weights, and what follows from weights and shapes alone), or a value
// of the graph. Values of three and more axes lie as the file has them or channels last, N, spatial axes, C: each
// operator asks for the way that it needs, and transposes stand only where two ways meet.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "octavo/exec/session.hpp"
#include "octavo/graph/graph.hpp"
#include "octavo/op/transpose.hpp"
#include "octavo/plan/compile.hpp"
#include "octavo/quant/weights.hpp"

namespace octavo::importer {

/// Choices for importing a file.
struct import_options {
  /// Extents of inputs, in the file's order of axes: for those that the file leaves open, or instead of its own.
  /// Bounded ones are chosen at each run: {"x", {upto<8>, 3, 224, 224}}.
  std::map<std::string, dims> shapes{};
  /// Inputs whose elements are given now, for good: they are no inputs of the network then.
  std::map<std::string, tensor> known{};
  /// Tensors of the file that become outputs besides its own.
  std::vector<std::string> outputs{};
};

/// The 8-bit grid on which a known f32 tensor lies: a scale for all, or one for each index of an axis.
struct weight_grid {
  std::vector<float> scales;
  int axis = 0;  ///< in the file's order of axes
};

/// The weights of a layer as Octavo has them, an output channel on each row; and their places on a grid, if they have
/// one.
struct layer_weights {
  tensor values;
  std::shared_ptr<const quantized_weights> rounded{};
};

/// The order of axes that makes channels last of channels first: 0, 2, 3 .., 1. Of fewer than three axes: as they are.
inline axis_numbers to_channels_last(int rank) {
  axis_numbers perm;
  for (int i = 0; i < rank; ++i) perm.push_back(rank < 3 || i == 0 ? i : i == rank - 1 ? 1 : i + 1);
  return perm;
}
/// The way back: 0, last, 1, 2 ..
inline axis_numbers to_channels_first(int rank) {
  axis_numbers perm;
  for (int i = 0; i < rank; ++i) perm.push_back(rank < 3 || i == 0 ? i : i == 1 ? rank - 1 : i - 1);
  return perm;
}

/// `t` with its axes in the order `perm`, of any element type.
inline tensor transposed(const tensor& t, const axis_numbers& perm) {
  const op::transpose move{perm};
  dims to;
  for (int axis : perm) to.push_back(t.extents()[axis]);
  tensor y(t.type(), to);
  const signature s{{{t.type(), t.extents(), {}}}, tensor_type{t.type(), to, {}}, {}};
  check(move, s);
  const operand from{const_cast<std::byte*>(t.bytes().data()), t.extents(), t.extents().back()};
  const operand into{y.bytes().data(), to, to.back()};
  evaluate(move, s, {{&from, 1}, into});
  return y;
}

/// `weights`, rows of output channels, which lie on a grid of one scale or one for each row: what quantization shall
/// make of them. Nothing where one is no multiple of its scale from -128 to 127; -128 becomes -127, which moves few
/// weights by a step where another grid would move all of them.
inline std::shared_ptr<const quantized_weights> places_on_grid(const tensor& weights, std::span<const float> scales) {
  const auto rows = static_cast<std::size_t>(weights.extents()[0]), depth = weights.extents().count() / rows;
  if (scales.size() != 1 && scales.size() != rows) return nullptr;
  auto q = std::make_shared<quantized_weights>(
      quantized_weights{tensor(element::s8, weights.extents()), tensor(element::f32, {weights.extents()[0]})});
  for (std::size_t r = 0; r < rows; ++r) {
    const float scale = scales[scales.size() == 1 ? 0 : r];
    if (!is_scale(scale)) return nullptr;
    q->scales.as<float>()[r] = scale;
    for (std::size_t i = r * depth; i < (r + 1) * depth; ++i) {
      const float place = weights.as<float>()[i] / scale, nearest = std::nearbyint(place);
      const bool fits = nearest >= -128 && nearest <= 127 && std::fabs(place - nearest) <= 1e-3f;  // its rounding
      if (!fits) return nullptr;
      q->values.as<std::int8_t>()[i] = static_cast<std::int8_t>(std::max(nearest, -127.0f));
    }
  }
  return q;
}

/// A graph in the making, and what has become of each tensor of the file.
class composer {
 public:
  graph net;

  /// Bytes that tensors may have yet which nothing in the file is as large as. A reader of files sets it by their size.
  std::size_t bytes_left = std::numeric_limits<std::size_t>::max();

  /// `file` is what errors call it.
  explicit composer(std::string file) : file_(std::move(file)) {}

  const std::string& file() const { return file_; }

  // What there is.

  /// Whether a tensor of that name was defined.
  bool has(const std::string& name) const { return tensors_.contains(name); }

  /// Whether it is one without elements, which files use for inputs that are left out.
  bool is_empty(const std::string& name) const { return find(name).empty; }

  /// Its extents in the file's order of axes, bounded ones too.
  dims extents(const std::string& name) const {
    const file_tensor& t = find(name);
    require(!t.empty, "tensor '", name, "' has no elements");
    if (t.known) return t.known->extents();
    if (t.scalar) return {};
    const dims& d = net.type(t.id).extents;
    if (!t.channels_last) return d;
    dims logical;
    for (int axis : to_channels_first(d.rank)) logical.push_back(d.encoded(axis));
    return logical;
  }

  element type(const std::string& name) const {
    const file_tensor& t = find(name);
    require(!t.empty, "tensor '", name, "' has no elements");
    return t.known ? t.known->type() : net.type(t.id).type;
  }

  /// Its elements, in the file's order of axes, where they depend on no input of the network; else null.
  constant known(const std::string& name) {
    file_tensor& t = find(name);
    if (!t.known && !t.empty && !depends_on_input_[static_cast<std::size_t>(t.id)]) {
      tensor elements = elements_of(t.id);
      if (t.channels_last) elements = transposed(elements, to_channels_first(elements.extents().rank));
      t.known = make_constant(t.scalar ? elements.reshaped({}) : std::move(elements));
    }
    return t.known;
  }
  /// The same where they must be known. Throws octavo::error, naming the tensor and `what` it is for.
  const tensor& needed(const std::string& name, std::string_view what) {
    const constant t = known(name);
    require(t != nullptr, what, " '", name, "' must not depend on the network's inputs");
    return *t;
  }
  /// Known integers, of s64, s32, or s8 and u8. Throws octavo::error where they are not known or of another type.
  std::vector<std::int64_t> integers(const std::string& name, std::string_view what);
  /// Known f32 numbers. Throws octavo::error where they are not known or of another type.
  std::vector<float> numbers(const std::string& name, std::string_view what) {
    if (find(name).empty) return {};
    const std::span<const float> all = needed(name, what).as<float>();
    return {all.begin(), all.end()};
  }

  /// The grid of a known tensor, or null.
  const weight_grid* grid(const std::string& name) const {
    const auto& g = find(name).grid;
    return g ? &*g : nullptr;
  }

  // As values of the graph.

  /// The value, its axes as the file has them. A scalar has one axis, of extent 1.
  int plain(const std::string& name);

  /// The value channels last.
  int channels_last(const std::string& name);

  /// Whether the value lies channels last at present, so that what works element by element should take it that way.
  bool lies_channels_last(const std::string& name) const { return find(name).channels_last; }

  /// Which axis of the value, as it lies at present, is axis `axis` of the file, counted from either end. Throws
  /// octavo::error where there is none.
  int axis_as_it_lies(const std::string& name, std::int64_t axis) const {
    const file_tensor& t = find(name);
    const int rank = extents(name).rank;
    require(axis >= -rank && axis < rank, "there is no axis ", axis, " in '", name, "' of ", rank, " axes");
    const int a = axis_of(static_cast<int>(axis), rank);
    const axis_numbers perm = to_channels_last(rank);
    return t.channels_last ? static_cast<int>(std::find(perm.begin(), perm.end(), a) - perm.begin()) : a;
  }

  /// The value as it lies at present.
  int as_it_lies(const std::string& name) { return lies_channels_last(name) ? channels_last(name) : plain(name); }

  // Making more.

  /// Adds a node, as graph::append() does, whose first output is called `name` if that is free.
  one_or_more<int> append(const operation& op, const std::string& name, std::vector<int> src,
                          std::vector<constant> constants = {}) {
    one_or_more<int> dst = net.append(op, name, std::move(src), std::move(constants));
    note_origin();
    return dst;
  }
  one_or_more<int> append(const operation& op, const std::string& name, std::vector<int> src, const tensor_type& type,
                          std::vector<constant> constants = {}) {
    one_or_more<int> dst = net.append(op, name, std::move(src), type, std::move(constants));
    note_origin();
    return dst;
  }
  /// Adds a layer; its weights keep their places on their grid. `bias` may be null.
  int append_layer(const operation& op, const std::string& name, int x, layer_weights weights, constant bias) {
    const int y = *append(op, name, {x}, {make_constant(std::move(weights.values)), std::move(bias)});
    net.nodes.back().rounded = std::move(weights.rounded);
    return y;
  }

  /// Adds an input of the network.
  void input(const std::string& name, const tensor_type& type) { set(name, *append(op::input{}, name, {}, type)); }

  /// Takes so many of bytes_left. Throws octavo::error where there are less.
  void take_bytes(std::size_t bytes) {
    require(bytes <= bytes_left, "tensors of ", bytes,
            " bytes would follow from a file that has much less: ", bytes_left, " are left for such");
    bytes_left -= bytes;
  }

  /// Makes a tensor of the file an output of the network, its axes as the file has them.
  void output(const std::string& name) { net.outputs.push_back({plain(name), name}); }

  /// What was known of tensor `name`, if anything, counts no more: in some files a name stands for one tensor after the
  /// other.
  void forget(const std::string& name) { tensors_.erase(name); }

  /// Tensor `name` is value `id`.
  void set(const std::string& name, int id, bool channels_last = false) {
    define(name,
           {.id = id, .channels_last = channels_last && net.type(id).extents.rank > 2, .known = nullptr, .grid = {}});
  }
  /// Tensor `name` has no axes: it is value `id`, of extent 1.
  void set_scalar(const std::string& name, int id) {
    define(name, {.id = id, .known = nullptr, .scalar = true, .grid = {}});
  }
  /// Tensor `name` is another of the file, under a second name.
  void set_same(const std::string& name, const std::string& other) { define(name, find(other)); }
  /// Tensor `name` is known.
  void set_known(const std::string& name, tensor elements, std::optional<weight_grid> grid = {}) {
    set_known(name, make_constant(std::move(elements)), std::move(grid));
  }
  void set_known(const std::string& name, constant elements, std::optional<weight_grid> grid = {}) {
    define(name, {.known = std::move(elements), .grid = std::move(grid)});
  }
  /// Tensor `name` has no elements.
  void set_empty(const std::string& name) { define(name, {.known = nullptr, .empty = true, .grid = {}}); }

 private:
  struct file_tensor {
    int id = -1;  // of the graph's value; -1 where it is only known
    bool channels_last = false;
    constant known{};  // in the file's order of axes
    bool empty = false;
    bool scalar = false;  // of no axes in the file
    std::optional<weight_grid> grid{};
    int other_way = -1;  // the value with its axes in the other order, once it was needed
  };

  const file_tensor& find(const std::string& name) const {
    const auto found = tensors_.find(name);
    require(found != tensors_.end(), "tensor '", name, "' is read before anything writes it");
    return found->second;
  }
  file_tensor& find(const std::string& name) { return const_cast<file_tensor&>(std::as_const(*this).find(name)); }

  void define(const std::string& name, file_tensor t) {
    require(tensors_.insert_or_assign(name, std::move(t)).second, "tensor '", name, "' is written twice");
  }

  /// Notes whether the values that the last node writes depend on an input of the network.
  void note_origin() {
    const node& n = net.nodes.back();
    bool depends = n.as<op::input>() != nullptr;
    for (int v : n.src) depends = depends || (v >= 0 && depends_on_input_[static_cast<std::size_t>(v)]);
    depends_on_input_.resize(net.values.size(), depends);
  }

  /// The value with its axes in the order `perm`. Where only axes of extent 1 change places, no element moves.
  int reordered(int id, const axis_numbers& perm, const std::string& name);

  /// The elements of a value that depends on no input: what the reference evaluations make of its ancestors.
  tensor elements_of(int id);

  std::string file_;
  std::map<std::string, file_tensor> tensors_;
  std::vector<char> depends_on_input_;  // by value of the graph
};

inline std::vector<std::int64_t> composer::integers(const std::string& name, std::string_view what) {
  if (find(name).empty) return {};
  const tensor& t = needed(name, what);
  std::vector<std::int64_t> all;
  const auto append = [&]<class T>(std::span<const T> elements) { all.assign(elements.begin(), elements.end()); };
  switch (t.type()) {
    case element::s64: append(t.as<std::int64_t>()); break;
    case element::s32: append(t.as<std::int32_t>()); break;
    case element::s8: append(t.as<std::int8_t>()); break;
    case element::u8: append(t.as<std::uint8_t>()); break;
    default: fail(what, " '", name, "' must be integers, found ", name_of(t.type()));
  }
  return all;
}

inline int composer::reordered(int id, const axis_numbers& perm, const std::string& name) {
  const dims& x = net.type(id).extents;
  dims to;
  bool moves = false;
  int last = -1;
  for (int axis : perm) {
    to.push_back(x.encoded(axis));
    if (to.back() == 1 && !x.is_bounded(axis)) continue;
    moves = moves || axis < last;
    last = axis;
  }
  if (moves) return *append(op::transpose{perm}, name, {id});
  return *append(op::reshape{to}, name, {id});
}

inline int composer::plain(const std::string& name) {
  file_tensor& t = find(name);
  require(!t.empty, "tensor '", name, "' has no elements");
  if (t.id < 0) {
    const dims& e = t.known->extents();
    t.id = *append(op::constant{}, name, {}, {e.rank == 0 ? make_constant(t.known->reshaped({1})) : t.known});
  }
  if (!t.channels_last) return t.id;
  if (t.other_way < 0) t.other_way = reordered(t.id, to_channels_first(net.type(t.id).extents.rank), name + ".nchw");
  return t.other_way;
}

inline int composer::channels_last(const std::string& name) {
  const bool lies_so = find(name).channels_last;
  const int id = lies_so ? find(name).id : plain(name);
  file_tensor& t = find(name);
  const int rank = net.type(id).extents.rank;
  if (lies_so || rank < 3) return id;
  if (t.other_way < 0) t.other_way = reordered(id, to_channels_last(rank), name + ".nhwc");
  return t.other_way;
}

inline tensor composer::elements_of(int id) {
  std::vector<char> needed(net.values.size(), 0);
  std::vector<const node*> ancestors;  // last first
  needed[static_cast<std::size_t>(id)] = 1;
  for (auto n = net.nodes.rbegin(); n != net.nodes.rend(); ++n) {
    if (std::none_of(n->dst.begin(), n->dst.end(), [&](int v) { return needed[static_cast<std::size_t>(v)]; }))
      continue;
    ancestors.push_back(&*n);
    for (int v : n->src)
      if (v >= 0) needed[static_cast<std::size_t>(v)] = 1;
  }
  graph alone;
  std::map<int, int> place{{-1, -1}};
  for (auto n = ancestors.rbegin(); n != ancestors.rend(); ++n) {
    std::vector<int> src;
    for (int v : (*n)->src) src.push_back(place.at(v));
    const one_or_more<int> dst =
        alone.append((*n)->op, (*n)->name, std::move(src), net.types((*n)->dst), (*n)->constants);
    for (std::size_t i = 0; i < dst.size(); ++i) place[(*n)->dst[i]] = dst[i];
  }
  alone.outputs.push_back({place.at(id), "y"});
  for (const graph_value& v : alone.values) take_bytes(v.type.extents.count() * size_of(v.type.type));
  tensor y(net.type(id).type, net.type(id).extents);
  session run(plan_graph(alone, {}));
  run(y).or_throw();
  return y;
}

}  // namespace octavo::importer
