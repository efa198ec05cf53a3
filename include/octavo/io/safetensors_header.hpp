// The JSON header of a safetensors file, read strictly: whatever the format does not allow is an error here.
//
//   {"__metadata__": {"key": "text"},
//    "conv1.weight": {"dtype": "F32", "shape": [64, 3, 7, 7], "data_offsets": [0, 37632]}}
//
// Offsets count from the first byte after the header.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "octavo/base/error.hpp"
#include "octavo/io/json.hpp"
#include "octavo/tensor/shape.hpp"

namespace octavo::detail {

/// One tensor of a safetensors file: where its bytes are, counted from the first byte after the header.
struct safetensors_entry {
  std::string name;
  std::string dtype;
  dims extents;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

/// Bytes of one element of a safetensors dtype; 0 for one that this library has never heard of.
inline std::uint64_t safetensors_dtype_size(std::string_view dtype) {
  static constexpr std::pair<std::string_view, std::uint64_t> sizes[] = {
      {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"I16", 2}, {"U16", 2}, {"F16", 2},
      {"BF16", 2}, {"I32", 4}, {"U32", 4}, {"F32", 4},     {"I64", 8},     {"U64", 8}, {"F64", 8},
  };
  for (const auto& [name, bytes] : sizes)
    if (name == dtype) return bytes;
  return 0;
}

/// Receives the events of nlohmann's parser. A document object model would drop duplicate names and would let a
/// hostile file build deeply nested values; this holds what it needs and refuses the rest at once.
class safetensors_header_reader {
 public:
  using json = nlohmann::json;

  explicit safetensors_header_reader(std::string file) : file_(std::move(file)) {}

  /// Reads `header`. Throws octavo::error, naming the file and the tensor.
  void read(std::string_view header) {
    require(!header.empty(), file_, ": header at offset 8: expected '{', found a header of length 0");
    require(header.front() == '{', file_, ": header at offset 8: expected '{', found byte ",
            static_cast<int>(static_cast<unsigned char>(header.front())));
    check_json_text(where(), header, 8);
    json::sax_parse(header.begin(), header.end(), this);
  }

  std::vector<safetensors_entry>& tensors() { return tensors_; }
  std::map<std::string, std::string>& metadata() { return metadata_; }

  // The parser's events.
  bool null() { unexpected("null"); }
  bool boolean(bool value) { unexpected(value ? "true" : "false"); }
  bool number_integer(json::number_integer_t value) { unexpected(std::to_string(value)); }
  bool number_float(json::number_float_t, const std::string& as_written) { unexpected(excerpt(as_written)); }
  bool binary(json::binary_t&) { unexpected("binary data"); }

  bool number_unsigned(json::number_unsigned_t value) {
    if (inside_ == place::shape) {
      const int axis = current_.extents.rank;
      require(axis < max_rank, tensor(), "'shape' has more than ", max_rank, " extents, the most supported");
      require(value >= 1, tensor(), "extent ", axis, " of 'shape' is 0; tensors without elements are not supported");
      require(value <= std::numeric_limits<int>::max(), tensor(), "extent ", axis, " of 'shape' is ", value,
              ", expected at most ", std::numeric_limits<int>::max());
      current_.extents.push_back(static_cast<int>(value));
    } else if (inside_ == place::offsets) {
      require(offsets_ < 2, tensor(), "'data_offsets' has more than 2 numbers");
      (offsets_++ == 0 ? current_.begin : current_.end) = value;
    } else {
      unexpected(std::to_string(value));
    }
    return true;
  }

  bool string(std::string& value) {
    if (inside_ == place::metadata)
      metadata_[key_] = std::move(value);
    else if (inside_ == place::entry && key_ == "dtype")
      current_.dtype = std::move(value);
    else
      unexpected("a string");
    return true;
  }

  bool key(std::string& name) {
    if (inside_ == place::entry && name != "dtype" && name != "shape" && name != "data_offsets")
      fail(tensor(), "unknown key '", excerpt(name), "'");
    const bool is_new = inside_ == place::metadata ? !metadata_.contains(name)
                                                   : (inside_ == place::entry ? keys_ : names_).insert(name).second;
    if (!is_new)
      fail(inside_ == place::entry ? tensor() : where(), inside_ == place::metadata ? "__metadata__ key '" : "'",
           excerpt(name), "' appears twice");
    key_ = std::move(name);
    return true;
  }

  bool start_object(std::size_t) {
    if (inside_ == place::nowhere) {
      inside_ = place::names;
    } else if (inside_ == place::names) {
      inside_ = key_ == "__metadata__" ? place::metadata : place::entry;
      current_ = {};
      current_.name = key_;
      keys_.clear();
      offsets_ = 0;
    } else {
      unexpected("an object");
    }
    return true;
  }

