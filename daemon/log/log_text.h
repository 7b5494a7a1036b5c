#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "core/base/log.h"

/// How the lines of the log are written: one format of time for all of them, and no byte that could make two lines of
/// one, deceive a terminal, or break a JSON parser.
namespace keepwarm::daemon {

using WallTime = std::chrono::system_clock::time_point;

/// What a log file is written in.
enum class LogFormat : std::uint8_t { Text, Json };

/// Appends "2026-11-30T19:29:11.827Z": RFC 3339, in UTC with milliseconds. The day and second are kept for the next
/// line of the same thread.
void append_time(std::string& out, WallTime time);

/// Appends text that may come from a peer. Control characters and bytes that are no UTF-8 become "\x0a"; all else
/// stays as it is.
void append_visible(std::string& out, std::string_view text);

/// The same between double quotes, where a quote and a backslash have a backslash in front. What comes out is a JSON
/// string, too (RFC 8259 §7): a JSON parser reads what append_visible() shows.
void append_quoted(std::string& out, std::string_view text);

/// Appends a URL, or a part of one: whatever may not stand in it as it is becomes "%C3" (RFC 3986 §2.1). Needs no
/// quoting in either format.
void append_url(std::string& out, std::string_view text);

/// "info", as lines of the log have it.
[[nodiscard]] std::string_view name_of(LogLevel level) noexcept;

/// Appends a line of the log that is not of the access log, without its newline: "TIME [info] MESSAGE", or in JSON
/// {"time":…,"kind":"log","level":"info","message":…}.
void append_message(std::string& out, LogFormat format, LogLevel level, WallTime time, std::string_view message);

}  // namespace keepwarm::daemon
