// Networks in files: a graph with its weights, FP32, INT8 or mixed, as one safetensors file.
//
// Weights, their scales and other constants are tensors, "conv1.weights" and "conv1.scales"; operators, types and the
// scales of activations are JSON in the file's metadata (network_json.hpp), as is a digest of each tensor and one of
// all. Digests find damage. They do not protect from those who want to deceive: anybody can compute them. What protects
// is that nothing that was read is believed: a file may hold a network that computes nonsense, but none that cannot be
// run.
#pragma once

#include <charconv>

#include "octavo/io/network_json.hpp"
#include "octavo/io/safetensors.hpp"
#include "octavo/plan/digest.hpp"

namespace octavo {

/// The version that files of networks have. It grows when older files would be read as something else: the format
/// changes, or the meaning of an operator, or a default of its attributes.
inline constexpr int network_file_version = 1;

namespace detail {

/// The constants of a graph under names that are unique.
class kept_constants {
 public:
  /// Keeps `c`, unless it is there, under `name` or the first of name_1, name_2 ... that is free; says which.
  std::string keep(const constant& c, std::string name) {
    std::string& known = names_[c.get()];
    if (!known.empty()) return known;
    known = name;
    while (!taken_.emplace(known, 1).second) known = text(name, "_", taken_[name]++);
    all_.push_back({known, c});
    return known;
  }

  const std::vector<named_constant>& all() const { return all_; }

 private:
  std::map<const tensor*, std::string> names_;
  std::map<std::string, int> taken_;  // and the number to try next
  std::vector<named_constant> all_;
};

/// The digest that says whether the metadata are whole: of the graph's text, and of those of the tensors.
inline std::string digest_of_metadata(const std::string& graph, const std::string& tensors) {
  return hexadecimal(digest_of(tensors, digest_of(graph)));
}

/// Reads a network out of a safetensors file.
class network_reader {
 public:
  explicit network_reader(std::shared_ptr<const safetensors> file) : file_(std::move(file)) {
    const std::string &graph = metadata("graph"), &tensors = metadata("digests");
    require(metadata("octavo_network") == std::to_string(network_file_version), name(), ": expected a network of ",
            "version ", network_file_version, ", found '", excerpt(metadata("octavo_network")), "'");
    require(digest() == digest_of_metadata(graph, tensors), name(), ": the metadata are damaged: digest ",
            digest_of_metadata(graph, tensors), ", expected '", excerpt(digest()), "'");
    const nlohmann::json digests = parse_json(name() + ": 'digests'", tensors);
    require(digests.is_object(), name(), ": 'digests': expected an object, found ", digests.type_name());
    for (const auto& entry : digests.items()) digests_[entry.key()] = digest_in(entry.value(), entry.key());
    for (const std::string& tensor : file_->names())
      require(digests_.contains(tensor), name(), ": tensor '", excerpt(tensor), "' has no digest");
  }

  /// The digest of all: of the graph and of the digests of its constants.
  const std::string& digest() const { return metadata("digest"); }

  /// The graph. With a `cache`, the sums of weights that it has are believed, and those weights not read: see unread().
  octavo::graph graph(const operator_set& known, block_store* cache = nullptr) {
    cache_ = cache;
    const nlohmann::json text_of_graph = parse_json(name() + ": 'graph'", metadata("graph"));
    try {
      return graph_of(text_of_graph, known, [this](const std::string& tensor) { return constant_named(tensor); });
    } catch (const error& e) {
      fail(name(), ": ", e.what());
    }
  }

  /// The constants whose elements nobody has read, and their names.
  const std::map<const tensor*, std::string>& unread() const { return unread_; }

  /// Throws octavo::error unless the tensor's elements have the digest that the file says.
  void verify(const std::string& called) const {
    const std::uint64_t found = digest_of_elements(*constants_.at(called)), expected = digests_.at(called);
    require(found == expected, name(), ": tensor '", excerpt(called), "' is damaged: digest ", hexadecimal(found),
            ", expected ", hexadecimal(expected));
  }

 private:
  std::string name() const { return file_->description(); }

  const std::string& metadata(const std::string& key) const {
    const auto found = file_->metadata().find(key);
    require(found != file_->metadata().end(), name(), ": has no metadata '", key,
            "': it is no network that Octavo saved");
    return found->second;
  }

  std::uint64_t digest_in(const nlohmann::json& digits, const std::string& tensor) const {
    const std::string s = digits.is_string() ? digits.get<std::string>() : "";
    std::uint64_t digest = 0;
    const auto [rest, fault] = std::from_chars(s.data(), s.data() + s.size(), digest, 16);
    require(fault == std::errc{} && rest == s.data() + s.size() && s == hexadecimal(digest), name(), ": tensor '",
            excerpt(tensor), "': expected a digest of 16 hexadecimal digits, found ",
            excerpt(json_text(name(), digits)));
    return digest;
  }

