#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "core/base/clock.h"
#include "core/net/address.h"
#include "core/net/loop.h"
#include "core/net/resolver.h"
#include "core/net/tcp_stream.h"

namespace keepwarm::net {

/// May we connect to this address? Asked for each resolved address before a socket is made.
class AddressFilter {
 public:
  enum class Verdict : std::uint8_t { Allowed, Denied, Ourselves };
  [[nodiscard]] virtual Verdict verdict(const SocketAddress& address) const = 0;

 protected:
  ~AddressFilter() = default;
};

struct ConnectFailure {
  enum class Kind : std::uint8_t {
    Dns,               ///< the name does not resolve (`error`: UV_EAI_*)
    DnsTimeout,        ///< no answer within the time limit
    Timeout,           ///< no address answered within the time limit
    Refused,           ///< the last address refused (ECONNREFUSED)
    Unroutable,        ///< EHOSTUNREACH, ENETUNREACH and the like
    Denied,            ///< the filter left no address
    Ourselves,         ///< an address is one of our own listeners
    OutOfDescriptors,  ///< EMFILE, ENFILE, ENOBUFS: our own shortage
    Other,             ///< anything else the kernel said
  };
  Kind kind = Kind::Other;
  int error = 0;          ///< negative errno or libuv code of the last failure; 0 if none
  SocketAddress address;  ///< the last address tried; unspecified if none
};

struct Connected {
  std::unique_ptr<TcpStream> stream;  ///< TCP_NODELAY set, not reading yet, events not set
  SocketAddress address;
  Duration dns{};      ///< 0 for a literal or a cached answer
  Duration connect{};  ///< from the first SYN to the connection that won
};

class ConnectEvents {
 public:
  virtual void on_connected(Connected connected) = 0;
  virtual void on_connect_failed(const ConnectFailure& failure) = 0;
  /// The addresses that an actual look-up or the cache gave, before the first connect.
  virtual void on_addresses(std::span<const SocketAddress>) {}

 protected:
  ~ConnectEvents() = default;
};

/// One attempt to open a TCP connection: look-up, then the addresses raced with a 250 ms stagger, the next one at once
/// when one fails (RFC 8305 §5), the losers closed when one wins. `timeout` bounds it all. Exactly one of the two final
/// events comes, never inside start(), unless the connector is destroyed before; it may be destroyed inside any event.
class Connector {
 public:
  static constexpr Duration kStagger = std::chrono::milliseconds(250);

  /// All references must outlive the connector.
  Connector(Loop& loop, Resolver& resolver, const AddressFilter& filter, ConnectEvents& events);
  ~Connector();
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;

  /// Once. `host` in lower case or a literal.
  void start(std::string_view host, std::uint16_t port, Duration timeout);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace keepwarm::net
