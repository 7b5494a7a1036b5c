#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/net/heap_trimmer.h"
#include "core/net/loop.h"
#include "core/net/tls/tls_context.h"
#include "core/net/tls/tls_tickets.h"
#include "core/net/tls/tls_wire.h"
#include "core/net/tls/trust_store.h"

namespace keepwarm::net {

/// What all TLS connections of one engine share: contexts by their settings, the system's authorities, buffers, the
/// bound on kept sessions. Must outlive all that is made with it. Not thread-safe; nothing in it is global.
class TlsClient {
 public:
  /// `authorities`: whom settings without a ca_file trust.
  explicit TlsClient(Loop& loop, TrustStore authorities = TrustStore::of_system());
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  /// The context for these settings, made at its first use and valid until reload(). The failure says which file and
  /// why: "ca_file /x.pem: No such file or directory".
  [[nodiscard]] Result<const TlsContext*, std::string> context(const TlsSettings& settings);

  /// Forgets all contexts and sessions, so that files are read again at their next use: for a new configuration.
  /// Connections go on as they are.
  void reload(TrustStore authorities);

  [[nodiscard]] Loop& loop() noexcept { return loop_; }
  [[nodiscard]] TlsWire& wire() noexcept { return wire_; }
  /// What a TlsTickets is made with.
  [[nodiscard]] TlsTicketBound& ticket_bound() noexcept { return tickets_; }
  void handshake_over() noexcept { trimmer_.note(); }

 private:
  Loop& loop_;
  TlsWire wire_;
  TlsTicketBound tickets_;
  HeapTrimmer trimmer_;
  TrustStore authorities_;
  std::vector<std::unique_ptr<TlsContext>> contexts_;  // few: one for each distinct set of settings
};

/// Can a context be made of these settings? nullopt: yes, else the reason, as TlsClient::context() gives it.
[[nodiscard]] std::optional<std::string> check_tls_settings(const TlsSettings& settings);

}  // namespace keepwarm::net
