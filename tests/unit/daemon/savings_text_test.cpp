#include "daemon/savings_text.h"

#include <doctest/doctest.h>

namespace keepwarm::daemon {

using namespace std::chrono_literals;

TEST_CASE("times are told as people tell them") {
  struct Case {
    Duration duration;
    std::string_view text;
  };
  const Case cases[] = {{0s, "0 ms"},        {400us, "0 ms"},        {600us, "1 ms"},    {999ms, "999 ms"},
                        {1s, "1.0 s"},       {59900ms, "59.9 s"},    {60s, "1 min 0 s"}, {724s, "12 min 4 s"},
                        {1h, "1 h 0 min"},   {11520s, "3 h 12 min"}, {24h, "1 d 0 h"},   {77h, "3 d 5 h"},
                        {9000h, "375 d 0 h"}};
  for (const Case& c : cases) {
    CAPTURE(c.text);
    CHECK(rough_time(c.duration) == c.text);
  }
}

TEST_CASE("what was saved is told, and what there was nothing of is not") {
  CHECK(savings_text({}) == "0 requests");
  CHECK(savings_text({.exchanges = 1}) == "1 request");
  CHECK(savings_text({.exchanges = 3, .on_reused = 1, .saved = 46ms}) ==
        "3 requests, 33.3 % of them on connections that were open already: 1 handshake avoided, which would have taken "
        "46 ms");
  CHECK(savings_text({.exchanges = 2000, .on_reused = 1942, .saved = 724s, .hidden_failures = 17, .tunnels = 1}) ==
        "2000 requests, 97.1 % of them on connections that were open already: 1942 handshakes avoided, which would "
        "have taken 12 min 4 s; 17 failures that clients never saw; 1 tunnel, in which nothing is reused");
  CHECK(savings_text({.exchanges = 1, .hidden_failures = 1, .tunnels = 2}) ==
        "1 request; 1 failure that clients never saw; 2 tunnels, in which nothing is reused");
}

TEST_CASE("savings are added and subtracted") {
  const proxy::Savings first = {10, 5, 3s, 2, 1};
  proxy::Savings all = first;
  all += {1, 1, 1s, 1, 1};
  CHECK(all == proxy::Savings{11, 6, 4s, 3, 2});
  CHECK(all.since(first) == proxy::Savings{1, 1, 1s, 1, 1});
}

}  // namespace keepwarm::daemon
