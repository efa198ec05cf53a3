// Runs a network from a file, ONNX's, PaddlePaddle's or one that Octavo saved: prints it, compares its outputs with
// what is expected, quantizes it, compares again, saves it. `run_model --help` lists the options.
#include <chrono>
#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "command_line.hpp"
#include "model_file.hpp"
#include "octavo/exec/openmp.hpp"
#include "octavo/io/calibration_file.hpp"
#include "octavo/io/calibration_table.hpp"
#include "octavo/octavo.hpp"
#include "progress.hpp"
#include "report.hpp"

namespace {

using namespace octavo;
using namespace octavo::example;

struct options {
  std::string file, params, save, dot, json, table, recipe = "default";
  std::vector<std::string> inputs, expected, calib, shapes, keep_fp32;
  int iterations = 20, threads = 1;
  bool int8 = false, profile = false, quiet = false;
  std::optional<double> tolerance, int8_tolerance;
};

options parse(int argc, char** argv) {
  options o;
  CLI::App app{"Runs, quantizes and saves networks from ONNX, PaddlePaddle and Octavo files"};
  app.add_option("file", o.file, "an .onnx, .pdmodel or .safetensors file, or a folder with a Paddle network")
      ->required();
  app.add_option("--params", o.params, "parameters of a Paddle network: a file, or a folder with one for each");
  app.add_option("--input", o.inputs, "NAME=F.npy: an input, which also says its extents; random where it is left out");
  app.add_option("--shape", o.shapes, "NAME=1,3,224,224: extents of an input that the file leaves open");
  app.add_option("--expect", o.expected, "NAME=F.npy: what a tensor of the network should be");
  app.add_flag("--int8", o.int8, "quantize: by the network's own scales, by --calib or by --calib-table");
  app.add_option("--calib", o.calib, "NAME=F.npy or NAME=DIR: samples of an input, along the first axis or one a file");
  app.add_option("--calib-table", o.table,
                 "what quantizes instead: lines of a tensor's name and its largest magnitude");
  app.add_option("--calibration", o.recipe, "absmax, minmax, percentile or entropy");
  app.add_option("--keep-fp32", o.keep_fp32, "nodes that stay FP32, separated by commas")->delimiter(',');
  app.add_option("--save", o.save, "write the network, quantized with --int8, as a safetensors file");
  app.add_option("--iterations", o.iterations, "runs that are timed")->check(CLI::PositiveNumber);
  app.add_option("--threads", o.threads, "threads")->check(CLI::PositiveNumber);
  app.add_option("--tolerance", o.tolerance, "fail where an expected tensor is further away in FP32");
  app.add_option("--int8-tolerance", o.int8_tolerance, "fail where one is further away in INT8");
  app.add_flag("--profile", o.profile, "print where the time goes, step by step");
  app.add_flag("--quiet", o.quiet, "do not print the graphs");
  app.add_option("--dot", o.dot, "write the graphs, in Graphviz' language");
  app.add_option("--json", o.json, "write the results as JSON");
  parse_command_line(app, argc, argv);
  require(o.int8 || (o.calib.empty() && o.table.empty()), "--calib and --calib-table quantize: give --int8 too");
  require(o.calib.empty() || o.table.empty(), "--calib and --calib-table: give one of them");
  return o;
}

/// Extents such as 1,3,224,224.
dims extents_from(const std::string& given, const std::string& list) {
  dims d;
  std::istringstream numbers(list);
  for (std::string one; std::getline(numbers, one, ',');) {
    int e = 0;
    const auto [end, failure] = std::from_chars(one.data(), one.data() + one.size(), e);
    require(failure == std::errc{} && end == one.data() + one.size() && e >= 1, "--shape ", given,
            ": expected numbers of at least 1, separated by commas, found '", one, "'");
    d.push_back(e);
  }
  return d;
}

/// What one network made of the inputs, and how long that took.
struct run_result {
  named_tensors outputs;
  double median_ms = 0;
};

std::vector<tensor> inputs_for(const network& net, const named_tensors& given) {
  std::vector<tensor> all;
  for (int v : net->inputs) {
    const planned_value& input = net->values[static_cast<std::size_t>(v)];
    const auto found = given.find(input.name);
    all.push_back(found == given.end() ? drawn_input(input) : given_as(found->second, input));
  }
  return all;
}

run_result run_network(const network& net, const named_tensors& given, const options& o, std::string_view label) {
  openmp_parallel_for threads(o.threads);
  session run(net, threads);
  const std::vector<tensor> inputs = inputs_for(net, given);
  std::vector<tensor_argument> arguments(inputs.begin(), inputs.end());
  std::vector<tensor> outputs;
  for (const dims& e : run.output_extents(arguments))
    outputs.emplace_back(net->values[static_cast<std::size_t>(net->outputs[outputs.size()])].type.type, e);
  arguments.insert(arguments.end(), outputs.begin(), outputs.end());
  run.run(arguments).or_throw();
  run.enable_profile(o.profile);
  std::vector<double> ms;
  progress bar(text("run ", label), o.iterations);
  for (int i = 0; i < o.iterations; ++i) {
    const auto start = std::chrono::steady_clock::now();
    run.run(arguments).or_throw();
    ms.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
    bar.advance();
  }
  if (o.profile) {
    std::cout << label << ", ms\n";
    write_profile(std::cout, run.profile());
    std::cout << "\n";
  }
  std::ranges::nth_element(ms, ms.begin() + static_cast<std::ptrdiff_t>(ms.size() / 2));
  run_result r{{}, ms[ms.size() / 2]};
  for (std::size_t i = 0; i < outputs.size(); ++i) r.outputs[net->source.outputs[i].name] = std::move(outputs[i]);
  return r;
}

/// Samples of the inputs of `net`, one after the other.
sample_set calibration_samples(const network& net, std::map<std::string, std::vector<tensor>> files) {
  using bytes_of_samples = std::vector<std::span<const std::byte>>;
  const auto samples = std::make_shared<std::vector<bytes_of_samples>>();  // by input
  const auto tensors = std::make_shared<std::vector<tensor>>();            // in whose memory they are
  for (int v : net->inputs) {
    const planned_value& input = net->values[static_cast<std::size_t>(v)];
    const auto found = files.find(input.name);
    require(found != files.end(), "--calib: no samples of input '", input.name, "'");
    bytes_of_samples here;
    for (tensor& t : found->second) {
      const std::size_t one = input.type.extents.count(), count = t.extents().count() / one;
      require(t.extents().count() % one == 0, "--calib ", input.name, ": expected samples of ", input.type.extents,
              ", found ", t.extents());
      tensors->push_back(given_as(std::move(t), input));
      const std::span<const std::byte> all = std::as_const(tensors->back()).bytes();
      for (std::size_t i = 0; i < count; ++i) here.push_back(all.subspan(i * all.size() / count, all.size() / count));
    }
    require(samples->empty() || here.size() == samples->front().size(), "--calib ", input.name, ": ", here.size(),
            " samples, expected ", samples->empty() ? 0 : samples->front().size());
    samples->push_back(std::move(here));
  }
  const int count = samples->empty() ? 0 : static_cast<int>(samples->front().size());
  return {count, [samples, tensors](int sample, std::span<tensor> inputs) {
            for (std::size_t i = 0; i < inputs.size(); ++i)
              std::ranges::copy((*samples)[i][static_cast<std::size_t>(sample)], inputs[i].bytes().begin());
          }};
}

/// The tensors of a NumPy file, or of all such files in a folder in the order of their names.
std::vector<tensor> load_all(const std::filesystem::path& path) {
  if (!std::filesystem::is_directory(path)) return {load_npy(path)};
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(path))
    if (entry.path().extension() == ".npy") files.push_back(entry.path());
  require(!files.empty(), path.string(), ": expected .npy files, found none");
  std::ranges::sort(files);
  std::vector<tensor> all;
  for (const auto& file : files) all.push_back(load_npy(file));
  return all;
}

