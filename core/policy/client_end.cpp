#include "core/policy/client_end.h"

namespace keepwarm::policy {

bool must_ask_kernel(ClientHalfClose rule, bool fin_was_read) noexcept {
  return rule == ClientHalfClose::Auto || (rule == ClientHalfClose::Abort && !fin_was_read);
}

ClientVerdict client_verdict(ClientHalfClose rule, const PeerState& client, ClientCheck why) noexcept {
  switch (rule) {
    case ClientHalfClose::Honour: return {};
    case ClientHalfClose::Abort:
      if (client.ended) return {.left = true};
      break;
    case ClientHalfClose::Auto: break;
  }
  if (client.presence == PeerPresence::Gone) return {.left = true};
  if (client.presence == PeerPresence::Heard) return {};
  if (!client.ended) return {.check_again = kCheckEach};
  if (client.presence == PeerPresence::Unknown) return {.left = true};
  return {.check_again = why == ClientCheck::AtEvent ? kCheckAfterEvent : kCheckEach};
}

}  // namespace keepwarm::policy
