#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "core/proxy/exchange.h"
#include "core/proxy/router.h"
#include "tests/unit/pool/pool_fixture.h"
#include "tests/unit/proxy/fake_stream.h"

/// One Exchange between a client that is a FakeStream and a real pool, for scripts: the test says what the client
/// sends, what the origin answers and when time is up, and looks at what went out on both sides. Nothing waits for a
/// clock.
namespace keepwarm::proxy::test {

using namespace std::chrono_literals;

class Scene final : public Downstream, public SessionOwner, public AccessSink {
 public:
  explicit Scene(const policy::HostSettings& host = {}, const policy::ProxySettings& proxy = {})
      : upstream_(host), settings_(proxy) {}
  ~Scene() {
    if (!over && started_) exchange_->client_left(ExchangeOutcome::Shutdown);
    bound_.reset();
    exchange_.reset();
    upgraded_to.reset();
  }
  Scene(const Scene&) = delete;
  Scene& operator=(const Scene&) = delete;

  // ---- The client ----

  /// A request as the client sends it; "ORIGIN" in it stands for the origin's authority. Returns what was left over: it
  /// belongs to no body of this request.
  std::string start(std::string_view request) {
    text_ = with_origin(request);
    over.reset();
    started_ = true;
    stream_.reset();
    client = FakeWire();
    client.reading = true;
    stream_.emplace(client);
    upstream_.clock.begin_event();
    http::HeadScan scan;
    http::RequestHead head;
    REQUIRE(context_.scratch.parser.parse_request(text_, scan, {}, head) == http::HeadProgress::Complete);
    const Route route = route_request(head, settings_, context_.mode.pseudonym);
    REQUIRE(route.kind == Route::Kind::Forward);
    const std::string_view rest = std::string_view(text_).substr(head.size);
    return std::string(rest.substr(exchange_->start(*this, facts_, head, route, rest)));
  }
  /// Further bytes of the body.
  void send_body(std::string_view bytes) {
    upstream_.clock.begin_event();
    CHECK(exchange_->request_bytes(bytes) == bytes.size());
  }
  /// The client has read all that was queued for it.
  void client_drains() {
    upstream_.clock.begin_event();
    client.full = false;
    client.sent += std::exchange(client.queued, {});
    exchange_->client_drained();
  }
  /// Its FIN comes behind the whole request; the session lets the exchange go on.
  void client_half_closes() { facts_.ended = true; }
  void client_leaves() {
    upstream_.clock.begin_event();
    exchange_->client_left(ExchangeOutcome::Client);
    over = AfterExchange::Reset;  // no call back comes: the session closes by itself
  }

  // ---- The origin ----

  /// Waits until the origin has more of a request; returns all that came on its connection since it was last asked.
  std::string receive() {
    std::string got;
    upstream_.run_until([&] {
      for (std::size_t i = 0; i < connections_seen(); ++i) {
        std::string& sent = wire(i).sent;
        if (sent.empty()) continue;
        got += std::exchange(sent, {});
        connection = i;
      }
      return !got.empty();
    });
    return got;
  }
  /// The origin sends; the exchange has a connection.
  void answer(std::string_view bytes) {
    upstream_.clock.begin_event();
    upstream_events().on_bytes(bytes);
  }
  void origin_ends() {
    upstream_.clock.begin_event();
    upstream_events().on_end();
  }
  void origin_resets() {
    upstream_.clock.begin_event();
    upstream_events().on_broken(-ECONNRESET);
  }
  /// Has a plain request and its response use a connection, which then lies idle.
  void make_idle_connection() {
    start("GET http://ORIGIN/first HTTP/1.1\r\nHost: ORIGIN\r\n\r\n");
    receive();
    answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    REQUIRE(over == AfterExchange::Continue);
    records.clear();
  }
  /// What TCP says of the connection that receive() last got something on: `acknowledged` counts this request's bytes.
  void set_send_state(const net::SendState& state) { wire(connection).send_state = state; }
  /// Nothing can be written on the first connection any more, and nobody can see it before.
  void break_writing() { wire(0).refuses_writes = true; }
  /// No connection is had from now on; fail_checkout() says why.
  void hold_connections() { upstream_.network.hold(); }
  void release_connections() { upstream_.network.release(); }
  void run_until_over() {
    upstream_.run_until([&] { return over.has_value(); });
  }
  void fail_checkout(const pool::CheckoutFailure& failure) {
    upstream_.clock.begin_event();
    static_cast<pool::CheckoutEvents&>(*exchange_).on_checkout_failed(failure);
  }
  /// A lease that nobody asked for.
  void give_second_lease() {
    upstream_.clock.begin_event();
    static_cast<pool::CheckoutEvents&>(*exchange_).on_lease(pool::Lease(), {});
  }

  // ---- Time ----

  /// From here on the sockets whose events happen were last polled so long ago.
  void fall_behind(Duration by) { upstream_.clock.behind = by; }
  /// The clock goes on; nothing that was due meanwhile happens.
  void wait(Duration time) { upstream_.clock.advance(time); }
  /// How long from now the exchange waits for whatever it waits for.
  [[nodiscard]] Duration patience() const {
    REQUIRE(deadline().armed());
    return deadline().due() - net::Loop::event_time();
  }
  /// That time has passed.
  void time_passes() {
    REQUIRE(deadline().armed());
    upstream_.clock.advance(patience() + DeadlineWheel::kTick);
    upstream_.wheel.advance(upstream_.clock.now());
    upstream_.clock.begin_event();
  }

