#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "core/base/clock.h"
#include "core/base/deadline_wheel.h"
#include "core/base/intrusive_list.h"
#include "core/base/slab.h"
#include "core/net/address.h"
#include "core/net/stream.h"
#include "core/pool/close_reason.h"

namespace keepwarm::pool {

class HostPool;

/// One upstream connection. Owned by its HostPool from the moment it is open; used by one exchange at a time, through a
/// Lease. While idle it listens to its own stream: whatever comes ends it.
///
///   Leased ──give_back()──▶ Idle ──checkout──▶ Leased
///      └──────close()──▶ gone ◀──FIN, RST, bytes, deadline──┘
class Connection final : public net::StreamEvents,
                         public Deadline,
                         public ListHook<Connection>,
                         public Slabbed<Connection> {
 public:
  enum class State : std::uint8_t { Leased, Idle };

  Connection(HostPool& host, std::unique_ptr<net::Stream> stream, const net::SocketAddress& address, TimePoint now);

  [[nodiscard]] net::Stream& stream() noexcept { return *stream_; }
  [[nodiscard]] const net::SocketAddress& address() const noexcept { return address_; }
  [[nodiscard]] TimePoint opened_at() const noexcept { return opened_at_; }
  [[nodiscard]] TimePoint idle_since() const noexcept { return idle_since_; }
  /// Requests whose response came whole.
  [[nodiscard]] std::uint32_t served() const noexcept { return served_; }
  /// Of the lease: whether it was idle for so short a time that any request could go on it. A fresh one is trusted.
  [[nodiscard]] bool trusted() const noexcept { return trusted_; }
  /// Has served, or has waited in the pool: the server may have closed it meanwhile, so a failure on it is stale.
  [[nodiscard]] bool reused() const noexcept { return served_ > 0 || waited_; }

 private:
  friend class HostPool;
  friend class Lease;

  // While idle:
  void on_bytes(std::string_view bytes) override;
  void on_end() override;
  void on_broken(int error) override;
  void on_drained() override {}
  void on_deadline(TimePoint now) override;

  void sample_round_trip(TimePoint now) noexcept;

  HostPool& host_;
  std::unique_ptr<net::Stream> stream_;
  net::SocketAddress address_;
  std::size_t index_ = 0;  ///< in HostPool::connections_
  TimePoint opened_at_;
  TimePoint idle_since_{};
  TimePoint sampled_at_{};
  net::RoundTrip round_trip_;
  TimePoint returned_at_{};               ///< when it joined the pool: what it has survived counts from here
  Duration lease_age_{};                  ///< how long it had lain in the pool when it was leased
  std::optional<Duration> hint_timeout_;  ///< of its last response; of an unused one, of the host's last
  std::uint32_t served_ = 0;
  State state_ = State::Leased;
  bool waited_ = false;
  bool probe_ = false;      ///< left to lapse, so that the server's idle timeout is seen (policy/idle_history.h)
  bool trusted_ = false;    ///< when it was leased
  bool cold_ = false;       ///< policy::WarmView; only while idle
  bool kept_warm_ = false;  ///< it was opened for nobody
  mutable std::optional<bool> open_to_remote_clients_;  ///< worked out when such a client first asks
  bool retire_ = false;                                 ///< close it when it next falls idle (AddressGone)
};

}  // namespace keepwarm::pool
