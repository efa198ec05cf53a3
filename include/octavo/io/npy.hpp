// One tensor in a NumPy file (.npy): "\x93NUMPY", two bytes of version, the header's length, the header, the elements.
//
//   {'descr': '<f4', 'fortran_order': False, 'shape': (650, 1000), }
//
// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "octavo/io/atomic_file.hpp"
#include "octavo/io/mapped_file.hpp"
#include "octavo/tensor/tensor.hpp"

namespace octavo {

namespace detail {

inline constexpr std::string_view npy_magic = "\x93NUMPY";

/// The element types that tensors can have, by what NumPy calls them.
inline constexpr std::pair<std::string_view, element> npy_types[] = {
    {"<f4", element::f32}, {"|u1", element::u8}, {"|i1", element::s8}, {"<i4", element::s32}, {"<i8", element::s64}};

/// The header of a .npy file: a Python dictionary of three entries in any order, read strictly.
class npy_header_reader {
 public:
  npy_header_reader(const std::string& file, std::string_view header) : where_(file + ": header: "), rest_(header) {}

  /// Reads the whole header. Throws octavo::error, naming the file, when it is damaged or describes what a tensor
  /// cannot hold.
  void read() {
    expect("{");
    bool more = true;
    for (; !skip("}"); more = skip(",")) {
      if (!more) expect("}");
      read_entry();
    }
    require(next().empty(), where_, "expected nothing after '}', found ", found());
    for (const auto& [is_read, key] :
         {std::pair{type_read_, "descr"}, {order_read_, "fortran_order"}, {shape_read_, "shape"}})
      require(is_read, where_, "'", key, "' is missing");
  }

  element type() const { return type_; }
  const dims& extents() const { return extents_; }

 private:
  void read_entry() {
    const std::string_view key = read_string("a key");
    bool* const is_read = key == "descr"           ? &type_read_
                          : key == "fortran_order" ? &order_read_
                          : key == "shape"         ? &shape_read_
                                                   : nullptr;
    require(is_read != nullptr, where_, "unknown key ", quoted(key));
    require(!std::exchange(*is_read, true), where_, "'", key, "' appears twice");
    expect(":");
    if (is_read == &type_read_)
      read_type();
    else if (is_read == &order_read_)
      require(skip("False"), where_, "'fortran_order': expected False, last axis innermost, found ", found());
    else
      read_shape();
  }

  void read_type() {
    const std::string_view name = read_string("'descr': one type");
    const auto* known = std::ranges::find(npy_types, name, [](const auto& entry) { return entry.first; });
    require(known != std::end(npy_types), where_, "'descr': expected '<f4', '|u1', '|i1', '<i4' or '<i8', found ",
            quoted(name));
    type_ = known->second;
  }

  void read_shape() {
    expect("(");
    bool comma = true;
    for (; !skip(")"); comma = skip(",")) {
      if (!comma) expect(")");
      const std::string_view digits = next();
      int extent = 0;
      const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), extent);
      require(problem == std::errc() && extent >= 1, where_, "extent ", extents_.rank, " of 'shape': expected 1 to ",
              std::numeric_limits<int>::max(), ", found ", found());
      require(extents_.rank < max_rank, where_, "'shape' has more than ", max_rank, " extents, the most supported");
      extents_.push_back(extent);
      rest_.remove_prefix(static_cast<std::size_t>(end - digits.data()));
    }
    require(extents_.rank != 1 || comma, where_, "'shape': expected a tuple as (n,), found a number");
  }

  /// What is left, from its next character on that is no space.
  std::string_view next() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\n"), rest_.size()));
    return rest_;
  }
  std::string found() { return next().empty() ? "the end" : quoted(next().substr(0, 16)); }
  bool skip(std::string_view token) {
    if (!next().starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }
  void expect(std::string_view token) { require(skip(token), where_, "expected '", token, "', found ", found()); }

  /// A string in quotes of either kind, without escapes.
  std::string_view read_string(const char* what) {
    require(next().starts_with('\'') || next().starts_with('"'), where_, "expected ", what, " in quotes, found ",
            found());
    const std::size_t end = rest_.find(rest_.front(), 1);
    require(end != std::string_view::npos, where_, "expected ", what, " in quotes, found no second quote");
    const std::string_view content = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return content;
  }

  /// For a message: a damaged file may hold what moves a terminal's cursor.
  static std::string quoted(std::string_view bytes) {
    std::string printable(bytes);
    for (char& c : printable)
      if (c < ' ' || c > '~') c = '?';
    return "'" + printable + "'";
  }

  std::string where_;
  std::string_view rest_;
  element type_ = element::f32;
  dims extents_;
  bool type_read_ = false, order_read_ = false, shape_read_ = false;
};

