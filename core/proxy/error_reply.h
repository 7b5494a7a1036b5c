#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "core/policy/failure.h"
#include "core/policy/settings.h"

/// The text of an answer that says what failed.
namespace keepwarm::proxy {

/// An answer of our own (core/doc/design.md §7).
struct ErrorReply {
  policy::FailureKind kind{};
  std::string_view explanation;  ///< what failed and for which host: one sentence, never the path
  bool keep_alive = false;
  bool without_body = false;      ///< answers HEAD: with the length of the body, but without the body
  std::string_view parameters{};  ///< further ones of Proxy-Status, each with its "; "
  std::string_view rule{};        ///< FailureDetails::rule
};

/// Appends the whole response: status, `Proxy-Status: keepwarm; error=…`, a text/plain body. Bytes in the explanation
/// that a browser could take for markup, or a terminal for control, are replaced. Returns how many bytes of a body it
/// has.
std::size_t write_error_reply(std::string& out, const ErrorReply& reply, policy::ProxyStatusMode proxy_status,
                              Duration keep_alive_timeout, std::string_view date);

/// Appends `Connection: close`, or `keep-alive` with `Keep-Alive: timeout=` (nothing below one second).
void write_connection_fields(std::string& out, bool keep_alive, Duration timeout);

}  // namespace keepwarm::proxy