  // ---- What became of it ----

  [[nodiscard]] Exchange& exchange() noexcept { return *exchange_; }
  [[nodiscard]] const ProxyStats& stats() const noexcept { return context_.stats; }
  [[nodiscard]] std::uint64_t closed(pool::CloseReason reason) const { return upstream_.closed(reason); }
  /// What came on a connection and was not asked for by receive().
  [[nodiscard]] const std::string& sent_upstream(std::size_t i) { return wire(i).sent; }
  /// The connection that receive() last got something on was closed by RST.
  [[nodiscard]] bool reset_upstream() { return wire(connection).closed_by_reset; }
  /// How long the kernel goes on with it without an acknowledgement; zero: as long as it likes.
  [[nodiscard]] Duration unacknowledged_limit() { return wire(connection).unacknowledged_limit; }
  [[nodiscard]] std::size_t connections_seen() const noexcept { return upstream_.stats.opened; }
  [[nodiscard]] std::vector<std::string>& log_lines() noexcept { return upstream_.log.lines; }
  void set_draining() noexcept { context_.mode.draining = true; }

  FakeWire client;
  bool client_waits = true;           ///< what the session says, each time it is asked
  int client_checks = 0;              ///< how often it was
  int pauses = 0;                     ///< how often it was told that the client is not read from
  std::optional<AfterExchange> over;  ///< what the exchange said at its end
  std::size_t connection = 0;         ///< which one receive() last got something on, in the order of their opening
  std::unique_ptr<net::Stream> upgraded_to;
  std::string upgraded_early;

  struct Record {
    std::uint16_t status;
    ExchangeOutcome outcome;
    std::string error;
    bool reused;
    std::uint32_t retries;
    std::uint64_t received, sent;
  };
  std::vector<Record> records;  ///< the access log

 private:
  [[nodiscard]] std::string with_origin(std::string_view text) const {
    const std::string origin = "origin.test:" + std::to_string(pool::test::Fixture::kPort);
    std::string result(text);
    for (std::size_t at = 0; (at = result.find("ORIGIN", at)) != std::string::npos;) result.replace(at, 6, origin);
    return result;
  }
  [[nodiscard]] pool::test::FakeWire& wire(std::size_t i) {
    return upstream_.network.wire(static_cast<std::uint16_t>(40000 + i + 1));
  }
  [[nodiscard]] net::StreamEvents& upstream_events() { return *exchange_; }
  [[nodiscard]] Deadline& deadline() const { return *exchange_; }

  // Downstream
  [[nodiscard]] net::Stream& client_stream() noexcept override { return *stream_; }
  [[nodiscard]] bool client_awaits_answer() override {
    ++client_checks;
    return client_waits;
  }
  void client_paused() override { ++pauses; }
  void exchange_over(AfterExchange after) override {
    REQUIRE_FALSE(over);
    over = after;
  }
  void upgraded(std::unique_ptr<net::Stream> upstream, std::string, std::string_view early, Duration) override {
    upgraded_to = std::move(upstream);
    upgraded_early = early;
    over = AfterExchange::Continue;
    ++upstream_.detached;
  }
  void bind_connection(pool::HostRef host, pool::Lease lease) override {
    bound_.emplace(std::move(host), std::move(lease));
  }
  [[nodiscard]] pool::Lease take_bound_connection(const pool::HostPool&) override {
    return bound_ ? std::move(bound_->second) : pool::Lease();
  }
  // SessionOwner
  [[nodiscard]] Exchange* take_exchange() override { return nullptr; }
  void retire_exchange(Exchange*) noexcept override {}
  void retire_session(ClientSession&) noexcept override {}
  // AccessSink
  [[nodiscard]] bool enabled() const noexcept override { return true; }
  void write(const AccessRecord& record) override {
    records.push_back({record.status, record.ended, std::string(record.failure.error), record.reused, record.retries,
                       record.bytes_received, record.bytes_sent});
  }

  pool::test::Fixture upstream_;
  policy::ProxySettings settings_;
  ClientFacts facts_{net::test::literal("127.0.0.1"), true};
  net::Loop loop_;
  net::TlsClient tls_{loop_, net::TrustStore()};
  Interception interception_{upstream_.log, tls_};
  ProxyContext context_{.deadlines = upstream_.wheel,
                        .pool = *upstream_.pool,
                        .log = upstream_.log,
                        .access = *this,
                        .owner = *this,
                        .interception = interception_,
                        .mode = {.settings = &settings_, .pseudonym = "keepwarm-test"}};
  std::optional<FakeStream> stream_;
  std::string text_;
  bool started_ = false;
  std::unique_ptr<Exchange> exchange_ = std::make_unique<Exchange>(context_);
  std::optional<std::pair<pool::HostRef, pool::Lease>> bound_;
};

/// The first line of what the client got, without its end.
inline std::string status_line(const Scene& scene) {
  return scene.client.sent.substr(0, scene.client.sent.find('\r'));
}

inline constexpr std::string_view kGet = "GET http://ORIGIN/x HTTP/1.1\r\nHost: ORIGIN\r\n\r\n";
inline constexpr std::string_view kPost =
    "POST http://ORIGIN/x HTTP/1.1\r\nHost: ORIGIN\r\nContent-Length: 4\r\n\r\nbody";
inline constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

}  // namespace keepwarm::proxy::test