  bool end_object() {
    if (inside_ == place::entry) {
      for (const char* needed : {"dtype", "shape", "data_offsets"})
        require(keys_.contains(needed), tensor(), "'", needed, "' is missing");
      tensors_.push_back(std::move(current_));
    }
    inside_ = inside_ == place::names ? place::nowhere : place::names;
    return true;
  }

  bool start_array(std::size_t) {
    if (inside_ == place::entry && key_ == "shape")
      inside_ = place::shape;
    else if (inside_ == place::entry && key_ == "data_offsets")
      inside_ = place::offsets;
    else
      unexpected("an array");
    return true;
  }

  bool end_array() {
    require(inside_ == place::shape || offsets_ == 2, tensor(), "'data_offsets' has ", offsets_,
            " numbers, expected 2");
    inside_ = place::entry;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const json::exception& what) {
    fail(where(), "not valid JSON near offset ", 7 + std::max<std::size_t>(position, 1), ": ", excerpt(what.what()));
  }

 private:
  enum class place { nowhere, names, metadata, entry, shape, offsets };

  std::string where() const { return file_ + ": header: "; }
  std::string tensor() const { return file_ + ": tensor '" + excerpt(current_.name) + "': "; }

  [[noreturn]] void unexpected(const std::string& found) const {
    switch (inside_) {
      case place::nowhere: fail(where(), "expected an object, found ", found);
      case place::names: fail(where(), "'", excerpt(key_), "': expected an object, found ", found);
      case place::metadata: fail(where(), "__metadata__ '", excerpt(key_), "': expected a string, found ", found);
      case place::entry:
        fail(tensor(), "'", key_, "': expected ", key_ == "dtype" ? "a string" : "an array", ", found ", found);
      case place::shape: fail(tensor(), "'shape': expected a whole number of at least 1, found ", found);
      case place::offsets: fail(tensor(), "'data_offsets': expected a whole number of at least 0, found ", found);
    }
    fail(where(), "unexpected ", found);
  }

  std::string file_;
  place inside_ = place::nowhere;
  std::string key_;
  safetensors_entry current_;
  int offsets_ = 0;
  std::set<std::string> keys_;   // of the current entry
  std::set<std::string> names_;  // of the whole header
  std::vector<safetensors_entry> tensors_;
  std::map<std::string, std::string> metadata_;
};

/// Sorts `tensors` by offset and checks that each has the bytes its shape needs, and that together they cover the
/// `data_size` bytes after the header exactly. `data_start` is where these begin in the file.
inline void check_safetensors_layout(const std::string& file, std::vector<safetensors_entry>& tensors,
                                     std::uint64_t data_start, std::uint64_t data_size) {
  for (const safetensors_entry& t : tensors) {
    const std::string where = file + ": tensor '" + excerpt(t.name) + "': ";
    require(t.begin <= t.end && t.end <= data_size, where, "data_offsets [", t.begin, ", ", t.end,
            "] do not lie within the file's ", data_size, " bytes of data");
    const std::uint64_t element_bytes = safetensors_dtype_size(t.dtype);
    if (element_bytes == 0) continue;  // an unknown dtype: an error only for whoever asks for the tensor
    std::uint64_t needed = element_bytes;
    for (int axis = 0; axis < t.extents.rank; ++axis) {
      const auto extent = static_cast<std::uint64_t>(t.extents[axis]);
      require(needed <= std::numeric_limits<std::uint64_t>::max() / extent, where, "shape ", t.extents,
              " has more bytes than 64 bits can count");
      needed *= extent;
    }
    require(needed == t.end - t.begin, where, t.dtype, " ", t.extents, " needs ", needed, " bytes, data_offsets [",
            t.begin, ", ", t.end, "] hold ", t.end - t.begin);
  }
  std::sort(tensors.begin(), tensors.end(), [](const safetensors_entry& a, const safetensors_entry& b) {
    return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
  });
  std::uint64_t covered = 0;
  std::string last = "the header";
  for (const safetensors_entry& t : tensors) {
    require(t.begin >= covered, file, ": tensor '", excerpt(t.name), "' begins at offset ", data_start + t.begin,
            ", inside ", last, ", which ends at ", data_start + covered);
    require(t.begin == covered, file, ": the bytes from offset ", data_start + covered, " to ", data_start + t.begin,
            " belong to no tensor");
    covered = t.end;
    last = "tensor '" + excerpt(t.name) + "'";
  }
  require(covered == data_size, file, ": the bytes from offset ", data_start + covered, " to ", data_start + data_size,
          " belong to no tensor");
}

}  // namespace octavo::detail