/// What quantization starts from: samples, a table, or what the network brings along.
calibration calibration_for(const graph& g, const options& o) {
  if (!o.table.empty()) return calibration_of(g, load_calibration_table(o.table));
  if (o.calib.empty()) return {};
  std::map<std::string, std::vector<tensor>> files;
  for (const std::string& one : o.calib) {
    const auto [name, path] = name_and_file("--calib", one);
    for (tensor& t : load_all(path)) files[name].push_back(std::move(t));
  }
  const network fp32 = octavo::compile(g);
  const sample_set samples = calibration_samples(fp32, std::move(files));
  progress bar("calibrate", samples.count);
  calibrate_options how;
  if (o.recipe != "default") how.recipe = recipe_named(o.recipe);
  how.progress = [&](int) { bar.advance(); };
  openmp_parallel_for threads(o.threads);
  return calibrate(fp32, samples, how, threads);
}

graph quantized(const graph& g, const options& o) {
  const bool has_maps = std::ranges::any_of(g.nodes, [](const node& n) { return n.op.is<op::fake_quantize>(); }) ||
                        std::ranges::any_of(g.values, [](const graph_value& v) { return v.quant.has_value(); });
  require(has_maps || !o.calib.empty() || !o.table.empty(), o.file,
          ": brings no scales along: give samples by --calib, or --calib-table");
  quantize_options how;
  how.keep_fp32 = {o.keep_fp32.begin(), o.keep_fp32.end()};
  how.unknown_stays_fp32 = o.calib.empty();
  return quantize_graph(g, calibration_for(g, o), how);
}

