// Weights in safetensors files: 8 bytes of header length (little-endian), a JSON header, the tensors' bytes.
// Format: https://huggingface.co/docs/safetensors
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "octavo/io/atomic_file.hpp"
#include "octavo/io/json.hpp"
#include "octavo/io/mapped_file.hpp"
#include "octavo/io/safetensors_header.hpp"
#include "octavo/tensor/params.hpp"
#include "octavo/tensor/tensor.hpp"

namespace octavo {

namespace detail {

/// The element types that tensors can have, by their names in safetensors files.
inline constexpr std::pair<std::string_view, element> safetensors_dtypes[] = {
    {"F32", element::f32}, {"U8", element::u8}, {"I8", element::s8}, {"I32", element::s32}, {"I64", element::s64}};

inline std::optional<element> element_of_dtype(std::string_view dtype) {
  for (const auto& [name, type] : safetensors_dtypes)
    if (name == dtype) return type;
  return std::nullopt;
}

inline std::string_view dtype_of_element(element type) {
  for (const auto& [name, known] : safetensors_dtypes)
    if (known == type) return name;
  fail("safetensors: no dtype for ", name_of(type));
}

}  // namespace detail

/// A safetensors file, checked in full when it is opened; a tensor is read when asked for. Several threads may read one
/// at the same time.
class safetensors : public weight_source {
 public:
  /// The longest header that is read, in bytes: the limit of the format's own library.
  static constexpr std::uint64_t max_header = 100'000'000;

  /// A tensor's bytes where they lie in the file. They need not be aligned, and live as long as the file is open.
  struct raw_tensor {
    std::string_view dtype;  ///< as written in the file: "F32", "BF16", ...
    dims extents;
    std::span<const std::byte> bytes;
  };

  /// Opens `path` and checks the header against the format and the file's size. Throws octavo::error, naming file,
  /// tensor and offset, when anything is not as it must be: a truncated file, names that appear twice, tensors that
  /// overlap or leave bytes uncovered, extents of 0, more than max_rank extents. A dtype that Octavo cannot use is
  /// not an error until that tensor is asked for.
  explicit safetensors(const std::filesystem::path& path, file_access access = file_access::map)
      : safetensors(mapped_file(path, access)) {}

  /// The same for a file that is in memory already and stays there; `name` is what messages call it.
  safetensors(std::string name, std::span<const std::byte> bytes) : safetensors(mapped_file(std::move(name), bytes)) {}

  /// A copy of the tensor `name`, aligned to a cache line; null where the file has none. `expected` is ignored.
  /// Throws octavo::error when its dtype is none of F32, U8, I8, I32, I64.
  constant find(const std::string& name, const dims& expected = {}) const override {
    (void)expected;
    if (!contains(name)) return nullptr;
    const raw_tensor raw = get(name);
    const std::optional<element> type = detail::element_of_dtype(raw.dtype);
    require(type.has_value(), file_.name(), ": tensor '", name, "' has dtype ", detail::excerpt(raw.dtype),
            "; expected F32, U8, I8, I32 or I64");
    tensor copy(*type, raw.extents);
    std::memcpy(copy.bytes().data(), raw.bytes.data(), raw.bytes.size());
    return make_constant(std::move(copy));
  }

  /// The file's path.
  std::string description() const override { return file_.name(); }

  /// Names of all tensors, in the order of their bytes in the file.
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& t : tensors_) all.push_back(t.name);
    return all;
  }

  /// Whether the file has a tensor of that name.
  bool contains(const std::string& name) const { return index_.contains(name); }

  /// The tensor's bytes in place, whatever its dtype. Throws octavo::error when there is no such tensor.
  raw_tensor get(const std::string& name) const {
    const auto found = index_.find(name);
    require(found != index_.end(), file_.name(), ": has no tensor '", name, "'");
    const detail::safetensors_entry& t = tensors_[found->second];
    const auto begin = static_cast<std::size_t>(t.begin), end = static_cast<std::size_t>(t.end);
    return {t.dtype, t.extents, file_.bytes().subspan(data_start_ + begin, end - begin)};
  }

  /// The strings of the header's "__metadata__"; empty where it has none.
  const std::map<std::string, std::string>& metadata() const noexcept { return metadata_; }

 private:
  explicit safetensors(mapped_file file) : file_(std::move(file)) {
    const std::uint64_t size = file_.bytes().size();
    require(size >= 8, file_.name(), ": expected a safetensors file of at least 8 bytes, found ", size);
    const auto length = file_.read<std::uint64_t>(0);
    require(length <= max_header, file_.name(), ": header length at offset 0 is ", length, ", expected at most ",
            max_header, "; is this a safetensors file?");
    require(length <= size - 8, file_.name(), ": header length at offset 0 is ", length, ", but only ", size - 8,
            " bytes follow it");
    detail::safetensors_header_reader reader(file_.name());
    reader.read({reinterpret_cast<const char*>(file_.bytes().data()) + 8, static_cast<std::size_t>(length)});
    tensors_ = std::move(reader.tensors());
    metadata_ = std::move(reader.metadata());
    data_start_ = 8 + static_cast<std::size_t>(length);
    detail::check_safetensors_layout(file_.name(), tensors_, data_start_, size - data_start_);
    for (std::size_t i = 0; i < tensors_.size(); ++i) index_[tensors_[i].name] = i;
  }

  mapped_file file_;
  std::size_t data_start_ = 0;
  std::vector<detail::safetensors_entry> tensors_;  // in the order of their bytes
  std::map<std::string, std::size_t> index_;        // into tensors_
  std::map<std::string, std::string> metadata_;
};

