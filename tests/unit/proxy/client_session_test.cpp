#include "core/proxy/client_session.h"

#include <algorithm>
#include <cerrno>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "tests/unit/pool/pool_fixture.h"
#include "tests/unit/proxy/fake_stream.h"

// What a session owns in each of its states, and how it ends there: between a client that is a FakeStream and a real
// pool over a fake network, in a time that the test owns.

namespace keepwarm::proxy::test {
namespace {

using namespace std::chrono_literals;

struct Record {
  std::string method;
  std::uint16_t status;
  ExchangeOutcome outcome;
};

class SessionScene final : public SessionOwner, public AccessSink {
 public:
  explicit SessionScene(const policy::HostSettings& host = {}, const policy::ProxySettings& proxy = {})
      : upstream(host), settings_(proxy) {
    settings_.connect_ports = {{1, 65535}};
  }
  ~SessionScene() {
    session_.reset();
    exchange_.reset();
    // A tunnel of CONNECT is no connection of the pool, which counts its end alone.
    for (const Record& each : records) {
      if (each.method == "CONNECT" && each.status == 200) ++upstream.stats.opened;
    }
  }
  SessionScene(const SessionScene&) = delete;
  SessionScene& operator=(const SessionScene&) = delete;

  void start(bool intercepted = false) {
    upstream.clock.begin_event();
    session_ = std::make_unique<ClientSession>(
        context_, ClientFacts{.address = net::test::literal("127.0.0.1"), .intercepted = intercepted});
    session_->start(std::make_unique<FakeStream>(client));
  }
  /// The client sends; "ORIGIN" stands for the origin's authority.
  void send(std::string_view text) {
    const std::string origin = "origin.test:" + std::to_string(pool::test::Fixture::kPort);
    std::string bytes(text);
    for (std::size_t at = 0; (at = bytes.find("ORIGIN", at)) != std::string::npos;) bytes.replace(at, 6, origin);
    client.bytes(bytes);
  }
  void run_until_client_has(std::string_view text) {
    upstream.run_until([&] { return client.sent.find(text) != std::string::npos; });
  }
  /// Waits until all that came at the origin ends so.
  void run_until_origin_has(std::string_view text) {
    upstream.run_until([&] { return connected() && origin().sent.ends_with(text); });
  }
  void origin_sends(std::string_view text) {
    origin().bytes += text;
    upstream.turn();
  }
  void origin_ends() {
    origin().ended = true;
    upstream.turn();
  }
  /// The only connection that there is.
  [[nodiscard]] pool::test::FakeWire& origin() { return upstream.network.wire(40001); }
  /// As the engine does when the service ends.
  void drain() {
    context_.mode.draining = true;
    session_->drain();
  }
  void destroy_session() { session_.reset(); }
  [[nodiscard]] ClientSession& session() { return *session_; }
  [[nodiscard]] const ProxyStats& stats() const noexcept { return context_.stats; }

  pool::test::Fixture upstream;
  FakeWire client;
  std::vector<Record> records;  ///< the access log
  int retired = 0;

 private:
  [[nodiscard]] bool connected() const { return upstream.stats.opened > 0 || stats().tunnels > 0; }
  // SessionOwner
  [[nodiscard]] Exchange* take_exchange() override { return exchange_.get(); }
  void retire_exchange(Exchange*) noexcept override {}
  void retire_session(ClientSession&) noexcept override { ++retired; }
  // AccessSink
  [[nodiscard]] bool enabled() const noexcept override { return true; }
  void write(const AccessRecord& record) override {
    records.push_back({std::string(record.method), record.status, record.ended});
  }

