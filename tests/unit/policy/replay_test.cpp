#include "core/policy/replay.h"

#include <doctest/doctest.h>

namespace keepwarm::policy {
namespace {

using End = AttemptOutcome;
using Step = NextStep;

/// A GET on a connection that has served before.
constexpr AttemptView kReplayable{.idempotent = true, .held_whole = true, .reused = true};
/// A POST on such a connection, its body in memory.
constexpr AttemptView kUnsafe{.idempotent = false, .held_whole = true, .reused = true};

constexpr AttemptView fresh(AttemptView view) {
  view.reused = false;
  return view;
}
constexpr AttemptView retried(AttemptView view) {
  view.reused = false;  // a retry goes on a fresh connection
  view.is_retry = true;
  return view;
}
constexpr AttemptView streamed(AttemptView view) {
  view.held_whole = false;
  return view;
}
constexpr AttemptView forbidden(AttemptView view) {
  view.retry_allowed = false;
  return view;
}
constexpr AttemptView begun(AttemptView view) {
  view.response_begun = true;
  return view;
}
/// TCP proves that nothing was delivered.
constexpr AttemptView undelivered(AttemptView view) {
  view.delivery = Delivery::NotDelivered;
  return view;
}
/// It only looks as if.
constexpr AttemptView unproved(AttemptView view) {
  view.delivery = Delivery::Unlikely;
  return view;
}
/// As `view`, for a host with retry_undelivered.
constexpr AttemptView resendable(AttemptView view) {
  view.resend_undelivered = true;
  return view;
}
/// Such a host, and such a proof.
constexpr AttemptView proved(AttemptView view) {
  return resendable(undelivered(view));
}

}  // namespace

TEST_CASE("what happens when an attempt fails, row by row of the design's table") {
  struct Case {
    const char* name = nullptr;
    End end{};
    AttemptView attempt;
    Step step{};
  };
  const Case cases[] = {
      // closed before any request byte was written: another connection, whatever the request
      {"GET, nothing written", End::ClosedBeforeWrite, kReplayable, Step::AnotherConnection},
      {"POST, nothing written", End::ClosedBeforeWrite, kUnsafe, Step::AnotherConnection},
      {"GET, nothing written, retry off", End::ClosedBeforeWrite, forbidden(kReplayable), Step::AnotherConnection},
      {"POST, nothing written, retry off", End::ClosedBeforeWrite, forbidden(kUnsafe), Step::AnotherConnection},
      {"GET, nothing written, on a fresh one", End::ClosedBeforeWrite, fresh(kReplayable), Step::Fail},
      {"GET, nothing written, in the retry", End::ClosedBeforeWrite, retried(kReplayable), Step::Fail},

      // stale failure: once, on a fresh connection; never what is not replayable
      {"GET, stale", End::ClosedAfterWrite, kReplayable, Step::RetryOnFresh},
      {"POST, stale", End::ClosedAfterWrite, kUnsafe, Step::Fail},
      {"PUT, stale, body streamed", End::ClosedAfterWrite, streamed(kReplayable), Step::Fail},
      {"POST, stale, body streamed", End::ClosedAfterWrite, streamed(kUnsafe), Step::Fail},
      {"GET, stale, retry off", End::ClosedAfterWrite, forbidden(kReplayable), Step::Fail},

      // 408: discarded once; a second one is passed on, and so is any to what is not replayable
      {"GET, 408", End::RequestTimeoutAnswer, kReplayable, Step::RetryOnFresh},
      {"GET, 408 on a fresh one", End::RequestTimeoutAnswer, fresh(kReplayable), Step::RetryOnFresh},
      {"GET, second 408", End::RequestTimeoutAnswer, retried(kReplayable), Step::PassOn},
      {"POST, 408", End::RequestTimeoutAnswer, kUnsafe, Step::PassOn},
      {"POST, 408 on a fresh one", End::RequestTimeoutAnswer, fresh(kUnsafe), Step::PassOn},
      {"PUT, 408, body streamed", End::RequestTimeoutAnswer, streamed(kReplayable), Step::PassOn},
      {"GET, 408, retry off", End::RequestTimeoutAnswer, forbidden(kReplayable), Step::PassOn},

      // fresh connection closed: 502
      {"GET, fresh closed", End::ClosedAfterWrite, fresh(kReplayable), Step::Fail},
      {"POST, fresh closed", End::ClosedAfterWrite, fresh(kUnsafe), Step::Fail},

      // No retry is ever retried (RFC 9110 §9.2.2).
      {"GET, the retry fails too", End::ClosedAfterWrite, retried(kReplayable), Step::Fail},

      // By default the proof changes nothing but the words of the answer.
      {"POST, undelivered", End::ClosedAfterWrite, undelivered(kUnsafe), Step::Fail},
      {"POST, undelivered, 408", End::RequestTimeoutAnswer, undelivered(kUnsafe), Step::PassOn},
      {"GET, undelivered, retry off", End::ClosedAfterWrite, undelivered(forbidden(kReplayable)), Step::Fail},

      // retry_undelivered: once, on a fresh connection, and only when it is certain
      {"POST, proved", End::ClosedAfterWrite, proved(kUnsafe), Step::RetryOnFresh},
      {"POST, proved, 408", End::RequestTimeoutAnswer, proved(kUnsafe), Step::RetryOnFresh},
      {"POST, may have been executed", End::ClosedAfterWrite, resendable(kUnsafe), Step::Fail},
      {"POST, may have been executed, 408", End::RequestTimeoutAnswer, resendable(kUnsafe), Step::PassOn},
      {"POST, not quite proved", End::ClosedAfterWrite, resendable(unproved(kUnsafe)), Step::Fail},
      {"POST, proved, retry off", End::ClosedAfterWrite, proved(forbidden(kUnsafe)), Step::RetryOnFresh},
      {"GET, proved, retry off", End::ClosedAfterWrite, proved(forbidden(kReplayable)), Step::RetryOnFresh},
      {"GET, may have been executed", End::ClosedAfterWrite, resendable(kReplayable), Step::RetryOnFresh},
      {"POST, proved, body streamed", End::ClosedAfterWrite, proved(streamed(kUnsafe)), Step::Fail},
      {"POST, proved, body streamed, 408", End::RequestTimeoutAnswer, proved(streamed(kUnsafe)), Step::PassOn},
      {"POST, proved, on a fresh one", End::ClosedAfterWrite, proved(fresh(kUnsafe)), Step::Fail},
      {"POST, proved, 408 on a fresh one", End::RequestTimeoutAnswer, proved(fresh(kUnsafe)), Step::PassOn},
      {"POST, proved, in the retry", End::ClosedAfterWrite, proved(retried(kUnsafe)), Step::Fail},
      {"POST, proved, second 408", End::RequestTimeoutAnswer, proved(retried(kUnsafe)), Step::PassOn},
      {"POST, proved, cut", End::ClosedAfterWrite, proved(begun(kUnsafe)), Step::Fail},
      {"POST, proved, 408 after an interim response", End::RequestTimeoutAnswer, proved(begun(kUnsafe)), Step::PassOn},

      // a peer that is silent: replayable requests go out once more, others wait
      {"GET, silent", End::Unacknowledged, kReplayable, Step::RetryOnFresh},
      {"POST, silent", End::Unacknowledged, kUnsafe, Step::Wait},
      {"POST, silent, undelivered is resent", End::Unacknowledged, resendable(kUnsafe), Step::Wait},
      {"PUT, silent, body streamed", End::Unacknowledged, streamed(kReplayable), Step::Wait},
      {"GET, silent, retry off", End::Unacknowledged, forbidden(kReplayable), Step::Wait},
      {"GET, silent, on a fresh one", End::Unacknowledged, fresh(kReplayable), Step::Wait},
      {"GET, silent, in the retry", End::Unacknowledged, retried(kReplayable), Step::Wait},
      {"GET, silent, though the response has begun", End::Unacknowledged, begun(kReplayable), Step::Wait},

      // After the first response byte nothing is tried again; an interim response counts.
      {"GET, cut", End::ClosedAfterWrite, begun(kReplayable), Step::Fail},
      {"POST, cut", End::ClosedAfterWrite, begun(kUnsafe), Step::Fail},
      {"GET, 408 after an interim response", End::RequestTimeoutAnswer, begun(kReplayable), Step::PassOn},
      {"GET, response before the request", End::ClosedBeforeWrite, begun(kReplayable), Step::Fail},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CHECK(next_step(c.end, c.attempt) == c.step);
  }
}

TEST_CASE(
    "what may have been executed is never sent twice unless replayable, and no retry retried, in any combination") {
  for (unsigned bits = 0; bits < 256; ++bits) {
    CAPTURE(bits);
    const AttemptView attempt{.idempotent = (bits & 1u) != 0,
                              .held_whole = (bits & 2u) != 0,
                              .retry_allowed = (bits & 4u) != 0,
                              .reused = (bits & 8u) != 0,
                              .response_begun = (bits & 16u) != 0,
                              .is_retry = (bits & 32u) != 0,
                              .resend_undelivered = (bits & 64u) != 0,
                              .delivery = (bits & 128u) != 0 ? Delivery::NotDelivered : Delivery::MayBeExecuted};
    const bool at_all = attempt.held_whole && !attempt.response_begun && !attempt.is_retry;
    const bool replayable = attempt.idempotent && attempt.retry_allowed;
    const bool certain = attempt.reused && attempt.resend_undelivered && attempt.delivery == Delivery::NotDelivered;
    for (const End end :
         {End::ClosedBeforeWrite, End::ClosedAfterWrite, End::Unacknowledged, End::RequestTimeoutAnswer}) {
      const Step step = next_step(end, attempt);
      const bool never = !at_all || !(replayable || (certain && end != End::Unacknowledged));
      if (never) CHECK(step != Step::RetryOnFresh);
      if (end != End::ClosedBeforeWrite) CHECK(step != Step::AnotherConnection);
      CHECK((step == Step::PassOn) == (end == End::RequestTimeoutAnswer && never));
      if (step == Step::Wait) CHECK(end == End::Unacknowledged);
    }
  }
}

TEST_CASE("a stale failure is a reused connection that ended after the request and before its response") {
  CHECK(is_stale_failure(End::ClosedAfterWrite, kReplayable));
  CHECK(is_stale_failure(End::ClosedAfterWrite, kUnsafe));
  CHECK(is_stale_failure(End::ClosedAfterWrite, forbidden(kReplayable)));
  CHECK_FALSE(is_stale_failure(End::ClosedAfterWrite, fresh(kReplayable)));
  CHECK_FALSE(is_stale_failure(End::ClosedAfterWrite, begun(kReplayable)));
  CHECK_FALSE(is_stale_failure(End::ClosedAfterWrite, retried(kReplayable)));
  CHECK_FALSE(is_stale_failure(End::ClosedBeforeWrite, kReplayable));
  CHECK_FALSE(is_stale_failure(End::RequestTimeoutAnswer, kReplayable));
  CHECK_FALSE(is_stale_failure(End::Unacknowledged, kReplayable));
}

TEST_CASE("idempotent is what the host's retry_methods name") {
  const HostSettings defaults;
  for (const char* method : {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "PROPFIND", "REPORT", "SEARCH"}) {
    CAPTURE(method);
    CHECK(is_idempotent(defaults, method, false));
  }
  for (const char* method : {"POST", "PATCH", "CONNECT", "LOCK", "QUERY", "get", "Get", "GETS", "GE", ""}) {
    CAPTURE(method);
    CHECK_FALSE(is_idempotent(defaults, method, false));
  }
  HostSettings own;
  own.retry_methods = {"PURGE"};
  CHECK(is_idempotent(own, "PURGE", false));
  CHECK_FALSE(is_idempotent(own, "GET", false));
  own.retry_methods.clear();
  CHECK_FALSE(is_idempotent(own, "GET", false));
}

TEST_CASE("an Idempotency-Key makes a request idempotent where the host says so") {
  HostSettings settings;
  CHECK_FALSE(is_idempotent(settings, "POST", true));
  settings.retry_idempotency_key = true;
  CHECK(is_idempotent(settings, "POST", true));
  CHECK_FALSE(is_idempotent(settings, "POST", false));
  CHECK(is_idempotent(settings, "GET", false));
}

}  // namespace keepwarm::policy
