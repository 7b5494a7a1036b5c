#include "core/net/endpoint.h"

#include <charconv>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <sys/un.h>

namespace keepwarm::net {
namespace {

constexpr std::string_view kUnix = "unix:";

/// The path in what getsockname() gave for a unix socket: "" for one without a name.
std::string path_of(const sockaddr_storage& storage, socklen_t size) {
  sockaddr_un address{};
  std::memcpy(&address, &storage, sizeof address);
  constexpr std::size_t kStart = offsetof(sockaddr_un, sun_path);
  if (size <= kStart) return {};
  std::string path(address.sun_path, std::min<std::size_t>(size - kStart, sizeof address.sun_path));
  if (path.front() != '\0') return path.substr(0, path.find('\0'));
  path.front() = '@';
  return path;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, port);
  if (error != std::errc{} || stopped != end) return std::nullopt;
  return port;
}

}  // namespace

Endpoint Endpoint::unix_path(std::string_view path) {
  Endpoint endpoint(SocketAddress::unix_socket());
  endpoint.path_ = std::filesystem::path(path).lexically_normal().string();
  return endpoint;
}

std::optional<Endpoint> Endpoint::parse(std::string_view text) {
  if (text.starts_with(kUnix)) return unix_path(text.substr(kUnix.size()));
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  if (host.size() >= 2 && host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const std::optional<std::uint16_t> port = parse_port(text.substr(colon + 1));
  if (!port) return std::nullopt;
  return SocketAddress::parse(host, *port);
}

Endpoint Endpoint::bound_to(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* const raw = reinterpret_cast<sockaddr*>(&storage);
  if (::getsockname(fd, raw, &size) != 0) return SocketAddress();
  if (raw->sa_family == AF_UNIX) return unix_path(path_of(storage, size));
  return SocketAddress::from(raw).value_or(SocketAddress());
}

std::string Endpoint::text() const {
  return is_unix() ? std::string(kUnix) + path_ : address_.text();
}

}  // namespace keepwarm::net
