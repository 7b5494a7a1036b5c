#include "core/http/serializer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

#include "core/http/appender.h"
#include "core/http/ascii.h"
#include "core/http/fields.h"
#include "core/http/set_cookie.h"

namespace keepwarm::http {
namespace {

using namespace std::string_view_literals;

void append_number(std::string& out, std::uint64_t number, int base = 10) {
  std::array<char, 20> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, base).ptr;
  out.append(digits.data(), end);
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": "sv).append(value).append("\r\n"sv);
}

/// Bytes that a head may hold beside the received fields and the texts that are given for it.
constexpr std::size_t kOwnFields = 192;

bool is_length_or_encoding(FieldId id) noexcept {
  return id == FieldId::ContentLength || id == FieldId::TransferEncoding;
}

void append_framing(Appender& out, const BodyFraming& framing) {
  if (framing.kind == BodyFraming::Kind::Length) out.text("Content-Length: ").number(framing.length).text("\r\n");
  if (framing.kind == BodyFraming::Kind::Chunked) out.text("Transfer-Encoding: chunked\r\n");
}

/// A line of its own behind the received ones: the same as a further list element (RFC 9110 §5.3).
void append_via(Appender& out, Version received, std::string_view pseudonym) {
  if (pseudonym.empty()) return;
  if (received == Version::Http11) {
    out.text("Via: 1.1 ");
  } else {
    out.text("Via: 1.0 ");
  }
  out.text(pseudonym).text("\r\n");
}

void append_upgrade(Appender& out, const Fields& fields) {
  std::string protocols;
  append_upgrade_protocols(fields, protocols);
  out.text("Connection: upgrade\r\nUpgrade: ").text(protocols).text("\r\n");
}

/// Which fields of a message Connection nominates. Most messages nominate none, and then this costs nothing. Otherwise
/// the names of its fields, which are few, are sorted, and each option is looked up among them: so nobody can burn our
/// CPU or memory with a head full of options.
class Nominations {
 public:
  explicit Nominations(const Fields& fields) {
    if (!connection_options(fields).nominates) return;
    for (const Field& field : fields) {
      if (may_be_nominated(field.id) && !is_hop_by_hop(field.id)) names_.push_back({field.name});
    }
    std::sort(names_.begin(), names_.end(), [](const Name& a, const Name& b) { return less(a.text, b.text); });
    for (const Field& field : fields) {
      if (field.id != FieldId::Connection) continue;
      ListElements options(field.value, ListGrammar::Tokens);
      while (const auto option = options.next()) {
        if (Name* const name = find(*option)) name->nominated = true;
      }
    }
  }
  [[nodiscard]] bool contain(const Field& field) noexcept {
    if (names_.empty()) return false;
    const Name* const name = find(field.name);
    return name != nullptr && name->nominated;
  }

 private:
  struct Name {
    std::string_view text;
    bool nominated = false;  ///< of several equal names only the first in names_ says so
  };

  static bool less(std::string_view a, std::string_view b) noexcept {
    const auto lower = [](char x, char y) noexcept { return to_lower(x) < to_lower(y); };
    return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(), lower);
  }
  /// The first of that name; nullptr: there is none.
  [[nodiscard]] Name* find(std::string_view text) noexcept {
    const auto before = [](const Name& name, std::string_view wanted) noexcept { return less(name.text, wanted); };
    const auto at = std::lower_bound(names_.begin(), names_.end(), text, before);
    return at != names_.end() && !less(text, at->text) ? &*at : nullptr;
  }

  std::vector<Name> names_;
};

/// Appends fields as they were received. Neighbouring fields that are Field::plain are copied together.
class FieldRuns {
 public:
  explicit FieldRuns(Appender& out) noexcept : out_(out) {}

