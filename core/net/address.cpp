#include "core/net/address.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <ifaddrs.h>
#include <net/if.h>

#include "core/base/origin.h"

namespace keepwarm::net {
namespace {

// SocketAddress keeps IPv4 in a sockaddr_in6 and reads its family and port without asking which of the two it is.
static_assert(sizeof(sockaddr_in) <= sizeof(sockaddr_in6));
static_assert(offsetof(sockaddr_in, sin_family) == offsetof(sockaddr_in6, sin6_family));
static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));

template <std::size_t N>
std::array<std::uint8_t, N> bytes_at(const sockaddr* address, std::size_t offset) noexcept {
  std::array<std::uint8_t, N> bytes{};
  std::memcpy(bytes.data(), reinterpret_cast<const char*>(address) + offset, N);
  return bytes;
}

/// `text` with a terminating NUL, for C functions; nullopt if it does not fit or holds a NUL itself.
template <std::size_t N>
std::optional<std::array<char, N>> terminated(std::string_view text) noexcept {
  if (text.size() >= N || text.find('\0') != std::string_view::npos) return std::nullopt;
  std::array<char, N> buffer{};
  std::copy(text.begin(), text.end(), buffer.begin());
  return buffer;
}

/// The index of an interface given as "eth0" or "2"; nullopt: there is none.
std::optional<std::uint32_t> parse_scope(std::string_view text) noexcept {
  std::uint32_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  if (error == std::errc{} && stopped == end && number > 0) return number;
  const auto name = terminated<IF_NAMESIZE>(text);
  const unsigned index = name ? if_nametoindex(name->data()) : 0;
  if (index == 0) return std::nullopt;
  return index;
}

std::string scope_text(std::uint32_t scope) {
  std::array<char, IF_NAMESIZE> name{};
  return if_indextoname(scope, name.data()) != nullptr ? std::string(name.data()) : std::to_string(scope);
}

}  // namespace

SocketAddress::SocketAddress() noexcept : storage_{} {}

SocketAddress::SocketAddress(const IpAddress& ip, std::uint16_t port) noexcept : storage_{} {
  if (ip.is_v4()) {
    sockaddr_in ipv4{};
    ipv4.sin_family = AF_INET;
    std::memcpy(&ipv4.sin_addr, ip.bytes().data(), sizeof ipv4.sin_addr);
    std::memcpy(&storage_, &ipv4, sizeof ipv4);
  } else {
    storage_.sin6_family = AF_INET6;
    std::memcpy(&storage_.sin6_addr, ip.bytes().data(), sizeof storage_.sin6_addr);
  }
  set_port(port);
}

SocketAddress SocketAddress::unix_socket() noexcept {
  SocketAddress result;
  result.storage_.sin6_family = AF_UNIX;
  return result;
}

std::optional<SocketAddress> SocketAddress::from(const sockaddr* address) noexcept {
  if (address == nullptr) return std::nullopt;
  if (address->sa_family == AF_UNIX) return unix_socket();
  SocketAddress raw;
  if (address->sa_family == AF_INET) {
    std::memcpy(&raw.storage_, address, sizeof(sockaddr_in));
    return raw;
  }
  if (address->sa_family != AF_INET6) return std::nullopt;
  std::memcpy(&raw.storage_, address, sizeof(sockaddr_in6));
  SocketAddress result(*raw.ip(), raw.port());
  if (result.family() == AF_INET6) result.storage_.sin6_scope_id = raw.scope();
  return result;
}

std::optional<SocketAddress> SocketAddress::parse(std::string_view literal, std::uint16_t port) noexcept {
  const std::size_t percent = literal.find('%');
  const std::string_view host = literal.substr(0, percent);
  const std::optional<IpAddress> ip = IpAddress::parse(host);
  if (!ip) return std::nullopt;
  SocketAddress result(*ip, port);
  if (percent == std::string_view::npos) return result;
  const std::optional<std::uint32_t> scope = parse_scope(literal.substr(percent + 1));
  if (!scope || host.find(':') == std::string_view::npos) return std::nullopt;
  if (result.family() == AF_INET6) result.storage_.sin6_scope_id = *scope;
  return result;
}

std::optional<SocketAddress> SocketAddress::parse_any_notation(std::string_view literal, std::uint16_t port) noexcept {
  if (const auto address = parse(literal, port)) return address;
  constexpr std::size_t kLongest = 64;
  const auto text = terminated<kLongest>(literal);
  in_addr ipv4{};
  if (!text || inet_aton(text->data(), &ipv4) == 0) return std::nullopt;
  std::array<std::uint8_t, 4> bytes{};
  std::memcpy(bytes.data(), &ipv4, bytes.size());
  return SocketAddress(IpAddress(bytes), port);
}

socklen_t SocketAddress::size() const noexcept {
  switch (family()) {
    case AF_INET: return sizeof(sockaddr_in);
    case AF_INET6: return sizeof(sockaddr_in6);
    default: return 0;
  }
}

std::uint16_t SocketAddress::port() const noexcept {
  return ntohs(storage_.sin6_port);
}

void SocketAddress::set_port(std::uint16_t port) noexcept {
  storage_.sin6_port = htons(port);
}

std::optional<IpAddress> SocketAddress::ip() const noexcept {
  switch (family()) {
    case AF_INET: return IpAddress(bytes_at<4>(get(), offsetof(sockaddr_in, sin_addr)));
    case AF_INET6: return IpAddress(bytes_at<16>(get(), offsetof(sockaddr_in6, sin6_addr)));
    default: return std::nullopt;
  }
}

bool SocketAddress::is_loopback() const noexcept {
  const auto address = ip();
  return address && address->is_loopback();
}

bool SocketAddress::is_link_local() const noexcept {
  const auto address = ip();
  return address && address->is_link_local();
}

bool SocketAddress::is_unspecified() const noexcept {
  const auto address = ip();
  return address && address->is_unspecified();
}

bool SocketAddress::same_host(const SocketAddress& other) const noexcept {
  if (family() != other.family() || ip() != other.ip()) return false;
  return scope() == other.scope() || scope() == 0 || other.scope() == 0;
}

bool SocketAddress::in_any(const std::vector<Cidr>& ranges) const noexcept {
  const auto address = ip();
  return address && any_contains(ranges, *address);
}

std::string SocketAddress::host_text() const {
  if (family() == AF_UNIX) return "unix";
  const auto address = ip();
  if (!address) return {};
  return scope() == 0 ? address->text() : address->text() + '%' + scope_text(scope());
}

std::string SocketAddress::text() const {
  return size() == 0 ? host_text() : host_and_port(host_text(), port());
}

bool SocketAddress::operator==(const SocketAddress& other) const noexcept {
  return family() == other.family() && port() == other.port() && ip() == other.ip() && scope() == other.scope();
}

std::vector<SocketAddress> local_addresses() {
  std::vector<SocketAddress> addresses;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return addresses;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (const auto address = SocketAddress::from(entry->ifa_addr)) addresses.push_back(*address);
  }
  freeifaddrs(list);
  return addresses;
}

}  // namespace keepwarm::net
