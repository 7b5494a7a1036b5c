#include "daemon/access_line.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <iterator>

namespace keepwarm::daemon {

namespace {

double milliseconds(Duration duration) noexcept {
  return std::chrono::duration<double, std::milli>(duration).count();
}

/// The text as it may stand inside quotes: safe for a JSON parser, and on a terminal.
std::string escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c >= 0x20 && c < 0x7F) {
      out += c;
    } else {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::string url_of(const proxy::AccessRecord& record) {
  if (record.scheme.empty()) return escaped(record.host_and_port);
  std::string url(record.scheme);
  url += "://";
  url += record.host_and_port;
  const std::size_t query = record.path.find('?');
  url += record.path.substr(0, query);
  if (query != std::string_view::npos) url += "?...";
  return escaped(url);
}

std::string timestamp(std::chrono::system_clock::time_point now) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03d}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(now)), ms % 1000);
}

std::string_view connection_of(const proxy::AccessRecord& record) noexcept {
  if (record.upstream == nullptr) return "none";
  return record.reused ? "reused" : "fresh";
}

std::string_view trust_of(const proxy::AccessRecord& record) noexcept {
  if (record.upstream == nullptr) return "none";
  return record.trusted ? "trusted" : "untrusted";
}

/// "5000/hint"
std::string expected_of(const proxy::AccessRecord& record) {
  if (!record.expected_idle) return "-";
  return fmt::format("{:.0f}/{}", milliseconds(record.expected_idle->timeout),
                     policy::describe(record.expected_idle->source));
}

std::string upstream_of(const proxy::AccessRecord& record) {
  if (record.upstream == nullptr) return {};
  return record.upstream_path.empty() ? record.upstream->text() : "unix:" + escaped(record.upstream_path);
}

}  // namespace

void write_access_text(std::string& out, const proxy::AccessRecord& record, std::chrono::system_clock::time_point now) {
  const std::string method = record.method.empty() ? "-" : escaped(record.method);
  const std::string url = record.host_and_port.empty() ? "-" : url_of(record);
  fmt::format_to(
      std::back_inserter(out),
      "{} {} {} {} {} in={} out={} upstream={} {} requests={} idle={:.1f} trust={} expected={} retries={} dns={:.1f} "
      "connect={:.1f} tls={:.1f} first={:.1f} total={:.1f} end={} error={}",
      timestamp(now), record.client.text(), method, url, record.status, record.bytes_received, record.bytes_sent,
      record.upstream == nullptr ? "-" : upstream_of(record), connection_of(record), record.requests_on_connection,
      milliseconds(record.idle), trust_of(record), expected_of(record), record.retries, milliseconds(record.dns),
      milliseconds(record.connect), milliseconds(record.tls), milliseconds(record.first_byte),
      milliseconds(record.total), describe(record.ended), record.error.empty() ? "-" : record.error);
}

void write_access_json(std::string& out, const proxy::AccessRecord& record, std::chrono::system_clock::time_point now) {
  const auto& expected = record.expected_idle;
  const std::string upstream = record.upstream == nullptr ? "null" : '"' + upstream_of(record) + '"';
  fmt::format_to(
      std::back_inserter(out),
      R"({{"time":"{}","client":"{}","method":"{}","url":"{}","status":{},"bytes_received":{},"bytes_sent":{},)"
      R"("upstream":{},"connection":"{}","requests_on_connection":{},"idle_ms":{:.3f},"trust":"{}",)"
      R"("expected_idle_timeout_ms":{},"expected_idle_timeout_source":{},"retries":{},"dns_ms":{:.3f},)"
      R"("connect_ms":{:.3f},"tls_ms":{:.3f},"first_byte_ms":{:.3f},"total_ms":{:.3f},"end":"{}","error":{}}})",
      timestamp(now), record.client.text(), escaped(record.method), url_of(record), record.status,
      record.bytes_received, record.bytes_sent, upstream, connection_of(record), record.requests_on_connection,
      milliseconds(record.idle), trust_of(record),
      expected ? fmt::format("{:.0f}", milliseconds(expected->timeout)) : "null",
      expected ? fmt::format("\"{}\"", policy::describe(expected->source)) : "null", record.retries,
      milliseconds(record.dns), milliseconds(record.connect), milliseconds(record.tls), milliseconds(record.first_byte),
      milliseconds(record.total), describe(record.ended),
      record.error.empty() ? std::string("null") : '"' + std::string(record.error) + '"');
}

}  // namespace keepwarm::daemon
