#pragma once

#include <optional>
#include <string_view>

#include "core/http/head.h"

/// The first line of a head (RFC 9112 §3 and §4), read from left to right, so that a line which comes in pieces ends in
/// the same fault as a whole one. Private to core/http.
namespace keepwarm::http {

/// `line` is without CRLF and holds no control byte but HT; if not `whole`, it is the beginning of a line. Returns what
/// is wrong with it; nullopt: nothing (so far). The views of `head` point into `line`; they are set only when that is
/// whole and nothing is wrong with it.
[[nodiscard]] std::optional<Fault> parse_start_line(std::string_view line, bool whole, RequestHead& head) noexcept;
[[nodiscard]] std::optional<Fault> parse_start_line(std::string_view line, bool whole, ResponseHead& head) noexcept;

}  // namespace keepwarm::http
