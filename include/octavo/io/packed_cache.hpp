// Packed weights in a file beside a network's: the next process that opens the network maps them into memory instead of
// packing them again, and all such processes share that memory.
//
// The file is a safetensors file of bytes, a tensor for each block, and its metadata say of which network, kernels and
// version of Octavo it is, and the digest of each block. What does not fit in any of these is not used, and written
// anew: the cache may be removed, damaged or made by somebody else at any time. Several processes may write it at once.
#pragma once

#include <algorithm>
#include <set>

#include "octavo/io/json.hpp"
#include "octavo/io/network_file.hpp"
#include "octavo/plan/compile.hpp"
#include "octavo/version.hpp"

namespace octavo {

/// Blocks in a file. May be used by several threads.
class packed_cache final : public block_store {
 public:
  /// Opens the file `path`, where it is there, and has the blocks of it if it is of that network: its digest, and a
  /// digest of the kernels. Throws nothing but std::bad_alloc: a file that does not fit has no blocks, see refusal().
  packed_cache(std::filesystem::path path, std::string of_network, std::string of_kernels)
      : path_(std::move(path)), identity_(identity_of(std::move(of_network), std::move(of_kernels))) {
    open([this] { return std::make_shared<const safetensors>(path_); });
  }

  /// The same of a file that is in memory already and stays there; `name` is what messages call it.
  packed_cache(std::string name, std::span<const std::byte> bytes, std::string of_network, std::string of_kernels)
      : path_(std::move(name)), identity_(identity_of(std::move(of_network), std::move(of_kernels))) {
    open([&] { return std::make_shared<const safetensors>(path_.string(), bytes); });
  }

  packed_block find_or_fill(const std::string& key, std::size_t bytes, const fill_block& fill) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    kept& k = blocks_[key];
    if (k.block.data() && k.block.size() == bytes) return k.block;
    k.block = find(key, bytes);
    k.from_file = k.block.data() != nullptr;
    if (!k.from_file) k.block = make_block(bytes, fill), changed_ = true;
    return k.block;
  }

  /// Whether some block came from the file whose key begins with `beginning`.
  bool has_found(const std::string& beginning) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (auto b = blocks_.lower_bound(beginning); b != blocks_.end() && b->first.starts_with(beginning); ++b)
      if (b->second.from_file) return true;
    return false;
  }

  /// Whether a block was asked for that the file does not have.
  bool has_changed() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return changed_;
  }

  /// Why the file was not used; empty where it was.
  const std::string& refusal() const noexcept { return refusal_; }

  /// Writes all blocks that were asked for. Throws octavo::error, naming the file, when it cannot.
  void save() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::vector<named_constant> tensors;
    nlohmann::json index = nlohmann::json::object();
    for (const auto& [key, k] : blocks_) {
      if (k.block.size() == 0) continue;
      // Blocks lie in whole cache lines, whose rest is zeros: one after the other they stay aligned.
      const auto lines = static_cast<std::int64_t>(round_up(k.block.size(), cache_line) / cache_line);
      const std::shared_ptr<const std::byte> bytes(std::shared_ptr<void>{}, k.block.data());
      tensors.push_back({key, tensor::borrowing(element::u8, {lines, std::int64_t{cache_line}}, bytes)});
      index[key] = {k.block.size(), hexadecimal(digest_of({k.block.data(), k.block.size()}))};
    }
    std::map<std::string, std::string> metadata = identity_;
    metadata["blocks"] = json_text(path_.string(), index);
    save_safetensors(path_, tensors, metadata);
  }

 private:
  struct kept {
    packed_block block{};
    bool from_file = false;
  };
  struct entry {
    std::size_t bytes;
    std::string digest;
  };

  static std::string version() {
    return text("1, Octavo ", OCTAVO_VERSION_MAJOR, ".", OCTAVO_VERSION_MINOR, ".", OCTAVO_VERSION_PATCH);
  }

  static std::map<std::string, std::string> identity_of(std::string of_network, std::string of_kernels) {
    return {{"octavo_packed_cache", version()}, {"network", std::move(of_network)}, {"kernels", std::move(of_kernels)}};
  }

  /// Reads the index of the file that `open_file` opens; where it does not fit, there is none.
  template <class OpenFile>
  void open(OpenFile&& open_file) {
    try {
      file_ = open_file();
      read_index();
    } catch (const error& e) {
      refusal_ = e.what();
      file_ = nullptr;
      index_.clear();
    }
  }

  void read_index() {
    const std::string name = path_.string();
    std::map<std::string, std::string> found = file_->metadata();
    const nlohmann::json index = parse_json(name + ": 'blocks'", found["blocks"]);
    found.erase("blocks");
    require(found == identity_, name, ": is the cache of another network, other kernels or another version of Octavo");
    require(index.is_object(), name, ": 'blocks': expected an object, found ", index.type_name());
    for (const auto& [key, e] : index.items()) {
      require(e.is_array() && e.size() == 2 && e[0].is_number_unsigned() && e[1].is_string(), name, ": block '",
              detail::excerpt(key), "': expected its size and digest");
      index_[key] = {e[0].get<std::size_t>(), e[1].get<std::string>()};
    }
  }

  /// The block of the file; an empty one where it has none of that size and digest.
  packed_block find(const std::string& key, std::size_t bytes) const {
    const auto known = index_.find(key);
    if (known == index_.end() || known->second.bytes != bytes || !file_->contains(key)) return {};
    const safetensors::raw_tensor raw = file_->get(key);
    const bool is_aligned = reinterpret_cast<std::uintptr_t>(raw.bytes.data()) % cache_line == 0;
    if (raw.bytes.size() != round_up(bytes, cache_line) || !is_aligned) return {};
    if (hexadecimal(digest_of(raw.bytes.first(bytes))) != known->second.digest) return {};
    return {std::shared_ptr<const std::byte>(file_, raw.bytes.data()), bytes};
  }

  const std::filesystem::path path_;
  const std::map<std::string, std::string> identity_;
  std::shared_ptr<const safetensors> file_;
  std::map<std::string, entry> index_;
  std::string refusal_;
  mutable std::mutex mutex_;
  std::map<std::string, kept> blocks_;  // that were asked for
  bool changed_ = false;
};

