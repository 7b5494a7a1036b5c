#include "daemon/log/log_text.h"

#include <cstdint>
#include <ctime>
#include <fmt/chrono.h>
#include <fmt/format.h>

namespace keepwarm::daemon {

namespace {

constexpr std::string_view kHexLower = "0123456789abcdef";
constexpr std::string_view kHexUpper = "0123456789ABCDEF";

std::uint8_t byte_at(std::string_view text, std::size_t at) noexcept {
  return at < text.size() ? static_cast<std::uint8_t>(text[at]) : std::uint8_t{0};
}

/// How many bytes the character at the beginning of `text` has; 0: it is no UTF-8 (RFC 3629 §4), or a control
/// character.
std::size_t visible_size(std::string_view text) noexcept {
  const std::uint8_t first = byte_at(text, 0);
  const std::uint8_t second = byte_at(text, 1);
  const auto follows = [&](std::size_t at) { return (byte_at(text, at) & 0xC0U) == 0x80U; };
  if (first < 0x80) return first >= 0x20 && first != 0x7F ? 1 : 0;
  if (first >= 0xC2 && first < 0xE0) {
    const bool control = first == 0xC2 && second < 0xA0;  // U+0080 to U+009F: terminals act on some of them
    return follows(1) && !control ? 2 : 0;
  }
  if (first >= 0xE0 && first < 0xF0) {
    const bool too_short = first == 0xE0 && second < 0xA0;
    const bool surrogate = first == 0xED && second >= 0xA0;
    return follows(1) && follows(2) && !too_short && !surrogate ? 3 : 0;
  }
  if (first >= 0xF0 && first < 0xF5) {
    const bool too_short = first == 0xF0 && second < 0x90;
    const bool too_large = first == 0xF4 && second >= 0x90;
    return follows(1) && follows(2) && follows(3) && !too_short && !too_large ? 4 : 0;
  }
  return 0;
}

/// `escape`: what stands for a byte that must not be seen; `quoted`: quotes and backslashes are escaped.
void append_escaped(std::string& out, std::string_view text, std::string_view escape, bool quoted) {
  while (!text.empty()) {
    const std::size_t size = visible_size(text);
    if (size == 0) {
      const std::uint8_t byte = byte_at(text, 0);
      out.append(escape);
      out += kHexLower[byte >> 4U];
      out += kHexLower[byte & 0xFU];
      text.remove_prefix(1);
      continue;
    }
    if (quoted && (text.front() == '"' || text.front() == '\\')) out += '\\';
    out.append(text.substr(0, size));
    text.remove_prefix(size);
  }
}

bool stays_in_url(char c) noexcept {
  return c > 0x20 && c < 0x7F && c != '"' && c != '\\';
}

}  // namespace

void append_time(std::string& out, WallTime time) {
  struct Written {
    std::time_t second = -1;
    std::string text;
  };
  thread_local Written last;
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  const auto second = static_cast<std::time_t>(ms / 1000);
  if (second != last.second) {
    last.second = second;
    last.text = fmt::format("{:%Y-%m-%dT%H:%M:%S}.", fmt::gmtime(second));
  }
  const auto rest = static_cast<unsigned>(ms % 1000);
  out.append(last.text);
  out += static_cast<char>('0' + rest / 100);
  out += static_cast<char>('0' + rest / 10 % 10);
  out += static_cast<char>('0' + rest % 10);
  out += 'Z';
}

void append_visible(std::string& out, std::string_view text) {
  append_escaped(out, text, "\\x", false);
}

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  append_escaped(out, text, "\\\\x", true);
  out += '"';
}

void append_url(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (stays_in_url(c)) {
      out += c;
      continue;
    }
    const auto byte = static_cast<std::uint8_t>(c);
    out += '%';
    out += kHexUpper[byte >> 4U];
    out += kHexUpper[byte & 0xFU];
  }
}

std::string_view name_of(LogLevel level) noexcept {
  switch (level) {
    case LogLevel::Trace: return "trace";
    case LogLevel::Debug: return "debug";
    case LogLevel::Info: return "info";
    case LogLevel::Warn: return "warning";
    case LogLevel::Error: return "error";
    case LogLevel::Off: return "off";
  }
  return "info";
}

void append_message(std::string& out, LogFormat format, LogLevel level, WallTime time, std::string_view message) {
  if (format == LogFormat::Json) {
    out.append(R"({"time":")");
    append_time(out, time);
    out.append(R"(","kind":"log","level":")").append(name_of(level)).append(R"(","message":)");
    append_quoted(out, message);
    out += '}';
    return;
  }
  append_time(out, time);
  out.append(" [").append(name_of(level)).append("] ");
  append_visible(out, message);
}

}  // namespace keepwarm::daemon
