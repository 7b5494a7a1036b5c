#pragma once

#include <cstdlib>

/// The two tiers of tests, as tests/support/tier.py has them for Python: small instances of every check always, full
/// numbers where KEEPWARM_TEST_LONG is set.
namespace keepwarm::test {

inline bool long_run() {
  const char* value = std::getenv("KEEPWARM_TEST_LONG");
  return value != nullptr && *value != '\0';
}

/// How many, or how long: `full` only in a long run.
template <typename Amount>
Amount amount(Amount small, Amount full) {
  return long_run() ? full : small;
}

}  // namespace keepwarm::test
