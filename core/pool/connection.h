#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "core/base/clock.h"
#include "core/base/deadline_wheel.h"
#include "core/base/intrusive_list.h"
#include "core/base/slab.h"
#include "core/net/address.h"
#include "core/net/stream.h"
#include "core/policy/connection_facts.h"
#include "core/pool/close_reason.h"

/// One upstream connection, and those to whom it reports what happens to it.
namespace keepwarm::pool {

class Connection;
struct GiveBack;

/// What the holder of a Lease does with its connection. The connection may be gone when a call returns.
class LeaseEvents {
 public:
  virtual void give_back(Connection& connection, const GiveBack& how, TimePoint now) = 0;
  /// See Lease::keep_bound().
  [[nodiscard]] virtual bool keep_bound(Connection& connection, const GiveBack& how, TimePoint now) = 0;
  virtual void close(Connection& connection, CloseReason reason, TimePoint now) = 0;
  [[nodiscard]] virtual std::unique_ptr<net::Stream> detach(Connection& connection, TimePoint now) = 0;

 protected:
  ~LeaseEvents() = default;
};

/// What happens to a connection while it lies idle, and what is asked of one that is bound to a client.
class IdleEvents {
 public:
  /// Something came while it was idle; `reason` says what. The connection is gone when this returns.
  virtual void idle_ended(Connection& connection, CloseReason reason, TimePoint now) = 0;
  /// Its deadline has passed.
  virtual void idle_time_over(Connection& connection, TimePoint now) = 0;
  /// See Lease::was_closed_idle().
  virtual void was_closed_idle(Connection& connection, TimePoint now) = 0;
  /// See Lease::still_usable().
  [[nodiscard]] virtual bool still_usable(Connection& connection, TimePoint now) = 0;

 protected:
  ~IdleEvents() = default;
};

/// One upstream connection. Owned by the ConnectionSet of its HostPool from the moment it is open; used by one exchange
/// at a time, through a Lease. While idle it listens to its own stream: whatever comes ends it.
///
///   Leased ──give_back()──▶ Idle ──checkout──▶ Leased
///      └──────close()──▶ gone ◀──FIN, RST, bytes, deadline──┘
class Connection final : public net::StreamEvents,
                         public Deadline,
                         public ListHook<Connection>,
                         public Slabbed<Connection> {
 public:
  enum class State : std::uint8_t { Leased, Idle };
  /// Of an idle one, for keep_warm.
  enum class Warmth : std::uint8_t {
    Warm,
    Expiring,  ///< its successor is due (policy::WarmView)
    Over       ///< it is not warm any more
  };

  struct Owner {
    LeaseEvents& lease;
    IdleEvents& idle;
  };
  /// Just opened; or from another worker, with `facts` of its life so far. `owner` must outlive it.
  Connection(const Owner& owner, std::unique_ptr<net::Stream> stream, const net::SocketAddress& address,
             const policy::ConnectionFacts& facts);

  [[nodiscard]] net::Stream& stream() noexcept { return *stream_; }
  [[nodiscard]] std::unique_ptr<net::Stream> take_stream() noexcept { return std::move(stream_); }
  [[nodiscard]] const net::SocketAddress& address() const noexcept { return address_; }
  [[nodiscard]] State state() const noexcept { return state_; }
  [[nodiscard]] const Owner& owner() const noexcept { return owner_; }
  [[nodiscard]] TimePoint opened_at() const noexcept { return facts.opened_at; }
  [[nodiscard]] TimePoint idle_since() const noexcept { return facts.idle_since; }
  /// Requests whose response came whole.
  [[nodiscard]] std::uint32_t served() const noexcept { return facts.served; }
  /// Whether, when it was leased, it had been idle for so short a time that any request could go on it. A fresh one is
  /// trusted.
  [[nodiscard]] bool trusted() const noexcept { return trusted_; }
  /// Has served, or has waited in the pool: the server may have closed it meanwhile, so a failure on it is stale.
  [[nodiscard]] bool reused() const noexcept { return facts.served > 0 || waited_; }

  /// To be called once its first request has gone out: what can wait so long, and costs five system calls, does not
  /// delay the request. Does nothing from the second call on.
  void request_sent(TimePoint now) noexcept {
    if (sampled_at_ == TimePoint{}) look_after(now);
  }

  // For the pool.
  void set_trusted(bool trusted) noexcept { trusted_ = trusted; }
  /// How long it had lain in the pool when it was leased; taken once.
  [[nodiscard]] Duration take_lease_age() noexcept { return std::exchange(lease_age_, Duration::zero()); }
  /// Asks TCP for its round trip, unless that was done lately. May cost a system call.
  void sample_round_trip(TimePoint now) noexcept;

  policy::ConnectionFacts facts;

  std::optional<CloseReason> retiring{};  ///< to be closed when it next falls idle, and why
  bool authenticated = false;             ///< NTLM or Negotiate credentials were sent on it
  bool prewarmed = false;                 ///< it was opened for keep_warm, not for a request
  Warmth warmth = Warmth::Warm;           ///< as of the Warmer's last look
  /// Whether clients that are not local may be given it; worked out when such a client first asks.
  std::optional<bool> open_to_remote_clients{};

 private:
  friend class ConnectionSet;  // the only one that changes state_, index_ and what goes with them

  // While idle:
  void on_bytes(std::string_view bytes) override;
  void on_end() override;
  void on_broken(int error) override;
  void on_drained() override {}
  void on_deadline(TimePoint now) override;

  void look_after(TimePoint now) noexcept;

  const Owner& owner_;
  std::unique_ptr<net::Stream> stream_;
  net::SocketAddress address_;
  TimePoint sampled_at_{};
  Duration lease_age_{};
  std::uint32_t index_ = 0;  ///< in the ConnectionSet
  State state_ = State::Leased;
  bool waited_ = false;
  bool trusted_ = false;  ///< when it was leased
};

}  // namespace keepwarm::pool