/// Choices for open_network().
struct open_options {
  bool cache = false;  ///< whether packed weights are kept in a file beside the network's
  kernel_choices choices{};
  operator_set known = builtin_operators();  ///< the operators that the file may name
};

/// Where open_network() keeps the packed weights of the network `path` for these kernels: "net.safetensors" has
/// "net.avx512_vnni-1a2b3c4d.octavo_cache", by the best instruction set and a digest of the kernels.
inline std::filesystem::path cache_of(const std::filesystem::path& path, const std::string& kernels, isa best) {
  std::filesystem::path cache = path;
  return cache.replace_extension(text(".", name_of(best), "-", kernels.substr(0, 8), ".octavo_cache"));
}

namespace detail {

/// Verifies the constants of `g` that only `cache` vouched for, but for weights that nobody reads: kernels have them
/// from it packed.
inline void verify_unread(const graph& g, const plan& p, const network_reader& file, const packed_cache& cache) {
  std::set<std::string_view> packed;  // nodes
  for (const step& s : p.steps)
    if (cache.has_found(text(s.name, "/", s.kernel, "/"))) packed.insert(s.name);
  std::set<const tensor*> used;
  for (const node& n : g.nodes)
    for (std::size_t i = 0; i < n.constants.size(); ++i)
      if (i > 0 || !has_weights(n.op) || !packed.contains(n.name)) used.insert(n.constants[i].get());
  for (const auto& [weights, name] : file.unread())
    if (cache.has_changed() || weights->facts()->read || used.contains(weights)) file.verify(name);
}

inline namespace OCTAVO_ARCH_NAMESPACE {

/// A digest of what decides how weights are packed besides the network: kernels, choices, and the flags that portable
/// kernels are compiled with, on which the length of their vectors depends.
inline std::string digest_of_kernels(std::span<const kernel> kernels, const kernel_choices& choices) {
#define OCTAVO_TEXT(x) #x
#define OCTAVO_TEXT_OF(x) OCTAVO_TEXT(x)
  std::uint64_t h = digest_of(std::string_view(OCTAVO_TEXT_OF(OCTAVO_ARCH_NAMESPACE)));
#undef OCTAVO_TEXT_OF
#undef OCTAVO_TEXT
  for (const kernel& k : kernels) h = digest_of(k.name, h);
  for (const auto& [node, kernel] : choices.by_node) h = digest_of(kernel, digest_of(node, h));
  return hexadecimal(h);
}

}  // namespace OCTAVO_ARCH_NAMESPACE
}  // namespace detail

inline namespace OCTAVO_ARCH_NAMESPACE {

/// The network that save_network() wrote to `path`, planned with `kernels`: what load_network() and plan_graph() do.
///
///   network net = open_network("net.safetensors", native_kernels(), {.cache = true});
///
/// With a cache, the packed weights are kept in a file beside it, of which cache_of() tells the name. Where that is
/// there and fits, neither are weights packed nor the network's own read; where not, it is written, and where that is
/// impossible, in a folder that cannot be written to, say, the network is open all the same. The file of the network
/// and that of the cache are mapped as load_network() says. Throws octavo::error as load_network() and plan_graph() do.
inline network open_network(const std::filesystem::path& path, std::span<const kernel> kernels,
                            const open_options& options = {}) {
  if (!options.cache) return plan_graph(load_network(path, options.known), kernels, options.choices);
  detail::network_reader file(std::make_shared<const safetensors>(path));
  const std::string of_kernels = detail::digest_of_kernels(kernels, options.choices);
  isa best = isa::portable;
  for (const kernel& k : kernels) best = std::max(best, k.needs);
  packed_cache cache(cache_of(path, of_kernels, best), file.digest(), of_kernels);
  const graph g = file.graph(options.known, &cache);
  const network net = plan_graph(g, kernels, options.choices, &cache);
  detail::verify_unread(g, *net, file, cache);
  if (cache.has_changed()) try {
      cache.save();
    } catch (const error&) {  // then the next process packs again
    }
  return net;
}

}  // namespace OCTAVO_ARCH_NAMESPACE

}  // namespace octavo
