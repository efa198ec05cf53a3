// The cache of packed weights: used where it fits, written anew where it does not, and never believed.
#include "octavo/io/packed_cache.hpp"

#include <doctest/doctest.h>

#include <string>
#include <thread>
#include <vector>

#include "octavo/graph/builder.hpp"
#include "octavo/model/embedded.hpp"
#include "octavo/octavo.hpp"
#include "support/quantized_graph.hpp"
#include "support/random_graph.hpp"
#include "support/recurrent_graph.hpp"
#include "support/run.hpp"
#include "temporary_folder.hpp"

namespace octavo::test {
namespace {

/// The file that is not the network's, if there is one.
std::vector<std::filesystem::path> caches_in(const temporary_folder& folder) {
  std::vector<std::filesystem::path> found;
  for (const auto& file : std::filesystem::directory_iterator(folder / ""))
    if (file.path().extension() == ".octavo_cache") found.push_back(file.path());
  return found;
}

/// Opens the network with the cache, for kernels up to `up_to`.
network open_cached(const temporary_folder& folder, isa up_to = isa_in_use()) {
  return open_network(folder / "net.safetensors", native_kernels(up_to), {.cache = true});
}

/// An INT8 network with convolutions of every kind of kernel.
graph image_network(unsigned seed = 1) {
  graph g;
  g.output(model::embedded(g.input<float, nhwc<1, 32, 32, 3>>("image"), random_params(seed)), "y");
  return quantized_graph(g);
}

/// A cache of the network in `folder`, as open_network() has it, for a look inside.
packed_cache inside(const temporary_folder& folder) {
  const safetensors file(caches_in(folder).at(0));
  return packed_cache(caches_in(folder).at(0), file.metadata().at("network"), file.metadata().at("kernels"));
}

/// Flips a bit of a byte of the file at `at` from its beginning.
void damage(const std::filesystem::path& path, std::size_t at) {
  std::string bytes = read_all(path);
  bytes.at(at) = static_cast<char>(bytes[at] ^ 4);
  std::ofstream(path, std::ios::binary) << bytes;
}

/// Where the bytes of a tensor begin in a file, and how many there are.
std::pair<std::size_t, std::size_t> place_of(const std::filesystem::path& path, const std::string& tensor) {
  const std::string bytes = read_all(path);
  const safetensors file("f", std::as_bytes(std::span(bytes)));
  const auto raw = file.get(tensor);
  return {static_cast<std::size_t>(raw.bytes.data() - reinterpret_cast<const std::byte*>(bytes.data())),
          raw.bytes.size()};
}

}  // namespace

TEST_CASE("packed cache: networks give the same bits without it, when it is written and when it is read") {
  std::vector<graph> graphs{image_network(), quantized_graph(recurrent_graph()), fold(recurrent_graph())};
  for (unsigned seed = 0; seed < 8; ++seed) graphs.push_back(quantized_graph(random_graph(seed, 14)));
  int sets = 0;
  for (isa i : {isa::portable, isa::avx2, isa::avx_vnni, isa::avx512_vnni, isa::amx}) {
    if (!x86::runs(i)) continue;
    CAPTURE(name_of(i));
    ++sets;
    for (std::size_t k = 0; k < graphs.size(); ++k) {
      CAPTURE(k);
      const temporary_folder folder;
      save_network(folder / "net.safetensors", graphs[k]);
      const std::vector<tensor> inputs = random_inputs(graphs[k], 1),
                                expected = outputs_of(plan_graph(graphs[k], native_kernels(i)), inputs);
      CHECK(same_bits(outputs_of(open_network(folder / "net.safetensors", native_kernels(i)), inputs), expected));
      CHECK(caches_in(folder).empty());
      CHECK(same_bits(outputs_of(open_cached(folder, i), inputs), expected));
      CHECK(caches_in(folder).size() == 1);
      const auto written = std::filesystem::last_write_time(caches_in(folder)[0]);
      CHECK(same_bits(outputs_of(open_cached(folder, i), inputs), expected));
      CHECK(std::filesystem::last_write_time(caches_in(folder)[0]) == written);
      CHECK(folder.entries() == 2);
    }
  }
  CHECK(sets > 0);
}

TEST_CASE("packed cache: each instruction set, each network and each choice of kernels has its own") {
  const temporary_folder folder;
  save_network(folder / "net.safetensors", image_network());
  open_cached(folder, isa::portable);
  REQUIRE(caches_in(folder).size() == 1);
  CHECK(caches_in(folder)[0].filename().string().starts_with("net.portable-"));
  if (x86::runs(isa::avx2)) {
    open_cached(folder, isa::avx2);
    CHECK(caches_in(folder).size() == 2);
  }
  const std::size_t before = caches_in(folder).size();
  const network net = open_cached(folder, isa::portable);
  const kernel_choices slow{.by_node = {{net->steps[0].name, "reference"}}};
  const open_options options{.cache = true, .choices = slow};
  CHECK(open_network(folder / "net.safetensors", native_kernels(isa::portable), options)->steps[0].kernel ==
        "reference");
  CHECK(caches_in(folder).size() == before + 1);
}

TEST_CASE("packed cache: blocks lie in the file's memory, each where a cache line begins") {
  const temporary_folder folder;
  save_network(folder / "net.safetensors", image_network());
  open_cached(folder);
  packed_cache cache = inside(folder);
  CHECK(cache.refusal().empty());
  const safetensors file(caches_in(folder).at(0));
  const nlohmann::json index = nlohmann::json::parse(file.metadata().at("blocks"));
  CHECK(index.size() > 5);
  for (const auto& entry : index.items()) {
    CAPTURE(entry.key());
    const auto bytes = entry.value()[0].get<std::size_t>();
    const packed_block block = cache.find_or_fill(entry.key(), bytes, [](std::byte*) { FAIL("absent"); });
    CHECK(reinterpret_cast<std::uintptr_t>(block.data()) % cache_line == 0);
    CHECK(block.size() == bytes);
  }
  CHECK(!cache.has_changed());
  CHECK(cache.has_found("sums of rows"));
  CHECK(!cache.has_found("no such"));
  bool filled = false;
  cache.find_or_fill(index.items().begin().key(), 1, [&](std::byte*) { filled = true; });  // of another size
  CHECK(filled);
  CHECK(cache.has_changed());
}

TEST_CASE("packed cache: one of another network is not used, and written anew") {
  const temporary_folder folder;
  const graph a = image_network(1), b = image_network(2);
  const std::vector<tensor> inputs = random_inputs(a, 1);
  for (const graph* g : {&a, &b, &a}) {
    save_network(folder / "net.safetensors", *g);
    const std::vector<tensor> expected = outputs_of(plan_graph(*g, native_kernels()), inputs);
    for (int twice = 0; twice < 2; ++twice) CHECK(same_bits(outputs_of(open_cached(folder), inputs), expected));
    CHECK(caches_in(folder).size() == 1);
  }
  const std::string digest = safetensors(folder / "net.safetensors").metadata().at("digest");
  const packed_cache other(caches_in(folder).at(0), digest, "0123456789abcdef");
  check_failure(std::optional(other.refusal()), ".octavo_cache", "other kernels");
}

TEST_CASE("packed cache: damage anywhere changes no result, and is mended") {
  const temporary_folder folder;
  const graph g = image_network();
  save_network(folder / "net.safetensors", g);
  const std::vector<tensor> inputs = random_inputs(g, 1), expected = outputs_of(open_cached(folder), inputs);
  const auto path = caches_in(folder).at(0);
  const std::string whole = read_all(path);
  int mended = 0;
  for (std::size_t at = 0; at < whole.size(); at += 1 + whole.size() / 150) {
    CAPTURE(at);
    folder.write(path.filename().string(), whole);
    damage(path, at);
    CHECK(same_bits(outputs_of(open_cached(folder), inputs), expected));
    mended += read_all(path) == whole;
  }
  CHECK(mended > 100);
  for (const std::size_t size : {std::size_t{0}, std::size_t{5}, whole.size() / 2, whole.size() - 1}) {
    folder.write(path.filename().string(), whole.substr(0, size));
    CHECK(same_bits(outputs_of(open_cached(folder), inputs), expected));
    CHECK(read_all(path) == whole);
  }
}

TEST_CASE("packed cache: forged places in memory, with digests that fit, are not used") {
  if (!x86::runs(isa::avx2)) return;  // its kernels keep the order of weights beside them
  const temporary_folder folder;
  const graph g = image_network();
  save_network(folder / "net.safetensors", g);
  const std::vector<tensor> inputs = random_inputs(g, 1), expected = outputs_of(open_cached(folder, isa::avx2), inputs);
  const auto path = caches_in(folder).at(0);
  int forged = 0;
  for (const std::int32_t wrong : {std::numeric_limits<std::int32_t>::max(), -4}) {
    const safetensors file(path, file_access::copy);
    std::map<std::string, std::string> metadata = file.metadata();
    nlohmann::json index = nlohmann::json::parse(metadata.at("blocks"));
    std::vector<named_constant> tensors;
    for (const std::string& key : file.names()) {
      tensor block = *file.find(key);
      if (key.find("conv_u8s8s32_7x8_avx2") != std::string::npos && key.ends_with("/weights")) {
        const auto bytes = index[key][0].get<std::size_t>();
        std::memcpy(block.bytes().data() + bytes - sizeof(wrong), &wrong, sizeof(wrong));
        index[key][1] = hexadecimal(digest_of(std::as_const(block).bytes().first(bytes)));
        ++forged;
      }
      tensors.push_back({key, make_constant(std::move(block))});
    }
    metadata["blocks"] = index.dump();
    save_safetensors(path, tensors, metadata);
    CHECK(inside(folder).refusal().empty());
    CHECK(same_bits(outputs_of(open_cached(folder, isa::avx2), inputs), expected));
  }
  CHECK(forged > 2);
}

TEST_CASE("packed cache: weights that are read are verified, those that come packed need not be") {
  const temporary_folder folder;
  graph g;
  const params w = random_params(3);
  auto x = g.input<float, nhwc<1, 8, 8, 16>>("x");
  const auto y = relu(conv2d<conv{.out = 16, .kernel = 1}>(x, w / "packed"));
  g.output(conv2d<conv{.out = 8, .kernel = 1}>(y, w / "slow"), "y");
  const graph int8 = quantized_graph(g);
  const auto path = folder / "net.safetensors";
  save_network(path, int8);
  const auto open = [&] {  // the reference reads weights at each run
    return open_network(path, native_kernels(), {.cache = true, .choices = {.by_node = {{"slow", "reference"}}}});
  };
  const std::vector<tensor> inputs = random_inputs(int8, 1), expected = outputs_of(open(), inputs);
  const std::string whole = read_all(path);
  const auto opened = [&](const std::string& tensor) {
    folder.write("net.safetensors", whole);
    const auto [at, bytes] = place_of(path, tensor);
    damage(path, at + bytes / 2);
    return failure_of([&] { CHECK(same_bits(outputs_of(open(), inputs), expected)); });
  };
  CHECK(!opened("packed.weights"));
  for (const char* read : {"packed.scales", "slow.weights", "slow.scales"})
    check_failure(opened(read), "net.safetensors", read, "damaged");
  std::filesystem::remove(caches_in(folder).at(0));
  check_failure(opened("packed.weights"), "net.safetensors", "'packed.weights' is damaged");
  CHECK(caches_in(folder).empty());
}

TEST_CASE("packed cache: weights of recurrent layers are read, and so verified") {
  const temporary_folder folder;
  const graph int8 = quantized_graph(recurrent_graph());
  const auto path = folder / "net.safetensors";
  save_network(path, int8);
  open_cached(folder);
  const std::string whole = read_all(path);
  int verified = 0;
  for (const node& n : int8.nodes) {
    if (!n.as<op::gru>() && !n.as<op::lstm>()) continue;
    CAPTURE(n.name);
    folder.write("net.safetensors", whole);
    damage(path, place_of(path, text(n.name, ".", n.op.facts().constants[0])).first);
    check_failure(failure_of([&] { open_cached(folder); }), "net.safetensors", "is damaged");
    ++verified;
  }
  CHECK(verified == 4);
}

TEST_CASE("packed cache: where it cannot be written the network opens all the same") {
  const temporary_folder folder;
  const graph g = image_network();
  save_network(folder / "net.safetensors", g);
  const std::vector<tensor> inputs = random_inputs(g, 1), expected = outputs_of(open_cached(folder), inputs);
  const auto path = caches_in(folder).at(0);
  std::filesystem::remove(path);
  std::filesystem::create_directory(path);  // in its place: whoever tests may be allowed to write anywhere
  CHECK(same_bits(outputs_of(open_cached(folder), inputs), expected));
  CHECK(std::filesystem::is_directory(path));
}

TEST_CASE("packed cache: several may open, write and use it at once") {
  const temporary_folder folder;
  const graph g = image_network();
  save_network(folder / "net.safetensors", g);
  const std::vector<tensor> inputs = random_inputs(g, 1),
                            expected = outputs_of(plan_graph(g, native_kernels()), inputs);
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (std::size_t t = 0; t < wrong.size(); ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) {
        std::error_code ignored;
        if (t == 0)
          for (const auto& cache : caches_in(folder)) std::filesystem::remove(cache, ignored);
        wrong[t] += !same_bits(outputs_of(open_cached(folder), inputs), expected);
      }
    });
  for (std::thread& t : threads) t.join();
  CHECK(wrong == std::vector<int>(4, 0));
  CHECK(folder.entries() == 2);
}

}  // namespace octavo::test
