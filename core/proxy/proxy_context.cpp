#include "core/proxy/proxy_context.h"

namespace keepwarm::proxy {

std::string_view ProxyContext::own_answer(const ErrorReply& reply) {
  ++stats.own_answers;
  head_out.clear();
  write_error_reply(head_out, reply, settings->proxy_status, settings->client_idle_timeout, date.now());
  return head_out;
}

}  // namespace keepwarm::proxy
