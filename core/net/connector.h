#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "core/base/clock.h"
#include "core/net/address.h"
#include "core/net/dns/resolver.h"
#include "core/net/loop.h"
#include "core/net/tcp_stream.h"

namespace keepwarm::net {

/// Decides whether we may connect to an address. It is asked for each resolved address before a socket is made.
class AddressFilter {
 public:
  enum class Verdict : std::uint8_t { Allowed, Denied, Ourselves };
  [[nodiscard]] virtual Verdict verdict(const SocketAddress& address) const = 0;
  /// Whether one of our own listeners is at this path. Nothing else is asked of a unix socket: only the operator names
  /// them, no client does.
  [[nodiscard]] virtual bool is_own_unix_path(std::string_view) const { return false; }

 protected:
  ~AddressFilter() = default;
};

/// Why no connection was made. If addresses failed differently, it is the failure that says most: a shortage of our own
/// before what a peer did, that before a missing route (often just because this machine lacks IPv6); of equals the
/// last.
struct ConnectFailure {
  enum class Kind : std::uint8_t {
    Dns,               ///< the name does not resolve (`error`: UV_EAI_*)
    DnsTimeout,        ///< no answer within the resolver's time limit
    Timeout,           ///< the time limit came first, or the kernel gave up on an address (ETIMEDOUT)
    Refused,           ///< ECONNREFUSED; of a unix socket also that it is not there, or not for us (ENOENT, EACCES)
    Unroutable,        ///< EHOSTUNREACH, ENETUNREACH and the like
    Denied,            ///< the filter left no address
    Ourselves,         ///< an address is one of our own listeners
    OutOfDescriptors,  ///< EMFILE, ENFILE, ENOBUFS and other shortages of our own
    Other,             ///< anything else the kernel said
  };
  Kind kind = Kind::Other;
  int error = 0;          ///< negative errno or libuv code of the last failure; 0 if none
  SocketAddress address;  ///< the one that failed, or was denied; AF_UNSPEC if there was none
  // When it is reported:
  std::vector<SocketAddress> tried{};  ///< what was connected to, in order; else the one that was denied
  Duration dns{};                      ///< as in Connected, until now
  Duration connect{};
};

/// A connection that is open.
struct Connected {
  std::unique_ptr<TcpStream> stream;  ///< TCP_NODELAY set if it is TCP; not reading yet, events not set
  SocketAddress address;
  Duration dns{};      ///< 0 for a literal or a cached answer
  Duration connect{};  ///< from the first SYN to the connection that won
};

/// What a connector reports to its user.
class ConnectEvents {
 public:
  virtual void on_connected(Connected connected) = 0;
  virtual void on_connect_failed(const ConnectFailure& failure) = 0;
  /// The addresses (port 0) that an actual look-up or the cache gave, before the first connect; possibly inside
  /// start(). Not for a literal.
  virtual void on_addresses(std::span<const SocketAddress>) {}

 protected:
  ~ConnectEvents() = default;
};

/// One attempt to open a connection. TCP: look-up, then the addresses raced with a 250 ms stagger, the next one at once
/// when one fails (RFC 8305 §5), the losers closed when one wins. If all addresses of a cached answer fail the name is
/// asked again, once, and those that are new are tried: a service may have moved. A unix socket: tried every 10 ms
/// while the backlog of the listener is full. The look-up has a time limit of its own (Resolver::timeout()), since the
/// system's resolver needs 5 s to find out that the first name server is dead; `timeout` bounds all that follows it. An
/// answer that is here, though a busy loop has yet to read it, is in time. Exactly one of the two final events comes,
/// never inside start() or start_unix(), unless the connector is destroyed before; it may be destroyed inside any
/// event.
class Connector {
 public:
  static constexpr Duration kStagger = std::chrono::milliseconds(250);
  static constexpr Duration kUnixRetryAfter = std::chrono::milliseconds(10);

  /// All references must outlive the connector.
  Connector(Loop& loop, Resolver& resolver, const AddressFilter& filter, ConnectEvents& events);
  ~Connector();
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;

  /// To be called once, either this or start_unix(). `host` is in lower case, or a literal.
  void start(std::string_view host, std::uint16_t port, Duration timeout);
  /// `path`: absolute, at most 107 bytes. The events name it as SocketAddress::unix_socket().
  void start_unix(std::string_view path, Duration timeout);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace keepwarm::net
