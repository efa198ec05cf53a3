// Whole networks from PaddlePaddle's files, in $OCTAVO_DATA/models/paddle: what their README there asks for, in FP32
// and in INT8.
#include <doctest/doctest.h>

#include "octavo/importer/paddle.hpp"
#include "octavo/octavo.hpp"
#include "support/model_files.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

std::filesystem::path folder_of(const std::string& name) {
  const std::filesystem::path folder = *data_folder() / "models" / "paddle" / name;
  return std::filesystem::is_directory(folder / "model") ? folder / "model" : folder;
}

/// The network of a folder for inputs like those of `set`, with the outputs that the set knows.
graph load_for(const std::string& name, const model_set& set) {
  importer::import_options options{.shapes = shapes_of(set.inputs)};
  for (const auto& output : set.outputs) options.outputs.push_back(output.first);
  return paddle::load(folder_of(name), options);
}

struct expectation {
  std::string model;
  double tolerance;
};

std::vector<model_set> sets_of_model(const std::string& name) {
  return sets_of(*data_folder() / "models" / "paddle" / name);
}

/// `g` in INT8, calibrated on what it is given itself.
network calibrated(const graph& g, std::span<const model_set> sets, const calibrate_options& options = {}) {
  const network fp32 = octavo::compile(g);
  const sample_set samples{static_cast<int>(sets.size()), [&](int i, std::span<tensor> inputs) {
                             const model_set& set = sets[static_cast<std::size_t>(i)];
                             std::ranges::copy(inputs_of(fp32, set.inputs), inputs.begin());
                           }};
  quantize_options as_calibrated;
  as_calibrated.correct_bias = false;  // the means of so few images say little
  return quantize(g, calibrate(fp32, samples, options), as_calibrated);
}

/// How much of two masks, what is above 0.3, is the same: of all pixels, and of those in either.
struct agreement {
  double pixels = 0, overlap = 0;
};
agreement agreement_of(const tensor& found, const tensor& expected) {
  double same = 0, both = 0, either = 0;
  for (std::size_t i = 0; i < expected.extents().count(); ++i) {
    const bool a = found.as<float>()[i] > 0.3f, b = expected.as<float>()[i] > 0.3f;
    same += a == b, both += a && b, either += a || b;
  }
  return {same / static_cast<double>(expected.extents().count()), both / either};
}

/// Whether the largest of each row is at the same place.
void check_classes(const tensor& found, const tensor& expected) {
  REQUIRE(found.extents() == expected.extents());
  const auto columns = static_cast<std::size_t>(expected.extents().back());
  for (std::size_t i = 0; i < expected.extents().count(); i += columns) {
    const auto f = found.as<float>().subspan(i, columns), e = expected.as<float>().subspan(i, columns);
    CHECK(std::ranges::max_element(f) - f.begin() == std::ranges::max_element(e) - e.begin());
  }
}

}  // namespace

TEST_CASE("paddle: float models in FP32") {
  if (!data_folder()) return;
  for (const auto& [name, tolerance] : {expectation{"handwriting_mlp", 1e-5},
                                        {"dqn_conv", 1e-4},
                                        {"gesture_squeezenet", 1e-5},
                                        {"ppocr_cls", 1e-4},
                                        {"ppocrv2_det", 2e-4},
                                        {"lac_seg", 1e-4}})
    for (const model_set& set : sets_of_model(name)) {
      const named_tensors found = outputs_of(octavo::compile(load_for(name, set)), set.inputs);
      REQUIRE(found.size() == set.outputs.size());
      for (const auto& [output, expected] : set.outputs) {
        const tensor& y = found.at(output);
        CHECK(y.extents() == expected.extents());
        if (expected.type() == element::s64) {
          CHECK(std::ranges::equal(y.as<std::int64_t>(), expected.as<std::int64_t>()));
          continue;
        }
        const difference d = difference_of(y, expected);
        MESSAGE(name, " ", output, ": ", d.largest);
        CHECK(d.largest <= tolerance);
      }
    }
}

