// Safetensors files: what is written is read back, and every damaged file is refused with a message or read right.
#include "octavo/io/safetensors.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "temporary_folder.hpp"

namespace octavo::test {
namespace {

/// A file with this header and data.
std::string make_file(const std::string& header, const std::string& data) {
  return bytes_of(std::uint64_t{header.size()}) + header + data;
}

/// What opening a file of these bytes and reading all its tensors says; nothing where that succeeds. The bytes are a
/// block of memory of exactly their size, so that a sanitizer sees any read beyond it.
std::optional<std::string> failure_of_file(const std::string& content) {
  const std::vector<char> bytes(content.begin(), content.end());
  return failure_of([&] {
    const safetensors file("damaged.safetensors", std::as_bytes(std::span(bytes)));
    for (const std::string& name : file.names()) (void)file.find(name);
  });
}

std::string entry(const std::string& name, const std::string& shape, const std::string& offsets,
                  const std::string& dtype = "F32") {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}";
}

template <class T>
named_constant make_named(const std::string& name, const dims& extents, const std::vector<T>& values) {
  return {name, make_constant(tensor::of<T>(extents, std::span<const T>(values)))};
}

}  // namespace

TEST_CASE("safetensors: all element types come back as they were written") {
  const temporary_folder folder;
  const std::vector<named_constant> tensors = {
      make_named<std::uint8_t>("a.u8", {3}, {0, 128, 255}),
      make_named<float>("layer1.0.conv1.weight", {2, 1, 2}, {1.5f, -0.0f, 3e-40f, -2}),
      make_named<std::int8_t>("s8 \"quoted\" \xc3\xa9", {2, 2}, {-128, -1, 0, 127}),
      make_named<std::int32_t>("s32", {1, 1, 1, 1, 1, 2}, {INT32_MIN, INT32_MAX}),
      make_named<std::int64_t>("s64", {}, {INT64_MIN})};
  const auto path = folder / "all.safetensors";
  save_safetensors(path, tensors, {{"format", "octavo"}, {"note", "line\nbreak"}});
  CHECK(folder.entries() == 1);

  const safetensors file(path);
  CHECK(file.names().size() == tensors.size());
  for (const named_constant& t : tensors) {
    CAPTURE(t.name);
    const constant found = file.find(t.name);
    REQUIRE(found != nullptr);
    CHECK(found->type() == t.value->type());
    CHECK(found->extents() == t.value->extents());
    CHECK(std::memcmp(found->bytes().data(), t.value->bytes().data(), found->bytes().size()) == 0);
    CHECK(reinterpret_cast<std::uintptr_t>(found->bytes().data()) % cache_line == 0);
  }
  CHECK(file.metadata() == std::map<std::string, std::string>{{"format", "octavo"}, {"note", "line\nbreak"}});
  CHECK(file.description() == path.string());
  CHECK(file.find("absent") == nullptr);
  CHECK(!file.contains("absent"));
  check_failure(failure_of([&] { (void)file.get("absent"); }), path.string(), "no tensor 'absent'");

  // Data start at a multiple of 64 bytes, and each tensor at a multiple of its element.
  const std::string bytes = read_all(path);
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  CHECK((8 + length) % 64 == 0);
  const auto* data = safetensors(path).names().empty() ? nullptr : file.get(file.names().front()).bytes.data();
  for (const std::string& name : file.names())
    CHECK((file.get(name).bytes.data() - data) % static_cast<std::ptrdiff_t>(size_of(file.find(name)->type())) == 0);
}

TEST_CASE("safetensors: a file in memory") {
  const std::string bytes = make_file("{" + entry("a", "[2]", "[0,2]", "U8") + "}", "\x07\x08");
  const auto span = std::as_bytes(std::span(bytes));
  CHECK(safetensors("embedded", span).find("a")->as<std::uint8_t>()[1] == 8);
  check_failure(failure_of([&] { safetensors("embedded", span.first(span.size() - 1)); }), "embedded: tensor 'a'");
}

