#include "core/http/start_line.h"

#include <algorithm>

#include "core/http/ascii.h"

namespace keepwarm::http {
namespace {

constexpr std::size_t kVersionSize = 8;  // "HTTP/1.1"
constexpr std::size_t kStatusSize = 3;
constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0";  // RFC 9113 §3.4

/// Is `text`, at most kVersionSize bytes, `HTTP/DIGIT.DIGIT` or the beginning of it (RFC 9112 §2.3)?
bool begins_version(std::string_view text) noexcept {
  constexpr std::string_view kPattern = "HTTP/0.0";
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (kPattern[i] == '0' ? !is_digit(text[i]) : text[i] != kPattern[i]) return false;
  }
  return true;
}

std::optional<Version> supported_version(std::string_view text) noexcept {
  if (text == "HTTP/1.1") return Version::Http11;
  if (text == "HTTP/1.0") return Version::Http10;
  return std::nullopt;
}

/// Is `text`, at most kStatusSize bytes, 100 to 999 or the beginning of it?
bool begins_status(std::string_view text) noexcept {
  for (const char c : text) {
    if (!is_digit(c)) return false;
  }
  return text.empty() || text.front() != '0';
}

}  // namespace

std::optional<Fault> parse_start_line(std::string_view line, bool whole, RequestHead& head) noexcept {
  const std::optional<Fault> cut_short = whole ? std::optional(Fault::BadRequestLine) : std::nullopt;

  std::size_t method_end = 0;
  while (method_end < line.size() && kTokenBytes.contains(line[method_end])) ++method_end;
  if (method_end == line.size()) return cut_short;
  if (method_end == 0 || line[method_end] != ' ') return Fault::BadRequestLine;

  const std::size_t target_begin = method_end + 1;
  const std::size_t target_end = std::min(line.find(' ', target_begin), line.size());
  const std::string_view target = line.substr(target_begin, target_end - target_begin);
  if (target.find('\t') != std::string_view::npos) return Fault::BadRequestLine;
  if (target_end == line.size()) return cut_short;
  if (target.empty()) return Fault::BadRequestLine;

  const std::string_view version_text = line.substr(target_end + 1);
  const std::optional<Version> version = supported_version(version_text);
  if (!version) {
    if (version_text.size() > kVersionSize || !begins_version(version_text)) return Fault::BadRequestLine;
    if (!whole) return std::nullopt;
    if (version_text.size() != kVersionSize) return Fault::BadRequestLine;
    return line == kHttp2Preface ? Fault::Http2Preface : Fault::UnsupportedVersion;
  }
  if (!whole) return std::nullopt;

  head.method = line.substr(0, method_end);
  head.target = target;
  head.version = *version;
  return std::nullopt;
}

std::optional<Fault> parse_start_line(std::string_view line, bool whole, ResponseHead& head) noexcept {
  const std::optional<Fault> cut_short = whole ? std::optional(Fault::BadStatusLine) : std::nullopt;

  const std::string_view version_text = line.substr(0, kVersionSize);
  const std::optional<Version> version = supported_version(version_text);
  if (!version && !begins_version(version_text)) return Fault::BadStatusLine;
  if (line.size() <= kVersionSize) return cut_short;
  if (line[kVersionSize] != ' ') return Fault::BadStatusLine;
  if (!version) return Fault::UnsupportedVersion;

  const std::string_view status = line.substr(kVersionSize + 1, kStatusSize);
  if (!begins_status(status)) return Fault::BadStatusLine;
  if (status.size() < kStatusSize) return cut_short;
  const std::string_view rest = line.substr(kVersionSize + 1 + kStatusSize);
  if (!rest.empty() && rest.front() != ' ') return Fault::BadStatusLine;
  if (!whole) return std::nullopt;

  head.version = *version;
  head.status = static_cast<std::uint16_t>((status[0] - '0') * 100 + (status[1] - '0') * 10 + (status[2] - '0'));
  head.reason = rest.empty() ? rest : rest.substr(1);
  return std::nullopt;
}

}  // namespace keepwarm::http
