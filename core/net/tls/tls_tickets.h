#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "core/base/intrusive_list.h"

namespace keepwarm::net {

class TlsTickets;

/// One TLS session that can be resumed, as DER text (i2d_SSL_SESSION): OpenSSL's own object would be several times as
/// large, with the parsed certificates of the server.
struct TlsTicket : ListHook<TlsTicket> {
  TlsTickets* owner = nullptr;
  std::string session;
};

/// All tickets of an engine by age, so that they are bounded together. Belongs to the TlsClient.
class TlsTicketBound {
 public:
  static constexpr std::size_t kMaxTickets = 4096;

  void add(TlsTicket& newest);
  void remove(TlsTicket& ticket) noexcept;
  void forget_all() noexcept;
  [[nodiscard]] std::size_t count() const noexcept { return count_; }

 private:
  IntrusiveList<TlsTicket, TlsTicket> by_age_;
  std::size_t count_ = 0;
};

/// The TLS sessions of one pool key that can be resumed: at most two, the newest goes first, each is used once, since
/// an observer can link connections by a ticket that is shown twice (RFC 8446 appendix C.4). Held by
/// shared_ptr: a stream that became a tunnel (101) outlives the pool, and tickets still arrive on it.
class TlsTickets {
 public:
  static constexpr std::size_t kMaxTickets = 2;

  /// `bound` (TlsClient::ticket_bound()) must outlive the tickets.
  explicit TlsTickets(TlsTicketBound& bound) noexcept;
  ~TlsTickets();
  TlsTickets(const TlsTickets&) = delete;
  TlsTickets& operator=(const TlsTickets&) = delete;

  /// Keeps a session in DER; the oldest of this pool key, or of the engine, goes for it.
  void put(std::string session);
  /// The newest session, which is kept no longer.
  [[nodiscard]] std::optional<std::string> take();
  [[nodiscard]] std::size_t count() const noexcept;

 private:
  friend class TlsTicketBound;
  void drop(std::unique_ptr<TlsTicket>& ticket) noexcept;
  void drop(const TlsTicket& ticket) noexcept;

  TlsTicketBound& bound_;
  std::array<std::unique_ptr<TlsTicket>, kMaxTickets> tickets_;  // the oldest first, no gap
};

}  // namespace keepwarm::net
