#include "core/policy/interception.h"

namespace keepwarm::policy {

std::string_view describe(TunnelReason reason) noexcept {
  switch (reason) {
    case TunnelReason::None: return {};
    case TunnelReason::Listener: return "listener";
    case TunnelReason::Ca: return "ca";
    case TunnelReason::NotTls: return "not-tls";
    case TunnelReason::Silent: return "silent";
    case TunnelReason::Alpn: return "alpn";
    case TunnelReason::Sni: return "sni";
    case TunnelReason::Version: return "version";
    case TunnelReason::NoEcdsa: return "no-ecdsa";
    case TunnelReason::Certificate: return "certificate";
    case TunnelReason::ClientCertificate: return "client-certificate";
    case TunnelReason::UpstreamTls: return "upstream-tls";
    case TunnelReason::Refused: return "refused";
  }
  return {};
}

std::optional<std::size_t> signing_generation(std::span<const CaGeneration> generations, std::string_view host,
                                              std::chrono::system_clock::time_point now) {
  std::optional<std::size_t> longest;
  for (std::size_t i = 0; i < generations.size(); ++i) {
    const CaGeneration& each = generations[i];
    if (now < each.not_before || now >= each.not_after || !each.scope.permits(host)) continue;
    if (each.not_after - now >= kLeastRemainingLife) return i;
    if (!longest || each.not_after > generations[*longest].not_after) longest = i;
  }
  return longest;
}

TunnelReason judge_hello(const HelloOffer& offer, std::string_view host) noexcept {
  if (!offer.version) return TunnelReason::Version;
  if (!offer.http_1_1) return TunnelReason::Alpn;
  if (offer.has_server_name && offer.server_name != host) return TunnelReason::Sni;
  if (!offer.ecdsa_p256) return TunnelReason::NoEcdsa;
  return TunnelReason::None;
}

}  // namespace keepwarm::policy
