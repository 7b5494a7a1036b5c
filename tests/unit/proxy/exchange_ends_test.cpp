#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "core/policy/client_end.h"
#include "tests/unit/proxy/exchange_fixture.h"

// How an exchange ends that a response has reached, and what the client's messages do to it: core/doc/design.md §5.

namespace keepwarm::proxy::test {
namespace {

using pool::CloseReason;

constexpr std::string_view kHead4 = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n";
constexpr std::string_view kChunkedHead = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
constexpr std::string_view kAnswerUntilClose = "HTTP/1.1 200 OK\r\n\r\n";
constexpr std::string_view kOldGet = "GET http://ORIGIN/x HTTP/1.0\r\nHost: ORIGIN\r\n\r\n";
constexpr std::string_view kHalfSentPost =
    "POST http://ORIGIN/x HTTP/1.1\r\nHost: ORIGIN\r\nContent-Length: 8\r\n\r\nhalf";

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// ---- The client leaves ----

TEST_CASE("a client that leaves midway costs the upstream connection, and nothing else") {
  struct Case {
    const char* name;
    bool connected, head, body;
    std::uint16_t status;
    std::uint64_t closes;
  };
  const Case cases[] = {{"while it waits for a connection", false, false, false, 0, 0},
                        {"before the answer", true, false, false, 0, 1},
                        {"within the answer", true, true, false, 200, 1}};
  for (const Case& c : cases) {
    CAPTURE(c.name);
    Scene scene;
    if (!c.connected) scene.hold_connections();
    scene.start(kGet);
    if (c.connected) scene.receive();
    if (c.head) scene.answer(kHead4);
    scene.client_leaves();
    REQUIRE(scene.records.size() == 1);
    CHECK(scene.records[0].outcome == ExchangeOutcome::Client);
    CHECK(scene.records[0].status == c.status);
    CHECK(scene.closed(CloseReason::ClientLeft) == c.closes);
  }
}

TEST_CASE("a client that leaves while the rest of its answered request is read is not logged twice") {
  Scene scene;
  scene.start(kHalfSentPost);
  scene.receive();
  scene.answer(kOk);
  REQUIRE(scene.records.size() == 1);
  CHECK_FALSE(scene.over);
  scene.client_leaves();
  CHECK(scene.records.size() == 1);
  CHECK(scene.records[0].outcome == ExchangeOutcome::Completed);
}

TEST_CASE("a request whose client left while it waited is never begun") {
  Scene scene;
  scene.hold_connections();
  scene.start(kPost);
  scene.client_half_closes();
  scene.client_waits = false;
  scene.release_connections();
  scene.run_until_over();
  CHECK(scene.over == AfterExchange::Reset);
  REQUIRE(scene.records.size() == 1);
  CHECK(scene.records[0].outcome == ExchangeOutcome::Client);
  CHECK(scene.records[0].status == 0);
  CHECK(scene.sent_upstream(0).empty());
  CHECK(scene.closed(CloseReason::ClientLeft) == 1);
}

TEST_CASE("a request of which too much is held to read on is begun only if its client is there") {
  for (const bool waits : {true, false}) {
    CAPTURE(waits);
    policy::HostSettings settings;
    settings.retry_body_size = 4;
    Scene scene(settings);
    scene.hold_connections();
    scene.start(kHalfSentPost);
    REQUIRE_FALSE(scene.client.reading);
    scene.client_waits = waits;
    scene.release_connections();
    if (waits) {
      CHECK(scene.receive().ends_with("half"));
    } else {
      scene.run_until_over();
      CHECK(scene.sent_upstream(0).empty());
    }
    CHECK(scene.client_checks == 1);
  }
}

TEST_CASE("a client is checked before its request begins only if it has ended meanwhile") {
  for (const bool ended : {true, false}) {
    CAPTURE(ended);
    Scene scene;
    scene.hold_connections();
    scene.start(kPost);
    if (ended) scene.client_half_closes();
    scene.release_connections();
    CHECK(scene.receive().ends_with("body"));
    CHECK(scene.client_checks == (ended ? 1 : 0));
  }
}

TEST_CASE("a client is checked before its request begins if it may have ended unheard") {
  for (const Duration behind : {policy::kUnheardFor, policy::kUnheardFor - 1ns}) {
    for (const bool waits : {true, false}) {
      CAPTURE(behind.count());
      CAPTURE(waits);
      Scene scene;
      scene.hold_connections();
      scene.start(kPost);
      scene.wait(1s);
      scene.client_waits = waits;
      scene.fall_behind(behind);
      scene.release_connections();
      const bool checked = behind >= policy::kUnheardFor;
      if (waits || !checked) {
        CHECK(scene.receive().ends_with("body"));
      } else {
        scene.run_until_over();
        CHECK(scene.sent_upstream(0).empty());
      }
      CHECK(scene.client_checks == (checked ? 1 : 0));
    }
  }
}

TEST_CASE("a client that was heard just now is not checked, however long the loop had waited for it") {
  Scene scene;
  scene.start(kGet);
  scene.receive();
  scene.answer(kOk);
  REQUIRE(scene.over == AfterExchange::Continue);
  scene.fall_behind(1h);
  scene.start(kGet);
  CHECK_FALSE(scene.receive().empty());
  CHECK(scene.client_checks == 0);
}

TEST_CASE("a client to which nothing can be written is gone") {
  for (const std::string_view answer : {kOk, kChunkedHead, std::string_view("HTTP/1.1 103 Early Hints\r\n\r\n")}) {
    CAPTURE(answer);
    Scene scene;
    scene.start(kGet);
    scene.receive();
    scene.client.fail_from = 1;
    scene.answer(answer);
    CHECK(scene.over == AfterExchange::Reset);
    CHECK(scene.records[0].outcome == ExchangeOutcome::Client);
    CHECK(scene.closed(CloseReason::ClientLeft) == 1);
  }
}

// ---- The answer is cut ----

TEST_CASE("a cut answer is cut for the client too, in the way that it can see") {
  struct Case {
    const char* name;
    std::string_view request, answer;
    AfterExchange after;
  };
  const Case cases[] = {{"a length shows it", kGet, kHead4, AfterExchange::Cut},
                        {"chunks show it", kGet, kChunkedHead, AfterExchange::Cut},
                        {"a length shows it to HTTP/1.0", kOldGet, kHead4, AfterExchange::Cut},
                        {"nothing but RST shows it to HTTP/1.0", kOldGet, kChunkedHead, AfterExchange::Reset}};
  for (const Case& c : cases) {
    for (const bool reset : {false, true}) {
      CAPTURE(c.name);
      CAPTURE(reset);
      Scene scene;
      scene.start(c.request);
      scene.receive();
      scene.answer(c.answer);
      const bool looks_whole = scene.exchange().cut_looks_whole();
      CHECK(looks_whole == (c.after == AfterExchange::Reset));
      reset ? scene.origin_resets() : scene.origin_ends();
      CHECK(scene.over == c.after);
      CHECK(scene.records[0].outcome == ExchangeOutcome::Origin);
      CHECK(scene.records[0].error == "http_response_incomplete");
      CHECK(scene.closed(CloseReason::CutResponse) == 1);
      CHECK_FALSE(scene.client.sent.ends_with("\r\n0\r\n\r\n"));
    }
  }
}

TEST_CASE("a body that ends with the connection is chunked for HTTP/1.1, and ends with the connection for HTTP/1.0") {
  Scene scene;
  scene.start(kGet);
  scene.receive();
  scene.answer(kAnswerUntilClose);
  scene.answer("data");
  scene.origin_ends();
  CHECK(scene.client.sent.ends_with("\r\n\r\n4\r\ndata\r\n0\r\n\r\n"));
  CHECK(scene.over == AfterExchange::Continue);
  CHECK(scene.closed(CloseReason::ServerSaidClose) == 1);

  Scene old;
  old.start(kOldGet);
  old.receive();
  old.answer(kAnswerUntilClose);
  old.answer("data");
  CHECK(old.exchange().cut_looks_whole());
  old.origin_ends();
  CHECK(old.client.sent.ends_with("\r\n\r\ndata"));
  CHECK(contains(old.client.sent, "Connection: close\r\n"));
  CHECK(old.over == AfterExchange::Close);
}

TEST_CASE("a chunked answer loses its chunks for HTTP/1.0, whose connection ends it") {
  Scene scene;
  scene.start(kOldGet);
  CHECK(scene.receive().starts_with("GET /x HTTP/1.1\r\n"));
  scene.answer(kChunkedHead);
  scene.answer("4\r\ndata\r\n0\r\n\r\n");
  CHECK(scene.client.sent.ends_with("\r\n\r\ndata"));
  CHECK_FALSE(contains(scene.client.sent, "Transfer-Encoding"));
  CHECK(scene.over == AfterExchange::Close);
}

TEST_CASE("what is not valid HTTP is 502 before the answer has begun, and a cut after") {
  Scene before;
  before.start(kGet);
  before.receive();
  before.answer("SSH-2.0-OpenSSH\r\n");
  CHECK(status_line(before) == "HTTP/1.1 502 Bad Gateway");
  CHECK(before.records[0].error == "http_protocol_error");
  CHECK(before.closed(CloseReason::ProtocolError) == 1);

  Scene after;
  after.start(kGet);
  after.receive();
  after.answer(kChunkedHead);
  after.answer("no chunk\r\n");
  CHECK(after.over == AfterExchange::Cut);
  CHECK(after.records[0].outcome == ExchangeOutcome::Origin);
}

TEST_CASE("bytes behind an answer cost its connection, and reach nobody") {
  Scene scene;
  scene.start(kGet);
  scene.receive();
  scene.answer(std::string(kOk) + "HTTP/1.1 200 OK\r\n");
  CHECK(scene.client.sent.ends_with("\r\n\r\nok"));
  CHECK(scene.over == AfterExchange::Continue);
  CHECK(scene.closed(CloseReason::StrayBytes) == 1);
}

// ---- Heads in pieces, interim responses ----

TEST_CASE("heads may come cut anywhere, and several in one piece") {
  const std::string all =
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + std::string(kOk);
  for (const std::size_t size : {std::size_t{1}, std::size_t{7}, std::size_t{26}, all.size()}) {
    CAPTURE(size);
    Scene scene;
    scene.start(kGet);
    scene.receive();
    for (std::size_t at = 0; at < all.size(); at += size) scene.answer(std::string_view(all).substr(at, size));
    CHECK(scene.client.sent.starts_with("HTTP/1.1 100 Continue\r\n"));
    CHECK(contains(scene.client.sent, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n"));
    CHECK(scene.client.sent.ends_with("\r\n\r\nok"));
    CHECK(scene.over == AfterExchange::Continue);
  }
}

TEST_CASE("interim responses are not for HTTP/1.0, and not without end") {
  Scene old;
  old.start(kOldGet);
  old.receive();
  old.answer("HTTP/1.1 103 Early Hints\r\n\r\n");
  CHECK(old.client.sent.empty());
  old.answer(kOk);
  CHECK(old.client.sent.starts_with("HTTP/1.1 200 OK\r\n"));

  Scene scene;
  scene.start(kGet);
  scene.receive();
  for (int i = 0; i < 500; ++i) scene.answer("HTTP/1.1 102 Processing\r\n\r\n");
  CHECK_FALSE(scene.over);
  for (int i = 0; i < 5000 && !scene.over; ++i) scene.answer("HTTP/1.1 102 Processing\r\n\r\n");
  CHECK(contains(scene.client.sent, "HTTP/1.1 502 Bad Gateway"));
}

TEST_CASE("Expect: 100-continue goes upstream, and its 100 comes back; HTTP/1.0 cannot mean it") {
  constexpr std::string_view kExpects = "Host: ORIGIN\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
  Scene scene;
  scene.start("PUT http://ORIGIN/x HTTP/1.1\r\n" + std::string(kExpects));
  CHECK(contains(scene.receive(), "Expect: 100-continue\r\n"));
  scene.answer("HTTP/1.1 100 Continue\r\n\r\n");
  CHECK(scene.client.sent.starts_with("HTTP/1.1 100 Continue\r\n"));
  scene.send_body("body");
  CHECK(scene.receive() == "body");
  scene.answer(kOk);
  CHECK(scene.over == AfterExchange::Continue);

  Scene old;
  old.start("PUT http://ORIGIN/x HTTP/1.0\r\n" + std::string(kExpects) + "body");
  CHECK_FALSE(contains(old.receive(), "Expect"));
}

// ---- The answer comes before the request has ended ----

TEST_CASE("an early answer to a client that awaits 100 closes: it may never send its body") {
  Scene scene;
  scene.start("PUT http://ORIGIN/x HTTP/1.1\r\nHost: ORIGIN\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  scene.receive();
  scene.answer("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n");
  CHECK(contains(scene.client.sent, "Connection: close\r\n"));
  CHECK(scene.over == AfterExchange::CloseLingering);
  CHECK(scene.closed(CloseReason::RequestUnfinished) == 1);
}

TEST_CASE("an early answer is whole: the rest of the request is read and dropped, and the next one may follow") {
  Scene scene;
  scene.start(kHalfSentPost);
  scene.receive();
  scene.answer(kOk);
  CHECK(scene.client.sent.ends_with("\r\n\r\nok"));
  CHECK(contains(scene.client.sent, "Connection: keep-alive\r\n"));
  CHECK_FALSE(scene.over);
  CHECK(scene.records[0].outcome == ExchangeOutcome::Completed);
  scene.send_body("rest");
  CHECK(scene.over == AfterExchange::Continue);
}

TEST_CASE(
    "the rest of an answered request is given up after 10 s, or when there is too much of it, without a failure") {
  Scene late;
  late.start(kHalfSentPost);
  late.receive();
  late.answer(kOk);
  CHECK(late.patience() <= 10s);
  late.time_passes();
  CHECK(late.over == AfterExchange::CloseLingering);
  CHECK(late.records.size() == 1);

  Scene broken;
  broken.start("POST http://ORIGIN/x HTTP/1.1\r\nHost: ORIGIN\r\nContent-Length: 100\r\n\r\nhalf");
  broken.receive();
  broken.set_draining();
  broken.answer(kOk);  // its client's connection ends anyway
  CHECK(broken.over == AfterExchange::CloseLingering);
}

TEST_CASE("an answer to a request of unknown length, or with much to come, closes the client's connection") {
  constexpr std::string_view kMuch =
      "POST http://ORIGIN/x HTTP/1.1\r\nHost: ORIGIN\r\nContent-Length: 300000\r\n\r\nhalf";
  constexpr std::string_view kUnknown =
      "POST http://ORIGIN/x HTTP/1.1\r\nHost: ORIGIN\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n";
  for (const std::string_view request : {kMuch, kUnknown}) {
    CAPTURE(request);
    Scene scene;
    scene.start(request);
    scene.receive();
    scene.answer(kOk);
    CHECK(contains(scene.client.sent, "Connection: close\r\n"));
    CHECK(scene.over == AfterExchange::CloseLingering);
  }
}

// ---- Time limits of bodies ----

TEST_CASE("stall_timeout: of a request body 408, of an answer a cut") {
  policy::HostSettings settings;
  settings.stall_timeout = 3h;
  Scene request(settings);
  request.start(kHalfSentPost);
  request.receive();
  CHECK(request.patience() <= 3h);
  CHECK(request.patience() > 2h);
  request.client.unacknowledged = [] { return 0; };
  request.time_passes();
  if (!request.over) request.time_passes();  // the first look may see the kernel's queue empty itself
  CHECK(status_line(request) == "HTTP/1.1 408 Request Timeout");
  CHECK(request.closed(CloseReason::ClientLeft) == 1);

  Scene response(settings);
  response.start(kGet);
  response.receive();
  response.answer(kHead4);
  CHECK(response.patience() <= 3h);
  response.time_passes();
  if (!response.over) response.time_passes();
  CHECK(response.over == AfterExchange::Cut);
  CHECK(response.records[0].outcome == ExchangeOutcome::Timeout);
  CHECK(response.closed(CloseReason::ResponseTimeout) == 1);
}

TEST_CASE("a client that reads slowly is not stalled as long as its queue gets shorter") {
  policy::HostSettings settings;
  settings.stall_timeout = 3h;
  Scene scene(settings);
  scene.start(kGet);
  scene.receive();
  std::size_t left = 100;
  scene.client.unacknowledged = [&left] { return left; };
  scene.answer(kHead4);
  for (; left > 97; --left) {
    scene.time_passes();
    CHECK_FALSE(scene.over);
    CHECK(scene.patience() > 2h);
  }
  scene.time_passes();
  if (!scene.over) scene.time_passes();
  CHECK(scene.over == AfterExchange::Cut);
}

// ---- Back-pressure ----

TEST_CASE("a client that takes no more pauses the origin, and goes on when it has drained") {
  Scene scene;
  scene.start(kGet);
  scene.receive();
  scene.client.full = true;
  scene.answer(kHead4);
  scene.client_drains();
  scene.answer("body");
  CHECK(scene.client.sent.ends_with("body"));
  CHECK(scene.over == AfterExchange::Continue);
}

// ---- The client's connection ----

TEST_CASE("bytes behind a request belong to the next one, with and without a body") {
  Scene scene;
  CHECK(scene.start(std::string(kGet) + "GET http://next/") == "GET http://next/");
  CHECK(scene.exchange().request_ended());
  Scene with_body;
  CHECK(with_body.start(std::string(kPost) + "GET http://next/") == "GET http://next/");
  Scene with_chunks;
  CHECK(with_chunks.start("POST http://ORIGIN/x HTTP/1.1\r\nHost: ORIGIN\r\nTransfer-Encoding: chunked\r\n\r\n"
                          "4\r\nbody\r\n0\r\n\r\nGET http://next/") == "GET http://next/");
}

TEST_CASE("what the client's connection does next follows from its request, and from whether we shut down") {
  struct Case {
    const char* name;
    std::string_view request;
    bool draining;
    AfterExchange after;
    std::string_view field;
  };
  const Case cases[] = {
      {"HTTP/1.1 persists", kGet, false, AfterExchange::Continue, "Connection: keep-alive\r\n"},
      {"it said close", "GET http://ORIGIN/x HTTP/1.1\r\nHost: ORIGIN\r\nConnection: close\r\n\r\n", false,
       AfterExchange::Close, "Connection: close\r\n"},
      {"HTTP/1.0 does not persist", kOldGet, false, AfterExchange::Close, "Connection: close\r\n"},
      {"not even if it asks to", "GET http://ORIGIN/x HTTP/1.0\r\nHost: ORIGIN\r\nConnection: keep-alive\r\n\r\n",
       false, AfterExchange::Close, "Connection: close\r\n"},
      {"we shut down", kGet, true, AfterExchange::CloseLingering, "Connection: close\r\n"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    Scene scene;
    if (c.draining) scene.set_draining();
    scene.start(c.request);
    scene.receive();
    scene.answer(kOk);
    CHECK(scene.over == c.after);
    CHECK(contains(scene.client.sent, c.field));
  }
}

TEST_CASE("a malformed body is 400, and its upstream connection closes") {
  Scene scene;
  scene.start("POST http://ORIGIN/x HTTP/1.1\r\nHost: ORIGIN\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n");
  scene.receive();
  scene.send_body("no chunk\r\n");
  CHECK(status_line(scene) == "HTTP/1.1 400 Bad Request");
  CHECK(scene.over == AfterExchange::CloseLingering);
  CHECK(scene.closed(CloseReason::ClientLeft) == 1);
}

// ---- The upstream connection ----

TEST_CASE("an origin that says close is not asked again") {
  for (const std::string_view answer :
       {std::string_view("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"),
        std::string_view("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")}) {
    CAPTURE(answer);
    Scene scene;
    scene.start(kGet);
    scene.receive();
    scene.answer(answer);
    CHECK(scene.over == AfterExchange::Continue);
    CHECK(scene.closed(CloseReason::ServerSaidClose) == 1);
  }
}

TEST_CASE("connection-bound authentication keeps the connection for this client alone") {
  Scene scene;
  scene.start("GET http://ORIGIN/x HTTP/1.1\r\nHost: ORIGIN\r\nAuthorization: NTLM TlRMTVNTUAAB\r\n\r\n");
  scene.receive();
  scene.answer("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: NTLM TlRMTVNTUAAC\r\nContent-Length: 0\r\n\r\n");
  CHECK(scene.over == AfterExchange::Continue);
  scene.start(kGet);  // bound once, it stays so
  scene.receive();
  CHECK(scene.connection == 0);
  scene.answer(kOk);
  CHECK(scene.records[1].reused);
  CHECK(scene.connections_seen() == 1);
}

// ---- Upgrade ----

TEST_CASE("101 for a protocol that was offered: both streams are a tunnel, early bytes included") {
  Scene scene;
  scene.start("GET http://ORIGIN/ws HTTP/1.1\r\nHost: ORIGIN\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
  CHECK(contains(scene.receive(), "Upgrade: websocket\r\n"));
  scene.answer("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nfirst frame");
  CHECK(status_line(scene) == "HTTP/1.1 101 Switching Protocols");
  CHECK_FALSE(contains(scene.client.sent, "first frame"));
  CHECK(scene.upgraded_to != nullptr);
  CHECK(scene.upgraded_early == "first frame");
  CHECK(scene.records[0].status == 101);
  CHECK(scene.records[0].outcome == ExchangeOutcome::Completed);
}

TEST_CASE("101 that nobody asked for, or to another protocol, is 502") {
  constexpr std::string_view kAsks =
      "GET http://ORIGIN/ws HTTP/1.1\r\nHost: ORIGIN\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
  for (const std::string_view request : {kGet, kAsks}) {
    CAPTURE(request);
    Scene scene;
    scene.start(request);
    scene.receive();
    scene.answer("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n");
    CHECK(status_line(scene) == "HTTP/1.1 502 Bad Gateway");
    CHECK(scene.records[0].error == "http_upgrade_failed");
    CHECK(scene.upgraded_to == nullptr);
  }
}

}  // namespace
}  // namespace keepwarm::proxy::test
