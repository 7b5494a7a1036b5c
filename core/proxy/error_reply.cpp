#include "core/proxy/error_reply.h"

#include "core/http/serializer.h"

namespace keepwarm::proxy {

namespace {

void append_harmless(std::string& out, std::string_view text) {
  for (const char c : text) {
    const bool harmless = c >= 0x20 && c < 0x7F && c != '<' && c != '>' && c != '&' && c != '"';
    out += harmless ? c : '?';
  }
}

}  // namespace

void write_connection_fields(std::string& out, bool keep_alive, Duration timeout) {
  if (!keep_alive) {
    out += "Connection: close\r\n";
    return;
  }
  out += "Connection: keep-alive\r\n";
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(timeout).count();
  if (seconds > 0) out += "Keep-Alive: timeout=" + std::to_string(seconds) + "\r\n";
}

std::size_t write_error_reply(std::string& out, const ErrorReply& reply, policy::ProxyStatusMode proxy_status,
                              Duration keep_alive_timeout, std::string_view date) {
  const policy::FailureAnswer answer = policy::answer_for(reply.kind);
  std::string body = "keepwarm: ";
  append_harmless(body, reply.explanation);
  body += '\n';

  out += "HTTP/1.1 " + std::to_string(answer.status) + ' ';
  out += http::reason_phrase(answer.status);
  out += "\r\nDate: ";
  out += date;
  out +=
      "\r\nContent-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n";
  if (proxy_status != policy::ProxyStatusMode::Off) {
    out += "Proxy-Status: keepwarm; error=";
    out += answer.proxy_status_error;
    out += reply.parameters;
    out += "\r\n";
  }
  out += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  write_connection_fields(out, reply.keep_alive, keep_alive_timeout);
  out += "\r\n";
  if (reply.without_body) return 0;
  out += body;
  return body.size();
}

}  // namespace keepwarm::proxy
