#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <uv.h>

#include "core/net/connector.h"
#include "core/net/loop.h"
#include "core/net/stream.h"
#include "core/net/tcp_path.h"
#include "core/pool/dialing.h"
#include "tests/unit/net/net_fixture.h"

/// A network without sockets, loop or threads, for the tests of the pool: names that the test gives, connections that
/// open when it says so, and far ends that it closes. Whatever happens is delivered by FakeNetwork::turn(), as a loop
/// would: never inside a call of the pool.
namespace keepwarm::pool::test {

using net::test::literal;

/// Both ends of one connection. Outlives the stream, and moves with the connection from one worker to another.
struct FakeWire {
  // What the far end does.
  bool ended = false;
  bool reset = false;
  std::string bytes;

  bool refuses_writes = false;               ///< writes fail, and nothing shows it before
  std::optional<net::SendState> send_state;  ///< what TCP says of the bytes that were written; unset: nothing

  // What the near end does.
  std::string sent;
  bool closed = false;
  bool closed_by_reset = false;
  Duration unacknowledged_limit{};  ///< zero: none was set
  int keepalive_calls = 0;          ///< of enable_keepalive()

  /// Something waits to be read.
  [[nodiscard]] bool readable() const noexcept { return ended || reset || !bytes.empty(); }
};

class FakeNetwork;

/// A path whose round trip takes 50 µs. Of what was sent it says what the test has set on its wire, as of the event
/// that the test has begun.
class FakePath final : public net::TcpPath {
 public:
  FakePath() = default;
  explicit FakePath(FakeWire& wire) noexcept : wire_(&wire) {}

  [[nodiscard]] RoundTrip round_trip() noexcept override { return {.smoothed_us = 50, .variation_us = 10}; }
  [[nodiscard]] std::optional<net::SendState> send_state() noexcept override {
    if (wire_ == nullptr || !wire_->send_state) return std::nullopt;
    net::SendState state = *wire_->send_state;
    state.taken_at = net::Loop::event_time();
    return state;
  }
  void enable_keepalive() noexcept override {
    if (wire_ != nullptr) ++wire_->keepalive_calls;
  }
  void limit_unacknowledged(Duration limit) noexcept override {
    if (wire_ != nullptr) wire_->unacknowledged_limit = limit;
  }

 private:
  FakeWire* wire_ = nullptr;  ///< nullptr: nothing is known of what was sent
};

/// The near end: what a Connection has.
class FakeStream final : public net::Stream {
 public:
  FakeStream(FakeNetwork& network, std::uint16_t name, std::shared_ptr<FakeWire> wire);
  ~FakeStream() override;
  FakeStream(const FakeStream&) = delete;
  FakeStream& operator=(const FakeStream&) = delete;

  /// Which connection this is: its port on our side, as it were.
  [[nodiscard]] std::uint16_t name() const noexcept { return name_; }

  void set_events(net::StreamEvents& events) noexcept override { events_ = &events; }
  [[nodiscard]] net::WriteResult write(std::span<const std::string_view> pieces) override {
    if (wire_->refuses_writes) return net::WriteResult::Failed;
    for (const std::string_view piece : pieces) wire_->sent += piece;
    return net::WriteResult::Done;
  }
  [[nodiscard]] std::size_t queued_bytes() const noexcept override { return 0; }
  [[nodiscard]] std::size_t unacknowledged_bytes() const noexcept override { return 0; }
  void pause_reading() noexcept override { reading_ = false; }
  void resume_reading() noexcept override { reading_ = true; }
  void finish_writing() noexcept override {}
  void reset_on_close() noexcept override { wire_->closed_by_reset = true; }
  [[nodiscard]] bool check_idle_alive() noexcept override { return !wire_->readable(); }
  [[nodiscard]] bool check_idle_alive_cached(TimePoint since) noexcept override;
  [[nodiscard]] net::TcpPath& path() noexcept override { return path_; }
  [[nodiscard]] std::unique_ptr<net::DetachedStream> detach() override;

 private:
  friend class FakeNetwork;

