#pragma once

#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "tests/unit/pool/pool_fixture.h"

/// What a single part of the pool is tested on: streams on which nothing happens by itself, and dials that end when the
/// test says so. Each operation takes the same time however many there are.
namespace keepwarm::pool::test {

class StillDetachedStream final : public net::DetachedStream {
 public:
  [[nodiscard]] std::unique_ptr<net::Stream> attach(net::TlsClient&, std::shared_ptr<net::TlsTickets>) override {
    return nullptr;
  }
};

/// A stream on which nothing happens by itself.
class StillStream final : public net::Stream {
 public:
  bool alive = true;       ///< what its checks say
  bool detachable = true;  ///< it can go to another worker
  int checks = 0;          ///< how often it was asked whether it is alive

  [[nodiscard]] static StillStream& of(Connection& connection) {
    return dynamic_cast<StillStream&>(connection.stream());
  }

  [[nodiscard]] net::StreamEvents* events() const noexcept { return events_; }
  [[nodiscard]] bool reading() const noexcept { return reading_; }

  void set_events(net::StreamEvents& events) noexcept override { events_ = &events; }
  [[nodiscard]] net::WriteResult write(std::span<const std::string_view>) override { return net::WriteResult::Done; }
  [[nodiscard]] std::size_t queued_bytes() const noexcept override { return 0; }
  [[nodiscard]] std::size_t unacknowledged_bytes() const noexcept override { return 0; }
  void pause_reading() noexcept override { reading_ = false; }
  void resume_reading() noexcept override { reading_ = true; }
  void finish_writing() noexcept override {}
  void reset_on_close() noexcept override {}
  [[nodiscard]] bool check_idle_alive() noexcept override {
    ++checks;
    return alive;
  }
  [[nodiscard]] bool check_idle_alive_cached(TimePoint) noexcept override { return check_idle_alive(); }
  [[nodiscard]] net::TcpPath& path() noexcept override { return path_; }
  [[nodiscard]] std::unique_ptr<net::DetachedStream> detach() override {
    return detachable ? std::make_unique<StillDetachedStream>() : nullptr;
  }

 private:
  FakePath path_;
  net::StreamEvents* events_ = nullptr;
  bool reading_ = false;
};

class ManualDialer;

/// One dial that waits for the test.
class ManualDial final : public Dial {
 public:
  ManualDial(ManualDialer& dialer, std::uint64_t number) noexcept : dialer_(dialer), number_(number) {}
  ~ManualDial() override;
  ManualDial(const ManualDial&) = delete;
  ManualDial& operator=(const ManualDial&) = delete;

 private:
  ManualDialer& dialer_;
  std::uint64_t number_;
};

/// Dials end when the test says so, in any order.
class ManualDialer final : public DialerFactory {
 public:
  /// How long each dial has taken, as it says itself.
  Duration cost = 2ms;
  const char* address = "127.0.0.1";  ///< where those lead that succeed from now on
  std::shared_ptr<net::TlsTickets> tickets;

  [[nodiscard]] std::uint64_t begun() const noexcept { return begun_; }
  [[nodiscard]] std::size_t under_way() const noexcept { return dials_.size(); }
  /// The number of the oldest, or the newest one that is under way; dials are numbered from 1.
  [[nodiscard]] std::uint64_t oldest() const { return dials_.begin()->first; }
  [[nodiscard]] std::uint64_t newest() const { return dials_.rbegin()->first; }
  /// The one at this place of all that are under way, about: `of_a_million` parts of them are older.
  [[nodiscard]] std::uint64_t somewhere(std::uint64_t of_a_million) const {
    const std::uint64_t span = newest() - oldest();
    const auto found = dials_.lower_bound(oldest() + span * of_a_million / 1000000);
    return found->first;
  }
  [[nodiscard]] const DialRequest& request(std::uint64_t number) const { return dials_.at(number).request; }

  void succeed(std::uint64_t number) {
    Dialed dialed;
    dialed.stream = std::make_unique<StillStream>();
    dialed.address = literal(address, 80);
    dialed.times.connect = cost;
    dials_.at(number).events.on_dialed(std::move(dialed));
  }
  void fail(std::uint64_t number, net::ConnectFailure::Kind kind = net::ConnectFailure::Kind::Refused) {
    DialFailure failure;
    failure.connect.kind = kind;
    fail(number, failure);
  }
  void fail(std::uint64_t number, const DialFailure& failure) { dials_.at(number).events.on_dial_failed(failure); }

  // DialerFactory
  [[nodiscard]] std::unique_ptr<Dial> dial(DialRequest request, DialEvents& events) override {
    dials_.emplace(++begun_, UnderWay{std::move(request), events});
    return std::make_unique<ManualDial>(*this, begun_);
  }
  [[nodiscard]] std::shared_ptr<net::TlsTickets> make_tickets() override { return tickets; }
  [[nodiscard]] std::unique_ptr<net::Stream> attach(net::DetachedStream&, std::shared_ptr<net::TlsTickets>) override {
    return std::make_unique<StillStream>();
  }

 private:
  friend class ManualDial;
  struct UnderWay {
    DialRequest request;
    DialEvents& events;
  };
  std::map<std::uint64_t, UnderWay> dials_;
  std::uint64_t begun_ = 0;
};

inline ManualDial::~ManualDial() {
  dialer_.dials_.erase(number_);
}

/// What every part of a pool works with.
struct Surroundings {
  FakeClock clock;
  DeadlineWheel wheel;
  Lines log;
  Filter local_filter, remote_filter;
  ManualDialer dialer;
  PoolStats stats;
  policy::CloseRiskEstimator all_hosts;
  PoolContext context{dialer, wheel, local_filter, remote_filter, log, stats, all_hosts};

  Surroundings() { wheel.advance(clock.now()); }
  [[nodiscard]] TimePoint now() const noexcept { return clock.now(); }
  void pass(Duration by) {
    clock.advance(by);
    wheel.advance(clock.now());
    clock.begin_event();
  }
  [[nodiscard]] std::uint64_t closed(CloseReason reason) const {
    return stats.closed[static_cast<std::size_t>(reason)];
  }
};

/// The next hop of a plain host.
inline policy::NextHop plain_hop() {
  return policy::next_hop({Scheme::Http, "origin.test", 80}, {});
}

}  // namespace keepwarm::pool::test
