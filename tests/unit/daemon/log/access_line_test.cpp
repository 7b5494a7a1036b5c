#include "daemon/log/access_line.h"

#include <array>
#include <chrono>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

namespace keepwarm::daemon {
namespace {

using namespace std::chrono_literals;
using proxy::AccessRecord;
using proxy::ExchangeOutcome;

/// 1994-11-06 08:49:37.542 UTC
constexpr std::chrono::system_clock::time_point kNow{std::chrono::milliseconds{784111777542}};

net::SocketAddress address(std::string_view host, std::uint16_t port) {
  const auto parsed = net::SocketAddress::parse(host, port);
  REQUIRE(parsed);
  return *parsed;
}

/// An ordinary exchange. `upstream` must live as long as the record.
AccessRecord ordinary(const net::SocketAddress& upstream) {
  AccessRecord record;
  record.client = address("127.0.0.1", 40001);
  record.method = "GET";
  record.host_and_port = "example.com:80";
  record.scheme = "http";
  record.path = "/a/b";
  record.status = 200;
  record.bytes_received = 12;
  record.bytes_sent = 3456;
  record.upstream = &upstream;
  record.reused = true;
  record.requests_on_connection = 7;
  record.idle = 1500ms;
  record.trusted = true;
  record.expected_idle = policy::ExpectedIdle{.timeout = 5s, .source = policy::ExpectedIdle::Source::Hint};
  record.retries = 1;
  record.queue = 3ms;
  record.dns = 250us;
  record.connect = 1550us;
  record.first_byte = 12345678ns;
  record.total = 2s;
  return record;
}

std::string text(const AccessRecord& record) {
  std::string out;
  write_access_text(out, record, kNow);
  return out;
}
std::string json(const AccessRecord& record) {
  std::string out;
  write_access_json(out, record, kNow);
  return out;
}

/// The members of a flat JSON object, values as they are written; nullopt if it is not one (RFC 8259).
class FlatObject {
 public:
  static std::optional<std::map<std::string, std::string>> parse(std::string_view text) {
    FlatObject parser(text);
    return parser.object() && parser.rest_.empty() ? std::optional(parser.members_) : std::nullopt;
  }

 private:
  explicit FlatObject(std::string_view text) : rest_(text) {}

  bool object() {
    if (!take('{')) return false;
    do {
      std::string name;
      std::string value;
      if (!string(name) || !take(':') || !(string(value) || number(value) || null(value) || strings(value)))
        return false;
      if (!members_.emplace(name, value).second) return false;
    } while (take(','));
    return take('}');
  }
  bool take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool string(std::string& out) {
    if (!take('"')) return false;
    while (!rest_.empty() && rest_.front() != '"') {
      const auto c = static_cast<unsigned char>(rest_.front());
      if (c < 0x20 || c >= 0x80) return false;  // UTF-8 would be allowed, but is not what we write
      out += rest_.front();
      rest_.remove_prefix(1);
      if (c == '\\' && !escape(out)) return false;
    }
    return take('"');
  }
  bool escape(std::string& out) {
    const std::size_t size = !rest_.empty() && rest_.front() == 'u' ? 5 : 1;
    if (rest_.size() < size) return false;
    const std::string_view digits = rest_.substr(1, size - 1);
    const bool known = size == 5 ? digits.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos
                                 : std::string_view("\"\\/bfnrt").find(rest_.front()) != std::string_view::npos;
    out += rest_.substr(0, size);
    rest_.remove_prefix(size);
    return known;
  }
  bool number(std::string& out) {
    const std::size_t end = rest_.find_first_not_of("0123456789.");
    out = rest_.substr(0, end);
    rest_.remove_prefix(out.size());
    return !out.empty() && out.front() != '.' && out.back() != '.' && (out == "0" || out[0] != '0' || out[1] == '.');
  }
  bool strings(std::string& out) {
    if (!take('[')) return false;
    if (take(']')) return true;
    do {
      if (!string(out)) return false;
    } while (take(','));
    return take(']');
  }
  bool null(std::string& out) {
    if (!rest_.starts_with("null")) return false;
    out = "null";
    rest_.remove_prefix(4);
    return true;
  }

