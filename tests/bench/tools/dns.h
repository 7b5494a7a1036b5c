#pragma once
#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>

namespace keepwarm::bench {

/// The four bytes of the address that a name's first label spells, as 127-1-0-5 does; 127.0.0.1 for any other.
inline std::string spelt_address(std::string_view label) {
  std::string bytes;
  const char* at = label.data();
  const char* const end = label.data() + label.size();
  while (bytes.size() < 4 && at < end) {
    unsigned char byte = 0;
    const auto [stop, error] = std::from_chars(at, end, byte);
    if (error != std::errc{}) break;
    bytes += static_cast<char>(byte);
    at = stop + 1;
  }
  return bytes.size() == 4 ? bytes : std::string("\x7F\0\0\1", 4);
}

/// The answer to a DNS query (RFC 1035 §4.1) for one name, which has one address, an IPv4 one: spelt_address(). Empty
/// if that is no query.
inline std::string dns_answer(std::string_view query) {
  constexpr std::size_t kHeader = 12;
  const std::size_t name_end = query.find('\0', kHeader);
  if (name_end == std::string_view::npos || name_end + 5 > query.size()) return {};
  const std::string_view question = query.substr(kHeader, name_end + 5 - kHeader);
  const std::string_view type = question.substr(question.size() - 4, 2);
  const bool address = type == std::string_view("\0\1", 2);

  std::string answer(query.substr(0, 2));
  answer += std::string_view("\x85\x80\0\1", 4);  // authoritative, no error; one question
  answer += address ? std::string_view("\0\1", 2) : std::string_view("\0\0", 2);
  answer += std::string_view("\0\0\0\0", 4);
  answer += question;
  // The name as above, class and type of an address, 60 s, four bytes.
  if (address) answer += std::string_view("\xC0\x0C\0\1\0\1\0\0\0\x3C\0\4", 12);
  if (address) answer += spelt_address(question.substr(1, static_cast<unsigned char>(question[0])));
  return answer;
}

}  // namespace keepwarm::bench
