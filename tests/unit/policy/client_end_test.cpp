#include "core/policy/client_end.h"

#include <initializer_list>

#include <doctest/doctest.h>

namespace keepwarm::policy {
namespace {

using enum ClientHalfClose;
using enum PeerPresence;

constexpr ClientVerdict kLeft{.left = true};
constexpr ClientVerdict kStays{};
constexpr ClientVerdict kCheckSoon{.check_again = kCheckAfterEvent};
constexpr ClientVerdict kCheckLater{.check_again = kCheckEach};

TEST_CASE("what a client's FIN means, by the rule and by what is known of the client") {
  struct Case {
    const char* name;
    ClientHalfClose rule;
    PeerState client;
    ClientCheck why;
    ClientVerdict verdict;
  };
  constexpr auto kAtEvent = ClientCheck::AtEvent;
  constexpr auto kByClock = ClientCheck::ByClock;
  const Case cases[] = {
      {"a half-close is honoured, and checked once more soon", Auto, {true, Present}, kAtEvent, kCheckSoon},
      {"a half-close is checked for as long as it lasts", Auto, {true, Present}, kByClock, kCheckLater},
      {"an orphan", Auto, {true, Gone}, kAtEvent, kLeft},
      {"a half-close that became a close", Auto, {true, Gone}, kByClock, kLeft},
      {"a client of which this machine knows nothing", Auto, {true, Unknown}, kAtEvent, kLeft},
      {"the same, later", Auto, {true, Unknown}, kByClock, kLeft},
      {"a kernel that is short of memory accuses nobody", Auto, {true, NotAnswered}, kAtEvent, kCheckSoon},
      {"an orphan whose FIN waits behind its body", Auto, {false, Gone}, kAtEvent, kLeft},
      {"a client elsewhere that would not be heard", Auto, {false, Unknown}, kAtEvent, kCheckLater},
      {"a client that is sending its body, and would not be heard", Auto, {false, Present}, kByClock, kCheckLater},
      {"a client that would be heard", Auto, {false, Heard}, kByClock, kStays},
      {"honour: whatever is known", Honour, {true, Gone}, kAtEvent, kStays},
      {"honour: never looks again", Honour, {true, Present}, kByClock, kStays},
      {"abort: whatever is known", Abort, {true, Present}, kAtEvent, kLeft},
      {"abort: an orphan whose FIN waits behind its body", Abort, {false, Gone}, kAtEvent, kLeft},
      {"abort: a client that would not be heard", Abort, {false, Present}, kAtEvent, kCheckLater},
  };
  for (const Case& each : cases) {
    CAPTURE(each.name);
    CHECK(client_verdict(each.rule, each.client, each.why) == each.verdict);
  }
}

TEST_CASE("the kernel is asked only where its answer counts") {
  for (const bool fin_was_read : {true, false}) {
    CHECK(must_ask_kernel(Auto, fin_was_read));
    CHECK_FALSE(must_ask_kernel(Honour, fin_was_read));
    CHECK(must_ask_kernel(Abort, fin_was_read) == !fin_was_read);
  }
}

}  // namespace
}  // namespace keepwarm::policy
