// Segments Chinese text into words with LAC's network: quantizes it and compares it with the FP32 network it came from,
// F1 of words, sentences per second, memory. `segment_text --help` lists the options.
#include <numeric>

#include "comparison.hpp"
#include "octavo/io/safetensors.hpp"
#include "octavo/model/lac.hpp"
#include "word_segmentation.hpp"

namespace {

using namespace octavo;
using namespace octavo::example;

constexpr int longest_sentence = 512;  // characters

struct options : comparison_options {
  std::string dictionary, text, gold, out;
};

options parse(int argc, char** argv) {
  options o;
  o.items = "sentences";
  o.equal_items = false;
  CLI::App app{"Segments text with LAC's network in INT8 and compares it with FP32"};
  app.add_option("--weights", o.weights, "FP32 weights, a safetensors file")->required();
  app.add_option("--dictionary", o.dictionary, "a folder with q2b.dic, word.dic and tag.dic")->required();
  app.add_option("--text", o.text, "sentences, one in each line, UTF-8")->required();
  app.add_option("--calib", o.calib, "sentences to calibrate with")->required();
  app.add_option("--gold", o.gold, "the words of each line of the text, with spaces between");
  app.add_option("--out", o.out, "a file for the words that INT8 finds (default: the terminal)");
  add_options(app, o);
  parse_command_line(app, argc, argv);
  return o;
}

using words_of_sentences = std::vector<std::vector<std::string>>;

item_set items_of(const std::vector<sentence>& sentences) {
  return {static_cast<int>(sentences.size()), [&sentences](int first, int count) {
            return batch_of(sentences, static_cast<std::size_t>(first), static_cast<std::size_t>(count));
          }};
}

graph compose(const params& weights) {
  graph g;
  auto ids = g.input<std::int64_t, shape<upto<largest_batch>, upto<longest_sentence, 't'>>>("ids");
  auto lengths = g.input<std::int32_t, shape<upto<largest_batch>>>("lengths");
  const auto found = model::lac<model::lac_seg>(ids, lengths, weights);
  g.output(found.tags, "tags");
  g.output(found.score, "score");
  return g;
}

std::string joined(const words_of_sentences& all) {
  std::string lines;
  for (const auto& words : all) {
    for (const std::string& w : words) lines += (&w == &words[0] ? "" : " ") + w;
    lines += "\n";
  }
  return lines;
}

/// The sentences by length, so that those of a batch have few steps beyond their own; `order`: their numbers.
std::vector<sentence> by_length(const std::vector<sentence>& all, std::vector<std::size_t>& order) {
  order.resize(all.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return all[i].ids.size(); });
  std::vector<sentence> sorted;
  for (const std::size_t i : order) sorted.push_back(all[i]);
  return sorted;
}

int segment(const options& o) {
  require(!o.tolerance || !o.gold.empty(), "--tolerance needs to know the words of the text: --gold FILE");
  const lac_dictionary dictionary(o.dictionary, model::lac_seg.vocabulary, model::lac_seg.labels);
  std::vector<sentence> text = read_sentences(o.text, dictionary, longest_sentence);
  const std::vector<sentence> calib = read_sentences(o.calib, dictionary, longest_sentence);
  words_of_sentences gold;
  if (!o.gold.empty()) gold = read_words(o.gold, text);
  if (const long long most = 1LL * o.iterations * o.batch; most > 0 && most < static_cast<long long>(text.size()))
    text.resize(static_cast<std::size_t>(most));
  std::vector<std::size_t> order;
  const std::vector<sentence> sorted = by_length(text, order);
  words_of_sentences fp32(text.size()), int8(text.size());
  const auto keep = [&](words_of_sentences& all) {
    return [&](int first, std::span<const tensor> outputs) {
      const auto columns = static_cast<std::size_t>(outputs[0].extents()[1]), at = static_cast<std::size_t>(first);
      for (std::size_t i = 0; i < outputs[0].extents().rows(); ++i)
        all[order[at + i]] =
            dictionary.words(sorted[at + i].characters, outputs[0].as<std::int64_t>().subspan(i * columns));
    };
  };
  comparison_report report = compare(compose(load_weights(o.weights)), "lac_seg", items_of(sorted), items_of(calib), o,
                                     keep(fp32), keep(int8));
  if (!gold.empty()) {
    word_score of_fp32, of_int8;
    for (std::size_t i = 0; i < fp32.size(); ++i) of_fp32.add(gold[i], fp32[i]), of_int8.add(gold[i], int8[i]);
    report.accuracies = {{"F1 of words", "accuracy", of_fp32.f1(), of_int8.f1()},
                         {"precision", "precision", of_fp32.precision(), of_int8.precision()},
                         {"recall", "recall", of_fp32.recall(), of_int8.recall()}};
  }
  report.flip = "other words";
  for (std::size_t i = 0; i < fp32.size(); ++i) report.flips += fp32[i] != int8[i];
  if (o.out.empty())
    std::cout << joined(int8) << "\n";
  else
    write_text(o.out, joined(int8));
  publish(report, o);
  return 0;
}

}  // namespace

int main(int argc, char** argv) try { return segment(parse(argc, argv)); } catch (const std::exception& e) {
  std::cerr << "segment_text: " << e.what() << "\n";
  return 1;
}
