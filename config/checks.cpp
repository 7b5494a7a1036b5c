#include "config/checks.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <sys/un.h>

#include "config/config.h"
#include "config/value.h"
#include "core/policy/next_hop.h"

namespace keepwarm::config {
namespace {

/// An address in network order: 4 bytes, or 16.
struct IpAddress {
  std::array<std::uint8_t, 16> bytes{};
  std::uint32_t bits = 0;  // 32 or 128
};

struct Cidr {
  IpAddress address;
  std::uint32_t prefix = 0;
};

std::optional<IpAddress> parse_address(int family, std::string_view text) {
  if (text.find('\0') != std::string_view::npos) return std::nullopt;  // inet_pton would stop there and be content
  IpAddress address{.bytes = {}, .bits = family == AF_INET ? 32U : 128U};
  if (inet_pton(family, std::string(text).c_str(), address.bytes.data()) != 1) return std::nullopt;
  return address;
}

std::optional<std::uint32_t> parse_number(std::string_view text, std::uint32_t most) {
  std::uint32_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || stopped != end || number > most) return std::nullopt;
  return number;
}

/// The address of "ADDR:PORT" or "[v6]:PORT"; nullopt: neither.
std::optional<IpAddress> parse_listen(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || !parse_number(text.substr(colon + 1), 65535)) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  if (!host.starts_with('[')) return parse_address(AF_INET, host);
  if (!host.ends_with(']')) return std::nullopt;
  return parse_address(AF_INET6, host.substr(1, host.size() - 2));
}

constexpr std::string_view kUnix = "unix:";
constexpr std::size_t kLongestUnixPath = sizeof(sockaddr_un::sun_path) - 1;  // the kernel's limit, less the final NUL

std::string normal_path(std::string_view path) {
  return std::filesystem::path(path).lexically_normal().string();
}

/// Of the path behind "unix:"; empty: nothing is wrong.
std::string unix_path_problem(std::string_view path) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  if (!path.starts_with('/')) return "the path is not absolute";
  if (path.size() > kLongestUnixPath) {
    return "the path is " + std::to_string(path.size()) + " bytes long, and the kernel takes " +
           std::to_string(kLongestUnixPath) + " at most";
  }
  if (std::any_of(path.begin(), path.end(), is_control)) return "the path has control characters";
  if (normal_path(path).ends_with('/')) return "the path is that of a folder";
  return {};
}

/// "::ffff:10.0.0.1" (RFC 4291 §2.5.5.2), which means 10.0.0.1 everywhere in keepwarm.
bool is_mapped_ipv4(const IpAddress& address) {
  constexpr std::array<std::uint8_t, 12> kStart = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  return address.bits == 128 && std::equal(kStart.begin(), kStart.end(), address.bytes.begin());
}

constexpr std::uint32_t kMappedBits = 96;  // those that only say that it is an IPv4 address

std::optional<Cidr> parse_cidr(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::string_view host = text.substr(0, slash);
  std::optional<IpAddress> address = parse_address(AF_INET, host);
  if (!address) address = parse_address(AF_INET6, host);
  if (!address) return std::nullopt;
  if (slash == std::string_view::npos) return Cidr{*address, address->bits};
  const std::optional<std::uint32_t> prefix = parse_number(text.substr(slash + 1), address->bits);
  if (!prefix || (is_mapped_ipv4(*address) && *prefix < kMappedBits)) return std::nullopt;  // neither IPv4 nor IPv6
  return Cidr{*address, *prefix};
}

bool is_loopback(const IpAddress& address) {
  const auto& bytes = address.bytes;
  if (address.bits == 32) return bytes[0] == 127;
  if (is_mapped_ipv4(address)) return bytes[12] == 127;
  return bytes[15] == 1 && std::all_of(bytes.begin(), bytes.begin() + 15, [](std::uint8_t byte) { return byte == 0; });
}

bool is_token(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  const auto is_tchar = [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           kMarks.find(c) != std::string_view::npos;
  };
  return !text.empty() && std::all_of(text.begin(), text.end(), is_tchar);
}

}  // namespace

std::string listen_problem(std::string_view text) {
  constexpr std::string_view kAllowed = R"(; allowed: "ADDR:PORT", "[v6]:PORT" with port 0 to 65535, "unix:/PATH")";
  if (text.starts_with(kUnix)) {
    const std::string problem = unix_path_problem(text.substr(kUnix.size()));
    return problem.empty() ? std::string() : quote(text) + ": " + problem + std::string(kAllowed);
  }
  if (parse_listen(text)) return {};
  return quote(text) + " is not an address and a port" + std::string(kAllowed);
}

std::string admin_listen_problem(std::string_view text) {
  const std::string standard = AdminConfig{}.listen;
  if (text.empty() || text == standard) return {};
  if (!parse_listen(text) && !text.starts_with(kUnix)) {
    return quote(text) + " is not an address and a port; allowed: " + quote(standard) + R"(, or "")";
  }
  return quote(text) + ": this key is not built yet in this release; allowed: its default " + quote(standard) +
         R"(, or "")";
}

std::string cidr_problem(std::string_view text) {
  if (parse_cidr(text)) return {};
  return quote(text) + R"( is not a range of addresses; allowed: CIDRs like "10.0.0.0/8", "fd00::/8", or an address)";
}

std::string method_problem(std::string_view text) {
  if (!is_token(text)) return quote(text) + R"( is not a method; allowed: tokens like "GET")";
  if (text == "CONNECT") return "CONNECT cannot be sent twice; allowed: any other method";
  return {};
}

std::string connect_to_problem(std::string_view text) {
  if (text.empty() || policy::parse_connect_to(text)) return {};
  return quote(text) + R"( is no place to connect to; allowed: "HOST:PORT", "[v6]:PORT", "unix:/PATH", or "" for none)";
}

std::string parent_problem(std::string_view text) {
  if (text.empty() || policy::parse_parent(text)) return {};
  return quote(policy::without_credentials(text)) +
         R"( is no proxy's URL; allowed: "http://HOST:PORT", "http://USER:PASSWORD@HOST:PORT", or "" for none)";
}

std::string log_file_problem(std::string_view text) {
  if (!text.empty()) return {};
  return R"("" names no file; allowed: a path, or "-" for standard error)";
}

bool is_local_listener(std::string_view text) {
  const std::optional<IpAddress> address = parse_listen(text);
  return text.starts_with(kUnix) || (address && is_loopback(*address));
}

std::optional<std::string> listener_identity(std::string_view text) {
  if (text.starts_with(kUnix)) return std::string(kUnix) + normal_path(text.substr(kUnix.size()));
  if (text.ends_with(":0")) return std::nullopt;
  return std::string(text);
}

bool has_stray_bits(std::string_view cidr) {
  const std::optional<Cidr> range = parse_cidr(cidr);
  if (!range) return false;
  for (std::uint32_t bit = range->prefix; bit < range->address.bits; ++bit) {
    if ((range->address.bytes[bit / 8] & (0x80U >> (bit % 8))) != 0) return true;
  }
  return false;
}

bool is_everybody(std::string_view cidr) {
  const std::optional<Cidr> range = parse_cidr(cidr);
  return range && range->prefix == (is_mapped_ipv4(range->address) ? kMappedBits : 0);
}

}  // namespace keepwarm::config