  void add(const Field& field) {
    if (field.plain && field.name.data() == end_) {
      end_ = after(field);
      return;
    }
    flush();
    if (field.plain) {
      begin_ = field.name.data();
      end_ = after(field);
    } else {
      out_.field(field.name, field.value);
    }
  }
  void flush() {
    if (begin_ != end_) out_.text({begin_, static_cast<std::size_t>(end_ - begin_)});
    begin_ = end_ = nullptr;
  }

 private:
  static const char* after(const Field& plain) noexcept { return plain.value.data() + plain.value.size() + 2; }
  Appender& out_;
  const char* begin_ = nullptr;  ///< what is to be copied
  const char* end_ = nullptr;
};

std::size_t size_of(const Fields& fields) noexcept {
  std::size_t size = 0;
  for (const Field& field : fields) size += field.name.size() + field.value.size() + 4;
  return size;
}

void append_status_line(Appender& out, const ResponseHead& head) {
  out.text("HTTP/1.1 ").number(head.status).text(" ").text(head.reason).text("\r\n");
}

/// The end-to-end fields of a response, without framing.
void append_response_fields(Appender& out, const ResponseHead& head, bool strip_secure) {
  Nominations nominations(head.fields);
  FieldRuns runs(out);
  for (const Field& field : head.fields) {
    if (is_hop_by_hop(field.id) || is_length_or_encoding(field.id) || nominations.contain(field)) continue;
    if (field.id != FieldId::SetCookie || !strip_secure) {
      runs.add(field);
      continue;
    }
    runs.flush();
    out.field(field.name, without_secure(field.value));
  }
  runs.flush();
}

void append_response_framing(Appender& out, const ResponseHead& head, const ForwardedResponse& how) {
  if (head.status < 200 || head.status == 204) return;  // RFC 9112 §6.1, RFC 9110 §8.6
  if (how.framing.kind != BodyFraming::Kind::None) return append_framing(out, how.framing);
  if (!how.keeps_length_field || !head.fields.has(FieldId::ContentLength)) return;
  const auto is_length = [](const Field& field) noexcept { return field.id == FieldId::ContentLength; };
  out.field("Content-Length", std::find_if(head.fields.begin(), head.fields.end(), is_length)->value);
}

void append_response_connection(Appender& out, const ResponseHead& head, const ForwardedResponse& how) {
  if (how.upgrade) return append_upgrade(out, head.fields);
  if (how.keep_alive) {
    out.text("Connection: keep-alive");
  } else {
    out.text("Connection: close");
  }
  if (how.session_auth) out.text(", Proxy-Support\r\nProxy-Support: Session-Based-Authentication");
  out.text("\r\n");
  if (!how.keep_alive) return;
  const auto timeout = std::chrono::duration_cast<std::chrono::seconds>(how.keep_alive_timeout).count();
  if (timeout > 0) out.text("Keep-Alive: timeout=").number(static_cast<std::uint64_t>(timeout)).text("\r\n");
}

/// Secrets that an answer to TRACE must not show (RFC 9110 §9.3.8).
bool is_secret(FieldId id) noexcept {
  return id == FieldId::Authorization || id == FieldId::ProxyAuthorization || id == FieldId::Cookie;
}

/// The end-to-end fields of a request, without Host and framing.
void append_request_fields(Appender& out, const RequestHead& head, const ForwardedRequest& how) {
  Nominations nominations(head.fields);
  FieldRuns runs(out);
  for (const Field& field : head.fields) {
    if (is_hop_by_hop(field.id) || is_length_or_encoding(field.id) || field.id == FieldId::Host) continue;
    if (field.id == FieldId::Expect && how.drop_expect) continue;
    if (nominations.contain(field)) continue;
    if (field.id != FieldId::MaxForwards || !how.max_forwards) {
      runs.add(field);
      continue;
    }
    runs.flush();
    out.text(field.name).text(": ").number(*how.max_forwards).text("\r\n");
  }
  runs.flush();
}

}  // namespace

