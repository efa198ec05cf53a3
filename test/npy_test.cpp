// NumPy files: what is written is read back, NumPy's own are read, and every damaged file is refused with a message.
#include "octavo/io/npy.hpp"

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

#include "temporary_folder.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

/// A file of version 1.0 with this header, not padded, and these elements.
std::string make_file(const std::string& header, const std::string& elements) {
  return "\x93NUMPY\x01" + std::string(1, '\0') + bytes_of(static_cast<std::uint16_t>(header.size())) + header +
         elements;
}

/// A header of the three entries, each as it is written.
std::string entries(const std::string& descr, const std::string& order, const std::string& shape) {
  return "{'descr': " + descr + ", 'fortran_order': " + order + ", 'shape': " + shape + "}";
}

/// Reads a file of these bytes, which are a block of memory of exactly their size: a sanitizer sees any read beyond it.
tensor load(const std::string& content) {
  const std::vector<char> bytes(content.begin(), content.end());
  return load_npy("damaged.npy", std::as_bytes(std::span(bytes)));
}

template <class... Parts>
void check_refused(const std::string& content, const Parts&... parts) {
  check_failure(failure_of([&] { (void)load(content); }), "damaged.npy: ", parts...);
}

void check_equal(const tensor& a, const tensor& b) {
  CHECK(a.type() == b.type());
  CHECK(a.extents() == b.extents());
  CHECK(std::ranges::equal(a.bytes(), b.bytes()));
}

template <class T>
tensor make(const dims& extents, const std::vector<T>& values) {
  return tensor::of<T>(extents, std::span<const T>(values));
}

const std::string four_floats = bytes_of(std::array<float, 4>{1, 2, 3, 4});

}  // namespace

TEST_CASE("npy: all element types come back as they were written") {
  std::map<std::string, tensor> tensors;  // by NumPy's name of the type
  tensors["<f4"] = make<float>({2, 1, 2}, {1.5f, -0.0f, 3e-40f, -2});
  tensors["|u1"] = make<std::uint8_t>({3}, {0, 128, 255});
  tensors["|i1"] = make<std::int8_t>({2, 2}, {-128, -1, 0, 127});
  tensors["<i4"] = make<std::int32_t>({1, 1, 1, 1, 1, 2}, {INT32_MIN, INT32_MAX});
  tensors["<i8"] = make<std::int64_t>({}, {INT64_MIN});
  const temporary_folder folder;
  for (const auto& entry : tensors) {
    const std::string& type = entry.first;
    const tensor& t = entry.second;
    CAPTURE(type);
    save_npy(folder / "t.npy", t);
    CHECK(read_all(folder / "t.npy").find("'descr': '" + type + "'") != std::string::npos);
    check_equal(load_npy(folder / "t.npy"), t);
  }
  CHECK(folder.entries() == 1);
}

TEST_CASE("npy: a file is NumPy's to the byte") {
  const temporary_folder folder;
  save_npy(folder / "t.npy", make<float>({1, 2}, {1, -2}));
  const std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }";
  CHECK(read_all(folder / "t.npy") == make_file(header + std::string(128 - 10 - 1 - header.size(), ' ') + "\n",
                                                bytes_of(std::array<float, 2>{1, -2})));
  if (const auto data = data_folder()) {
    const auto numpys = *data / "reference" / "mobilenet_v2_logits16.npy";
    const tensor logits = load_npy(numpys);
    CHECK(logits.extents() == dims{16, 1000});
    save_npy(folder / "logits.npy", logits);
    CHECK(read_all(folder / "logits.npy") == read_all(numpys));
  }
}

TEST_CASE("npy: other versions, and headers written in other ways") {
  const tensor expected = make<float>({4}, {1, 2, 3, 4});
  const std::string header = "{\"shape\":(4,),\"descr\":\"<f4\" ,\n 'fortran_order' : False ,}";
  check_equal(load(make_file(header, four_floats)), expected);
  for (const char version : {'\2', '\3'})
    check_equal(load(std::string("\x93NUMPY") + version + '\0' + bytes_of(static_cast<std::uint32_t>(header.size())) +
                     header + four_floats),
                expected);
  check_equal(load(make_file(entries("'<f4'", "False", "(2, 2,)"), four_floats)), make<float>({2, 2}, {1, 2, 3, 4}));
}

