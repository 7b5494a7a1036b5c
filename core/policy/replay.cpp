#include "core/policy/replay.h"

#include <algorithm>

namespace keepwarm::policy {

bool is_idempotent(const HostSettings& settings, std::string_view method, bool has_idempotency_key) {
  if (settings.retry_idempotency_key && has_idempotency_key) return true;
  return std::find(settings.retry_methods.begin(), settings.retry_methods.end(), method) !=
         settings.retry_methods.end();
}

bool is_stale_failure(AttemptOutcome outcome, const AttemptView& attempt) noexcept {
  return outcome == AttemptOutcome::ClosedAfterWrite && attempt.reused && !attempt.response_begun;
}

NextStep next_step(AttemptOutcome outcome, const AttemptView& attempt) noexcept {
  const bool may_replay =
      attempt.retry_allowed && attempt.idempotent && attempt.held_whole && !attempt.response_begun && !attempt.is_retry;
  // The server never had it, so nothing is done twice, whatever the method. RFC 9110 §9.2.2 still forbids it to a
  // proxy: so only where the user asks for it (`retry_undelivered`).
  const bool may_resend = attempt.resend_undelivered && attempt.delivery == Delivery::NotDelivered && attempt.reused &&
                          attempt.held_whole && !attempt.response_begun && !attempt.is_retry;
  switch (outcome) {
    case AttemptOutcome::ClosedBeforeWrite:
      // A fresh connection that fails so early has no better one to be replaced by: the origin refuses us.
      return attempt.reused && attempt.held_whole && !attempt.response_begun ? NextStep::AnotherConnection
                                                                             : NextStep::Fail;
    case AttemptOutcome::ClosedAfterWrite:
      return (may_replay && attempt.reused) || may_resend ? NextStep::RetryOnFresh : NextStep::Fail;
    case AttemptOutcome::Unacknowledged: return may_replay && attempt.reused ? NextStep::RetryOnFresh : NextStep::Wait;
    case AttemptOutcome::RequestTimeoutAnswer:
      return may_replay || may_resend ? NextStep::RetryOnFresh : NextStep::PassOn;
  }
  return NextStep::Fail;
}

}  // namespace keepwarm::policy