TEST_CASE("paddle: float models in INT8") {
  if (!data_folder()) return;
  for (const auto& [name, tolerance] :
       {expectation{"handwriting_mlp", 0.1}, {"dqn_conv", 0.1}, {"gesture_squeezenet", 0.1}, {"ppocr_cls", 3}})
    for (const model_set& set : sets_of_model(name)) {
      calibrate_options options;
      // Narrow as it is, each of its tensors moves the outputs by 0.01 to 0.17 when it is rounded: its answers, from
      // 0.35 to 0.65, are near ties.
      if (name == "gesture_squeezenet") options.recipe = absmax{};
      const named_tensors found = outputs_of(calibrated(load_for(name, set), {&set, 1}, options), set.inputs);
      for (const auto& [output, expected] : set.outputs) {
        const difference d = difference_of(found.at(output), expected);
        MESSAGE(name, " ", output, ": ", d.largest);
        CHECK(d.largest <= tolerance);
        if (name != "dqn_conv" && name != "gesture_squeezenet") check_classes(found.at(output), expected);
      }
    }
  for (const model_set& set : sets_of_model("ppocrv2_det")) {
    const named_tensors found = outputs_of(calibrated(load_for("ppocrv2_det", set), {&set, 1}), set.inputs);
    const agreement a = agreement_of(found.at("sigmoid_0.tmp_0"), set.outputs.at("sigmoid_0.tmp_0"));
    MESSAGE("ppocrv2_det: ", a.pixels, " of pixels, IoU ", a.overlap);
    CHECK(a.pixels >= 0.97);
  }
}

TEST_CASE("paddle: sentences of any length") {
  if (!data_folder()) return;
  const std::vector<model_set> sets = sets_of_model("lac_seg");
  const graph g = paddle::load(folder_of("lac_seg"), {.shapes = {{"words", {upto<64>, 1}}}, .outputs = {"fc_4.tmp_1"}});
  int right = 0, words = 0;
  const network fp32 = octavo::compile(g), int8 = calibrated(g, sets);
  for (const model_set& set : sets) {
    const std::vector<tensor> sentence = inputs_of(fp32, set.inputs);
    const int n = sentence[0].extents()[0];
    const std::vector<tensor> found = outputs_of(fp32, sentence, n), bytes = outputs_of(int8, sentence, n);
    CHECK(difference_of(found[1], set.outputs.at("fc_4.tmp_1")).largest <= 1e-4);
    const std::span<const std::int64_t> tags = set.outputs.at("save_infer_model/scale_0").as<std::int64_t>();
    CHECK(std::ranges::equal(found[0].as<std::int64_t>(), tags));
    words += n;
    for (std::size_t i = 0; i < tags.size(); ++i) right += bytes[0].as<std::int64_t>()[i] == tags[i];
  }
  MESSAGE("lac_seg: ", right, " of ", words, " tags in INT8");
  CHECK(words > 100);
  CHECK(100 * right >= 97 * words);
}

TEST_CASE("paddle: batches of any size") {
  if (!data_folder()) return;
  const model_set set = sets_of_model("ppocr_cls")[0];
  const graph g = paddle::load(folder_of("ppocr_cls"), {.shapes = {{"x", {upto<8>, 3, 48, 192}}}});
  const std::vector<tensor> found = outputs_of(octavo::compile(g), std::vector{set.inputs.at("x")}, 4);
  CHECK(difference_of(found[0], set.outputs.at("softmax_0.tmp_0")).largest <= 1e-5);
}

