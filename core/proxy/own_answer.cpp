#include "core/proxy/own_answer.h"

#include <string>

#include "core/http/persistence.h"
#include "core/http/serializer.h"

namespace keepwarm::proxy {

using policy::FailureKind;

OwnAnswer OwnAnswerWriter::failure(const ErrorReply& reply) {
  ++stats_.own_answers;
  const policy::FailureAnswer answer = policy::answer_for(reply.kind);
  const policy::ProxySettings& settings = *mode_.settings;
  std::string& out = scratch_.head_out;
  out.clear();
  const std::size_t body =
      write_error_reply(out, reply, settings.proxy_status, settings.client_idle_timeout, scratch_.date.now());
  return {.text = out,
          .status = answer.status,
          .error = answer.proxy_status_error,
          .keep_alive = reply.keep_alive,
          .body_bytes = body,
          .reason = std::string(reply.explanation),
          .rule = reply.rule};
}

OwnAnswer OwnAnswerWriter::malformed_head(http::Fault fault) {
  const std::string_view what = describe(fault);
  switch (fault) {
    case http::Fault::HeadTooLarge:
      return failure({.kind = FailureKind::HeadTooLarge, .explanation = what, .rule = "max_header_size"});
    case http::Fault::TooManyFields: return failure({FailureKind::HeadTooLarge, what});
    case http::Fault::TargetTooLong: return failure({FailureKind::TargetTooLong, what});
    case http::Fault::Http2Preface:
    case http::Fault::UnsupportedVersion: return failure({FailureKind::UnsupportedVersion, what});
    case http::Fault::TlsHandshake:
    case http::Fault::SocksGreeting:
      return {.text = {},
              .error = policy::answer_for(FailureKind::BadRequest).proxy_status_error,
              .reason = std::string(what)};
    default: return failure({FailureKind::BadRequest, "the request is malformed: " + std::string(what)});
  }
}

OwnAnswer OwnAnswerWriter::refusal(const http::RequestHead& head, const Route& route) {
  const bool keep = may_keep_alive(head, route) && head.method != "CONNECT";
  return failure({.kind = route.failure,
                  .explanation = route.explanation,
                  .keep_alive = keep,
                  .without_body = head.method == "HEAD",
                  .rule = route.rule});
}

OwnAnswer OwnAnswerWriter::last_forward(const http::RequestHead& head, const Route& route) {
  ++stats_.own_answers;
  const bool keep = may_keep_alive(head, route);
  std::string body;
  if (route.kind == Route::Kind::AnswerTrace) http::write_trace_body(body, head);
  std::string& out = scratch_.head_out;
  out = "HTTP/1.1 200 OK\r\nDate: ";
  out += scratch_.date.now();
  out += "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  if (!body.empty()) out += "Content-Type: message/http\r\n";
  write_connection_fields(out, keep, mode_.settings->client_idle_timeout);
  out += "\r\n" + body;
  return {.text = out,
          .status = 200,
          .keep_alive = keep,
          .body_bytes = body.size(),
          .reason = "Max-Forwards says that the request ends here"};
}

/// Only if the request has no body: else its body could be taken for the next request.
bool OwnAnswerWriter::may_keep_alive(const http::RequestHead& head, const Route& route) const noexcept {
  return !route.unframed && !route.framing.has_body() && !mode_.draining && http::client_may_persist(head);
}

}  // namespace keepwarm::proxy