  FakeNetwork* network_;  ///< nullptr: detached
  std::uint16_t name_;
  std::shared_ptr<FakeWire> wire_;
  FakePath path_{*wire_};
  net::StreamEvents* events_ = nullptr;
  bool reading_ = false;
  bool was_readable_ = false;  ///< as of the network's last poll
};

/// A connection between two workers.
class FakeDetachedStream final : public net::DetachedStream {
 public:
  FakeDetachedStream(FakeNetwork& network, std::uint16_t name, std::shared_ptr<FakeWire> wire)
      : network_(network), name_(name), wire_(std::move(wire)) {}
  ~FakeDetachedStream() override {
    if (wire_) wire_->closed = true;
  }
  [[nodiscard]] std::unique_ptr<net::Stream> attach(net::TlsClient&, std::shared_ptr<net::TlsTickets>) override {
    return attach();
  }
  [[nodiscard]] std::unique_ptr<net::Stream> attach() {
    return std::make_unique<FakeStream>(network_, name_, std::exchange(wire_, nullptr));
  }

 private:
  FakeNetwork& network_;
  std::uint16_t name_;
  std::shared_ptr<FakeWire> wire_;
};

/// One connection that is being opened: its name is looked up at the first turn, and it is open at the next.
class FakeDial final : public Dial {
 public:
  FakeDial(FakeNetwork& network, DialRequest request, DialEvents& events, TimePoint began);
  ~FakeDial() override;
  FakeDial(const FakeDial&) = delete;
  FakeDial& operator=(const FakeDial&) = delete;

 private:
  friend class FakeNetwork;
  FakeNetwork& network_;
  DialRequest request_;
  DialEvents& events_;
  TimePoint began_;
  std::optional<net::SocketAddress> address_;  ///< what the name resolved to
};

class FakeNetwork final : public DialerFactory {
 public:
  explicit FakeNetwork(const net::AddressFilter& local, const net::AddressFilter& remote) noexcept
      : local_filter_(local), remote_filter_(remote) {}
  ~FakeNetwork() { CHECK(dials_.empty()); }

  // ---- What the test decides ----

  void set(const std::string& name, const std::string& address) { names_[name] = address; }
  void forget(const std::string& name) { names_.erase(name); }
  /// Names are not answered any more.
  void hold() noexcept { held_ = true; }
  void release() noexcept { held_ = false; }
  /// Connects to this port are refused.
  void refuse(std::uint16_t port) { refused_.insert(port); }
  /// Connects to this address get no answer at all.
  void swallow(const std::string& address) { swallowed_.insert(address); }
  /// So many more connections can be opened; nullopt: any number.
  std::optional<int> descriptors;
  /// Our end of a connection was closed.
  std::function<void()> on_close;

  [[nodiscard]] FakeWire& wire(std::uint16_t name) { return *wires_.at(name); }
  /// Closes all far ends.
  void close_far_ends() {
    for (const auto& [name, wire] : wires_) wire->ended = true;
  }
  [[nodiscard]] bool looking_up() const {
    return std::any_of(dials_.begin(), dials_.end(), [](const FakeDial* each) { return !each->address_; });
  }

  // ---- DialerFactory ----

  [[nodiscard]] std::unique_ptr<Dial> dial(DialRequest request, DialEvents& events) override {
    return std::make_unique<FakeDial>(*this, std::move(request), events, net::Loop::event_time());
  }
  [[nodiscard]] std::shared_ptr<net::TlsTickets> make_tickets() override { return nullptr; }
  [[nodiscard]] std::unique_ptr<net::Stream> attach(net::DetachedStream& stream,
                                                    std::shared_ptr<net::TlsTickets>) override {
    return dynamic_cast<FakeDetachedStream&>(stream).attach();
  }

  // ---- What happens ----

  /// Delivers what there is to be delivered now; `begin_event` is called before each event.
  void turn(TimePoint now, const std::function<void()>& begin_event) {
    now_ = now;
    polled_ = false;
    const std::vector<FakeDial*> dials = dials_;
    for (FakeDial* dial : dials) {
      if (std::find(dials_.begin(), dials_.end(), dial) == dials_.end()) continue;  // given up meanwhile
      begin_event();
      advance(*dial);
    }
    const std::vector<FakeStream*> streams = streams_;
    for (FakeStream* stream : streams) {
      if (std::find(streams_.begin(), streams_.end(), stream) == streams_.end()) continue;
      begin_event();
      deliver(*stream);
    }
  }

 private:
  friend class FakeDial;
  friend class FakeStream;
  using Kind = net::ConnectFailure::Kind;

