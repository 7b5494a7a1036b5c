#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

/// ClientHellos for tests, put together field by field, so that each can be made wrong.
namespace keepwarm::net::test {

/// `value` in `size` bytes, the highest first.
inline std::string be(std::size_t value, std::size_t size) {
  std::string bytes;
  for (std::size_t i = size; i-- > 0;) bytes += static_cast<char>(value >> (8 * i));
  return bytes;
}
/// `bytes` behind their length, which takes `size` bytes.
inline std::string sized(std::size_t size, std::string_view bytes) {
  return be(bytes.size(), size).append(bytes);
}
inline std::string list16(std::initializer_list<std::uint16_t> values) {
  std::string bytes;
  for (const std::uint16_t value : values) bytes += be(value, 2);
  return bytes;
}
inline std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

struct BuiltExtension {
  std::uint16_t type;
  std::string content;
};

inline std::string server_name_list(std::string_view name) {
  return sized(2, be(0, 1) + sized(2, name));
}
inline std::string protocol_list(std::initializer_list<std::string_view> protocols) {
  std::string bytes;
  for (const std::string_view protocol : protocols) bytes += sized(1, protocol);
  return sized(2, bytes);
}

/// A hello of TLS 1.3 and 1.2 for api.example.com, as a browser sends it.
struct HelloSpec {
  std::uint16_t version = 0x0303;
  std::string session_id = std::string(32, 's');
  std::string suites = list16({0x1301, 0x1302, 0x1303, 0xC02B, 0xC02F});
  std::string compression = std::string(1, '\0');
  std::vector<BuiltExtension> extensions = {
      {0, server_name_list("api.example.com")},
      {10, sized(2, list16({29, 23}))},
      {13, sized(2, list16({0x0403, 0x0804}))},
      {16, protocol_list({"h2", "http/1.1"})},
      {43, sized(1, list16({0x0304, 0x0303}))},
      {45, std::string("\1\1", 2)},
      {51, sized(2, be(29, 2) + sized(2, std::string(32, 'k')))},
  };

  HelloSpec with(std::uint16_t type, std::string content) const {
    HelloSpec copy = *this;
    const auto same = [type](const BuiltExtension& extension) { return extension.type == type; };
    const auto there = std::find_if(copy.extensions.begin(), copy.extensions.end(), same);
    if (there != copy.extensions.end()) {
      there->content = std::move(content);
    } else {
      copy.extensions.push_back({type, std::move(content)});
    }
    return copy;
  }
  HelloSpec without(std::uint16_t type) const {
    HelloSpec copy = *this;
    std::erase_if(copy.extensions, [type](const BuiltExtension& extension) { return extension.type == type; });
    return copy;
  }
  HelloSpec with_suites(std::string list) const {
    HelloSpec copy = *this;
    copy.suites = std::move(list);
    return copy;
  }

  [[nodiscard]] std::string body() const {
    std::string list;
    for (const auto& [type, content] : extensions) list += be(type, 2) + sized(2, content);
    return be(version, 2) + std::string(32, 'r') + sized(1, session_id) + sized(2, suites) + sized(1, compression) +
           sized(2, list);
  }
};

/// A message in records of at most `fragment` bytes.
inline std::string in_records(std::string_view message, std::size_t fragment = 16384) {
  std::string bytes;
  for (; !message.empty(); message.remove_prefix(std::min(fragment, message.size()))) {
    bytes += std::string("\x16\x03\x01", 3) + sized(2, message.substr(0, fragment));
  }
  return bytes;
}
inline std::string hello_message(std::string_view body) {
  return be(1, 1) + sized(3, body);
}
inline std::string in_one_record(const HelloSpec& spec) {
  return in_records(hello_message(spec.body()));
}

}  // namespace keepwarm::net::test