  policy::ProxySettings settings_;
  net::Loop loop_;
  net::TlsClient tls_{loop_, net::TrustStore()};
  Interception interception_{upstream.log, tls_};
  ProxyContext context_{.deadlines = upstream.wheel,
                        .pool = *upstream.pool,
                        .log = upstream.log,
                        .access = *this,
                        .owner = *this,
                        .interception = interception_,
                        .mode = {.settings = &settings_, .pseudonym = "keepwarm-test"}};
  std::unique_ptr<Exchange> exchange_ = std::make_unique<Exchange>(context_);
  std::unique_ptr<ClientSession> session_;
};

constexpr std::string_view kGetRoot = "GET http://ORIGIN/ HTTP/1.1\r\nHost: ORIGIN\r\n\r\n";
constexpr std::string_view kHalfPost = "POST http://ORIGIN/ HTTP/1.1\r\nHost: ORIGIN\r\nContent-Length: 4\r\n\r\nbo";
constexpr std::string_view kOkAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
constexpr std::string_view kMalformed = "MALFORMED\r\n\r\n";
constexpr std::string_view kConnect = "CONNECT ORIGIN HTTP/1.1\r\nHost: ORIGIN\r\n\r\n";
constexpr std::string_view kUpgrade =
    "GET http://ORIGIN/ HTTP/1.1\r\nHost: ORIGIN\r\nConnection: upgrade\r\nUpgrade: p\r\n\r\n";
constexpr std::string_view kSwitched = "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: p\r\n\r\n";

// ---- The ways into the states ----

void await_first_head(SessionScene& scene) {
  scene.start();
}
void begin_head(SessionScene& scene) {
  scene.start();
  scene.send("GET ");
}
void await_next_head(SessionScene& scene) {
  scene.start();
  scene.send(kGetRoot);
  scene.run_until_origin_has("\r\n\r\n");
  scene.origin_sends(kOkAnswer);
  REQUIRE(scene.client.sent.ends_with("ok"));
}
void exchange(SessionScene& scene) {
  scene.start();
  scene.send(kGetRoot);
  scene.run_until_origin_has("\r\n\r\n");
}
void exchange_within_body(SessionScene& scene) {
  scene.start();
  scene.send(kHalfPost);
  scene.run_until_origin_has("bo");
}
void connect(SessionScene& scene) {
  scene.upstream.network.hold();
  scene.start();
  scene.send(kConnect);
}
void tunnel(SessionScene& scene) {
  scene.start();
  scene.send(kConnect);
  scene.run_until_client_has("HTTP/1.1 200 ");
}
void upgrade(SessionScene& scene) {
  scene.start();
  scene.send(kUpgrade);
  scene.run_until_origin_has("\r\n\r\n");
  scene.origin_sends(kSwitched);
  REQUIRE(scene.client.sent.starts_with("HTTP/1.1 101 "));
}
void flush(SessionScene& scene) {
  scene.start();
  scene.client.full = true;
  scene.send(kMalformed);
  REQUIRE(scene.client.queued.starts_with("HTTP/1.1 400 "));
}
void linger(SessionScene& scene) {
  scene.start();
  scene.send(kMalformed);
  REQUIRE(scene.client.sent.starts_with("HTTP/1.1 400 "));
  REQUIRE(scene.client.finished);
}

struct Way {
  const char* state;
  void (*enter)(SessionScene&);
  bool closes_at_end;        ///< the client's end is the session's
  bool reset_when_broken;    ///< what the client got must not look like all there was
  bool closes_when_drained;  ///< at once
  bool logs_when_cut;        ///< a request is under way, and has no line in the log yet
};
constexpr Way kWays[] = {
    {"AwaitingHead, the first", await_first_head, true, false, false, false},
    {"AwaitingHead, within a head", begin_head, true, false, false, false},
    {"AwaitingHead, after an exchange", await_next_head, true, false, true, false},
    {"InExchange", exchange, false, false, false, true},
    {"InExchange, within a body", exchange_within_body, true, false, false, true},
    {"Connecting", connect, false, true, false, true},
    {"Tunnelling", tunnel, false, true, false, true},
    {"Upgraded", upgrade, false, true, false, false},
    {"Flushing", flush, false, false, false, false},
    {"Lingering", linger, true, false, false, false},
};

TEST_CASE("in each state: the client's end") {
  for (const Way& way : kWays) {
    CAPTURE(way.state);
    SessionScene scene;
    way.enter(scene);
    scene.client.end();
    CHECK(scene.retired == (way.closes_at_end ? 1 : 0));
    CHECK_FALSE(scene.client.reset);
    scene.session().abort();
    CHECK(scene.retired == 1);
  }
}

TEST_CASE("in each state: the client's reset ends the session, and what is under way is logged as the client's end") {
  for (const Way& way : kWays) {
    CAPTURE(way.state);
    SessionScene scene;
    way.enter(scene);
    const std::size_t logged = scene.records.size();
    scene.client.broken(-ECONNRESET);
    CHECK(scene.retired == 1);
    CHECK(scene.client.reset == way.reset_when_broken);
    REQUIRE(scene.records.size() == logged + (way.logs_when_cut ? 1 : 0));
    if (way.logs_when_cut) CHECK(scene.records.back().outcome == ExchangeOutcome::Client);
  }
}

TEST_CASE("in each state: abort() ends the session once, and what is under way is logged once") {
  for (const Way& way : kWays) {
    CAPTURE(way.state);
    SessionScene scene;
    way.enter(scene);
    const std::size_t logged = scene.records.size();
    scene.session().abort();
    scene.session().abort();
    CHECK(scene.retired == 1);
    CHECK(scene.client.reset == way.reset_when_broken);
    REQUIRE(scene.records.size() == logged + (way.logs_when_cut ? 1 : 0));
    if (way.logs_when_cut) CHECK(scene.records.back().outcome == ExchangeOutcome::Shutdown);
  }
}

TEST_CASE("in each state: a session that is destroyed as it is logs what is under way") {
  for (const Way& way : kWays) {
    CAPTURE(way.state);
    SessionScene scene;
    way.enter(scene);
    const std::size_t logged = scene.records.size();
    scene.destroy_session();
    CHECK(scene.records.size() == logged + (way.logs_when_cut ? 1 : 0));
    CHECK(scene.client.reset == way.reset_when_broken);
    CHECK(scene.client.destroyed);
  }
}

TEST_CASE("in each state: drain() closes at once only what awaits a further request") {
  for (const Way& way : kWays) {
    CAPTURE(way.state);
    SessionScene scene;
    way.enter(scene);
    scene.drain();
    CHECK(scene.retired == (way.closes_when_drained ? 1 : 0));
    CHECK_FALSE(scene.client.reset);
  }
}

// ---- AwaitingHead ----

TEST_CASE("drain(): who has just connected has a moment to ask, and is served") {
  for (const bool asks : {false, true}) {
    CAPTURE(asks);
    SessionScene scene;
    scene.start();
    scene.drain();
    if (asks) {
      scene.send(kGetRoot);
      scene.run_until_origin_has("\r\n\r\n");
      scene.upstream.pass(1s);
      CHECK(scene.retired == 0);
      scene.origin_sends(kOkAnswer);
      CHECK(scene.client.sent.find("\r\nConnection: close\r\n") != std::string::npos);
      CHECK(scene.client.finished);  // and then it lingers
      scene.client.end();
    } else {
      scene.upstream.pass(200ms);
      CHECK(scene.retired == 0);
      scene.upstream.pass(150ms);
      CHECK(scene.client.sent.empty());
    }
    CHECK(scene.retired == 1);
  }
}

TEST_CASE("drain(): an intercepted client is closed after what it had sent by then was read") {
  for (const bool asks : {false, true}) {
    CAPTURE(asks);
    SessionScene scene;
    scene.start(true);
    for (int i = 0; i < (asks ? 2 : 1); ++i) {
      scene.client.sent.clear();
      scene.send(kGetRoot);
      scene.run_until_origin_has("\r\n\r\n");
      scene.origin_sends(kOkAnswer);
      CHECK(scene.client.sent.starts_with("HTTP/1.1 200 "));
      if (i == 0) scene.drain();
      CHECK(scene.retired == 0);
    }
    scene.upstream.pass(100ms);
    if (asks) scene.client.end();  // we have said close, and linger
    CHECK(scene.retired == 1);
  }
}

TEST_CASE("drain(): who is within the first head has as long for it as ever, and is served") {
  for (const bool completes : {false, true}) {
    CAPTURE(completes);
    SessionScene scene;
    begin_head(scene);
    scene.drain();
    scene.upstream.pass(9s);
    CHECK(scene.retired == 0);
    CHECK(scene.client.sent.empty());
    if (completes) {
      scene.send(kGetRoot.substr(std::string_view("GET ").size()));
      scene.run_until_origin_has("\r\n\r\n");
      scene.origin_sends(kOkAnswer);
      CHECK(scene.client.sent.starts_with("HTTP/1.1 200 "));
      CHECK(scene.client.sent.find("\r\nConnection: close\r\n") != std::string::npos);
    } else {
      scene.upstream.pass(1100ms);
      CHECK(scene.client.sent.starts_with("HTTP/1.1 408 "));
    }
    CHECK(scene.client.finished);
    scene.client.end();
    CHECK(scene.retired == 1);
  }
}

TEST_CASE("a client that asks nothing is closed in silence, before its first request and after one") {
  for (const bool first : {true, false}) {
    CAPTURE(first);
    SessionScene scene;
    first ? await_first_head(scene) : await_next_head(scene);
    const std::string sent = scene.client.sent;
    scene.upstream.pass(59s);
    CHECK(scene.retired == 0);
    scene.upstream.pass(2s);
    CHECK(scene.retired == 1);
    CHECK(scene.client.sent == sent);
    CHECK_FALSE(scene.client.finished);
  }
}

TEST_CASE("a head that does not come in time is answered with 408") {
  SessionScene scene;
  begin_head(scene);
  scene.upstream.pass(9s);
  scene.send("http://");  // which puts nothing off
  CHECK(scene.client.sent.empty());
  scene.upstream.pass(1100ms);
  CHECK(scene.client.sent.starts_with("HTTP/1.1 408 "));
  CHECK(scene.client.finished);
  CHECK(scene.retired == 0);
}

TEST_CASE("of many pipelined requests that are answered at once, others have their turn after each 64") {
  constexpr std::string_view kAsked = "OPTIONS http://ORIGIN/ HTTP/1.1\r\nHost: ORIGIN\r\nMax-Forwards: 0\r\n\r\n";
  std::string requests;
  for (int i = 0; i < 150; ++i) requests += kAsked;
  for (const bool ends : {false, true}) {
    CAPTURE(ends);
    SessionScene scene;
    scene.start();
    scene.send(requests);
    CHECK(scene.records.size() == 64);
    if (ends) scene.client.end();
    CHECK(scene.retired == 0);
    scene.upstream.pass(DeadlineWheel::kTick);
    CHECK(scene.records.size() == 128);
    scene.upstream.pass(DeadlineWheel::kTick);
    CHECK(scene.records.size() == 150);
    CHECK(scene.retired == (ends ? 1 : 0));
    if (!ends) scene.upstream.pass(61s);  // then it is idle as any other
    CHECK(scene.retired == 1);
  }
}

TEST_CASE("behind many pipelined requests an empty line alone does not keep a client for ever, nor send it away") {
  std::string requests;
  for (int i = 0; i < 64; ++i) {
    requests += "OPTIONS http://ORIGIN/ HTTP/1.1\r\nHost: ORIGIN\r\nMax-Forwards: 0\r\n\r\n";
  }
  for (const bool in_pieces : {false, true}) {
    CAPTURE(in_pieces);
    SessionScene scene;
    scene.start();
    scene.send(requests + (in_pieces ? "\r" : "\r\n"));
    REQUIRE(scene.records.size() == 64);
    if (in_pieces) scene.send("\n");
    scene.upstream.pass(50s);
    CHECK(scene.retired == 0);
    scene.upstream.pass(11s);
    CHECK(scene.retired == 1);
  }
}

// ---- InExchange ----

TEST_CASE("a half-closed client gets its answer, and only then the session ends") {
  SessionScene scene;
  exchange(scene);
  scene.client.end();
  scene.origin_sends(kOkAnswer);
  CHECK(scene.client.sent.ends_with("ok"));
  CHECK(scene.retired == 1);
  REQUIRE(scene.records.size() == 1);
  CHECK(scene.records[0].outcome == ExchangeOutcome::Completed);
}

TEST_CASE("a client that has left when its FIN comes takes its exchange along") {
  for (const PeerPresence presence : {PeerPresence::Gone, PeerPresence::Unknown}) {
    SessionScene scene;
    exchange(scene);
    scene.client.peer.presence = presence;
    scene.client.end();
    CHECK(scene.retired == 1);
    CHECK(scene.upstream.closed(pool::CloseReason::ClientLeft) == 1);
    REQUIRE(scene.records.size() == 1);
    CHECK(scene.records[0].outcome == ExchangeOutcome::Client);
    CHECK(scene.records[0].status == 0);
  }
}

TEST_CASE("a client that had not left quite when its FIN came is checked again at once") {
  SessionScene scene;
  exchange(scene);
  scene.client.end();
  scene.client.peer.presence = PeerPresence::Gone;
  CHECK(scene.retired == 0);
  scene.upstream.pass(policy::kCheckAfterEvent + DeadlineWheel::kTick);
  CHECK(scene.retired == 1);
}

TEST_CASE("a half-close that becomes a close is noticed within a second, however late") {
  SessionScene scene;
  exchange(scene);
  scene.client.end();
  scene.upstream.pass(30s);
  CHECK(scene.retired == 0);
  CHECK(scene.client.checks >= 30);
  scene.client.peer.presence = PeerPresence::Gone;
  scene.upstream.pass(1s);
  CHECK(scene.retired == 1);
  CHECK(scene.records.back().outcome == ExchangeOutcome::Client);
}

TEST_CASE("nobody is checked who has not ended") {
  SessionScene scene;
  exchange(scene);
  scene.upstream.pass(30s);
  scene.origin_sends(kOkAnswer);
  CHECK(scene.client.checks == 0);
}

TEST_CASE("a client whose end could not be heard, since its body waits, is checked as long as it waits") {
  for (const bool leaves : {true, false}) {
    CAPTURE(leaves);
    policy::HostSettings host;
    host.retry_body_size = 1;
    SessionScene scene(host);
    scene.upstream.network.hold();
    scene.start();
    scene.send(kHalfPost);
    REQUIRE_FALSE(scene.client.reading);
    scene.upstream.pass(3s);
    CHECK(scene.retired == 0);
    CHECK(scene.client.checks >= 3);
    if (leaves) {
      scene.client.peer.presence = PeerPresence::Gone;
      scene.upstream.pass(1s);
      CHECK(scene.retired == 1);
      REQUIRE(scene.records.size() == 1);
      CHECK(scene.records[0].outcome == ExchangeOutcome::Client);
    } else {
      scene.upstream.network.release();
      scene.run_until_origin_has("bo");
      const int checks = scene.client.checks;
      scene.upstream.pass(3s);
      CHECK(scene.client.checks <= checks + 1);  // that it is heard is noticed at the next
    }
  }
}

TEST_CASE("a client that pipelines more than is read is checked while its first request is under way") {
  SessionScene scene;
  scene.start();
  scene.send(kGetRoot);
  scene.run_until_origin_has("\r\n\r\n");
  scene.client.bytes(std::string(64 * 1024, 'x'));
  REQUIRE_FALSE(scene.client.reading);
  scene.client.peer.presence = PeerPresence::Gone;
  scene.upstream.pass(1s);
  CHECK(scene.retired == 1);
  CHECK(scene.upstream.closed(pool::CloseReason::ClientLeft) == 1);
}

TEST_CASE("client_half_close: honour checks nobody, abort ends whoever ends") {
  for (const bool honours : {true, false}) {
    CAPTURE(honours);
    policy::ProxySettings settings;
    settings.client_half_close = honours ? policy::ClientHalfClose::Honour : policy::ClientHalfClose::Abort;
    SessionScene scene({}, settings);
    exchange(scene);
    scene.client.peer.presence = honours ? PeerPresence::Gone : PeerPresence::Present;
    scene.client.end();
    scene.upstream.pass(5s);
    CHECK(scene.retired == (honours ? 0 : 1));
    CHECK(scene.client.checks == 0);
  }
}

TEST_CASE("a pipelined request of a client that has left meanwhile is never begun") {
  SessionScene scene;
  scene.start();
  scene.send(std::string(kGetRoot) + std::string(kGetRoot));
  scene.run_until_origin_has("\r\n\r\n");
  const std::size_t one = scene.origin().sent.size();
  scene.client.end();
  scene.client.peer.presence = PeerPresence::Gone;
  scene.origin_sends(kOkAnswer);
  CHECK(scene.retired == 1);
  CHECK(scene.origin().sent.size() == one);
  CHECK(scene.records.size() == 1);
}

TEST_CASE("a half-closed client is checked during its second request, too") {
  SessionScene scene;
  scene.start();
  scene.send(std::string(kGetRoot) + std::string(kGetRoot));
  scene.run_until_origin_has("\r\n\r\n");
  scene.client.end();
  scene.origin_sends(kOkAnswer);
  REQUIRE(scene.retired == 0);
  scene.upstream.pass(5s);
  REQUIRE(scene.retired == 0);
  scene.client.peer.presence = PeerPresence::Gone;
  scene.upstream.pass(1s);
  CHECK(scene.retired == 1);
  CHECK(scene.records.size() == 2);
}

TEST_CASE("while an exchange is under way the session has no time limit of its own") {
  SessionScene scene;
  exchange(scene);
  scene.upstream.pass(90s);
  CHECK(scene.retired == 0);
  CHECK(scene.client.sent.empty());
}

TEST_CASE("a pipelined request waits for the answer to the first") {
  SessionScene scene;
  scene.start();
  scene.send(std::string(kGetRoot) + std::string(kGetRoot));
  scene.run_until_origin_has("\r\n\r\n");
  const std::size_t one = scene.origin().sent.size();
  scene.origin_sends(kOkAnswer);
  scene.run_until_origin_has("\r\n\r\n");
  CHECK(scene.origin().sent.size() == 2 * one);
  scene.origin_sends(kOkAnswer);
  CHECK(scene.records.size() == 2);
}

/// The answer to a GET waits for a client that does not read, and `behind` comes behind the GET meanwhile.
void pipeline_behind_waiting_answer(SessionScene& scene, std::string_view behind) {
  exchange(scene);
  scene.client.full = true;
  scene.origin_sends(kOkAnswer);
  REQUIRE(scene.client.queued.ends_with("ok"));
  scene.send(behind);
}

TEST_CASE("a request that begins with bytes which filled the buffer is read on") {
  constexpr std::string_view kHead = "POST http://ORIGIN/ HTTP/1.1\r\nHost: ORIGIN\r\nContent-Length: 70000\r\n\r\n";
  SessionScene scene;
  pipeline_behind_waiting_answer(scene, std::string(kHead) + std::string(65520, 'b'));
  REQUIRE_FALSE(scene.client.reading);
  scene.client.drain();
  CHECK(scene.client.reading);
  scene.run_until_origin_has("bbb");
  scene.client.bytes(std::string(70000 - 65520 - 1, 'b') + '.');
  scene.run_until_origin_has("b.");
}

TEST_CASE("a half-close in the middle of a pipelined request: what is whole is answered, the rest is never begun") {
  for (const bool waits : {false, true}) {
    CAPTURE(waits);
    SessionScene scene;
    if (waits) {
      pipeline_behind_waiting_answer(scene, kHalfPost);
      scene.client.end();
      scene.client.drain();
    } else {
      exchange(scene);
      scene.send(kHalfPost);
      scene.client.end();
      REQUIRE(scene.retired == 0);
      scene.origin_sends(kOkAnswer);
    }
    CHECK(scene.client.sent.ends_with("ok"));
    CHECK(scene.retired == 1);
    CHECK_FALSE(scene.client.reset);
    CHECK(scene.origin().sent.find("POST") == std::string::npos);
    REQUIRE(scene.records.size() == 2);
    CHECK(scene.records[0].outcome == ExchangeOutcome::Completed);
    CHECK(scene.records[1].outcome == ExchangeOutcome::Client);
  }
}

TEST_CASE("a whole request behind which the client ended is answered, though the end came before its turn") {
  SessionScene scene;
  exchange(scene);
  scene.send(std::string(kHalfPost) + "dy");
  scene.client.end();
  scene.origin_sends(kOkAnswer);
  scene.run_until_origin_has("body");
  scene.origin_sends(kOkAnswer);
  CHECK(scene.records.size() == 2);
  CHECK(scene.records.back().outcome == ExchangeOutcome::Completed);
  CHECK(scene.retired == 1);
}

// ---- Connecting ----

TEST_CASE("a pipelined CONNECT whose client ended before its turn: the tunnel passes that end on") {
  SessionScene scene;
  exchange(scene);
  scene.send(kConnect);
  scene.client.end();
  scene.origin_sends(kOkAnswer);
  scene.run_until_client_has("HTTP/1.1 200 Connection");
  scene.upstream.network.wire(40002).ended = true;
  scene.upstream.turn();
  CHECK(scene.retired == 1);
  CHECK(scene.records.back().outcome == ExchangeOutcome::Completed);
}

TEST_CASE("a CONNECT with so many early bytes that its client is not read from notices when that leaves") {
  for (const bool at_once : {false, true}) {
    CAPTURE(at_once);
    SessionScene scene;
    scene.upstream.network.hold();
    scene.start();
    const std::string early(64 * 1024, 'e');
    scene.send(at_once ? std::string(kConnect) + early : std::string(kConnect));
    if (!at_once) scene.client.bytes(early);
    REQUIRE_FALSE(scene.client.reading);
    scene.upstream.pass(1s);
    CHECK(scene.retired == 0);
    scene.client.peer.presence = PeerPresence::Gone;
    scene.upstream.pass(1s);
    CHECK(scene.retired == 1);
    REQUIRE(scene.records.size() == 1);
    CHECK(scene.records[0].outcome == ExchangeOutcome::Client);
  }
}

TEST_CASE("a CONNECT whose 200 cannot be written has no tunnel") {
  SessionScene scene;
  connect(scene);
  scene.send("early");
  scene.client.fail_from = 1;
  scene.upstream.network.release();
  scene.upstream.run_until([&] { return scene.retired == 1; });
  CHECK(scene.client.sent.empty());
  CHECK(scene.client.writes.size() == 1);
  CHECK(scene.stats().tunnels == 0);
  REQUIRE(scene.records.size() == 1);
  CHECK(scene.records[0].outcome == ExchangeOutcome::Client);
  CHECK(scene.records[0].status == 0);
}

TEST_CASE("Connecting: early bytes and the client's end are kept for the tunnel") {
  SessionScene scene;
  scene.upstream.network.hold();
  scene.start();
  scene.send(std::string(kConnect) + "early ");
  scene.send("bytes");
  scene.client.end();
  CHECK(scene.client.sent.empty());
  scene.upstream.network.release();
  scene.run_until_origin_has("early bytes");
  CHECK(scene.client.sent.starts_with("HTTP/1.1 200 "));
  CHECK(scene.stats().tunnels == 1);
  CHECK(scene.stats().open_tunnels == 1);
  scene.origin_ends();
  CHECK(scene.retired == 1);
  REQUIRE(scene.records.size() == 1);
  CHECK(scene.records[0].outcome == ExchangeOutcome::Completed);
}

TEST_CASE("a CONNECT whose client leaves while it connects opens nothing any more") {
  for (const bool later : {false, true}) {
    CAPTURE(later);
    SessionScene scene;
    connect(scene);
    if (!later) scene.client.peer.presence = PeerPresence::Gone;
    scene.client.end();
    CHECK(scene.retired == (later ? 0 : 1));
    scene.client.peer.presence = PeerPresence::Gone;
    scene.upstream.pass(1s);
    CHECK(scene.retired == 1);
    REQUIRE(scene.records.size() == 1);
    CHECK(scene.records[0].outcome == ExchangeOutcome::Client);
    scene.destroy_session();
    scene.upstream.network.release();
    scene.upstream.pass(1s);
    CHECK(scene.stats().tunnels == 0);
  }
}

TEST_CASE("a client that ended before its tunnel is no longer checked once it is there") {
  SessionScene scene;
  connect(scene);
  scene.client.end();
  scene.upstream.network.release();
  scene.run_until_client_has("HTTP/1.1 200 ");
  const int checks = scene.client.checks;
  scene.client.peer.presence = PeerPresence::Gone;
  scene.upstream.pass(5s);
  CHECK(scene.client.checks == checks);
  CHECK(scene.retired == 0);
}

TEST_CASE("a CONNECT that is cut while it connects has no status in the log, and opens nothing any more") {
  SessionScene scene;
  connect(scene);
  scene.client.broken(-ECONNRESET);
  REQUIRE(scene.records.size() == 1);
  CHECK(scene.records[0].method == "CONNECT");
  CHECK(scene.records[0].status == 0);
  scene.destroy_session();
  scene.upstream.network.release();
  scene.upstream.pass(1s);
  CHECK(scene.stats().tunnels == 0);
  CHECK(scene.stats().open_tunnels == 0);
}

TEST_CASE("a CONNECT that fails when its session is closed already is neither answered nor logged again") {
  SessionScene scene;
  connect(scene);
  scene.session().abort();
  scene.upstream.network.forget("origin.test");
  scene.upstream.network.release();
  scene.upstream.turn();  // before the engine has destroyed the session
  CHECK(scene.client.sent.empty());
  CHECK(scene.records.size() == 1);
  CHECK(scene.retired == 1);
}

TEST_CASE("a CONNECT that is connected when its session is closed already is no tunnel, and is not logged again") {
  for (const bool aborted : {false, true}) {
    CAPTURE(aborted);
    SessionScene scene;
    connect(scene);
    aborted ? scene.session().abort() : scene.client.broken(-ECONNRESET);
    scene.upstream.network.release();
    scene.upstream.pass(1s);  // before the engine has destroyed the session
    CHECK(scene.client.sent.empty());
    CHECK(scene.stats().tunnels == 0);
    scene.destroy_session();
    CHECK(scene.records.size() == 1);
    CHECK(scene.retired == 1);
    CHECK(scene.stats().open_tunnels == 0);
  }
}

TEST_CASE("a handshake that is over when its session is closed already leads to no request") {
  SessionScene scene;
  connect(scene);
  scene.session().abort();
  static_cast<ConnectRequestEvents&>(scene.session()).on_intercepted(std::make_unique<InterceptedClient>());
  scene.client.events->on_bytes("junk\r\n\r\n");
  CHECK(scene.client.sent.empty());
  CHECK(scene.records.size() == 1);
  CHECK(scene.retired == 1);
}

TEST_CASE("a CONNECT that fails is answered, and its early bytes are no requests") {
  SessionScene scene;
  scene.upstream.network.forget("origin.test");
  scene.start();
  scene.send(std::string(kConnect) + std::string(kGetRoot));
  scene.run_until_client_has("HTTP/1.1 502 ");
  CHECK(scene.client.sent.find("error=dns_error") != std::string::npos);
  CHECK(scene.client.finished);  // a lingering close
  REQUIRE(scene.records.size() == 1);
  CHECK(scene.records[0].status == 502);
  CHECK(scene.records[0].outcome == ExchangeOutcome::Ourselves);
  CHECK(scene.stats().open_tunnels == 1);  // until the session is destroyed
}

TEST_CASE("a CONNECT that is not connected in time is answered with 504") {
  SessionScene scene;
  connect(scene);
  scene.upstream.pass(4900ms);
  CHECK(scene.client.sent.empty());
  scene.upstream.pass(200ms);
  CHECK(scene.client.sent.starts_with("HTTP/1.1 504 "));
  CHECK(scene.retired == 0);
  scene.client.end();
  CHECK(scene.retired == 1);
}

// ---- Tunnelling and Upgraded ----

TEST_CASE("a tunnel passes bytes both ways; both ends in turn end it, and so the session") {
  for (const bool by_connect : {true, false}) {
    for (const bool client_first : {true, false}) {
      CAPTURE(by_connect);
      CAPTURE(client_first);
      SessionScene scene;
      by_connect ? tunnel(scene) : upgrade(scene);
      scene.client.bytes("hello");
      CHECK(scene.origin().sent.ends_with("hello"));
      scene.origin_sends("there");
      CHECK(scene.client.sent.ends_with("there"));
      client_first ? scene.client.end() : scene.origin_ends();
      CHECK(scene.retired == 0);
      client_first ? scene.origin_ends() : scene.client.end();
      CHECK(scene.retired == 1);
      CHECK_FALSE(scene.client.reset);
      CHECK(scene.upstream.closed(pool::CloseReason::TunnelEnded) == 1);
      REQUIRE(scene.records.size() == 1);
      CHECK(scene.records[0].status == (by_connect ? 200 : 101));
      CHECK(scene.records[0].outcome == ExchangeOutcome::Completed);
    }
  }
}

TEST_CASE("a tunnel in which nothing passes ends by reset at tunnel_timeout") {
  policy::HostSettings settings;
  settings.tunnel_timeout = 10s;
  for (const bool by_connect : {true, false}) {
    CAPTURE(by_connect);
    SessionScene scene(settings);
    by_connect ? tunnel(scene) : upgrade(scene);
    scene.upstream.pass(9s);
    scene.client.bytes("x");
    scene.upstream.pass(9s);
    CHECK(scene.retired == 0);
    scene.upstream.pass(1100ms);
    CHECK(scene.retired == 1);
    CHECK(scene.client.reset);
    CHECK(scene.upstream.closed(pool::CloseReason::TunnelEnded) == 1);
    if (by_connect) CHECK(scene.records.back().outcome == ExchangeOutcome::Timeout);
  }
}

TEST_CASE("what comes with the 101, and behind the request that asked for it, goes first") {
  SessionScene scene;
  scene.start();
  scene.send(std::string(kUpgrade) + "early");
  scene.run_until_origin_has("\r\n\r\n");
  scene.origin_sends(std::string(kSwitched) + "first");
  CHECK(scene.client.sent.ends_with("\r\n\r\nfirst"));
  CHECK(scene.origin().sent.ends_with("\r\n\r\nearly"));
}

TEST_CASE("a client that ended before its 101 came: the tunnel ends with the origin's end") {
  SessionScene scene;
  scene.start();
  scene.send(kUpgrade);
  scene.run_until_origin_has("\r\n\r\n");
  scene.client.end();
  scene.origin_sends(kSwitched);
  CHECK(scene.retired == 0);
  scene.origin_ends();
  CHECK(scene.retired == 1);
  CHECK_FALSE(scene.client.reset);
}

// ---- Flushing and Lingering ----

TEST_CASE("Flushing: our answer goes out, then the session lingers, unless the client has ended") {
  for (const bool ends : {false, true}) {
    CAPTURE(ends);
    SessionScene scene;
    flush(scene);
    if (ends) scene.client.end();
    scene.client.drain();
    CHECK(scene.client.sent.starts_with("HTTP/1.1 400 "));
    CHECK(scene.client.finished == !ends);
    CHECK(scene.retired == (ends ? 1 : 0));
  }
}

TEST_CASE("Flushing: what the client sends waits in the kernel") {
  SessionScene scene;
  flush(scene);
  scene.send("more");
  CHECK_FALSE(scene.client.reading);
  scene.client.drain();
  CHECK(scene.client.reading);
}

TEST_CASE("Flushing: a client that reads slowly has time, one that reads nothing does not") {
  SessionScene scene;
  std::size_t unacknowledged = 100;
  scene.client.unacknowledged = [&] { return unacknowledged; };
  flush(scene);
  for (int i = 0; i < 3; ++i) {
    scene.upstream.pass(61s);
    CHECK(scene.retired == 0);
    --unacknowledged;
  }
  scene.upstream.pass(122s);
  CHECK(scene.retired == 1);
}

TEST_CASE("Lingering ends after 2 s, or when the client has sent too much") {
  for (const bool by_time : {true, false}) {
    CAPTURE(by_time);
    SessionScene scene;
    linger(scene);
    if (by_time) {
      scene.upstream.pass(1900ms);
      CHECK(scene.retired == 0);
      scene.upstream.pass(200ms);
    } else {
      scene.client.bytes(std::string(256 * 1024, 'x'));
      CHECK(scene.retired == 0);
      scene.client.bytes("x");
    }
    CHECK(scene.retired == 1);
  }
}

}  // namespace
}  // namespace keepwarm::proxy::test
