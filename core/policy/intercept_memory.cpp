#include "core/policy/intercept_memory.h"

#include <utility>

namespace keepwarm::policy {

TunnelReason InterceptVerdicts::find(const std::string& server, TimePoint now) {
  const Verdict* const verdict = verdicts_.find(server);
  // One that has lapsed stays in memory, so that the same finding is no news.
  return verdict != nullptr && now < verdict->until ? verdict->reason : TunnelReason::None;
}

bool InterceptVerdicts::add(const std::string& server, TunnelReason reason, TimePoint now) {
  const Verdict* const before = verdicts_.find(server);
  const bool is_new = before == nullptr || before->reason != reason;
  const Duration holds = reason == TunnelReason::Certificate ? kCertificate : kOther;
  verdicts_.write(server, {reason, now + holds});
  return is_new;
}

std::string ClientRefusals::key_of(std::string_view host, std::uint64_t shape) {
  return std::string(host) + ' ' + std::to_string(shape);
}

bool ClientRefusals::add(std::string_view host, std::uint64_t shape, TimePoint now) {
  const std::string key = key_of(host, shape);
  const Refusal* const before = refusals_.find(key);
  const bool tell = before == nullptr || now - before->logged_at >= kLogEach;
  const TimePoint logged_at = tell ? now : before->logged_at;
  refusals_.write(key, {now, logged_at});
  return tell;
}

bool ClientRefusals::refused_lately(std::string_view host, std::uint64_t shape, TimePoint now) {
  const Refusal* const refusal = refusals_.find(key_of(host, shape));
  return refusal != nullptr && now - refusal->last < kTunnelFor;
}

}  // namespace keepwarm::policy
