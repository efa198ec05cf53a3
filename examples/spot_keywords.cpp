// Finds keywords in features of speech: quantizes a network and compares it with the FP32 network it came from, by
// accuracy, latency and memory. `spot_keywords --help` lists the options; without any it needs no files.
#include "comparison.hpp"
#include "embedded/drawn_sequences.hpp"
#include "embedded_sequence_weights.hpp"
#include "octavo/io/npy.hpp"
#include "octavo/io/safetensors.hpp"
#include "octavo/model/embedded_sequence.hpp"
#include "octavo/model/keyword.hpp"
#include "octavo/model/kwt.hpp"

namespace {

using namespace octavo;
using namespace octavo::example;

/// A network by name.
struct keyword_model {
  std::string_view name;
  int steps, features, classes;            ///< of its input (N, steps, features) and its logits (N, classes)
  std::set<std::string> (*in_fp32)();      ///< the nodes that are better kept so
  void (*compose)(graph&, const params&);  ///< adds the input "features" and the output "logits"
};

/// Adds an input of (N, Steps, Features), the network that `build` makes of it, and the output.
template <int Steps, int Features>
void compose_with(graph& g, auto&& build) {
  g.output(build(g.input<float, ntc<upto<largest_batch>, Steps, Features>>("features")), "logits");
}

constexpr keyword_model models[] = {
    {"embedded", sequence_steps, sequence_bands, track_count, [] { return std::set<std::string>(); },
     [](graph& g, const params& w) {
       compose_with<sequence_steps, sequence_bands>(g, [&](auto x) { return model::embedded_sequence(x, w); });
     }},
    {"kws_gru_s", 25, 10, 12, [] { return model::keyword_nodes_in_fp32("gru"); },
     [](graph& g, const params& w) { compose_with<25, 10>(g, [&](auto x) { return model::keyword_gru(x, w); }); }},
    {"kws_lstm_s", 25, 10, 12, [] { return model::keyword_nodes_in_fp32("lstm"); },
     [](graph& g, const params& w) { compose_with<25, 10>(g, [&](auto x) { return model::keyword_lstm(x, w); }); }},
    {"kwt1", 98, 40, 12, [] { return std::set<std::string>(); },
     [](graph& g, const params& w) { compose_with<98, 40>(g, [&](auto x) { return model::kwt1(x, w); }); }},
};

std::string model_names() {
  std::string names;
  for (const keyword_model& m : models) names += text(names.empty() ? "" : ", ", m.name);
  return names;
}

const keyword_model& find_model(std::string_view name) {
  for (const keyword_model& m : models)
    if (m.name == name) return m;
  fail("unknown model '", name, "': expected one of ", model_names());
}

struct options : comparison_options {
  std::string model = "embedded", features, labels, logits;
  bool quantize_all = false;
};

options parse(int argc, char** argv) {
  options o;
  o.items = "clips";
  CLI::App app{"Quantizes a network that spots keywords and compares INT8 with FP32"};
  app.add_option("--model", o.model, "network: " + model_names());
  app.add_option("--weights", o.weights, "FP32 weights, a safetensors file (embedded has its own)");
  auto* labels = app.add_option("--labels", o.labels, "classes of the clips, a NumPy file of (clips) int32 or int64");
  app.add_option("--features", o.features, "features of clips, a NumPy file of (clips, steps, features) float32")
      ->needs(labels);
  app.add_option("--calib", o.calib, "features to calibrate with, as --features");
  app.add_option("--logits", o.logits, "write the INT8 network's outputs, a NumPy file of (clips, classes) float32");
  app.add_flag("--quantize-all", o.quantize_all, "INT8 for what is better kept in FP32 too");
  add_options(app, o);
  parse_command_line(app, argc, argv);
  return o;
}

/// Throws octavo::error, naming the file, where it does not hold features for the model.
tensor load_features(const std::string& path, const keyword_model& m) {
  tensor x = load_npy(path);
  const dims& e = x.extents();
  require(x.type() == element::f32 && e.rank == 3 && e[1] == m.steps && e[2] == m.features, path,
          ": expected float32 features of (clips, ", m.steps, ", ", m.features, ") for ", m.name, ", found ",
          name_of(x.type()), " of ", e);
  for (std::size_t i = 0; i < e.count(); ++i)
    require(std::isfinite(x.as<float>()[i]), path, ": clip ", i / (e.count() / static_cast<std::size_t>(e[0])),
            ": expected numbers, found ", x.as<float>()[i]);
  return x;
}

/// Throws octavo::error, naming the file and the clip, where it does not hold a class for each of `clips`.
std::vector<int> load_labels(const std::string& path, int clips, const keyword_model& m) {
  const tensor given = load_npy(path);
  require((given.type() == element::s32 || given.type() == element::s64) && given.extents() == dims{clips}, path,
          ": expected int32 or int64 of ", dims{clips}, ", a class for each clip, found ", name_of(given.type()),
          " of ", given.extents());
  std::vector<int> labels;
  for (std::size_t i = 0; i < given.extents().count(); ++i) {
    const std::int64_t c = given.type() == element::s32 ? given.as<std::int32_t>()[i] : given.as<std::int64_t>()[i];
    require(c >= 0 && c < m.classes, path, ": clip ", i, ": expected a class from 0 to ", m.classes - 1, ", found ", c);
    labels.push_back(static_cast<int>(c));
  }
  return labels;
}

/// The clips to evaluate. The embedded network can do with drawn ones.
drawn_sequences evaluation_clips(const options& o, const keyword_model& m) {
  if (o.features.empty()) {
    require(m.name == "embedded", "model '", m.name, "' needs clips: --features FILE --labels FILE");
    return draw_sequences(2, 500);
  }
  tensor features = load_features(o.features, m);
  std::vector<int> labels = load_labels(o.labels, features.extents()[0], m);
  return {std::move(features), std::move(labels)};
}

tensor calibration_features(const options& o, const keyword_model& m) {
  if (!o.calib.empty()) return load_features(o.calib, m);
  require(m.name == "embedded", "model '", m.name, "' needs clips to calibrate with: --calib FILE");
  return draw_sequences(3, 200).features;
}

params open_weights(const options& o) {
  if (!o.weights.empty()) return load_weights(o.weights);
  require(o.model == "embedded", "model '", o.model, "' needs weights: --weights FILE");
  return params(std::make_shared<safetensors>("embedded sequence weights", embedded_sequence_weights()));
}

/// Some of the clips as a batch.
item_set items_of(const tensor& features) {
  return {features.extents()[0], [&features](int first, int count) {
            dims e = features.extents();
            e[0] = count;
            std::vector<tensor> inputs;
            inputs.push_back(tensor::of(
                e, features.as<float>().subspan(
                       static_cast<std::size_t>(first) * e.count() / static_cast<std::size_t>(count), e.count())));
            return inputs;
          }};
}

/// What one network says of the clips.
struct answers {
  std::vector<int> classes;
  std::vector<float> logits;  ///< of all clips, one after the other

