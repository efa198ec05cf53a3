// Every node test of ONNX in $OCTAVO_DATA/onnx_node, read by the importer, planned and run. There weights and shapes
// are inputs of the network: what Octavo must know while importing is given then.
#include <doctest/doctest.h>

#include "octavo/importer/onnx.hpp"
#include "octavo/octavo.hpp"
#include "support/model_files.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

/// What stands in test_data_set_0/`kind`_0.pb and so on; a tensor without elements is null.
std::vector<std::optional<tensor>> tensors_of(const std::filesystem::path& folder, const std::string& kind) {
  std::vector<std::optional<tensor>> all;
  for (int i = 0;; ++i) {
    const auto path = folder / "test_data_set_0" / text(kind, "_", i, ".pb");
    if (!std::filesystem::exists(path)) return all;
    const std::string bytes = read_all(path);
    all.push_back(onnx::read_tensor({std::as_bytes(std::span(bytes)), path.string()}).elements);
  }
}

/// What differs: floats have the tolerances of ONNX's own runner, which leave no integer another one.
std::string difference(const tensor& y, const tensor& expected) {
  const tensor found = onnx::converted<float>(y);
  if (found.extents().count() != expected.extents().count()) return text(found.extents(), " for ", expected.extents());
  for (std::size_t i = 0; i < expected.extents().count(); ++i) {
    const float f = found.as<float>()[i], e = expected.as<float>()[i];
    if (f != e && !(std::fabs(f - e) <= 1e-7f + 1e-3f * std::fabs(e)))
      return text("element ", i, " is ", f, ", expected ", e);
  }
  return {};
}

/// The real numbers of quantized `y`, whose scale and zero point are the last two inputs, as tests have them.
tensor dequantized(const tensor& y, const std::vector<std::optional<tensor>>& in) {
  require(in.size() > 2, "a quantized output of ", in.size(), " inputs, which are no map");
  const tensor q = onnx::converted<float>(y), zero = onnx::converted<float>(*in.back());
  const float scale = in[in.size() - 2]->as<float>()[0];
  tensor real(element::f32, y.extents());
  for (std::size_t i = 0; i < y.extents().count(); ++i)
    real.as<float>()[i] = scale * (q.as<float>()[i] - zero.as<float>()[0]);
  return real;
}

/// How many of a test's inputs are given at each run, from the first on; the others are known while importing.
enum class given : std::uint8_t { all, first, none };

/// What is wrong with what comes out of the test's network; nothing where it is right.
std::string run_test(const std::filesystem::path& folder, given which) {
  const std::string bytes = read_all(folder / "model.onnx");
  const std::vector<std::optional<tensor>> in = tensors_of(folder, "input"), out = tensors_of(folder, "output");
  const onnx::file_model m = onnx::read_model({std::as_bytes(std::span(bytes)), folder.string()});
  importer::import_options options;
  std::vector<tensor> inputs;
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (!in[i]) continue;
    if (which == given::none || (which == given::first && i > 0))
      options.known[m.inputs.at(i).name] = *in[i];
    else
      inputs.push_back(in[i]->reshaped(onnx::in_graph(in[i]->extents())));
  }
  const std::vector<tensor> found = outputs_of(compile(onnx::load(folder / "model.onnx", options)), inputs);
  if (found.size() != out.size()) return text(found.size(), " outputs of ", out.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (!out[i]) return "an output without elements";
    const bool is_real = found[i].type() == element::f32 && out[i]->type() != element::f32;
    const bool is_sum = out[i]->type() == element::s32;
    const std::string wrong =
        difference(found[i], is_real && !is_sum ? dequantized(*out[i], in) : onnx::converted<float>(*out[i]));
    if (!wrong.empty()) return text("output ", i, ": ", wrong);
  }
  return {};
}

/// Whether a message says that Octavo leaves something out on purpose.
bool is_refusal(const std::string& message) {
  for (const char* reason :
       {"dilated pooling is not supported", "images and sequences are supported", "output 1 is not supported",
        "attribute 'block_size' must be 0", "has no elements", "leaves axis 0", "an output without elements"})
    if (message.find(reason) != std::string::npos) return true;
  return false;
}

}  // namespace

TEST_CASE("ONNX's own node tests") {
  const auto data = data_folder();
  if (!data) return;
  int passed[3] = {}, refused = 0;
  for (const auto& entry : std::filesystem::directory_iterator(*data / "onnx_node")) {
    if (!entry.is_directory()) continue;
    std::string why = "not run";
    for (const given which : {given::all, given::first, given::none}) {
      if (why.empty()) break;
      try {
        why = run_test(entry.path(), which);
      } catch (const error& e) {
        why = e.what();
      }
      if (why.empty()) ++passed[static_cast<int>(which)];
    }
    refused += is_refusal(why);
    CHECK_MESSAGE((why.empty() || is_refusal(why)), entry.path().filename().string() << ": " << why);
  }
  MESSAGE(passed[0] << " passed with all inputs given at each run, " << passed[1] << " with the first only, "
                    << passed[2] << " with none, " << refused << " refused");
  CHECK(passed[0] + passed[1] + passed[2] >= 250);  // of 279
  CHECK(passed[0] + passed[1] >= 200);
}
