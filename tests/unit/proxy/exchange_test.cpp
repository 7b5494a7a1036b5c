#include "core/proxy/exchange.h"

#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "tests/unit/proxy/exchange_fixture.h"

// core/doc/design.md §6.5, row by row: what happens when an attempt fails before a response byte came. A GET stands for
// what is replayable, a POST for what is not.

namespace keepwarm::proxy::test {
namespace {

using pool::CloseReason;

/// Both columns of a row.
struct Column {
  const char* name;
  std::string_view request;
  bool replayable;
};
constexpr Column kColumns[] = {{"replayable", kGet, true}, {"not replayable", kPost, false}};

constexpr std::string_view k408 = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

TEST_CASE("a request and its response, on a fresh connection and then on the same one") {
  Scene scene;
  scene.start(kPost);
  const std::string sent = scene.receive();
  CHECK(sent.starts_with("POST /x HTTP/1.1\r\n"));
  CHECK(sent.ends_with("\r\n\r\nbody"));
  scene.answer(kOk);
  CHECK(scene.over == AfterExchange::Continue);
  CHECK(status_line(scene) == "HTTP/1.1 200 OK");
  CHECK(scene.client.sent.ends_with("\r\n\r\nok"));
  REQUIRE(scene.records.size() == 1);
  CHECK(scene.records[0].status == 200);
  CHECK(scene.records[0].outcome == ExchangeOutcome::Completed);
  CHECK_FALSE(scene.records[0].reused);
  CHECK(scene.records[0].received == 4);
  CHECK(scene.records[0].sent == 2);

  scene.start(kGet);
  CHECK(scene.receive().starts_with("GET /x HTTP/1.1\r\n"));
  scene.answer(kOk);
  CHECK(scene.over == AfterExchange::Continue);
  CHECK(scene.records[1].reused);
  CHECK(scene.connections_seen() == 1);
}

TEST_CASE("closed before any request byte was written: another connection, whatever the request") {
  for (const Column& column : kColumns) {
    CAPTURE(column.name);
    Scene scene;
    scene.make_idle_connection();
    scene.break_writing();
    scene.start(column.request);
    CHECK(scene.receive().find(" /x HTTP/1.1\r\n") != std::string::npos);
    CHECK(scene.connection == 1);
    scene.answer(kOk);
    CHECK(status_line(scene) == "HTTP/1.1 200 OK");
    CHECK(scene.records[0].retries == 0);
    CHECK(scene.closed(CloseReason::ClosedBeforeWrite) == 1);
    CHECK(scene.stats().stale_failures == 0);
  }
}

TEST_CASE("a stale failure: once more on a fresh connection, or 502; by FIN and by RST") {
  for (const bool reset : {false, true}) {
    for (const Column& column : kColumns) {
      CAPTURE(reset);
      CAPTURE(column.name);
      Scene scene;
      scene.make_idle_connection();
      scene.start(column.request);
      scene.receive();
      REQUIRE(scene.connection == 0);
      reset ? scene.origin_resets() : scene.origin_ends();
      CHECK(scene.stats().stale_failures == 1);
      CHECK(scene.closed(CloseReason::StaleFailure) == 1);
      if (column.replayable) {
        CHECK_FALSE(scene.over);
        CHECK(scene.client.sent.empty());
        CHECK(scene.receive().starts_with("GET /x HTTP/1.1\r\n"));
        CHECK(scene.connection == 1);
        scene.answer(kOk);
        CHECK(status_line(scene) == "HTTP/1.1 200 OK");
        CHECK(scene.records[0].retries == 1);
      } else {
        CHECK(status_line(scene) == "HTTP/1.1 502 Bad Gateway");
        CHECK(scene.records[0].error == "connection_terminated");
        CHECK(scene.connections_seen() == 1);
      }
    }
  }
}

TEST_CASE("a retry is not retried: its connection is fresh, and that it closes is the origin's answer") {
  Scene scene;
  scene.make_idle_connection();
  scene.start(kGet);
  scene.receive();
  scene.origin_ends();
  scene.receive();
  scene.origin_ends();
  CHECK(status_line(scene) == "HTTP/1.1 502 Bad Gateway");
  CHECK(scene.records[0].retries == 1);
  CHECK(scene.connections_seen() == 2);
}

TEST_CASE("a body that is not held any more is not sent again") {
  policy::HostSettings settings;
  settings.retry_body_size = 4;
  Scene scene(settings);
  scene.make_idle_connection();
  scene.start("PUT http://ORIGIN/x HTTP/1.1\r\nHost: ORIGIN\r\nContent-Length: 5\r\n\r\n12345");
  scene.receive();
  REQUIRE(scene.connection == 0);
  scene.origin_ends();
  CHECK(status_line(scene) == "HTTP/1.1 502 Bad Gateway");
}

TEST_CASE("a request that a setting forbids to repeat gets 502") {
  policy::HostSettings settings;
  settings.retry = false;
  Scene scene(settings);
  scene.make_idle_connection();
  scene.start(kGet);
  scene.receive();
  scene.origin_ends();
  CHECK(status_line(scene) == "HTTP/1.1 502 Bad Gateway");
}

TEST_CASE("408: discarded and once more, or passed on; a second one is passed on; on fresh and reused connections") {
  for (const bool reused : {false, true}) {
    for (const Column& column : kColumns) {
      CAPTURE(reused);
      CAPTURE(column.name);
      Scene scene;
      if (reused) scene.make_idle_connection();
      scene.start(column.request);
      scene.receive();
      scene.answer(k408);
      if (column.replayable) {
        CHECK_FALSE(scene.over);
        CHECK(scene.client.sent.empty());
        CHECK(scene.closed(CloseReason::RequestTimeout408) == 1);
        CHECK(scene.receive().starts_with("GET /x"));
        scene.answer(k408);
      }
      CHECK(status_line(scene) == "HTTP/1.1 408 Request Timeout");
      CHECK(scene.over == AfterExchange::Continue);
      CHECK(scene.records[0].retries == (column.replayable ? 1 : 0));
      CHECK(scene.records[0].outcome == ExchangeOutcome::Completed);
    }
  }
}

TEST_CASE("no connection could be had: the client is told why, whatever the request") {
  struct Case {
    const char* name;
    pool::CheckoutFailure failure;
    std::string_view status_line, error;
  };
  using Kind = net::ConnectFailure::Kind;
  const auto dial = [](Kind kind) {
    pool::CheckoutFailure failure;
    failure.dial.connect.kind = kind;
    return failure;
  };
  const auto tls = [](net::TlsFailure::Kind kind) {
    pool::CheckoutFailure failure;
    failure.dial.step = pool::DialFailure::Step::Tls;
    failure.dial.tls.kind = kind;
    return failure;
  };
  const Case cases[] = {
      {"DNS", dial(Kind::Dns), "HTTP/1.1 502 Bad Gateway", "dns_error"},
      {"DNS in vain", dial(Kind::DnsTimeout), "HTTP/1.1 504 Gateway Timeout", "dns_timeout"},
      {"refused", dial(Kind::Refused), "HTTP/1.1 502 Bad Gateway", "connection_refused"},
      {"timed out", dial(Kind::Timeout), "HTTP/1.1 504 Gateway Timeout", "connection_timeout"},
      {"certificate", tls(net::TlsFailure::Kind::Certificate), "HTTP/1.1 502 Bad Gateway", "tls_certificate_error"},
      {"queue", {.queue_timeout = true}, "HTTP/1.1 503 Service Unavailable", "connection_limit_reached"},
  };
  for (const Case& c : cases) {
    for (const Column& column : kColumns) {
      CAPTURE(c.name);
      CAPTURE(column.name);
      Scene scene;
      scene.hold_connections();
      scene.start(column.request);
      REQUIRE_FALSE(scene.over);
      scene.fail_checkout(c.failure);
      CHECK(status_line(scene) == c.status_line);
      CHECK(scene.client.sent.find("Proxy-Status: keepwarm; error=" + std::string(c.error)) != std::string::npos);
      CHECK(scene.client.sent.find("origin.test") != std::string::npos);
      CHECK(scene.client.sent.find("/x") == std::string::npos);
      CHECK(scene.over == AfterExchange::Continue);
      REQUIRE(scene.records.size() == 1);
      CHECK(scene.records[0].outcome == ExchangeOutcome::Ourselves);
      CHECK(scene.records[0].error == c.error);
    }
  }
}

TEST_CASE("a fresh connection that closes without an answer is 502, whatever the request") {
  for (const Column& column : kColumns) {
    CAPTURE(column.name);
    Scene scene;
    scene.start(column.request);
    scene.receive();
    scene.origin_ends();
    CHECK(status_line(scene) == "HTTP/1.1 502 Bad Gateway");
    CHECK(scene.records[0].error == "connection_terminated");
    CHECK(scene.connections_seen() == 1);
    CHECK(scene.stats().stale_failures == 0);
  }
}

TEST_CASE("response_timeout is 504, whatever the request") {
  policy::HostSettings settings;
  settings.response_timeout = 7h;
  for (const Column& column : kColumns) {
    CAPTURE(column.name);
    Scene scene(settings);
    scene.start(column.request);
    scene.receive();
    CHECK(scene.patience() <= 7h);
    CHECK(scene.patience() > 6h);
    scene.time_passes();
    CHECK(status_line(scene) == "HTTP/1.1 504 Gateway Timeout");
    CHECK(scene.records[0].error == "http_response_timeout");
    CHECK(scene.closed(CloseReason::ResponseTimeout) == 1);
  }
}

TEST_CASE(
    "on a reused connection the acknowledgement is asked for first, then response_timeout counts from the request") {
  policy::HostSettings settings;
  settings.response_timeout = 7h;
  Scene scene(settings);
  scene.make_idle_connection();
  scene.start(kGet);
  scene.receive();
  CHECK(scene.patience() <= policy::kShortestSilence);
  scene.time_passes();  // the kernel of the origin has acknowledged it
  CHECK_FALSE(scene.over);
  CHECK(scene.patience() > 6h);
  scene.time_passes();
  CHECK(status_line(scene) == "HTTP/1.1 504 Gateway Timeout");
}

// ---- What TCP says of the request's delivery ----

constexpr std::string_view kUndelivered = "not delivered, safe to retry";
constexpr std::string_view kMayBeExecuted = "may have been executed";
constexpr Duration kRoundTrip = 100ms;

/// How a stale failure comes about, and what that proves.
struct Delivery {
  const char* name;
  net::SendState state;
  bool reset;
  bool undelivered;
};
constexpr Delivery kDeliveries[] = {
    {"FIN, and not a byte acknowledged", {.acknowledged = 0}, false, true},
    {"FIN, some bytes acknowledged", {.acknowledged = 1}, false, false},
    {"RST sooner than any round trip", {.acknowledged = 0, .min_round_trip = kRoundTrip}, true, true},
    {"RST sooner than a round trip, some bytes acknowledged",
     {.acknowledged = 1, .min_round_trip = kRoundTrip},
     true,
     false},
    {"RST, no round trip known", {.acknowledged = 0}, true, false},
    {"RST behind a FIN", {.acknowledged = 0, .peer_ended = true}, true, true},
};

TEST_CASE("a stale failure of what is not replayable: the client is told whether it may have been executed") {
  for (const Delivery& delivery : kDeliveries) {
    CAPTURE(delivery.name);
    Scene scene;
    scene.make_idle_connection();
    scene.start(kPost);
    scene.receive();
    scene.set_send_state(delivery.state);
    delivery.reset ? scene.origin_resets() : scene.origin_ends();
    CHECK(status_line(scene) == "HTTP/1.1 502 Bad Gateway");
    CHECK(scene.records[0].error == "connection_terminated");
    const std::string_view said = delivery.undelivered ? kUndelivered : kMayBeExecuted;
    CHECK(scene.client.sent.find("; details=\"" + std::string(said) + "\"") != std::string::npos);
    CHECK(scene.client.sent.find("before it answered; " + std::string(said)) != std::string::npos);
    CHECK(scene.reset_upstream() == delivery.undelivered);  // else the kernel would go on sending it
    CHECK(scene.connections_seen() == 1);
  }
}

TEST_CASE("an RST proves something only if it comes in less than a round trip") {
  struct Case {
    Duration after;
    bool undelivered;
  };
  for (const Case& c : {Case{90ms, true}, Case{100ms, false}, Case{200ms, false}}) {
    CAPTURE(c.after.count());
    Scene scene;
    scene.make_idle_connection();
    scene.start(kPost);
    scene.receive();
    scene.wait(c.after);
    scene.set_send_state({.acknowledged = 0, .min_round_trip = kRoundTrip});
    scene.origin_resets();
    const std::string_view said = c.undelivered ? kUndelivered : kMayBeExecuted;
    CHECK(scene.client.sent.find("before it answered; " + std::string(said)) != std::string::npos);
  }
}

TEST_CASE("retry_undelivered: what was proved not to be delivered is sent once more, and nothing else") {
  policy::HostSettings settings;
  settings.retry_undelivered = true;
  for (const Delivery& delivery : kDeliveries) {
    CAPTURE(delivery.name);
    Scene scene(settings);
    scene.make_idle_connection();
    scene.start(kPost);
    scene.receive();
    scene.set_send_state(delivery.state);
    delivery.reset ? scene.origin_resets() : scene.origin_ends();
    CHECK(scene.stats().retries == (delivery.undelivered ? 1 : 0));
    if (!delivery.undelivered) {
      CHECK(status_line(scene) == "HTTP/1.1 502 Bad Gateway");
      continue;
    }
    CHECK_FALSE(scene.over);
    const std::string again = scene.receive();
    CHECK(scene.connection == 1);
    CHECK(again.starts_with("POST /x HTTP/1.1\r\n"));
    CHECK(again.ends_with("\r\n\r\nbody"));
    scene.answer(kOk);
    CHECK(status_line(scene) == "HTTP/1.1 200 OK");
    CHECK(scene.records[0].retries == 1);
  }
}

TEST_CASE("retry_undelivered: a retry is not retried, and a fresh connection's end is the origin's answer") {
  policy::HostSettings settings;
  settings.retry_undelivered = true;
  for (const bool reused : {true, false}) {
    CAPTURE(reused);
    Scene scene(settings);
    if (reused) {
      scene.make_idle_connection();
      scene.start(kPost);
      scene.receive();
      scene.set_send_state({.acknowledged = 0});
      scene.origin_ends();
    } else {
      scene.start(kPost);
    }
    scene.receive();
    scene.set_send_state({.acknowledged = 0});
    scene.origin_ends();
    CHECK(status_line(scene) == "HTTP/1.1 502 Bad Gateway");
    CHECK(scene.client.sent.find("details=") == std::string::npos);
  }
}

TEST_CASE("retry_undelivered: a body of which a part is not held any more is not sent again") {
  policy::HostSettings settings;
  settings.retry_undelivered = true;
  settings.retry_body_size = 2;
  Scene scene(settings);
  scene.make_idle_connection();
  scene.start(kPost);
  scene.receive();
  scene.set_send_state({.acknowledged = 0});
  scene.origin_ends();
  CHECK(status_line(scene) == "HTTP/1.1 502 Bad Gateway");
  CHECK(scene.client.sent.find(kUndelivered) != std::string::npos);
}

TEST_CASE("a peer that acknowledges nothing: once more on a fresh connection, or the wait goes on") {
  for (const Column& column : kColumns) {
    CAPTURE(column.name);
    Scene scene;
    scene.make_idle_connection();
    scene.start(column.request);
    scene.receive();
    scene.set_send_state({.acknowledged = 0, .round_trip = {.smoothed_us = 100'000, .variation_us = 0}});
    CHECK(scene.patience() <= policy::kShortestSilence);
    scene.time_passes();  // a receiver may delay it for so long
    CHECK_FALSE(scene.over);
    CHECK(scene.stats().retries == 0);
    CHECK(scene.patience() <= policy::silence_limit(100ms) - policy::kShortestSilence);
    scene.time_passes();
    CHECK_FALSE(scene.over);
    CHECK(scene.stats().stale_failures == 0);
    if (column.replayable) {
      CHECK(scene.reset_upstream());
      CHECK(scene.closed(CloseReason::Unacknowledged) == 1);
      CHECK(scene.receive().starts_with("GET /x HTTP/1.1\r\n"));
      CHECK(scene.connection == 1);
      CHECK(scene.stats().retries == 1);
    } else {
      CHECK(scene.stats().retries == 0);
      CHECK(scene.unacknowledged_limit() == policy::HostSettings{}.stall_timeout);
      CHECK(scene.connections_seen() == 1);
    }
    scene.answer(kOk);
    CHECK(status_line(scene) == "HTTP/1.1 200 OK");
  }
}

TEST_CASE("a peer that has acknowledged a byte is slow, not silent") {
  Scene scene;
  scene.make_idle_connection();
  scene.start(kGet);
  scene.receive();
  scene.set_send_state({.acknowledged = 1});
  scene.time_passes();
  CHECK_FALSE(scene.over);
  CHECK(scene.patience() > 4min);
  CHECK(scene.stats().retries == 0);
  CHECK(scene.unacknowledged_limit() == Duration::zero());
}

// ---- §6.6: after the first byte of a response nothing is tried again ----

TEST_CASE("an end within the head of a response is 502, and no retry") {
  Scene scene;
  scene.make_idle_connection();
  scene.start(kGet);
  scene.receive();
  scene.answer("HTTP/1.1 200 O");
  scene.origin_ends();
  CHECK(status_line(scene) == "HTTP/1.1 502 Bad Gateway");
  CHECK(scene.records[0].error == "http_response_incomplete");
  CHECK(scene.connections_seen() == 1);
}

TEST_CASE("an interim response is a first byte: an end behind it is 502, a 408 behind it is passed on") {
  for (const bool ends : {true, false}) {
    CAPTURE(ends);
    Scene scene;
    scene.make_idle_connection();
    scene.start(kGet);
    scene.receive();
    scene.answer("HTTP/1.1 103 Early Hints\r\n\r\n");
    ends ? scene.origin_ends() : scene.answer(k408);
    CHECK(scene.client.sent.starts_with("HTTP/1.1 103 Early Hints\r\n"));
    const bool passed_on = scene.client.sent.find("HTTP/1.1 408 ") != std::string::npos;
    const bool failed = scene.client.sent.find("HTTP/1.1 502 ") != std::string::npos;
    CHECK(passed_on == !ends);
    CHECK(failed == ends);
    CHECK(scene.records[0].retries == 0);
  }
}

// ---- A bug of ours ----

TEST_CASE("an event that the table does not allow ends the exchange with 500 and a line in the log") {
  Scene scene;
  scene.start(kGet);
  scene.receive();
  scene.log_lines().clear();
  scene.give_second_lease();
  CHECK(status_line(scene) == "HTTP/1.1 500 Internal Server Error");
  CHECK(scene.records[0].error == "proxy_internal_error");
  CHECK(scene.over.has_value());
  REQUIRE_FALSE(scene.log_lines().empty());
  CHECK(scene.log_lines()[0].find("\"leased\"") != std::string::npos);

  scene.log_lines().clear();
  scene.give_second_lease();  // when it is over, nobody can be told
  CHECK(scene.log_lines().size() == 1);
}

}  // namespace
}  // namespace keepwarm::proxy::test
