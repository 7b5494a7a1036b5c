#include "core/policy/admission.h"

#include <doctest/doctest.h>

namespace keepwarm::policy {

TEST_CASE("a connection is opened below the limit, then an idle one gives way, then exchanges wait") {
  struct Case {
    const char* name;
    std::uint32_t open, idle, max_connections;
    Admission admission;
  };
  const Case cases[] = {
      {"the first", 0, 0, 64, Admission::Connect},
      {"the last that fits", 63, 0, 64, Admission::Connect},
      {"below the limit an idle one stays", 63, 63, 64, Admission::Connect},
      {"at the limit, all in use", 64, 0, 64, Admission::Wait},
      {"at the limit, one idle", 64, 1, 64, Admission::ReplaceIdle},
      {"a limit of one, unused", 0, 0, 1, Admission::Connect},
      {"a limit of one, in use", 1, 0, 1, Admission::Wait},
      {"a limit of one, idle", 1, 1, 1, Admission::ReplaceIdle},
      {"a limit that was lowered", 10, 0, 4, Admission::Wait},
      {"a limit that was lowered, some idle", 10, 3, 4, Admission::ReplaceIdle},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CHECK(admit(c.open, c.idle, c.max_connections) == c.admission);
  }
}

TEST_CASE("a bound connection that lies idle gives way at once without credentials, with them after the longest wait") {
  using namespace std::chrono_literals;
  CHECK(bound_stays(false, 0s, 10s) == 0s);
  CHECK(bound_stays(true, 0s, 10s) == 10s);
  CHECK(bound_stays(true, 9s, 10s) == 1s);
  CHECK(bound_stays(true, 10s, 10s) == 0s);
  CHECK(bound_stays(true, 1h, 10s) == 0s);
  CHECK(bound_stays(true, 0s, 0s) == 0s);
}

}  // namespace keepwarm::policy