/// A tensor and the name it has in a file.
struct named_constant {
  std::string name;
  constant value;
};

namespace detail {

/// The header for `tensors` written one after the other in the order given, padded so that data start at a
/// multiple of 64 bytes.
inline std::string make_safetensors_header(const std::string& file, const std::vector<const named_constant*>& tensors,
                                           const std::map<std::string, std::string>& metadata) {
  std::string header = "{";
  const auto add = [&](const std::string& name, const std::string& value) {
    header += (header.size() > 1 ? "," : "") + json_text(file, name) + ":" + value;
  };
  if (!metadata.empty()) {
    std::string strings;
    for (const auto& [key, value] : metadata)
      strings += text(strings.empty() ? "" : ",", json_text(file, key), ":", json_text(file, value));
    add("__metadata__", "{" + strings + "}");
  }
  std::size_t offset = 0;
  for (const named_constant* t : tensors) {
    const tensor& value = *t->value;
    std::string shape;
    for (int i = 0; i < value.extents().rank; ++i) shape += text(i ? "," : "", value.extents()[i]);
    const std::size_t end = offset + value.bytes().size();
    add(t->name, text("{\"dtype\":\"", dtype_of_element(value.type()), "\",\"shape\":[", shape, "],\"data_offsets\":[",
                      offset, ",", end, "]}"));
    offset = end;
  }
  header += "}";
  header.resize(round_up(8 + header.size(), cache_line) - 8, ' ');
  return header;
}

}  // namespace detail

/// Writes `tensors` and `metadata` as a safetensors file; `path` appears complete or not at all. The tensors with the
/// widest elements come first (and otherwise keep their order), so that each is aligned to its element in the file.
/// Throws octavo::error when a name appears twice, is "__metadata__" or is not UTF-8, a tensor is null or has no
/// elements, or the file cannot be written.
inline void save_safetensors(const std::filesystem::path& path, std::span<const named_constant> tensors,
                             const std::map<std::string, std::string>& metadata = {}) {
  const std::string file = path.string();
  std::set<std::string_view> names;
  std::vector<const named_constant*> order;
  for (const named_constant& t : tensors) {
    require(t.name != "__metadata__", file, ": a tensor cannot be named __metadata__, which the format reserves");
    require(names.insert(t.name).second, file, ": tensor '", t.name, "' was given twice");
    require(t.value != nullptr, file, ": tensor '", t.name, "' is null");
    const dims& extents = t.value->extents();
    const std::size_t needed = extents.count() * size_of(t.value->type());
    require(needed > 0 && extents.bounded == 0, file, ": tensor '", t.name,
            "' must have constant extents of at least 1, found ", extents);
    require(needed == t.value->bytes().size(), file, ": tensor '", t.name, "' is an empty tensor object");
    order.push_back(&t);
  }
  std::stable_sort(order.begin(), order.end(), [](const named_constant* a, const named_constant* b) {
    return size_of(a->value->type()) > size_of(b->value->type());
  });
  const std::string header = detail::make_safetensors_header(file, order, metadata);
  require(header.size() <= safetensors::max_header, file, ": its header of ", header.size(),
          " bytes is over the limit of ", safetensors::max_header);
  const std::uint64_t length = header.size();
  atomic_file out(path);
  out.write(std::as_bytes(std::span(&length, 1)));
  out.write(std::as_bytes(std::span(header)));
  for (const named_constant* t : order) out.write(t->value->bytes());
  out.commit();
}

/// The weights in a safetensors file, e.g. `load_weights("resnet50.safetensors") / "layer1.0"`. Throws as safetensors
/// does.
///
/// The file is mapped, and each tensor copied out of it when an operator asks for it. So, as long as the params or
/// copies of them exist, nobody may overwrite or truncate the file: the weights would change, or the process end by
/// SIGBUS. Where that cannot be ruled out, `load_weights(path, file_access::copy)` reads the whole file at once.
inline params load_weights(const std::filesystem::path& path, file_access access = file_access::map) {
  return params(std::make_shared<safetensors>(path, access));
}

}  // namespace octavo