  void advance(FakeDial& dial) {
    const bool late = now_ - dial.began_ >= dial.request_.timeout;
    const policy::NextHop& hop = dial.request_.hop;
    if (!dial.address_) {
      if (late) return fail(dial, Kind::DnsTimeout, {});
      if (!held_) look_up(dial);
      return;
    }
    if (late) return fail(dial, Kind::Timeout, *dial.address_);
    if (swallowed_.contains(dial.address_->host_text())) return;
    if (refused_.contains(hop.port)) return fail(dial, Kind::Refused, *dial.address_);
    if (descriptors && *descriptors <= 0) return fail(dial, Kind::OutOfDescriptors, *dial.address_);
    if (descriptors) --*descriptors;
    const std::uint16_t name = ++last_name_;
    wires_[name] = std::make_shared<FakeWire>();
    Dialed dialed;
    dialed.stream = std::make_unique<FakeStream>(*this, name, wires_[name]);
    dialed.address = *dial.address_;
    dialed.times = {.dns = std::chrono::milliseconds(1), .connect = std::chrono::milliseconds(1), .tls = {}};
    dial.events_.on_dialed(std::move(dialed));
  }

  void look_up(FakeDial& dial) {
    const policy::NextHop& hop = dial.request_.hop;
    const auto known = names_.find(hop.host);
    auto address = net::SocketAddress::parse(known != names_.end() ? known->second : hop.host, hop.port);
    if (!address) return fail(dial, Kind::Dns, {});
    const net::AddressFilter& filter = dial.request_.local_client ? local_filter_ : remote_filter_;
    if (filter.verdict(*address) != net::AddressFilter::Verdict::Allowed) return fail(dial, Kind::Denied, *address);
    dial.address_ = address;
    if (known != names_.end()) dial.events_.on_addresses(std::span(&*address, 1));
  }

  static void fail(FakeDial& dial, Kind kind, const net::SocketAddress& address) {
    DialFailure failure;
    failure.connect = {.kind = kind, .error = 0, .address = address};
    dial.events_.on_dial_failed(failure);
  }

  static void deliver(FakeStream& stream) {
    if (!stream.reading_ || stream.events_ == nullptr) return;
    FakeWire& wire = *stream.wire_;
    net::StreamEvents& events = *stream.events_;
    if (!wire.bytes.empty()) return events.on_bytes(std::exchange(wire.bytes, {}));
    if (wire.reset) {
      stream.reading_ = false;
      return events.on_broken(UV_ECONNRESET);
    }
    if (!wire.ended) return;
    stream.reading_ = false;
    events.on_end();
  }

  /// All streams at once, as the loop does it: once a turn.
  void poll() {
    if (std::exchange(polled_, true)) return;
    for (FakeStream* stream : streams_) stream->was_readable_ = stream->wire_->readable();
  }

  const net::AddressFilter& local_filter_;
  const net::AddressFilter& remote_filter_;
  std::map<std::string, std::string> names_;
  std::set<std::uint16_t> refused_;
  std::set<std::string> swallowed_;
  std::map<std::uint16_t, std::shared_ptr<FakeWire>> wires_;
  std::vector<FakeDial*> dials_;
  std::vector<FakeStream*> streams_;
  TimePoint now_{};
  std::uint16_t last_name_ = 40000;
  bool held_ = false;
  bool polled_ = false;
};

inline FakeStream::FakeStream(FakeNetwork& network, std::uint16_t name, std::shared_ptr<FakeWire> wire)
    : network_(&network), name_(name), wire_(std::move(wire)) {
  network_->streams_.push_back(this);
}
inline FakeStream::~FakeStream() {
  if (network_ == nullptr) return;
  std::erase(network_->streams_, this);
  wire_->closed = true;
  if (network_->on_close) network_->on_close();
}
inline bool FakeStream::check_idle_alive_cached(TimePoint) noexcept {
  network_->poll();
  return !was_readable_;
}
inline std::unique_ptr<net::DetachedStream> FakeStream::detach() {
  if (wire_->readable()) return nullptr;
  std::erase(network_->streams_, this);
  return std::make_unique<FakeDetachedStream>(*std::exchange(network_, nullptr), name_, wire_);
}

inline FakeDial::FakeDial(FakeNetwork& network, DialRequest request, DialEvents& events, TimePoint began)
    : network_(network), request_(std::move(request)), events_(events), began_(began) {
  network_.dials_.push_back(this);
}
inline FakeDial::~FakeDial() {
  std::erase(network_.dials_, this);
}

}  // namespace keepwarm::pool::test