void write_request_head(std::string& text, const RequestHead& head, const ForwardedRequest& how) {
  Appender out(text, how.method.size() + how.target.size() + how.host.size() + how.via.size() +
                         how.proxy_authorization.size() + size_of(head.fields) + kOwnFields);
  out.text(how.method).text(" ").text(how.target).text(" HTTP/1.1\r\nHost: ").text(how.host).text("\r\n");
  append_request_fields(out, head, how);
  append_framing(out, how.framing);
  append_via(out, head.version, how.via);
  if (!how.proxy_authorization.empty()) out.field("Proxy-Authorization", how.proxy_authorization);
  if (how.upgrade) {
    append_upgrade(out, head.fields);
  } else if (how.keep_alive) {
    out.text("Connection: keep-alive\r\n");
  } else {
    out.text("Connection: close\r\n");
  }
  out.text("\r\n");
}

void write_response_head(std::string& text, const ResponseHead& head, const ForwardedResponse& how) {
  Appender out(text, head.reason.size() + how.via.size() + how.date.size() + how.proxy_status.size() +
                         size_of(head.fields) + kOwnFields);
  append_status_line(out, head);
  append_response_fields(out, head, how.strip_secure);
  append_response_framing(out, head, how);
  if (!how.date.empty() && !head.fields.has(FieldId::Date)) out.field("Date", how.date);
  append_via(out, head.version, how.via);
  if (!how.proxy_status.empty()) out.field("Proxy-Status", how.proxy_status);
  append_response_connection(out, head, how);
  out.text("\r\n");
}

void write_interim_head(std::string& text, const ResponseHead& head, std::string_view via, bool strip_secure) {
  Appender out(text, head.reason.size() + via.size() + size_of(head.fields) + kOwnFields);
  append_status_line(out, head);
  append_response_fields(out, head, strip_secure);
  append_via(out, head.version, via);
  out.text("\r\n");
}

void write_chunk_size(std::string& out, std::size_t size) {
  append_number(out, size, 16);
  out.append("\r\n"sv);
}

void write_last_chunk(std::string& out, std::span<const Field> trailers) {
  out.append("0\r\n"sv);
  for (const Field& field : trailers) {
    if (allowed_in_trailer(field.id)) append_field(out, field.name, field.value);
  }
  out.append("\r\n"sv);
}

void write_trace_body(std::string& out, const RequestHead& head) {
  out.append(head.method).append(" "sv).append(head.target);
  out.append(head.version == Version::Http11 ? " HTTP/1.1\r\n"sv : " HTTP/1.0\r\n"sv);
  for (const Field& field : head.fields) {
    if (!is_secret(field.id)) append_field(out, field.name, field.value);
  }
  out.append("\r\n"sv);
}

void write_date(std::string& out, std::int64_t unix_seconds) {
  constexpr std::string_view kDays = "SunMonTueWedThuFriSat";
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const std::chrono::sys_seconds time{std::chrono::seconds(unix_seconds)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  const std::size_t weekday = std::chrono::weekday{day}.c_encoding();
  const std::size_t month = static_cast<unsigned>(date.month()) - 1U;

  const auto append_two = [&out](std::uint64_t number) {
    if (number < 10) out += '0';
    append_number(out, number);
  };
  out.append(kDays.substr(weekday * 3, 3)).append(", "sv);
  append_two(static_cast<unsigned>(date.day()));
  out.append(" "sv).append(kMonths.substr(month * 3, 3)).append(" "sv);
  append_number(out, static_cast<std::uint64_t>(static_cast<int>(date.year())));
  out.append(" "sv);
  append_two(static_cast<std::uint64_t>(clock.hours().count()));
  out.append(":"sv);
  append_two(static_cast<std::uint64_t>(clock.minutes().count()));
  out.append(":"sv);
  append_two(static_cast<std::uint64_t>(clock.seconds().count()));
  out.append(" GMT"sv);
}

std::string_view reason_phrase(std::uint16_t status) noexcept {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 408: return "Request Timeout";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 508: return "Loop Detected";
    default: return "";
  }
}

}  // namespace keepwarm::http
