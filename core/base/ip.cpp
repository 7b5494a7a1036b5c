#include "core/base/ip.h"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>
#include <filesystem>
#include <limits>
#include <netinet/in.h>
#include <sys/un.h>

#include "core/base/origin.h"

namespace keepwarm {
namespace {

constexpr std::size_t kMaxUnixPath = sizeof(sockaddr_un::sun_path) - 1;  // the kernel's limit, less the final NUL
constexpr unsigned kMappedBits = 96;  // the bits of an IPv4-mapped address that only say that it is one

template <typename Number>
std::optional<Number> parse_number(std::string_view text) noexcept {
  Number number{};
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || stopped != end) return std::nullopt;
  return number;
}

/// The bytes of an address of the family; nullopt: it is none.
template <std::size_t N>
std::optional<std::array<std::uint8_t, N>> parse_bytes(int family, std::string_view text) noexcept {
  // inet_pton() wants a NUL at the end, and would stop at one before.
  std::array<char, INET6_ADDRSTRLEN> terminated{};
  if (text.size() >= terminated.size() || text.find('\0') != std::string_view::npos) return std::nullopt;
  std::copy(text.begin(), text.end(), terminated.begin());
  std::array<std::uint8_t, N> bytes{};
  if (inet_pton(family, terminated.data(), bytes.data()) != 1) return std::nullopt;
  return bytes;
}

std::string bytes_text(int family, const void* bytes) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(family, bytes, text.data(), text.size());
  return text.data();
}

bool bit_of(std::span<const std::uint8_t> bytes, unsigned bit) noexcept {
  return (bytes[bit / 8] & (0x80U >> (bit % 8))) != 0;
}

}  // namespace

std::optional<std::uint16_t> parse_port(std::string_view digits) noexcept {
  // A port is parsed for each request, and std::from_chars() takes three times as long.
  std::uint32_t port = 0;
  for (const char digit : digits) {
    if (digit < '0' || digit > '9') return std::nullopt;
    port = 10 * port + static_cast<std::uint32_t>(digit - '0');
    if (port > std::numeric_limits<std::uint16_t>::max()) return std::nullopt;
  }
  return port == 0 ? std::nullopt : std::optional(static_cast<std::uint16_t>(port));
}

bool is_ipv6(std::string_view text) noexcept {
  return parse_bytes<16>(AF_INET6, text).has_value();
}

bool is_localhost(std::string_view host) noexcept {
  constexpr std::string_view kSuffix = ".localhost";
  return host == kSuffix.substr(1) || (host.size() > kSuffix.size() && host.ends_with(kSuffix));
}

std::optional<std::string> canonical_ipv6(std::string_view text) {
  const auto bytes = parse_bytes<16>(AF_INET6, text);
  if (!bytes) return std::nullopt;
  return bytes_text(AF_INET6, bytes->data());
}

IpAddress::IpAddress(const std::array<std::uint8_t, 4>& bytes) noexcept {
  std::copy(bytes.begin(), bytes.end(), bytes_.begin());
}

IpAddress::IpAddress(const std::array<std::uint8_t, 16>& bytes) noexcept : bytes_(bytes), v4_(false) {
  constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};  // RFC 4291 §2.5.5.2
  if (!std::equal(kMapped.begin(), kMapped.end(), bytes.begin())) return;
  bytes_ = {bytes[12], bytes[13], bytes[14], bytes[15]};
  v4_ = true;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) noexcept {
  if (text.find(':') == std::string_view::npos) {
    const auto v4 = parse_bytes<4>(AF_INET, text);
    return v4 ? std::optional(IpAddress(*v4)) : std::nullopt;
  }
  const auto v6 = parse_bytes<16>(AF_INET6, text);
  return v6 ? std::optional(IpAddress(*v6)) : std::nullopt;
}

bool IpAddress::is_loopback() const noexcept {
  if (v4_) return bytes_[0] == 127;
  return bytes_[15] == 1 && std::all_of(bytes_.begin(), bytes_.end() - 1, [](std::uint8_t byte) { return byte == 0; });
}

