#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "core/http/fields.h"
#include "core/pool/close_reason.h"
#include "core/pool/connection.h"

namespace keepwarm::pool {

/// How an exchange that ended cleanly leaves its connection.
struct GiveBack {
  TimePoint idle_since{};      ///< policy::idle_since()
  http::KeepAliveHint hint{};  ///< of the last response
  bool unused = false;         ///< nothing was sent: it joins the pool as it was, and nothing else of this counts
};

/// The move-only right to use one connection for one attempt. Whoever holds it sets the events of the stream. Ends in
/// exactly one of give_back(), close() and detach(); destroying it closes the connection as left midway by the client.
class Lease {
 public:
  Lease() noexcept = default;
  explicit Lease(Connection& connection) noexcept : connection_(&connection) {}
  Lease(Lease&& other) noexcept : connection_(std::exchange(other.connection_, nullptr)) {}
  Lease& operator=(Lease&& other) noexcept {
    if (this != &other) {
      close(CloseReason::ClientLeft);
      connection_ = std::exchange(other.connection_, nullptr);
    }
    return *this;
  }
  ~Lease() { close(CloseReason::ClientLeft); }

  explicit operator bool() const noexcept { return connection_ != nullptr; }
  [[nodiscard]] Connection& connection() noexcept { return *connection_; }
  [[nodiscard]] const Connection& connection() const noexcept { return *connection_; }
  [[nodiscard]] net::Stream& stream() noexcept { return connection_->stream(); }

  /// Both messages ended by their framing and nothing was left over: back into the pool, or closed if a limit is
  /// reached. May hand the connection to a waiter before it returns.
  void give_back(const GiveBack& how);

  /// As give_back(), for a connection that is bound to this client and so stays leased. False: a limit is reached, and
  /// it was closed.
  [[nodiscard]] bool keep_bound(const GiveBack& how);
  /// Whether a connection that was kept bound may serve another request.
  [[nodiscard]] bool still_usable() const;

  /// The server had closed the connection before it had the request, as was seen at `seen_at`: that tells of its idle
  /// timeout. close() follows.
  void was_closed_idle(TimePoint seen_at);

  /// No-op on an empty lease. (It is inline, since each exchange destroys several of those.)
  void close(CloseReason reason) noexcept {
    if (connection_ != nullptr) close_connection(reason);
  }

  /// Takes the stream out of the pool for good (a tunnel after 101). The connection no longer counts.
  [[nodiscard]] std::unique_ptr<net::Stream> detach();

 private:
  void close_connection(CloseReason reason) noexcept;

  Connection* connection_ = nullptr;
};

}  // namespace keepwarm::pool
