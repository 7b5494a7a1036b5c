#include "core/http/persistence.h"

#include "core/http/fields.h"

namespace keepwarm::http {

bool client_may_persist(const RequestHead& head) noexcept {
  if (head.version != Version::Http11) return false;
  if (connection_options(head.fields).close) return false;
  return !has_list_token(head.fields, FieldId::ProxyConnection, "close");
}

bool last_chunk_may_follow(const ResponseHead& head) noexcept {
  return head.status == 204 && head.fields.has(FieldId::TransferEncoding);
}

bool server_may_persist(const ResponseHead& head, const BodyFraming& framing) noexcept {
  if (head.status == 101 || framing.kind == BodyFraming::Kind::UntilClose || last_chunk_may_follow(head)) return false;
  const ConnectionOptions options = connection_options(head.fields);
  if (options.close) return false;
  return head.version == Version::Http11 || options.keep_alive;
}

}  // namespace keepwarm::http