bool IpAddress::is_link_local() const noexcept {
  if (v4_) return bytes_[0] == 169 && bytes_[1] == 254;
  return bytes_[0] == 0xFE && (bytes_[1] & 0xC0U) == 0x80;
}

bool IpAddress::is_unspecified() const noexcept {
  return bytes_ == std::array<std::uint8_t, 16>{};
}

std::string IpAddress::text() const {
  return bytes_text(v4_ ? AF_INET : AF_INET6, bytes_.data());
}

std::optional<Cidr> Cidr::parse(std::string_view text) noexcept {
  const std::size_t slash = text.find('/');
  const std::string_view address = text.substr(0, slash);
  const std::optional<IpAddress> base = IpAddress::parse(address);
  if (!base) return std::nullopt;
  if (slash == std::string_view::npos) return Cidr{*base, base->bits()};
  const bool mapped = base->is_v4() && address.find(':') != std::string_view::npos;
  const unsigned left_out = mapped ? kMappedBits : 0;
  const auto prefix = parse_number<unsigned>(text.substr(slash + 1));
  if (!prefix || *prefix < left_out || *prefix - left_out > base->bits()) return std::nullopt;
  return Cidr{*base, *prefix - left_out};
}

bool Cidr::contains(const IpAddress& address) const noexcept {
  if (address.is_v4() != base.is_v4()) return false;
  const auto ours = base.bytes();
  const auto theirs = address.bytes();
  const std::size_t whole = prefix / 8;
  if (!std::equal(ours.begin(), ours.begin() + static_cast<std::ptrdiff_t>(whole), theirs.begin())) return false;
  if (prefix % 8 == 0) return true;
  const unsigned differing = static_cast<unsigned>(ours[whole] ^ theirs[whole]);
  return differing >> (8 - prefix % 8) == 0;
}

bool Cidr::has_stray_bits() const noexcept {
  for (unsigned bit = prefix; bit < base.bits(); ++bit) {
    if (bit_of(base.bytes(), bit)) return true;
  }
  return false;
}

std::string Cidr::text() const {
  return prefix == base.bits() ? base.text() : base.text() + '/' + std::to_string(prefix);
}

bool any_contains(const std::vector<Cidr>& ranges, const IpAddress& address) noexcept {
  return std::any_of(ranges.begin(), ranges.end(), [&](const Cidr& range) { return range.contains(address); });
}

std::string unix_path_problem(std::string_view path) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  if (!path.starts_with('/')) return "the path is not absolute";
  if (path.size() > kMaxUnixPath) {
    return "the path is " + std::to_string(path.size()) + " bytes long, and the kernel takes " +
           std::to_string(kMaxUnixPath) + " at most";
  }
  if (std::any_of(path.begin(), path.end(), is_control)) return "the path has control characters";
  if (std::filesystem::path(path).lexically_normal().filename().empty()) return "the path is that of a folder";
  return {};
}

std::optional<ListenAddress> ListenAddress::parse(std::string_view text) {
  if (text.starts_with(kUnixPrefix)) {
    const std::string_view path = text.substr(kUnixPrefix.size());
    if (!unix_path_problem(path).empty()) return std::nullopt;
    return ListenAddress(std::filesystem::path(path).lexically_normal().string());
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  const bool written_as_v6 = host.find(':') != std::string_view::npos;
  const std::optional<IpAddress> ip = IpAddress::parse(host);
  const auto port = parse_number<std::uint16_t>(text.substr(colon + 1));
  // Brackets stand around IPv6 and nothing else, or "::1:80" could be read in two ways.
  if (!ip || !port || written_as_v6 != bracketed) return std::nullopt;
  return ListenAddress(*ip, *port);
}

std::string ListenAddress::text() const {
  return is_unix() ? std::string(kUnixPrefix) + path_ : host_and_port(ip_.text(), port_);
}

}  // namespace keepwarm