  std::string_view rest_;
  std::map<std::string, std::string> members_;
};

TEST_CASE("an exchange is one line of text") {
  const net::SocketAddress upstream = address("192.0.2.1", 80);
  CHECK(text(ordinary(upstream)) ==
        "1994-11-06T08:49:37.542Z 127.0.0.1:40001 GET http://example.com:80/a/b 200 in=12 out=3456 "
        "upstream=192.0.2.1:80 reused requests=7 idle=1500.0 trust=trusted expected=5000/hint retries=1 queue=3.0 "
        "dns=0.2 "
        "connect=1.6 tls=0.0 first=12.3 total=2000.0 "
        "end=completed error=- road=proxy client_tls=0.0 why=-");
}

TEST_CASE("an exchange is one line of JSON") {
  const net::SocketAddress upstream = address("2001:db8::1", 8080);
  CHECK(
      json(ordinary(upstream)) ==
      R"({"time":"1994-11-06T08:49:37.542Z","kind":"access","client":"127.0.0.1:40001","method":"GET",)"
      R"("url":"http://example.com:80/a/b","status":200,"bytes_received":12,"bytes_sent":3456,)"
      R"("upstream":"[2001:db8::1]:8080","connection":"reused","requests_on_connection":7,"idle_ms":1500.000,"trust":"trusted",)"
      R"("expected_idle_timeout_ms":5000,"expected_idle_timeout_source":"hint","retries":1,"queue_ms":3.000,)"
      R"("dns_ms":0.250,"connect_ms":1.550,"tls_ms":0.000,"first_byte_ms":12.346,"total_ms":2000.000,)"
      R"("end":"completed","error":null,"road":"proxy","client_tls_ms":0.000,"why":null})");
}

TEST_CASE("what was answered without an upstream says so") {
  AccessRecord record;
  record.client = address("::1", 40001);
  record.method = "POST";
  record.host_and_port = "example.com:25";
  record.scheme = "http";
  record.path = "/";
  record.status = 403;
  record.ended = ExchangeOutcome::Ourselves;
  record.failure = {.error = "http_request_denied",
                    .reason = "requests to example.com:25 are refused: \"bad_ports\"",
                    .rule = "bad_ports"};
  CHECK(text(record) ==
        "1994-11-06T08:49:37.542Z [::1]:40001 POST http://example.com:25/ 403 in=0 out=0 upstream=- none requests=0 "
        "idle=0.0 trust=none expected=- "
        "retries=0 queue=0.0 dns=0.0 connect=0.0 tls=0.0 first=0.0 total=0.0 end=keepwarm error=http_request_denied "
        "rule=bad_ports delivered=no tried=- "
        "reason=\"requests to example.com:25 are refused: \\\"bad_ports\\\"\" road=proxy client_tls=0.0 why=-");
  const auto members = FlatObject::parse(json(record));
  REQUIRE(members);
  CHECK(members->at("upstream") == "null");
  CHECK(members->at("connection") == "none");
  CHECK(members->at("end") == "keepwarm");
  CHECK(members->at("error") == "http_request_denied");
}

TEST_CASE("a request that was not understood has dashes in text, and nothing in JSON") {
  AccessRecord record;
  record.client = address("127.0.0.1", 1);
  record.status = 400;
  CHECK(text(record).starts_with("1994-11-06T08:49:37.542Z 127.0.0.1:1 - - 400 "));
  const auto members = FlatObject::parse(json(record));
  REQUIRE(members);
  CHECK(members->at("method").empty());
  CHECK(members->at("url").empty());
}

TEST_CASE("a CONNECT shows its authority") {
  const net::SocketAddress upstream = address("192.0.2.1", 443);
  AccessRecord record = ordinary(upstream);
  record.method = "CONNECT";
  record.host_and_port = "[2001:db8::1]:443";
  record.scheme = {};
  record.path = {};
  record.reused = false;
  CHECK(text(record).find(" CONNECT [2001:db8::1]:443 200 ") != std::string::npos);
  CHECK(text(record).find(" fresh ") != std::string::npos);
  CHECK(FlatObject::parse(json(record))->at("url") == "[2001:db8::1]:443");
  CHECK(FlatObject::parse(json(record))->at("connection") == "fresh");
}

TEST_CASE("the query of a URL is never shown") {
  const net::SocketAddress upstream = address("192.0.2.1", 80);
  struct Case {
    std::string_view path, shown;
  };
  const Case cases[] = {{"/x?token=secret", "http://example.com:80/x?..."},
                        {"?token=secret", "http://example.com:80?..."},
                        {"/x?a?secret", "http://example.com:80/x?..."},
                        {"/x?", "http://example.com:80/x?..."},
                        {"/x", "http://example.com:80/x"},
                        {"", "http://example.com:80"}};
  for (const Case& c : cases) {
    CAPTURE(c.path);
    AccessRecord record = ordinary(upstream);
    record.path = c.path;
    const std::string line = text(record);
    CHECK(line.find(' ' + std::string(c.shown) + ' ') != std::string::npos);
    CHECK(line.find("secret") == std::string::npos);
    CHECK(json(record).find("secret") == std::string::npos);
    CHECK(FlatObject::parse(json(record))->at("url") == c.shown);
  }
}

TEST_CASE("whatever bytes a request holds, its line stays one line of printable ASCII") {
  const net::SocketAddress upstream = address("192.0.2.1", 80);
  std::string all;
  for (int c = 0; c < 256; ++c) {
    if (c != '?') all += static_cast<char>(c);
  }
  AccessRecord record = ordinary(upstream);
  record.method = all;
  record.host_and_port = all;
  record.path = all;
  for (const std::string& line : {text(record), json(record)}) {
    for (const char c : line) REQUIRE((c >= 0x20 && c < 0x7F));
  }
  CHECK(FlatObject::parse(json(record)));
}

TEST_CASE("what may not stand in a URL is percent-encoded") {
  const net::SocketAddress upstream = address("192.0.2.1", 80);
  AccessRecord record = ordinary(upstream);
  record.path = "/\"\\\n\x7f\xc3\xa9\xff";
  const std::string encoded = "http://example.com:80/%22%5C%0A%7F%C3%A9%FF";
  CHECK(text(record).find(' ' + encoded + ' ') != std::string::npos);
  const auto members = FlatObject::parse(json(record));
  REQUIRE(members);
  CHECK(members->at("url") == encoded);
}

TEST_CASE("the line of a failure says why") {
  const std::array tried{address("192.0.2.1", 443), address("2001:db8::1", 443)};
  AccessRecord record;
  record.client = address("127.0.0.1", 1);
  record.ended = ExchangeOutcome::Ourselves;
  record.delivered = proxy::Delivered::Maybe;
  record.failure = {.error = "tls_certificate_error",
                    .reason = "x:443: its certificate 'CN=a\nb\xff\"' is self-signed",
                    .rule = {},
                    .tried = tried};
  CHECK(text(record).ends_with(
      " error=tls_certificate_error rule=- delivered=maybe "
      "tried=192.0.2.1:443,[2001:db8::1]:443 "
      "reason=\"x:443: its certificate 'CN=a\\\\x0ab\\\\xff\\\"' is self-signed\" road=proxy client_tls=0.0 why=-"));
  CHECK(json(record).ends_with(
      R"("error":"tls_certificate_error","rule":null,"delivered":"maybe",)"
      R"("tried":["192.0.2.1:443","[2001:db8::1]:443"],)"
      R"("reason":"x:443: its certificate 'CN=a\\x0ab\\xff\"' is self-signed","road":"proxy","client_tls_ms":0.000,"why":null})"));
}

TEST_CASE("an exchange that ended well has none of the fields of a failure") {
  const net::SocketAddress upstream = address("192.0.2.1", 80);
  CHECK(json(ordinary(upstream)).find("reason") == std::string::npos);
  CHECK(text(ordinary(upstream)).ends_with(" end=completed error=- road=proxy client_tls=0.0 why=-"));
}

TEST_CASE("a line says by which way a request went, and why it was a tunnel") {
  const net::SocketAddress upstream = address("192.0.2.1", 443);
  AccessRecord record = ordinary(upstream);
  record.road = proxy::Road::Intercept;
  record.client_tls = 2'345'678ns;
  CHECK(text(record).ends_with(" road=intercept client_tls=2.3 why=-"));
  CHECK(json(record).ends_with(R"(,"road":"intercept","client_tls_ms":2.346,"why":null})"));
  record.road = proxy::Road::Tunnel;
  record.client_tls = {};
  record.why = "client-certificate";
  CHECK(text(record).ends_with(" road=tunnel client_tls=0.0 why=client-certificate"));
  CHECK(json(record).ends_with(R"(,"road":"tunnel","client_tls_ms":0.000,"why":"client-certificate"})"));
}

TEST_CASE("milliseconds are rounded") {
  struct Case {
    Duration total;
    std::string_view text, json;
  };
  const Case cases[] = {{0ns, "0.0", "0.000"},
                        {49'999ns, "0.0", "0.050"},
                        {50'001ns, "0.1", "0.050"},
                        {999'949'999ns, "999.9", "999.950"},
                        {999'950'001ns, "1000.0", "999.950"},
                        {1'234'567'890ns, "1234.6", "1234.568"},
                        {60s, "60000.0", "60000.000"}};
  for (const Case& c : cases) {
    CAPTURE(c.total.count());
    AccessRecord record;
    record.client = address("127.0.0.1", 1);
    record.total = c.total;
    CHECK(text(record).find(" total=" + std::string(c.text) + " ") != std::string::npos);
    CHECK(json(record).find("\"total_ms\":" + std::string(c.json) + ",") != std::string::npos);
  }
}

TEST_CASE("every end of an exchange has its word") {
  struct Case {
    ExchangeOutcome ended;
    std::string_view word;
  };
  const Case cases[] = {{ExchangeOutcome::Completed, "completed"}, {ExchangeOutcome::Ourselves, "keepwarm"},
                        {ExchangeOutcome::Client, "client"},       {ExchangeOutcome::Origin, "origin"},
                        {ExchangeOutcome::Timeout, "timeout"},     {ExchangeOutcome::Shutdown, "shutdown"}};
  for (const Case& c : cases) {
    CAPTURE(c.word);
    AccessRecord record;
    record.client = address("127.0.0.1", 1);
    record.ended = c.ended;
    CHECK(text(record).find(" end=" + std::string(c.word) + " ") != std::string::npos);
    CHECK(FlatObject::parse(json(record))->at("end") == c.word);
  }
}

TEST_CASE("a line is appended") {
  AccessRecord record;
  record.client = address("127.0.0.1", 1);
  std::string out = "before\n";
  write_access_text(out, record, kNow);
  CHECK(out == "before\n" + text(record));
  out = "before\n";
  write_access_json(out, record, kNow);
  CHECK(out == "before\n" + json(record));
}

TEST_CASE("the time is UTC with milliseconds, whatever the time zone") {
  AccessRecord record;
  record.client = address("127.0.0.1", 1);
  const char* const before = std::getenv("TZ");
  const std::string kept = before == nullptr ? "" : before;
  ::setenv("TZ", "Asia/Tokyo", 1);
  ::tzset();
  const std::string line = text(record);
  if (before == nullptr) {
    ::unsetenv("TZ");
  } else {
    ::setenv("TZ", kept.c_str(), 1);
  }
  ::tzset();
  CHECK(line.starts_with("1994-11-06T08:49:37.542Z "));
}

}  // namespace
}  // namespace keepwarm::daemon
