#pragma once

#include <cstdint>
#include <string_view>

#include "core/policy/delivery.h"
#include "core/policy/settings.h"

/// May a request be sent again, and where? The whole of core/doc/design.md §6.5 as pure functions (RFC 9110 §9.2.2, RFC
/// 9112 §9.3.1): sockets only carry the answer out.
namespace keepwarm::policy {

/// Is the request idempotent for this host? Methods are case-sensitive (RFC 9110 §9.1).
[[nodiscard]] bool is_idempotent(const HostSettings& settings, std::string_view method, bool has_idempotency_key);

/// How an attempt ended without a response that could be passed on.
enum class AttemptOutcome : std::uint8_t {
  ClosedBeforeWrite,    ///< the connection failed before any request byte was written
  ClosedAfterWrite,     ///< closed or reset before a response byte came
  Unacknowledged,       ///< it did not end, but no byte of the request was acknowledged (policy::silence_limit)
  RequestTimeoutAnswer  ///< the first head of the attempt is a 408
};

/// What there is to know of the attempt and its request at that moment.
struct AttemptView {
  bool idempotent = false;
  bool held_whole = false;          ///< all of the request that was sent is still in memory
  bool retry_allowed = true;        ///< HostSettings::retry
  bool reused = false;              ///< the connection has served a response, or waited in the pool
  bool response_begun = false;      ///< an interim response counts
  bool is_retry = false;            ///< this attempt is itself the retry
  bool resend_undelivered = false;  ///< HostSettings::retry_undelivered
  Delivery delivery = Delivery::MayBeExecuted;
};

enum class NextStep : std::uint8_t {
  AnotherConnection,  ///< nothing was sent: take a fresh connection; does not count as the retry
  RetryOnFresh,       ///< the one invisible retry
  PassOn,             ///< hand the 408 to the client
  Wait,               ///< nothing has happened yet; the time limits go on
  Fail                ///< 502 connection_terminated, or cut if the response has begun
};

[[nodiscard]] NextStep next_step(AttemptOutcome outcome, const AttemptView& attempt) noexcept;

/// A stale failure (core/doc/design.md §1) is never held against the host.
[[nodiscard]] bool is_stale_failure(AttemptOutcome outcome, const AttemptView& attempt) noexcept;

}  // namespace keepwarm::policy