TEST_CASE("npy: what tensors cannot hold is refused") {
  const auto with_type = [](const char* descr) { return make_file(entries(descr, "False", "(4,)"), four_floats); };
  for (const char* type : {"<f8", ">f4", "<f2", "|b1", "<U1", "|O", ""})
    check_refused(with_type(("'" + std::string(type) + "'").c_str()),
                  "expected '<f4', '|u1', '|i1', '<i4' or '<i8', found '", type, "'");
  check_refused(with_type("[('a', '<f4')]"), "expected 'descr': one type in quotes, found '[");
  check_refused(make_file(entries("'<f4'", "True", "(4,)"), four_floats), "'fortran_order': expected False");
  const auto with_shape = [](const char* shape) { return make_file(entries("'<f4'", "False", shape), four_floats); };
  check_refused(with_shape("(0,)"), "extent 0 of 'shape': expected 1 to 2147483647, found '0,)");
  for (const char* shape : {"(2, -2)", "(2, 2147483648)", "(2, x)", "(2, , 2)"})
    check_refused(with_shape(shape), "extent 1 of 'shape'");
  check_refused(with_shape("(1, 1, 1, 1, 1, 1, 4)"), "more than 6 extents");
  check_refused(with_shape("4"), "expected '('");
  check_refused(with_shape("(4)"), "expected a tuple");
  check_refused(with_shape("(2 2)"), "expected ')', found '2)");
  check_refused(with_shape("(4L,)"), "expected ')', found 'L,)");
}

TEST_CASE("npy: headers that are no dictionary of the three entries are refused") {
  const auto with_header = [](const std::string& header) { return make_file(header, four_floats); };
  const std::string good = entries("'<f4'", "False", "(4,)");
  check_refused(with_header(""), "header: expected '{', found the end");
  check_refused(with_header(good.substr(0, good.size() - 1)), "expected '}', found the end");
  check_refused(with_header(good + "x"), "expected nothing after '}', found 'x'");
  check_refused(with_header("{'descr': '<f4', 'fortran_order': False}"), "'shape' is missing");
  check_refused(with_header("{}"), "'descr' is missing");
  check_refused(with_header("{'descr': '<f4', 'descr': '<f4'}"), "'descr' appears twice");
  check_refused(with_header("{'colour': 1}"), "unknown key 'colour'");
  check_refused(with_header("{'\x1b[2J': 1}"), "unknown key '?[2J'");
  check_refused(with_header("{descr: '<f4'}"), "expected a key in quotes, found 'descr");
  check_refused(with_header("{'descr"), "found no second quote");
  check_refused(with_header("{'descr' '<f4'}"), "expected ':'");
  check_refused(with_header("{'descr': '<f4' 'shape': (4,)}"), "expected '}', found ''shape'");
}

TEST_CASE("npy: sizes that the header and the file disagree on are refused") {
  const std::string good = make_file(entries("'<f4'", "False", "(2, 2)"), four_floats);
  (void)load(good);
  for (std::size_t length = 0; length < good.size(); ++length) {
    CAPTURE(length);
    check_refused(good.substr(0, length));
  }
  check_refused(good + 'x', "f32 2x2 does not have the 17 bytes of elements that were found");
  // 2^62 elements: 2^64 bytes, which 64 bits count as none.
  check_refused(make_file(entries("'<f4'", "False", "(2147483647, 2147483647, 2147483647)"), four_floats), "16 bytes");
  check_refused(make_file(entries("'<f4'", "False", "(1073741824, 1073741824, 4)"), ""), "0 bytes");
  check_refused("\x93NUMPX" + good.substr(6), "does not begin as a .npy file does");
  std::string version = good;
  version[6] = 4;
  check_refused(version, "expected version 1.0, 2.0 or 3.0 of the format, found 4.0");
}

TEST_CASE("npy: any byte of the header may be wrong") {
  const std::string good = make_file(entries("'<f4'", "False", "(2, 2)"), four_floats);
  for (std::size_t at = 0; at < good.size() - four_floats.size(); ++at)
    for (int byte = 0; byte < 256; ++byte) {
      std::string damaged = good;
      damaged[at] = static_cast<char>(byte);
      // Refused, or read as other elements of as many bytes; no other exception.
      std::size_t bytes = four_floats.size();
      if (const auto message = failure_of([&] { bytes = load(damaged).bytes().size(); }))
        CHECK(message->starts_with("damaged.npy: "));
      CHECK(bytes == four_floats.size());
    }
}

TEST_CASE("npy: files that cannot be read or written") {
  const temporary_folder folder;
  check_failure(failure_of([&] { (void)load_npy(folder / "nosuch.npy"); }), "nosuch.npy");
  check_failure(failure_of([&] { (void)load_npy(folder.write("empty.npy", "")); }), "empty.npy");
  check_failure(failure_of([&] { (void)load_npy(folder / ""); }), "is not a regular file");
  check_failure(failure_of([&] { save_npy(folder / "x.npy", tensor()); }), "x.npy", "with elements");
  check_failure(failure_of([&] { save_npy(folder / "x.npy", tensor(element::f32, {upto<2>, 3})); }), "found <=2x3");
  check_failure(failure_of([&] { save_npy(folder / "nosuch" / "x.npy", tensor(element::f32, {1})); }), "nosuch");
  CHECK(folder.entries() == 1);
}