/// All that precedes the elements of `t` in a file of version 1.0, padded so that they begin at a multiple of 64 bytes.
inline std::string make_npy_header(const tensor& t) {
  const auto* type = std::ranges::find(npy_types, t.type(), [](const auto& entry) { return entry.second; });
  std::string shape;
  for (int i = 0; i < t.extents().rank; ++i) shape += text(i ? ", " : "", t.extents()[i]);
  if (t.extents().rank == 1) shape += ",";
  const std::string entries = text("{'descr': '", type->first, "', 'fortran_order': False, 'shape': (", shape, "), }");
  constexpr std::size_t before = npy_magic.size() + 4;
  const std::size_t length = round_up(before + entries.size() + 1, cache_line) - before;
  std::string header(npy_magic);
  for (const std::size_t byte : {std::size_t{1}, std::size_t{0}, length & 255, length >> 8})
    header += static_cast<char>(byte);
  header += entries;
  header.resize(before + length - 1, ' ');
  return header + "\n";
}

}  // namespace detail

namespace detail {

inline tensor read_npy(const mapped_file& file) {
  const std::span<const std::byte> bytes = file.bytes();
  const std::string_view content(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  require(content.starts_with(npy_magic), file.name(), ": does not begin as a .npy file does");
  const int major = file.read<std::uint8_t>(6), minor = file.read<std::uint8_t>(7);
  require(major >= 1 && major <= 3 && minor == 0, file.name(),
          ": expected version 1.0, 2.0 or 3.0 of the format, found ", major, ".", minor);
  const std::size_t before = major == 1 ? 10 : 12;
  const std::size_t length = major == 1 ? file.read<std::uint16_t>(8) : file.read<std::uint32_t>(8);
  require(length <= bytes.size() - before, file.name(), ": expected a header of ", length,
          " bytes, found the end after ", bytes.size() - before);
  npy_header_reader header(file.name(), content.substr(before, length));
  header.read();

  const std::span<const std::byte> elements = bytes.subspan(before + length);
  // Whatever the file says the extents are: divided one by one, their product cannot overflow.
  std::size_t most = elements.size() / size_of(header.type());
  for (int i = 0; i < header.extents().rank; ++i) most /= static_cast<std::size_t>(header.extents()[i]);
  require(most > 0 && header.extents().count() * size_of(header.type()) == elements.size(), file.name(), ": ",
          name_of(header.type()), " ", header.extents(), " does not have the ", elements.size(),
          " bytes of elements that were found");
  tensor t(header.type(), header.extents());
  std::memcpy(t.bytes().data(), elements.data(), elements.size());
  return t;
}

}  // namespace detail

/// Reads a .npy file, version 1.0 to 3.0, of float32, uint8, int8, int32 or int64, little-endian, last axis innermost.
/// Throws octavo::error, naming the file, when it cannot be read or is anything else: damaged, shorter or longer than
/// its header says, of more than max_rank axes or without elements.
inline tensor load_npy(const std::filesystem::path& path) { return detail::read_npy(mapped_file(path)); }

/// The same for a file that is in memory already; `name` is what messages call it.
inline tensor load_npy(std::string name, std::span<const std::byte> bytes) {
  return detail::read_npy(mapped_file(std::move(name), bytes));
}

/// Writes `t` as a .npy file of version 1.0; `path` appears complete or not at all. Throws octavo::error when `t` is
/// empty or has bounded extents, or the file cannot be written.
inline void save_npy(const std::filesystem::path& path, const tensor& t) {
  require(t.extents().bounded == 0, path.string(), ": expected constant extents, found ", t.extents());
  require(!t.bytes().empty() && t.bytes().size() == t.extents().count() * size_of(t.type()), path.string(),
          ": expected a tensor with elements, found an empty one");
  const std::string header = detail::make_npy_header(t);
  atomic_file out(path);
  out.write(std::as_bytes(std::span(header)));
  out.write(t.bytes());
  out.commit();
}

}  // namespace octavo
