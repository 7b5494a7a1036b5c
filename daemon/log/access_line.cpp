#include "daemon/log/access_line.h"

#include <charconv>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <string_view>
#include <sys/socket.h>

namespace keepwarm::daemon {

namespace {

using proxy::AccessRecord;
using proxy::ExchangeOutcome;

void append(std::string& out, std::string_view text) {
  out.append(text);
}

void append(std::string& out, std::unsigned_integral auto number) {
  char digits[20];
  const auto end = std::to_chars(std::begin(digits), std::end(digits), number).ptr;
  out.append(digits, end);
}

/// Appends several texts and numbers.
template <typename... Parts>
void append_all(std::string& out, const Parts&... parts) {
  (append(out, parts), ...);
}

/// Milliseconds with so many decimals (at most 3), rounded half to even. By hand: formatting floating point took half
/// of the time that a line takes.
void append_ms(std::string& out, Duration duration, unsigned decimals) {
  std::uint64_t unit = 1'000'000;
  for (unsigned i = 0; i < decimals; ++i) unit /= 10;
  const auto ns = static_cast<std::uint64_t>(std::max<Duration::rep>(duration.count(), 0));
  std::uint64_t units = ns / unit;
  const std::uint64_t twice_rest = ns % unit * 2;
  if (twice_rest > unit || (twice_rest == unit && units % 2 == 1)) ++units;
  std::uint64_t scale = 1'000'000 / unit;
  append(out, units / scale);
  if (decimals == 0) return;
  out += '.';
  for (units %= scale; scale > 1; units %= scale) {
    scale /= 10;
    out += static_cast<char>('0' + units / scale);
  }
}

void append_url_of(std::string& out, const AccessRecord& record) {
  if (!record.scheme.empty()) append_all(out, record.scheme, "://");
  append_url(out, record.host_and_port);
  const std::size_t query = record.path.find('?');
  append_url(out, record.path.substr(0, query));
  if (query != std::string_view::npos) append(out, "?...");
}

bool has_url(const AccessRecord& record) noexcept {
  return !record.host_and_port.empty() || !record.path.empty();
}

std::string_view connection_of(const AccessRecord& record) noexcept {
  if (record.upstream == nullptr) return "none";
  return record.reused ? "reused" : "fresh";
}

std::string_view trust_of(const AccessRecord& record) noexcept {
  if (record.upstream == nullptr) return "none";
  return record.trusted ? "trusted" : "untrusted";
}

/// An address without quotes; needs none in JSON either.
void append_address(std::string& out, const net::SocketAddress& address, std::string_view unix_path) {
  if (address.family() != AF_UNIX || unix_path.empty()) return append(out, address.text());
  append(out, "unix:");
  append_url(out, unix_path);
}

void append_tried(std::string& out, const AccessRecord& record, std::string_view quote) {
  std::string_view separator;
  for (const net::SocketAddress& address : record.failure.tried) {
    append_all(out, separator, quote);
    append_address(out, address, record.upstream_path);
    append(out, quote);
    separator = ",";
  }
}

/// `name` with its comma, and a word that needs no escaping, or null.
void append_json_word(std::string& out, std::string_view name, std::string_view word) {
  if (word.empty()) return append_all(out, ",\"", name, "\":null");
  append_all(out, ",\"", name, "\":\"", word, "\"");
}

void append_json_ms(std::string& out, std::string_view name, Duration duration) {
  append_all(out, ",\"", name, "\":");
  append_ms(out, duration, 3);
}

void append_text_ms(std::string& out, std::string_view name, Duration duration) {
  append_all(out, " ", name, "=");
  append_ms(out, duration, 1);
}

std::string_view or_dash(std::string_view word) noexcept {
  return word.empty() ? std::string_view("-") : word;
}

void append_text_failure(std::string& out, const AccessRecord& record) {
  append_all(out, " rule=", or_dash(record.failure.rule), " delivered=", describe(record.delivered), " tried=");
  if (record.failure.tried.empty()) append(out, "-");
  append_tried(out, record, {});
  append(out, " reason=");
  append_quoted(out, record.failure.reason);
}

void append_json_failure(std::string& out, const AccessRecord& record) {
  append_json_word(out, "rule", record.failure.rule);
  append_json_word(out, "delivered", describe(record.delivered));
  append(out, ",\"tried\":[");
  append_tried(out, record, "\"");
  append(out, "],\"reason\":");
  append_quoted(out, record.failure.reason);
}

}  // namespace

void write_access_text(std::string& out, const AccessRecord& record, WallTime now) {
  append_time(out, now);
  append_all(out, " ", record.client.text(), " ");
  append_url(out, or_dash(record.method));
  append(out, " ");
  has_url(record) ? append_url_of(out, record) : append(out, "-");
  append_all(out, " ", record.status, " in=", record.bytes_received, " out=", record.bytes_sent, " upstream=");
  record.upstream == nullptr ? append(out, "-") : append_address(out, *record.upstream, record.upstream_path);
  append_all(out, " ", connection_of(record), " requests=", record.requests_on_connection);
  append_text_ms(out, "idle", record.idle);
  append_all(out, " trust=", trust_of(record), " expected=");
  if (record.expected_idle) {
    append_ms(out, record.expected_idle->timeout, 0);
    append_all(out, "/", policy::describe(record.expected_idle->source));
  } else {
    append(out, "-");
  }
  append_all(out, " retries=", record.retries);
  append_text_ms(out, "queue", record.queue);
  append_text_ms(out, "dns", record.dns);
  append_text_ms(out, "connect", record.connect);
  append_text_ms(out, "tls", record.tls);
  append_text_ms(out, "first", record.first_byte);
  append_text_ms(out, "total", record.total);
  append_all(out, " end=", describe(record.ended), " error=", or_dash(record.failure.error));
  if (record.ended != ExchangeOutcome::Completed) append_text_failure(out, record);
  append_all(out, " road=", describe(record.road));
  append_text_ms(out, "client_tls", record.client_tls);
  append_all(out, " why=", or_dash(record.why));
}

void write_access_json(std::string& out, const AccessRecord& record, WallTime now) {
  append(out, R"({"time":")");
  append_time(out, now);
  append_all(out, R"(","kind":"access","client":")", record.client.text(), R"(","method":")");
  append_url(out, record.method);
  append(out, R"(","url":")");
  append_url_of(out, record);
  append_all(out, R"(","status":)", record.status, R"(,"bytes_received":)", record.bytes_received, R"(,"bytes_sent":)",
             record.bytes_sent, R"(,"upstream":)");
  if (record.upstream == nullptr) {
    append(out, "null");
  } else {
    append(out, "\"");
    append_address(out, *record.upstream, record.upstream_path);
    append(out, "\"");
  }
  append_json_word(out, "connection", connection_of(record));
  append_all(out, R"(,"requests_on_connection":)", record.requests_on_connection);
  append_json_ms(out, "idle_ms", record.idle);
  append_json_word(out, "trust", trust_of(record));
  append(out, R"(,"expected_idle_timeout_ms":)");
  record.expected_idle ? append_ms(out, record.expected_idle->timeout, 0) : append(out, "null");
  append_json_word(out, "expected_idle_timeout_source",
                   record.expected_idle ? policy::describe(record.expected_idle->source) : std::string_view());
  append_all(out, R"(,"retries":)", record.retries);
  append_json_ms(out, "queue_ms", record.queue);
  append_json_ms(out, "dns_ms", record.dns);
  append_json_ms(out, "connect_ms", record.connect);
  append_json_ms(out, "tls_ms", record.tls);
  append_json_ms(out, "first_byte_ms", record.first_byte);
  append_json_ms(out, "total_ms", record.total);
  append_json_word(out, "end", describe(record.ended));
  append_json_word(out, "error", record.failure.error);
  if (record.ended != ExchangeOutcome::Completed) append_json_failure(out, record);
  append_json_word(out, "road", describe(record.road));
  append_json_ms(out, "client_tls_ms", record.client_tls);
  append_json_word(out, "why", record.why);
  out += '}';
}

}  // namespace keepwarm::daemon