TEST_CASE("safetensors: a file without tensors") {
  const temporary_folder folder;
  save_safetensors(folder / "none.safetensors", {});
  CHECK(safetensors(folder / "none.safetensors").names().empty());
  CHECK(!failure_of_file(make_file("{}", "")));
}

TEST_CASE("safetensors: params over a file") {
  const temporary_folder folder;
  const auto path = folder / "w.safetensors";
  save_safetensors(path, std::vector{make_named<float>("fc.weight", {2, 3}, {1, 2, 3, 4, 5, 6}),
                                     make_named<std::int8_t>("fc.bias", {2}, {1, 2})});
  const params fc = load_weights(path) / "fc";
  CHECK(fc.get("weight", {2, 3})->as<float>()[5] == 6);
  CHECK(fc.maybe("scale", {2}) == nullptr);
  check_failure(failure_of([&] { (void)fc.get("weight", {3, 2}); }), path.string(), "'fc.weight'", "3x2", "2x3");
  check_failure(failure_of([&] { (void)fc.get("bias", {2}); }), "'fc.bias'", "found s8");
  check_failure(failure_of([&] { (void)fc.get("scale", {2}); }), "'fc.scale'", "missing");
}

TEST_CASE("safetensors: copied weights do not change with their file") {
  const temporary_folder folder;
  const auto path = folder / "w.safetensors";
  std::vector<float> values(100'000);  // several pages, so that mapped ones would be gone
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  save_safetensors(path, std::vector{make_named<float>("fc.weight", {100'000}, values)});
  const params copied = load_weights(path, file_access::copy) / "fc";
  const params mapped = load_weights(path) / "fc";
  save_safetensors(path, std::vector{make_named<float>("other", {1}, {1})});  // by rename, which is safe for both
  CHECK(mapped.get("weight", {100'000})->as<float>()[99'999] == 99'999);

  save_safetensors(path, std::vector{make_named<float>("fc.weight", {100'000}, values)});
  const params again = load_weights(path, file_access::copy) / "fc";
  std::filesystem::resize_file(path, 1);
  CHECK(again.get("weight", {100'000})->as<float>()[99'999] == 99'999);
  CHECK(copied.get("weight", {100'000})->as<float>()[99'999] == 99'999);
}

TEST_CASE("safetensors: what cannot be saved") {
  const temporary_folder folder;
  const auto path = folder / "w.safetensors";
  const auto good = make_named<float>("x", {1}, {1});
  const auto save = [&](std::vector<named_constant> t, const std::map<std::string, std::string>& metadata = {}) {
    return failure_of([&] { save_safetensors(path, t, metadata); });
  };
  check_failure(save({good, good}), path.string(), "'x' was given twice");
  check_failure(save({{"x", nullptr}}), "null");
  check_failure(save({{"__metadata__", good.value}}), "__metadata__");
  check_failure(save({{"\xff", good.value}}), path.string(), "UTF-8");
  check_failure(save({good}, {{"key", "\xc3"}}), "UTF-8");
  check_failure(save({{"x", make_constant(tensor())}}), "empty tensor");
  check_failure(save({{"x", make_constant(tensor(element::f32, {-2}))}}), "<=2");
  check_failure(failure_of([&] { save_safetensors(folder / "no/such/folder", std::vector{good}); }), "cannot create");
  CHECK(folder.entries() == 0);

  // A failed write leaves what was there.
  std::filesystem::create_directory(path);
  check_failure(save({good}), path.string(), "not a regular file");
  CHECK(folder.entries() == 1);
}

TEST_CASE("safetensors: files that are not there, not files, too short") {
  const temporary_folder folder;
  check_failure(failure_of([&] { safetensors(folder / "absent"); }), "absent", "cannot be opened");
  check_failure(failure_of([&] { safetensors(folder / "."); }), "not a regular file");
  check_refuses_no_file([](const auto& path) { (void)safetensors(path); });
  for (const file_access access : {file_access::map, file_access::copy})
    check_refuses_no_file([&](const auto& path) { (void)load_weights(path, access); });
  check_failure(failure_of_file(""), "damaged.safetensors", "at least 8 bytes, found 0");
  check_failure(failure_of_file("1234567"), "found 7");
}

TEST_CASE("safetensors: header length") {
  const auto with_length = [&](std::uint64_t length) { return failure_of_file(bytes_of(length) + "{}      "); };
  check_failure(with_length(0), "length 0");
  check_failure(with_length(9), "header length at offset 0 is 9", "only 8 bytes");
  check_failure(with_length(100'000'000), "only 8 bytes");
  check_failure(with_length(100'000'001), "at most 100000000");
  check_failure(with_length(UINT64_MAX), "18446744073709551615");
  check_failure(with_length(UINT64_MAX - 7), "at most");
  check_failure(with_length(1), "not valid JSON");
  CHECK(!with_length(8));
  check_failure(with_length(2), "bytes from offset 10 to 16 belong to no tensor");
}

TEST_CASE("safetensors: headers that the format does not allow") {
  const std::string data(16, '\0');
  const auto refused = [&](const std::string& header) { return failure_of_file(make_file(header, data)); };
  const std::string a = entry("a", "[4]", "[0,16]");
  REQUIRE(!refused("{" + a + "}"));
  REQUIRE(!refused("{\"__metadata__\":{}," + a + "}   "));

  SUBCASE("not JSON, not an object, not UTF-8") {
    check_failure(refused(""), "length 0");
    check_failure(refused(" {" + a + "}"), "offset 8", "byte 32");
    check_failure(refused("[1]"), "expected '{'");
    check_failure(refused("{" + a), "not valid JSON");
    check_failure(refused("{" + a + "}{}"), "not valid JSON");
    check_failure(refused("{" + a + "}" + std::string(1, '\0') + "xyz"), "zero byte");
    check_failure(refused("{/**/" + a + "}"), "not valid JSON");
    check_failure(refused("{" + entry("\xff", "[4]", "[0,16]") + "}"), "not valid JSON", "near offset 10");
    check_failure(refused("{" + entry("\xed\xa0\x80", "[4]", "[0,16]") + "}"), "not valid JSON");
    check_failure(refused("\xef\xbb\xbf{" + a + "}"), "byte 239");
    check_failure(refused("{\"a\":" + std::string(100'000, '[')), "expected an object, found an array");
    check_failure(refused("{\"a\":" + std::string(100'000, '{')), "not valid JSON");
  }
  SUBCASE("a message quotes no more than a line of the file") {
    const std::string name(1'000'000, 'x');
    for (const std::string& bad :
         {"\"" + name + "\":1", "\"a\":{\"" + name + "\":1}", "\"a\":{\"shape\":[1" + name + "]}",
          a + ",\"" + name + "\":{}", "\"a\":{\"shape\":[1" + std::string(1'000'000, '0') + ".0]}",
          entry("a", "[2]", "[0,4]", name) + "," + name}) {
      const auto message = refused("{" + bad + "}");
      check_failure(message, "damaged.safetensors");
      CHECK(message->size() < 500);
    }
  }
  SUBCASE("values of the wrong type") {
    check_failure(refused("{\"a\":1}"), "'a': expected an object, found 1");
    check_failure(refused("{\"a\":null}"), "found null");
    check_failure(refused("{\"a\":{\"dtype\":32}}"), "tensor 'a': 'dtype': expected a string, found 32");
    check_failure(refused("{\"a\":{\"dtype\":{}}}"), "found an object");
    check_failure(refused("{\"a\":{\"shape\":\"4\"}}"), "'shape': expected an array, found a string");
    check_failure(refused("{\"a\":{\"shape\":true}}"), "found true");
    check_failure(refused("{" + entry("a", "[4.0]", "[0,16]") + "}"), "found 4.0");
    check_failure(refused("{" + entry("a", "[-4]", "[0,16]") + "}"), "found -4");
    check_failure(refused("{" + entry("a", "[[4]]", "[0,16]") + "}"), "found an array");
    check_failure(refused("{" + entry("a", "[\"4\"]", "[0,16]") + "}"), "found a string");
    check_failure(refused("{" + entry("a", "[4]", "[-1,15]") + "}"), "'data_offsets'", "found -1");
    check_failure(refused("{" + entry("a", "[4]", "[0,1e1]") + "}"), "found 1e1");
    check_failure(refused("{" + entry("a", "[4]", "[0,18446744073709551616]") + "}"), "found 18446744073709551616");
    check_failure(refused("{" + entry("a", "[4]", "[0]") + "}"), "has 1 numbers, expected 2");
    check_failure(refused("{" + entry("a", "[4]", "[0,16,16]") + "}"), "more than 2 numbers");
    check_failure(refused("{\"__metadata__\":[]," + a + "}"), "__metadata__", "found an array");
    check_failure(refused("{\"__metadata__\":{\"k\":1}," + a + "}"), "__metadata__ 'k': expected a string, found 1");
    check_failure(refused("{\"__metadata__\":{\"k\":{\"j\":\"\"}}," + a + "}"), "found an object");
  }
  SUBCASE("missing, unknown and repeated names") {
    check_failure(refused("{\"a\":{}}"), "tensor 'a': 'dtype' is missing");
    check_failure(refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[4]}}"), "'data_offsets' is missing");
    check_failure(refused("{\"a\":{\"dtype\":\"F32\",\"strides\":[4]}}"), "unknown key 'strides'");
    check_failure(refused("{" + a + "," + a + "}"), "'a' appears twice");
    check_failure(refused("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}"), "'dtype' appears twice");
    check_failure(refused("{\"__metadata__\":{},\"__metadata__\":{}," + a + "}"), "'__metadata__' appears twice");
    check_failure(refused("{\"__metadata__\":{\"k\":\"\",\"k\":\"\"}," + a + "}"), "'k' appears twice");
  }
  SUBCASE("shapes") {
    check_failure(refused("{" + entry("a", "[0]", "[0,0]") + "}"), "'a'", "extent 0 of 'shape' is 0");
    check_failure(refused("{" + entry("a", "[1,1,1,1,1,1,4]", "[0,16]") + "}"), "more than 6 extents");
    check_failure(refused("{" + entry("a", "[2147483648]", "[0,16]") + "}"), "2147483648", "at most 2147483647");
    check_failure(refused("{" + entry("a", "[5]", "[0,16]") + "}"), "F32 5 needs 20 bytes", "hold 16");
    const std::string big = "[2147483647,2147483647,2147483647,2147483647]";
    check_failure(refused("{" + entry("a", big, "[0,16]") + "}"), "more bytes than 64 bits");
    // 2^62 elements of 4 bytes: 2^64 bytes, which wraps to 0.
    check_failure(refused("{" + entry("a", "[1073741824,1073741824,4]", "[0,0]") + "}"), "more bytes than 64 bits");
    check_failure(refused("{" + entry("a", "[4]", "[0,16]", "F64") + "}"), "needs 32 bytes");
  }
  SUBCASE("offsets") {
    check_failure(refused("{" + entry("a", "[4]", "[16,0]") + "}"), "data_offsets [16, 0]");
    check_failure(refused("{" + entry("a", "[4]", "[1,17]") + "}"), "data_offsets [1, 17]", "16 bytes of data");
    check_failure(refused("{" + entry("a", "[4]", "[18446744073709551600,18446744073709551615]") + "}"), "do not lie");
    check_failure(refused("{" + a + "," + entry("b", "[4]", "[0,16]") + "}"), "tensor 'b' begins at offset", "inside");
    check_failure(refused("{" + entry("a", "[3]", "[0,12]") + "," + entry("b", "[2]", "[8,16]") + "}"), "tensor 'b'",
                  "inside tensor 'a'");
    check_failure(refused("{" + entry("a", "[3]", "[4,16]") + "}"), "belong to no tensor");
    check_failure(refused("{" + entry("a", "[3]", "[0,12]") + "}"), "belong to no tensor");
    check_failure(refused("{" + entry("a", "[1]", "[0,4]") + "," + entry("b", "[2]", "[8,16]") + "}"), "belong to no");
    check_failure(refused("{}"), "belong to no tensor");
  }
}

TEST_CASE("safetensors: a dtype that is not supported fails when the tensor is asked for, not before") {
  const temporary_folder folder;
  const auto path =
      folder.write("w", make_file("{" + entry("half", "[2]", "[0,4]", "F16") + "," +
                                      entry("new", "[9]", "[4,6]", "F4") + "," + entry("b", "[2]", "[6,8]", "I8") + "}",
                                  std::string(6, '\0') + "\x01\x02"));
  const safetensors file(path);
  CHECK(file.names() == std::vector<std::string>{"half", "new", "b"});
  CHECK(file.find("b")->as<std::int8_t>()[1] == 2);
  CHECK(file.get("half").dtype == "F16");
  CHECK(file.get("half").bytes.size() == 4);
  check_failure(failure_of([&] { (void)file.find("half"); }), path.string(), "'half'", "F16", "expected F32");
  check_failure(failure_of([&] { (void)file.find("new"); }), "'new'", "F4");
}

TEST_CASE("safetensors: truncated at every length, and with a byte more") {
  const temporary_folder folder;
  const auto path = folder / "whole.safetensors";
  save_safetensors(
      path,
      std::vector{make_named<float>("a", {2, 3}, {1, 2, 3, 4, 5, 6}), make_named<std::int8_t>("b", {3}, {1, 2, 3})},
      {{"k", "v"}});
  const std::string whole = read_all(path);
  for (std::size_t length = 0; length < whole.size(); ++length) {
    CAPTURE(length);
    check_failure(failure_of_file(whole.substr(0, length)), "damaged.safetensors");
  }
  check_failure(failure_of_file(whole + '\0'), "belong to no tensor");
  CHECK(!failure_of_file(whole));
}

TEST_CASE("safetensors: any byte of the header changed") {
  const temporary_folder folder;
  const auto path = folder / "whole.safetensors";
  save_safetensors(
      path,
      std::vector{make_named<float>("a", {2, 3}, {1, 2, 3, 4, 5, 6}), make_named<std::int8_t>("b", {3}, {7, 8, 9})},
      {{"k", "v"}});
  const std::string whole = read_all(path);
  const std::size_t data_start = whole.size() - 27;
  int accepted = 0;
  for (std::size_t position = 0; position < data_start; ++position)
    for (const int change : {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff}) {
      std::string bytes = whole;
      bytes[position] = static_cast<char>(bytes[position] ^ change);
      std::optional<safetensors> file;
      const auto message = failure_of([&] { file.emplace("damaged", std::as_bytes(std::span(bytes))); });
      if (message) {
        CHECK_MESSAGE(message->find("damaged: ") == 0, *message);
        continue;
      }
      // Still a valid file: another name, another metadata text, another dtype of the same size. The bytes are the
      // same.
      ++accepted;
      CAPTURE(position);
      CAPTURE(bytes.substr(8, data_start - 8));
      std::string data;
      for (const std::string& name : file->names()) {
        const auto raw = file->get(name);
        data.append(reinterpret_cast<const char*>(raw.bytes.data()), raw.bytes.size());
        if (detail::element_of_dtype(raw.dtype))
          CHECK(file->find(name)->bytes().size() == raw.bytes.size());
        else
          check_failure(failure_of([&] { (void)file->find(name); }), "damaged: ", raw.dtype);
      }
      CHECK(data == whole.substr(data_start));
    }
  CHECK(accepted > 0);
}

TEST_CASE("safetensors: the weights and vectors of the data folder") {
  const auto data = data_folder();
  if (!data) return;
  int files = 0;
  for (const auto& item : std::filesystem::directory_iterator(*data / "weights")) {
    if (item.path().extension() != ".safetensors") continue;
    CAPTURE(item.path().string());
    const safetensors file(item.path());
    CHECK(!file.names().empty());
    for (const std::string& name : file.names()) CHECK(file.find(name)->type() == element::f32);
    ++files;
  }
  CHECK(files > 0);
}

}  // namespace octavo::test
