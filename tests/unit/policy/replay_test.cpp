#include "core/policy/replay.h"

#include <doctest/doctest.h>

namespace keepwarm::policy {
namespace {

using End = AttemptEnd;
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

TEST_CASE("no request that is not replayable is ever sent twice, and no retry retried, in any combination") {
  for (unsigned bits = 0; bits < 64; ++bits) {
    CAPTURE(bits);
    const AttemptView attempt{.idempotent = (bits & 1u) != 0,
                              .held_whole = (bits & 2u) != 0,
                              .retry_allowed = (bits & 4u) != 0,
                              .reused = (bits & 8u) != 0,
                              .response_begun = (bits & 16u) != 0,
                              .is_retry = (bits & 32u) != 0};
    const bool never = !attempt.idempotent || !attempt.held_whole || !attempt.retry_allowed || attempt.response_begun ||
                       attempt.is_retry;
    for (const End end : {End::ClosedBeforeWrite, End::ClosedAfterWrite, End::RequestTimeoutAnswer}) {
      const Step step = next_step(end, attempt);
      if (never) CHECK(step != Step::RetryOnFresh);
      if (end != End::ClosedBeforeWrite) CHECK(step != Step::AnotherConnection);
      CHECK((step == Step::PassOn) == (end == End::RequestTimeoutAnswer && never));
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