  /// The tensor of that name, in the file's own memory where it is aligned there. Its digest is looked at once.
  constant constant_named(const std::string& called) {
    constant& known = constants_[called];
    if (known) return known;
    require(file_->contains(called), "there is no tensor '", excerpt(called), "'");
    const safetensors::raw_tensor raw = file_->get(called);
    const std::optional<element> type = element_of_dtype(raw.dtype);
    if (!type || !tensor::is_aligned(raw.bytes.data(), *type)) {
      known = file_->find(called);
      verify(called);
      return known;
    }
    const std::shared_ptr<const std::byte> elements(file_, raw.bytes.data());
    const auto facts = std::make_shared<element_facts>();
    facts->digest = digests_.at(called);
    known = tensor::borrowing(*type, raw.extents, elements, facts);
    if (type == element::s8 && raw.extents.rank > 1)
      facts->rows = sums_of(called, *known);
    else
      verify(called);
    return known;
  }

  /// The sums of the rows of weights, from the cache where it has them.
  std::vector<row_sums> sums_of(const std::string& called, const tensor& weights) {
    bool read = false;
    std::vector<row_sums> sums(static_cast<std::size_t>(weights.extents()[0]));
    const std::size_t bytes = sums.size() * sizeof(row_sums);
    const auto fill = [&](std::byte* to) {
      read = true;
      verify(called);
      std::memcpy(to, sums_of_rows(weights.as<std::int8_t>(), sums.size()).data(), bytes);
    };
    const packed_block block =
        cache_ ? cache_->find_or_fill("sums of rows " + hexadecimal(digests_.at(called)), bytes, fill)
               : make_block(bytes, fill);
    std::memcpy(sums.data(), block.data(), bytes);
    if (!read) unread_[&weights] = called;
    return sums;
  }

  std::shared_ptr<const safetensors> file_;
  block_store* cache_ = nullptr;
  std::map<std::string, std::uint64_t> digests_;
  std::map<std::string, constant> constants_;
  std::map<const tensor*, std::string> unread_;
};

}  // namespace detail

/// Writes `g` to `path`, which appears complete or not at all. Constants that nodes share are written once. Throws
/// octavo::error, naming the file and what is wrong, when a node cannot be run or the file not be written.
inline void save_network(const std::filesystem::path& path, const graph& g) {
  const std::string file = path.string();
  detail::kept_constants constants;
  const auto keep = [&](const constant& c, std::string name) { return constants.keep(c, std::move(name)); };
  nlohmann::json json;
  try {
    check(g);
    json = detail::json_of(g, keep);
    detail::values_of(json);  // what a value carries may be wrong, and nobody has looked yet
  } catch (const error& e) {
    fail(file, ": ", e.what());
  }
  const std::string graph_text = json_text(file, json);
  nlohmann::json digests = nlohmann::json::object();
  for (const named_constant& c : constants.all()) digests[c.name] = hexadecimal(digest_of(*c.value));
  const std::string digests_text = json_text(file, digests);
  save_safetensors(path, constants.all(),
                   {{"octavo_network", std::to_string(network_file_version)},
                    {"graph", graph_text},
                    {"digests", digests_text},
                    {"digest", detail::digest_of_metadata(graph_text, digests_text)}});
}

/// The network that `bytes` hold, as save_network() writes it; `name` is what messages call it. Its constants are where
/// they lie in `bytes`, which must stay as long as the graph, and what is planned from it, does. Every operator comes
/// from `known`. Throws octavo::error, naming file and node or tensor, for anything that is damaged, of another version
/// or no network that can be run.
inline graph parse_network(std::string name, std::span<const std::byte> bytes,
                           const operator_set& known = builtin_operators()) {
  return detail::network_reader(std::make_shared<safetensors>(std::move(name), bytes)).graph(known);
}

/// Reads what save_network() wrote; compile() or plan_graph() makes it ready to run. Operators of your own:
/// load_network(path, with_operators<my_operator>(builtin_operators())). Throws as parse_network() does, and where the
/// file cannot be read.
///
/// The file is mapped, and constants stay there, which all processes share. So, as long as the graph or what is planned
/// from it exists, nobody may overwrite or truncate the file; save_network() may replace it. Where that cannot be ruled
/// out, file_access::copy reads the whole file at once.
inline graph load_network(const std::filesystem::path& path, const operator_set& known = builtin_operators(),
                          file_access access = file_access::map) {
  return detail::network_reader(std::make_shared<safetensors>(path, access)).graph(known);
}

}  // namespace octavo
