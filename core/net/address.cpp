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

sockaddr_in as_ipv4(const sockaddr* address) noexcept {
  sockaddr_in ipv4{};
  std::memcpy(&ipv4, address, sizeof ipv4);
  return ipv4;
}

/// The IPv4 address in host byte order.
std::uint32_t ipv4_number(const SocketAddress& address) noexcept {
  return ntohl(as_ipv4(address.get()).sin_addr.s_addr);
}

/// The bytes of the address in network order: 4 or 16, by family.
std::array<std::uint8_t, 16> bytes_of(const SocketAddress& address) noexcept {
  std::array<std::uint8_t, 16> bytes{};
  if (address.family() == AF_INET) {
    const in_addr ipv4 = as_ipv4(address.get()).sin_addr;
    std::memcpy(bytes.data(), &ipv4, sizeof ipv4);
  } else if (address.family() == AF_INET6) {
    std::memcpy(bytes.data(), reinterpret_cast<const char*>(address.get()) + offsetof(sockaddr_in6, sin6_addr),
                bytes.size());
  }
  return bytes;
}

template <typename T>
std::optional<T> parse_number(std::string_view text) noexcept {
  T number{};
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || stopped != end) return std::nullopt;
  return number;
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
  if (const auto number = parse_number<std::uint32_t>(text); number && *number > 0) return number;
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

SocketAddress SocketAddress::unix_socket() noexcept {
  SocketAddress result;
  result.storage_.sin6_family = AF_UNIX;
  return result;
}

std::optional<SocketAddress> SocketAddress::from(const sockaddr* address) noexcept {
  SocketAddress result;
  if (address == nullptr) return std::nullopt;
  if (address->sa_family == AF_UNIX) return unix_socket();
  if (address->sa_family == AF_INET) {
    std::memcpy(&result.storage_, address, sizeof(sockaddr_in));
    return result;
  }
  if (address->sa_family != AF_INET6) return std::nullopt;

  std::memcpy(&result.storage_, address, sizeof(sockaddr_in6));
  if (IN6_IS_ADDR_V4MAPPED(&result.storage_.sin6_addr)) {
    sockaddr_in ipv4{};
    ipv4.sin_family = AF_INET;
    ipv4.sin_port = result.storage_.sin6_port;
    std::memcpy(&ipv4.sin_addr, result.storage_.sin6_addr.s6_addr + 12, sizeof ipv4.sin_addr);
    result.storage_ = {};
    std::memcpy(&result.storage_, &ipv4, sizeof ipv4);
  }
  return result;
}

std::optional<SocketAddress> SocketAddress::parse(std::string_view literal, std::uint16_t port) noexcept {
  const std::size_t percent = literal.find('%');
  const auto text = terminated<INET6_ADDRSTRLEN>(literal.substr(0, percent));
  if (!text) return std::nullopt;

  sockaddr_in ipv4{};
  if (percent == std::string_view::npos && inet_pton(AF_INET, text->data(), &ipv4.sin_addr) == 1) {
    ipv4.sin_family = AF_INET;
    ipv4.sin_port = htons(port);
    return from(reinterpret_cast<const sockaddr*>(&ipv4));
  }
  sockaddr_in6 ipv6{};
  if (inet_pton(AF_INET6, text->data(), &ipv6.sin6_addr) != 1) return std::nullopt;
  ipv6.sin6_family = AF_INET6;
  ipv6.sin6_port = htons(port);
  if (percent != std::string_view::npos) {
    const std::optional<std::uint32_t> scope = parse_scope(literal.substr(percent + 1));
    if (!scope) return std::nullopt;
    ipv6.sin6_scope_id = *scope;
  }
  return from(reinterpret_cast<const sockaddr*>(&ipv6));
}