  output_reader reader() {
    return each_item([this](int, std::span<const float> row) {
      classes.push_back(static_cast<int>(std::ranges::max_element(row) - row.begin()));
      logits.insert(logits.end(), row.begin(), row.end());
    });
  }
  double share_right(const std::vector<int>& labels) const {
    int right = 0;
    for (std::size_t i = 0; i < classes.size(); ++i) right += classes[i] == labels[i];
    return static_cast<double>(right) / static_cast<double>(classes.size());
  }
};

int spot(options o) {
  const keyword_model& model = find_model(o.model);
  graph g;
  model.compose(g, open_weights(o));
  const auto [features, labels] = evaluation_clips(o, model);
  const tensor calib = calibration_features(o, model);
  if (!o.quantize_all)
    for (const std::string& name : model.in_fp32()) o.keep_fp32.push_back(name);
  answers fp32, int8;
  comparison_report report =
      compare(std::move(g), o.model, items_of(features), items_of(calib), o, fp32.reader(), int8.reader());
  report.accuracies = {{"top-1", "top1", fp32.share_right(labels), int8.share_right(labels)}};
  report.flip = "the first class differs";
  for (std::size_t i = 0; i < fp32.classes.size(); ++i) report.flips += fp32.classes[i] != int8.classes[i];
  if (!o.logits.empty())
    save_npy(o.logits, tensor::of<float>({static_cast<int>(int8.classes.size()), model.classes}, int8.logits));
  publish(report, o);
  return 0;
}

}  // namespace

int main(int argc, char** argv) try { return spot(parse(argc, argv)); } catch (const std::exception& e) {
  std::cerr << "spot_keywords: " << e.what() << "\n";
  return 1;
}