/// Prints a network's differences from what was expected and returns them for JSON.
nlohmann::json report_on(const std::string& label, const run_result& r, const named_tensors& expected,
                         const std::optional<double>& tolerance) {
  nlohmann::json json = {{"median_ms", r.median_ms},
                         {"max_difference", nlohmann::json::object()},
                         {"mean_difference", nlohmann::json::object()}};
  std::cout << label << ": " << r.median_ms << " ms\n";
  for (const auto& [name, tensor] : expected) {
    const auto found = r.outputs.find(name);
    require(found != r.outputs.end(), "--expect: the network has no output '", name, "'");
    const difference d = difference_of(name, found->second, tensor);
    std::cout << "  " << name << " " << tensor.extents() << ": largest difference " << d.largest << ", mean " << d.mean
              << "\n";
    json["max_difference"][name] = d.largest;
    json["mean_difference"][name] = d.mean;
    require(!tolerance || d.largest <= *tolerance, label, ": output '", name, "' is ", d.largest,
            " away from what is expected, allowed is ", *tolerance);
  }
  return json;
}

/// Whether the network computes in INT8 already.
bool is_quantized(const graph& g) {
  return std::ranges::any_of(g.nodes, [&](const node& n) {
    return !n.src.empty() && n.src[0] >= 0 && !n.op.is<op::convert>() && g.type(n.src[0]).is_u8();
  });
}

/// The network for these inputs. A single integer may choose between parts of it: where that is what keeps the network
/// from being read, it is read for that number alone, which is then in `how.known`.
graph load_with(const options& o, importer::import_options& how, const named_tensors& inputs) {
  try {
    return load_model(o.file, o.params, how);
  } catch (const error& e) {
    for (const auto& [name, t] : inputs)
      if (t.type() == element::s64 && t.extents().count() == 1) how.known.emplace(name, t), how.shapes.erase(name);
    if (!how.known.empty()) return load_model(o.file, o.params, how);
    const bool asks_for_shapes = std::string_view(e.what()).find("import_options::shapes") != std::string_view::npos;
    fail(e.what(), asks_for_shapes ? ", here --input or --shape" : "");
  }
}

int run_model(const options& o) {
  const named_tensors inputs = load_tensors("--input", o.inputs), expected = load_tensors("--expect", o.expected);
  importer::import_options how;
  for (const std::string& one : o.shapes) {
    const auto [name, list] = name_and_file("--shape", one);
    how.shapes[name] = extents_from(one, list);
  }
  for (const auto& [name, t] : inputs) how.shapes[name] = t.extents();
  for (const auto& entry : expected) how.outputs.push_back(entry.first);
  const graph g = load_with(o, how, inputs);
  for (const auto& entry : inputs)
    require(how.known.contains(entry.first) ||
                std::ranges::any_of(g.input_values(),
                                    [&](int v) { return g.values[static_cast<std::size_t>(v)].name == entry.first; }),
            "--input: the network has no input '", entry.first, "'", hint_for(g, entry.first));

  nlohmann::json json = nlohmann::json::object();
  std::ostringstream dot;
  graph last = fold(g);
  const auto show = [&](const std::string& label, const graph& shown) {
    if (!o.quiet) std::cout << label << "\n" << shown << "\n";
    if (!o.dot.empty()) write_dot(dot, shown, o.file + ", " + label);
  };
  const bool is_int8 = is_quantized(last);
  const std::string key = is_int8 ? "int8" : "fp32", label = is_int8 ? "INT8" : "FP32";
  show(label, last);
  json[key] = report_on(label, run_network(plan_graph(last, native_kernels()), inputs, o, label), expected,
                        is_int8 ? o.int8_tolerance : o.tolerance);
  if (o.int8) {
    require(!is_int8, o.file, ": is quantized already");
    last = quantized(g, o);
    show("INT8", last);
    json["int8"] = report_on("INT8", run_network(plan_graph(last, native_kernels()), inputs, o, "INT8"), expected,
                             o.int8_tolerance);
    std::cout << "INT8 is " << json["fp32"]["median_ms"].get<double>() / json["int8"]["median_ms"].get<double>()
              << " times as fast\n";
  }
  if (!o.save.empty()) save_network(o.save, last);
  if (!o.dot.empty()) write_text(o.dot, dot.str());
  if (!o.json.empty()) write_text(o.json, json.dump(2) + "\n");
  return 0;
}

}  // namespace

int main(int argc, char** argv) try { return run_model(parse(argc, argv)); } catch (const std::exception& e) {
  std::cerr << "run_model: " << e.what() << "\n";
  return 1;
}