std::optional<SocketAddress> SocketAddress::parse_any_notation(std::string_view literal, std::uint16_t port) noexcept {
  if (const auto address = parse(literal, port)) return address;
  constexpr std::size_t kLongest = 64;
  const auto text = terminated<kLongest>(literal);
  in_addr ipv4{};
  if (!text || inet_aton(text->data(), &ipv4) == 0) return std::nullopt;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr = ipv4;
  return from(reinterpret_cast<const sockaddr*>(&address));
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

bool SocketAddress::is_loopback() const noexcept {
  if (family() == AF_INET) return ipv4_number(*this) >> 24U == IN_LOOPBACKNET;
  return family() == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&storage_.sin6_addr);
}

bool SocketAddress::is_link_local() const noexcept {
  if (family() == AF_INET) return ipv4_number(*this) >> 16U == 0xA9FE;
  return family() == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&storage_.sin6_addr);
}

bool SocketAddress::is_unspecified() const noexcept {
  return size() != 0 && bytes_of(*this) == std::array<std::uint8_t, 16>{};
}

bool SocketAddress::same_host(const SocketAddress& other) const noexcept {
  if (family() != other.family() || bytes_of(*this) != bytes_of(other)) return false;
  if (family() != AF_INET6) return true;
  const std::uint32_t here = storage_.sin6_scope_id;
  const std::uint32_t there = other.storage_.sin6_scope_id;
  return here == there || here == 0 || there == 0;
}

std::string SocketAddress::host_text() const {
  if (family() == AF_UNIX) return "unix";
  std::array<char, INET6_ADDRSTRLEN> text{};
  const auto bytes = bytes_of(*this);
  if (size() == 0 || inet_ntop(family(), bytes.data(), text.data(), text.size()) == nullptr) return {};
  if (family() == AF_INET || storage_.sin6_scope_id == 0) return text.data();
  return std::string(text.data()) + '%' + scope_text(storage_.sin6_scope_id);
}

std::string SocketAddress::text() const {
  return size() == 0 ? host_text() : host_and_port(host_text(), port());
}

bool SocketAddress::operator==(const SocketAddress& other) const noexcept {
  if (family() != other.family() || port() != other.port() || bytes_of(*this) != bytes_of(other)) return false;
  return family() != AF_INET6 || storage_.sin6_scope_id == other.storage_.sin6_scope_id;
}

std::optional<Cidr> Cidr::parse(std::string_view text) noexcept {
  const std::size_t slash = text.find('/');
  const std::string_view address = text.substr(0, slash);
  if (address.find('%') != std::string_view::npos) return std::nullopt;
  const std::optional<SocketAddress> base = SocketAddress::parse(address, 0);
  if (!base) return std::nullopt;

  // "::ffff:10.0.0.0/104" became an IPv4 address: its prefix counts from the 96 bits that are gone.
  const bool written_as_ipv6 = address.find(':') != std::string_view::npos;
  const unsigned gone = written_as_ipv6 && base->family() == AF_INET ? 96 : 0;
  const unsigned width = base->family() == AF_INET ? 32 : 128;
  if (slash == std::string_view::npos) return Cidr{*base, width};
  const auto prefix = parse_number<unsigned>(text.substr(slash + 1));
  if (!prefix || *prefix < gone || *prefix - gone > width) return std::nullopt;
  return Cidr{*base, *prefix - gone};
}

bool Cidr::contains(const SocketAddress& address) const noexcept {
  if (address.family() != base.family()) return false;
  const auto ours = bytes_of(base);
  const auto theirs = bytes_of(address);
  const std::size_t whole = prefix / 8;
  if (!std::equal(ours.begin(), ours.begin() + static_cast<std::ptrdiff_t>(whole), theirs.begin())) return false;
  if (prefix % 8 == 0) return true;
  const unsigned differing = static_cast<unsigned>(ours[whole] ^ theirs[whole]);
  return differing >> (8 - prefix % 8) == 0;
}

bool any_contains(const std::vector<Cidr>& set, const SocketAddress& address) noexcept {
  return std::any_of(set.begin(), set.end(), [&](const Cidr& cidr) { return cidr.contains(address); });
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