TEST_CASE("paddle: networks trained with quantization, in FP32 and by their own scales in INT8") {
  if (!data_folder()) return;
  const auto network_of = [](const graph& g, bool int8) { return int8 ? quantize(g) : octavo::compile(g); };
  for (const std::string name :
       {"ppocr_cls_slim_quant", "ppocr_cls_onnx_format_synthetic", "ppocr_cls_frozen_synthetic"})
    for (const model_set& set : sets_of_model(name))
      for (const bool int8 : {false, true}) {
        const tensor& expected = set.outputs.at("linear_1.tmp_1");
        const tensor found = outputs_of(network_of(load_for(name, set), int8), set.inputs).at("linear_1.tmp_1");
        const difference d = difference_of(found, expected);
        MESSAGE(name, int8 ? " INT8: " : " FP32: ", d.largest, " at most, ", d.mean, " on average");
        // In INT8 residual sums and gates read bytes, too, where the program rounds only what its layers read.
        CHECK(d.largest <= (int8 ? 1.0 : 0.6));
        check_classes(found, expected);
      }
  const std::string det = "ppocrv2_det_slim_quant", output = "save_infer_model/scale_0.tmp_0";
  for (const model_set& set : sets_of_model(det))
    for (const bool int8 : {false, true}) {
      const tensor found = outputs_of(network_of(load_for(det, set), int8), set.inputs).at(output);
      const difference d = difference_of(found, set.outputs.at(output));
      const agreement a = agreement_of(found, set.outputs.at(output));
      MESSAGE(det, int8 ? " INT8: " : " FP32: ", d.mean, " on average, ", a.pixels, " of pixels, IoU ", a.overlap);
      CHECK(d.mean <= 0.015);
      CHECK(a.pixels >= 0.985);
      CHECK(a.overlap >= 0.92);
    }
}

TEST_CASE("paddle: ranges that training observed quantize more") {
  if (!data_folder()) return;
  const graph g = load_for("ppocr_cls_slim_quant", sets_of_model("ppocr_cls_slim_quant")[0]);
  graph without = g;
  int observed = 0;
  for (graph_value& v : without.values) observed += v.observed.has_value(), v.observed.reset();
  CHECK(observed == 31);  // of 35 batch norms; four are rounded by the program itself
  quantize_options by_maps;
  by_maps.unknown_stays_fp32 = true;
  const auto f32_values = [&](const graph& from) {
    const graph q = quantize_graph(from, {}, by_maps);
    return std::ranges::count_if(q.nodes, [&](const node& n) { return q.type(*n.dst).type == element::f32; });
  };
  CHECK(f32_values(g) < f32_values(without));
}

TEST_CASE("paddle: one network in three forms is the same INT8 network") {
  if (!data_folder()) return;
  const model_set set = sets_of_model("ppocr_cls")[0];
  const auto int8_of = [&](const std::string& name) {
    quantize_options by_maps;
    by_maps.unknown_stays_fp32 = true;
    return quantize_graph(paddle::load(folder_of(name), {.shapes = shapes_of(set.inputs)}), {}, by_maps);
  };
  const graph slim = int8_of("ppocr_cls_slim_quant");
  for (const std::string form : {"ppocr_cls_onnx_format_synthetic", "ppocr_cls_frozen_synthetic"}) {
    INFO(form);
    const graph other = int8_of(form);
    REQUIRE(other.nodes.size() == slim.nodes.size());
    int layers = 0, flipped = 0;
    for (std::size_t i = 0; i < slim.nodes.size(); ++i) {
      const node &a = slim.nodes[i], &b = other.nodes[i];
      INFO(a.name);
      CHECK(a.op == b.op);
      for (std::size_t k = 0; k < a.src.size(); ++k) CHECK(slim.type(a.src[k]) == other.type(b.src[k]));
      if (!has_weights(a.op)) continue;
      ++layers;
      REQUIRE(a.constants[0]->type() == element::s8);
      const auto w = a.constants[0]->as<std::int8_t>(), v = b.constants[0]->as<std::int8_t>();
      REQUIRE(w.size() == v.size());
      for (std::size_t c = 0; c < w.size(); ++c) {
        flipped += w[c] != v[c];
        CHECK(std::abs(w[c] - v[c]) <= 1);  // halves
      }
      const auto s = a.constants[2]->as<float>(), t = b.constants[2]->as<float>();
      for (std::size_t c = 0; c < s.size(); ++c) CHECK(std::fabs(s[c] - t[c]) <= 1e-6f * s[c]);
    }
    CHECK(layers == 54);
    MESSAGE(form, ": ", flipped, " weights rounded to the other side");
    CHECK(flipped <= 5);
  }
}
