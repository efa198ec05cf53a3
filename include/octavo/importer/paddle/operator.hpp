// One operator of a PaddlePaddle program while it becomes nodes of a graph: its attributes, what it reads, and what it
// makes. The tables of operators are written in these terms.
#pragma once

#include "octavo/importer/paddle/file.hpp"

#include "octavo/importer/composer.hpp"

namespace octavo::paddle {

using importer::composer;
using importer::import_options;
using importer::weight_grid;

/// What a small file may make of nothing, by fill_constant, say: enough for masks and positions, no burden for memory.
inline constexpr std::size_t bytes_besides_parameters = std::size_t{64} << 20;

/// Numbers as an attribute of Octavo's operators; those beyond 32 bits become the nearest int.
inline axis_numbers to_axis_numbers(const std::vector<std::int64_t>& list) {
  axis_numbers a;
  from_attribute(attribute(list), a);
  return a;
}

/// An operator, and the graph that it becomes a part of.
class imported_op {
 public:
  composer& net;
  const program_op& op;

  imported_op(composer& to, const program_op& o) : net(to), op(o) {}

  // What it reads and writes. Slots have the names that Paddle gives them; most hold one tensor.

  /// Whether something is given there.
  bool has(std::string_view slot) const { return !arguments(op.inputs, slot).empty(); }

  /// All tensors of a slot.
  const std::vector<std::string>& inputs(std::string_view slot) const { return arguments(op.inputs, slot); }
  const std::vector<std::string>& outputs(std::string_view slot = "Out") const { return arguments(op.outputs, slot); }

  /// The tensor in a slot. Throws octavo::error where none is given.
  const std::string& input(std::string_view slot = "X") const {
    require(has(slot), "input ", slot, " is missing");
    return inputs(slot)[0];
  }
  const std::string& output(std::string_view slot = "Out") const {
    require(!outputs(slot).empty(), "output ", slot, " is missing");
    return outputs(slot)[0];
  }

  // Attributes, which take their default where the file does not have them.

  std::int64_t integer(std::string_view name, std::int64_t otherwise) const {
    const auto all = integers(name, {otherwise});
    require(!all.empty(), "attribute ", name, " is an empty list");
    return all[0];
  }
  /// The same as an int. Throws octavo::error where it is none.
  int small_integer(std::string_view name, std::int64_t otherwise) const {
    return as_int(integer(name, otherwise), name);
  }
  bool flag(std::string_view name, bool otherwise) const { return integer(name, otherwise) != 0; }
  float number(std::string_view name, float otherwise) const {
    const auto all = numbers(name, {otherwise});
    require(!all.empty(), "attribute ", name, " is an empty list");
    return all[0];
  }
  std::string string(std::string_view name, std::string_view otherwise) const {
    const attribute_value* a = find(name);
    return std::string(a && !a->strings.empty() ? a->strings[0] : otherwise);
  }
  std::vector<std::int64_t> integers(std::string_view name, std::vector<std::int64_t> otherwise = {}) const {
    const attribute_value* a = find(name);
    if (!a) return otherwise;
    require(a->numbers.empty() && a->strings.empty(), "attribute ", name, " must be integers");
    return a->integers;
  }
  /// Integers count as numbers.
  std::vector<float> numbers(std::string_view name, std::vector<float> otherwise = {}) const {
    const attribute_value* a = find(name);
    if (!a) return otherwise;
    require(a->strings.empty(), "attribute ", name, " must be numbers");
    std::vector<float> all;
    for (double v : a->numbers) all.push_back(static_cast<float>(v));
    for (std::int64_t v : a->integers) all.push_back(static_cast<float>(v));
    return all;
  }

  // Numbers that are an attribute, or come from a tensor that depends on no input.

  /// Integers from a list of tensors with one each, from one tensor, or from an attribute, whichever is given first.
  std::vector<std::int64_t> integers_of(std::string_view list, std::string_view tensor, std::string_view attribute,
                                        std::vector<std::int64_t> otherwise = {}) const {
    if (has(tensor)) return net.integers(input(tensor), tensor);
    if (!has(list)) return integers(attribute, std::move(otherwise));
    std::vector<std::int64_t> all;
    for (const std::string& name : inputs(list)) {
      const std::vector<std::int64_t> one = net.integers(name, list);
      require(one.size() == 1, list, ": '", name, "' must be one number, found ", one.size());
      all.push_back(one[0]);
    }
    return all;
  }
  int integer_of(std::string_view tensor, std::string_view attribute, std::int64_t otherwise) const {
    const auto all = integers_of({}, tensor, attribute, {otherwise});
    require(all.size() == 1, attribute, " must be one number, found ", all.size());
    return as_int(all[0], attribute);
  }
  float number_of(std::string_view tensor, std::string_view attribute, float otherwise) const {
    const auto all = has(tensor) ? net.numbers(input(tensor), tensor) : numbers(attribute, {otherwise});
    require(all.size() == 1, attribute, " must be one number, found ", all.size());
    return all[0];
  }

