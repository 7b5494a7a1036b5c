#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/base/clock.h"
#include "core/net/address.h"
#include "core/net/stream.h"
#include "core/policy/next_hop.h"
#include "core/pool/dial_failure.h"
#include "core/pool/opening_times.h"

/// How the pool has connections opened: what it asks for, what is reported to it, and who does it. The Dialer of
/// dialer.h does it over the network; tests have one of their own.
namespace keepwarm::pool {

/// A connection to the next hop, ready for use.
struct Dialed {
  std::unique_ptr<net::Stream> stream;  ///< its events are to be set before anything else happens
  net::SocketAddress address{};         ///< of what was connected to: the origin, connect_to, or the parent
  OpeningTimes times{};
  std::string early{};              ///< what came after the parent's answer (client tunnels only)
  std::string_view tls_protocol{};  ///< "TLSv1.3"; empty: plain
  bool tls_resumed = false;
  /// The server has asked for a client certificate, on this connection or on that whose session was resumed; it went on
  /// with ours, or without. (If it did not go on: DialFailure::tls.)
  bool client_certificate_requested = false;
};

class DialEvents {
 public:
  /// The dial may be destroyed inside each of these.
  virtual void on_dialed(Dialed dialed) = 0;
  virtual void on_dial_failed(const DialFailure& failure) = 0;
  /// See net::ConnectEvents.
  virtual void on_addresses(std::span<const net::SocketAddress>) {}

 protected:
  ~DialEvents() = default;
};

/// One connection that is being opened. Destroying it gives up, and no event comes afterwards.
class Dial {
 public:
  virtual ~Dial() = default;
};

struct DialRequest {
  const policy::NextHop& hop;  ///< must outlive the dial
  /// Else destinations that the client chose may not be of this machine (core/doc/design.md §9). What the operator
  /// chose (connect_to, parent) is not held against that rule.
  bool local_client = true;
  Duration timeout{};                             ///< over all steps together but the name look-up
  std::shared_ptr<net::TlsTickets> tickets = {};  ///< sessions to resume, and where new ones go; may be null
  /// The value of Via for a parent: the names that a client's CONNECT had there, and ours; empty: our own name alone.
  std::string via = {};
};

/// Opens connections, and does what else needs the network. Must outlive all that it made.
class DialerFactory {
 public:
  /// Exactly one of the two final events, never inside this call, unless the dial is destroyed before. `events` must
  /// outlive the dial.
  [[nodiscard]] virtual std::unique_ptr<Dial> dial(DialRequest request, DialEvents& events) = 0;
  /// A place for the TLS sessions of one pool key.
  [[nodiscard]] virtual std::shared_ptr<net::TlsTickets> make_tickets() = 0;
  /// Makes a connection of another worker one of this worker's loop. nullptr: the kernel refused, it is closed.
  [[nodiscard]] virtual std::unique_ptr<net::Stream> attach(net::DetachedStream& stream,
                                                            std::shared_ptr<net::TlsTickets> tickets) = 0;

 protected:
  ~DialerFactory() = default;
};

}  // namespace keepwarm::pool
