// Networks from PaddlePaddle's files, old and new: a program and its parameters. See paddle/file.hpp for the files and
// the tables in paddle/ for the operators that are known. Needs libprotobuf: link octavo::paddle.
//
//   octavo::graph g = octavo::paddle::load("ch_ppocr_mobile_cls", {.shapes = {{"x", {octavo::upto<8>, 3, 48, 192}}}});
#pragma once

#include "octavo/importer/paddle/detection.hpp"
#include "octavo/importer/paddle/elementwise.hpp"
#include "octavo/importer/paddle/known.hpp"
#include "octavo/importer/paddle/movement.hpp"
#include "octavo/importer/paddle/quantization.hpp"
#include "octavo/importer/paddle/sequence.hpp"

#include "octavo/graph/pass/drop_dead_nodes.hpp"
#include "octavo/io/mapped_file.hpp"

namespace octavo::paddle {

/// All operators that are known.
inline const operator_table& operators() {
  static const operator_table all = [] {
    operator_table t;
    for (const operator_table* part :
         {&layer_operators(), &elementwise_operators(), &movement_operators(), &known_operators(),
          &sequence_operators(), &detection_operators(), &quantization_operators()})
      t.insert(part->begin(), part->end());
    return t;
  }();
  return all;
}

namespace detail {

/// The position of an input or output in the order of the program's signature.
inline std::int64_t column_of(const program_op& op) {
  const auto col = op.attributes.find("col");
  return col == op.attributes.end() || col->second.integers.empty() ? 0 : col->second.integers[0];
}

/// The tensors that operators of type `feed` or `fetch` name, in their order.
inline std::vector<std::string> signature_of(const program& p, std::string_view type) {
  std::vector<std::pair<std::int64_t, std::string>> found;
  for (const program_op& op : p.ops) {
    if (op.type != type) continue;
    const auto& slots = type == "feed" ? op.outputs : op.inputs;
    const auto slot = slots.find(type == "feed" ? "Out" : "X");
    require(slot != slots.end() && slot->second.size() == 1, "a ", type, " operator names no tensor");
    found.emplace_back(column_of(op), slot->second[0]);
  }
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> names;
  for (auto& [column, name] : found) names.push_back(std::move(name));
  return names;
}

/// The operators on which `wanted` tensors depend, in their order.
inline std::vector<const program_op*> needed_ops(const program& p, const std::vector<std::string>& wanted) {
  std::set<std::string_view> needed(wanted.begin(), wanted.end());
  std::vector<const program_op*> ops;
  for (auto op = p.ops.rbegin(); op != p.ops.rend(); ++op) {
    if (op->type == "feed" || op->type == "fetch") continue;
    const auto any = [&](const auto& slot) {
      return std::ranges::any_of(slot.second, [&](const std::string& name) { return needed.contains(name); });
    };
    if (std::ranges::none_of(op->outputs, any)) continue;
    for (const auto& slot : op->inputs) needed.insert(slot.second.begin(), slot.second.end());
    ops.push_back(&*op);
  }
  std::ranges::reverse(ops);
  return ops;
}

/// What errors call an operator: its type, and the tensor that it writes.
inline std::string name_of(const program_op& op) {
  for (const auto& [slot, names] : op.outputs)
    if (!names.empty() && slot != "XShape") return text(op.type, " '", names[0], "'");
  return op.type;
}

/// Throws octavo::error, naming each, where operators are not known.
inline void check_known(const std::vector<const program_op*>& ops) {
  std::string missing;
  for (const program_op* op : ops)
    if (!operators().contains(op->type)) missing += (missing.empty() ? "" : ", ") + name_of(*op);
  require(missing.empty(), "operators that are not supported: ", missing);
}

inline element input_element(type_code type, const std::string& what) {
  switch (type) {
    case type_code::f16:
    case type_code::f32:
    case type_code::f64: return element::f32;
    case type_code::s32:
    case type_code::s64: return element::s32;
    case type_code::u8: return element::u8;
    default: fail(what, ": elements of type ", static_cast<int>(type), " are not supported");
  }
}

/// Whole numbers as s64, as those of the file are.
inline tensor widened(const tensor& t) {
  if (t.type() != element::s32) return t;
  return converted<std::int32_t, std::int64_t>(t.bytes(), t.extents(), [](std::int32_t v) { return v; });
}

/// Adds the program's inputs.
inline void add_inputs(composer& net, const program& p, const import_options& options) {
  const std::vector<std::string> inputs = signature_of(p, "feed");
  const auto check_input = [&](const std::string& name) {
    if (std::ranges::find(inputs, name) == inputs.end())
      fail("there is no input '", name, "'",
           did_you_mean(name, std::vector<std::string_view>(inputs.begin(), inputs.end())));
  };
  for (const auto& given : options.shapes) check_input(given.first);
  for (const auto& given : options.known) check_input(given.first);
  for (const std::string& name : inputs) {
    const auto v = p.variables.find(name);
    const std::string what = text("input '", name, "'");
    require(v != p.variables.end(), what, " is no variable of the program");
    if (const auto known = options.known.find(name); known != options.known.end()) {
      net.set_known(name, widened(known->second));
      continue;
    }
    const auto given = options.shapes.find(name);
    dims e;
    if (given != options.shapes.end()) {
      e = given->second;
    } else {
      for (std::int64_t n : v->second.extents) {
        require(n > 0, what, " leaves an extent open: give its shape in import_options::shapes");
        e.push_back(n);
      }
    }
    net.input(name, {input_element(v->second.elements, what), e, {}});
  }
}

/// Makes nodes of all operators that the outputs need.
inline graph compose_nodes(const std::string& file, const program& p, parameter_map parameters,
                           const import_options& options) {
  composer net(file);
  net.bytes_left = bytes_besides_parameters;
  for (const auto& given : parameters) net.bytes_left += 4 * given.second.elements.bytes().size();
  std::vector<std::string> outputs = signature_of(p, "fetch");
  for (const std::string& name : options.outputs)
    if (std::ranges::find(outputs, name) == outputs.end()) outputs.push_back(name);
  require(!outputs.empty(), "the program has no output");
  const std::vector<const program_op*> ops = needed_ops(p, outputs);
  check_known(ops);
  add_inputs(net, p, options);
  dequantize_frozen_weights(ops, parameters);
  for (auto& [name, given] : parameters) net.set_known(name, std::move(given.elements), std::move(given.grid));
  observed_ranges observed;
  for (const program_op* op : ops) {
    try {
      operators().at(op->type)({net, *op});
      observed.note(net, *op);
    } catch (const error& e) {
      fail(name_of(*op), ": ", e.what());
    }
  }
  for (const std::string& name : outputs) {
    require(net.has(name), "nothing writes the output '", name, "'");
    net.output(name);
  }
  observed.annotate(net.net);
  return pass::drop_dead_nodes(std::move(net.net));
}

/// The same; errors name the file.
inline graph compose(const std::string& file, const program& p, parameter_map parameters,
                     const import_options& options) {
  try {
    return compose_nodes(file, p, std::move(parameters), options);
  } catch (const error& e) {
    fail(file, ": ", e.what());
  }
}

/// The parameters that lie in one file, in the order of their names.
inline parameter_map read_parameters(const program& p, const std::string& name, std::span<const std::byte> bytes) {
  parameter_map all;
  parameter_reader reader(name, bytes);
  for (const auto& [variable, description] : p.variables)
    if (description.is_parameter()) all[variable].elements = reader.next(variable, description);
  reader.expect_end();
  return all;
}

/// The parameters that lie in files of their names.
inline parameter_map read_parameters(const program& p, const std::filesystem::path& folder) {
  std::set<std::string_view> read;
  for (const program_op& op : p.ops)
    for (const auto& slot : op.inputs) read.insert(slot.second.begin(), slot.second.end());
  parameter_map all;
  for (const auto& [variable, description] : p.variables) {
    if (!description.is_parameter() || !read.contains(variable)) continue;
    const std::filesystem::path path = folder / variable;
    const auto outside = path.lexically_normal().lexically_relative(folder.lexically_normal());
    require(!outside.empty() && *outside.begin() != "..", folder.string(), ": parameter '", variable,
            "' is no file in this folder");
    const mapped_file file(path);
    parameter_reader reader(file.name(), file.bytes());
    all[variable].elements = reader.next(variable, description);
    reader.expect_end();
  }
  return all;
}

/// The one file that exists of those that `folder` may have; empty where there is none.
inline std::filesystem::path one_of(const std::filesystem::path& folder, std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (std::filesystem::is_regular_file(folder / name)) return folder / name;
  return {};
}

/// The program in a folder. Throws octavo::error where there is none.
inline std::filesystem::path program_in(const std::filesystem::path& folder) {
  const std::filesystem::path found = one_of(folder, {"inference.pdmodel", "model.pdmodel", "__model__"});
  require(!found.empty(), folder.string(), ": expected a folder with inference.pdmodel, model.pdmodel or __model__");
  return found;
}

}  // namespace detail

/// The network of a program and of all its parameters in one file, both in memory; errors call it `name`. Its inputs
/// and outputs are those of the program, in their order. Whole numbers are s32 where they are inputs. A tensor with LoD
/// is one sequence, (T, ...). Throws octavo::error, naming file and operator, where something is not as it must be, or
/// not supported; all operators that are not known are named at once.
inline graph load(const std::string& name, std::span<const std::byte> program_bytes,
                  std::span<const std::byte> parameter_bytes, const import_options& options = {}) {
  const program p = read_program(name, program_bytes);
  return detail::compose(name, p, detail::read_parameters(p, name, parameter_bytes), options);
}

/// The same of files. `parameters` is a file, or a folder with a file for each parameter.
inline graph load(const std::filesystem::path& program_file, const std::filesystem::path& parameters,
                  const import_options& options = {}) {
  const mapped_file file(program_file);
  const program p = read_program(file.name(), file.bytes());
  if (std::filesystem::is_directory(parameters))
    return detail::compose(file.name(), p, detail::read_parameters(p, parameters), options);
  const mapped_file all(parameters);
  return detail::compose(file.name(), p, detail::read_parameters(p, all.name(), all.bytes()), options);
}

/// The same of a folder: with inference.pdmodel and inference.pdiparams, or model.pdmodel and model.pdiparams; or with
/// __model__, and __params__, params, or a file for each parameter.
inline graph load(const std::filesystem::path& folder, const import_options& options = {}) {
  const std::filesystem::path program_file = detail::program_in(folder);
  std::filesystem::path parameters = std::filesystem::path(program_file).replace_extension(".pdiparams");
  if (program_file.extension().empty()) parameters = detail::one_of(folder, {"__params__", "params"});
  return load(program_file, parameters.empty() ? folder : parameters, options);
}

}  // namespace octavo::paddle