  /// f32 numbers of a parameter as a constant of `count` elements. Throws octavo::error where it has others.
  constant row(std::string_view slot, std::size_t count) const {
    const std::vector<float> all = net.numbers(input(slot), slot);
    require(all.size() == count, slot, " '", input(slot), "' must be ", count, " numbers, found ", all.size());
    return make_constant(tensor::of<float>({static_cast<std::int64_t>(count)}, all));
  }
  /// The same, or null where the slot is empty.
  constant maybe_row(std::string_view slot, std::size_t count) const { return has(slot) ? row(slot, count) : nullptr; }

  // Making nodes.

  /// Whether images lie channels last in the program itself.
  bool is_nhwc(std::string_view attribute = "data_format") const { return string(attribute, "NCHW") == "NHWC"; }
  /// The tensor as (N, spatial axes, C).
  int image(std::string_view slot, std::string_view layout = "data_format") const {
    return is_nhwc(layout) ? net.plain(input(slot)) : net.channels_last(input(slot));
  }

  /// Adds a node that is called after the operator's output.
  int append(const operation& o, std::vector<int> src, std::vector<constant> constants = {},
             std::string_view slot = "Out") const {
    return *net.append(o, output(slot), std::move(src), std::move(constants));
  }
  /// Adds a node on the way to the output.
  int append_inner(const operation& o, std::vector<int> src, std::vector<constant> constants = {},
                   std::string_view slot = "Out") const {
    return *net.append(o, text(output(slot), ".", name_of(o)), std::move(src), std::move(constants));
  }
  int append_inner(const operation& o, int x, std::vector<constant> constants = {},
                   std::string_view slot = "Out") const {
    return append_inner(o, std::vector{x}, std::move(constants), slot);
  }

  /// The output is value `id`. A variable that was written before is another from here on.
  void set(int id, bool channels_last = false, std::string_view slot = "Out") const {
    net.forget(output(slot));
    net.set(output(slot), id, channels_last);
  }
  void set_image(int id, std::string_view slot = "Out", std::string_view layout = "data_format") const {
    set(id, !is_nhwc(layout), slot);
  }
  void set_known(tensor elements, std::optional<weight_grid> grid = {}, std::string_view slot = "Out") const {
    net.forget(output(slot));
    net.set_known(output(slot), std::move(elements), std::move(grid));
  }
  /// The output is its input.
  void set_same(std::string_view in = "X", std::string_view out = "Out") const {
    if (input(in) == output(out)) return;
    net.forget(output(out));
    net.set_same(output(out), input(in));
  }

  /// The output is `o` of each element of the input.
  void apply_to_elements(const operation& o, std::string_view slot = "X") const {
    const bool last = net.lies_channels_last(input(slot));
    set(append(o, {net.as_it_lies(input(slot))}), last);
  }

  static int as_int(std::int64_t v, std::string_view what) {
    require(v >= std::numeric_limits<int>::min() && v <= std::numeric_limits<int>::max(), what, " ", v,
            " is out of range");
    return static_cast<int>(v);
  }

 private:
  static const std::vector<std::string>& arguments(const program_op::arguments& of, std::string_view slot) {
    static const std::vector<std::string> none;
    const auto found = of.find(slot);
    return found == of.end() ? none : found->second;
  }
  const attribute_value* find(std::string_view name) const {
    const auto found = op.attributes.find(name);
    return found == op.attributes.end() ? nullptr : &found->second;
  }
};

/// What makes nodes of an operator, by its type.
using operator_table = std::map<std::string_view, void (*)(const imported_op&)>;

/// Whether a tensor of the file holds whole numbers.
inline bool is_integer(const composer& net, const std::string& name) {
  const element t = net.type(name);
  return t == element::s64 || t == element::s32;
}

}  // namespace octavo::paddle
