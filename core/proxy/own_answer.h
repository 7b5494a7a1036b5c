#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/http/head.h"
#include "core/proxy/error_reply.h"
#include "core/proxy/proxy_stats.h"
#include "core/proxy/router.h"
#include "core/proxy/scratch_buffers.h"
#include "core/proxy/service_mode.h"

/// The answers that keepwarm gives by itself, without asking an origin (core/doc/design.md §5, §7).
namespace keepwarm::proxy {

/// A whole response, and what the access log says of it. `text` is valid until the next head or answer is written.
struct OwnAnswer {
  std::string_view text;
  std::uint16_t status = 0;
  std::string_view error{};  ///< of Proxy-Status; empty: it is no error
  bool keep_alive = false;   ///< the answer says that the client's connection persists
  std::size_t body_bytes = 0;
  std::string reason{};     ///< why there is such an answer: what its body says
  std::string_view rule{};  ///< FailureDetails::rule
};

/// Writes such answers under the settings in force, and counts them.
class OwnAnswerWriter {
 public:
  /// References must outlive the writer.
  OwnAnswerWriter(const ServiceMode& mode, ProxyStats& stats, ScratchBuffers& scratch) noexcept
      : mode_(mode), stats_(stats), scratch_(scratch) {}

  /// A request could not be served.
  [[nodiscard]] OwnAnswer failure(const ErrorReply& reply);
  /// What came is no request head that can be understood. Of another protocol whose clients could not read an answer:
  /// one with nothing in it, after which the connection is to be closed.
  [[nodiscard]] OwnAnswer malformed_head(http::Fault fault);
  /// The router refuses this request (Route::Kind::Refuse).
  [[nodiscard]] OwnAnswer refusal(const http::RequestHead& head, const Route& route);
  /// 200 for a request whose Max-Forwards says that it ends here (RFC 9110 §7.6.2): TRACE gets its own head back.
  [[nodiscard]] OwnAnswer last_forward(const http::RequestHead& head, const Route& route);

 private:
  [[nodiscard]] bool may_keep_alive(const http::RequestHead& head, const Route& route) const noexcept;

  const ServiceMode& mode_;
  ProxyStats& stats_;
  ScratchBuffers& scratch_;
};

}  // namespace keepwarm::proxy
