#include "core/policy/delivery.h"

#include <doctest/doctest.h>

namespace keepwarm::policy {

using namespace std::chrono_literals;

TEST_CASE("whether a request was delivered, row by row of what was measured over a link of 40 ms") {
  struct Case {
    const char* name = nullptr;
    DeliveryView view;
    Delivery delivery{};
  };
  constexpr auto kNot = Delivery::NotDelivered;
  constexpr auto kUnlikely = Delivery::Unlikely;
  constexpr auto kMaybe = Delivery::MayBeExecuted;
  const auto view = [](CloseKind kind, std::uint64_t acknowledged, Duration until_end, Duration least = 40ms,
                       Duration variation = 100us) {
    return DeliveryView{.kind = kind,
                        .acknowledged = acknowledged,
                        .until_end = until_end,
                        .min_round_trip = least,
                        .variation = variation};
  };
  const Case cases[] = {
      // FIN
      {"an idle close crosses the request", view(CloseKind::End, 0, 18ms), kNot},
      {"it is read, then FIN", view(CloseKind::End, 500, 40'500us), kMaybe},
      {"one byte is acknowledged", view(CloseKind::End, 1, 18ms), kMaybe},
      {"a FIN that is late, but acknowledges nothing", view(CloseKind::End, 0, 5s), kNot},
      {"a FIN needs no round trip", view(CloseKind::End, 0, 18ms, 0ms), kNot},
      {"nor a steady one", view(CloseKind::End, 0, 18ms, 40ms, 20ms), kNot},

      // 408
      {"a 408 crosses the request", view(CloseKind::Answer408, 0, 20ms), kNot},
      {"the 408 acknowledges the request", view(CloseKind::Answer408, 500, 40'500us), kMaybe},

      // RST: time tells
      {"an idle close by RST crosses the request", view(CloseKind::Reset, 0, 20ms), kNot},
      {"it is read, then RST: zero is no proof", view(CloseKind::Reset, 0, 40'400us), kMaybe},
      {"acknowledged, then RST in no time", view(CloseKind::Reset, 500, 1ms), kMaybe},
      {"RST right before the guard", view(CloseKind::Reset, 0, 38'749us), kNot},
      {"RST within the guard", view(CloseKind::Reset, 0, 38'750us), kMaybe},
      {"RST after a round trip to the nanosecond", view(CloseKind::Reset, 0, 40ms), kMaybe},
      {"RST of a peer at a millisecond", view(CloseKind::Reset, 0, 500us, 1ms, 10us), kNot},
      {"RST of a peer that is nearer", view(CloseKind::Reset, 0, 1us, 999us, 0us), kMaybe},
      {"RST, the round trip is not known", view(CloseKind::Reset, 0, 1us, 0us, 0us), kMaybe},
      {"RST on a path that varies: quick enough", view(CloseKind::Reset, 0, 19ms, 40ms, 5ms), kNot},
      {"RST on a path that varies: not quick enough", view(CloseKind::Reset, 0, 20ms, 40ms, 5ms), kUnlikely},
      {"RST on a path that varies: within the guard", view(CloseKind::Reset, 0, 38'750us, 40ms, 5ms), kMaybe},
      {"RST on a path that was measured once", view(CloseKind::Reset, 0, 1us, 40ms, 20ms), kUnlikely},

      // Silence
      {"nobody answers", view(CloseKind::Silent, 0, 60s), kMaybe},
      {"nobody answers, for less than a round trip", view(CloseKind::Silent, 0, 1ms), kMaybe},
      {"nobody answers any more", view(CloseKind::Silent, 500, 60s), kMaybe},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CHECK(delivery(c.view) == c.delivery);
  }
}

TEST_CASE("nothing of which a byte was acknowledged counts as undelivered, in any combination") {
  for (const CloseKind kind : {CloseKind::End, CloseKind::Reset, CloseKind::Answer408, CloseKind::Silent}) {
    for (const Duration until_end : {Duration(0), Duration(1ms), Duration(1min)}) {
      for (const Duration least : {Duration(0), Duration(40ms), Duration(10s)}) {
        CHECK(delivery({.kind = kind, .acknowledged = 1, .until_end = until_end, .min_round_trip = least}) ==
              Delivery::MayBeExecuted);
      }
    }
  }
}

TEST_CASE("a peer is silent when TCP has had the time to send the request again and hear of it") {
  struct Case {
    const char* name = nullptr;
    Duration round_trip{};
    Duration limit{};
  };
  const Case cases[] = {
      {"next door: longer than an acknowledgement may be delayed", 0ms, 250ms},
      {"40 ms, steady", 40ms, 330ms},
      {"100 ms", 100ms, 450ms},
      {"275 ms: the most that a client waits beyond round trips", 275ms, 800ms},
      {"500 ms", 500ms, 800ms},
      {"a satellite: the round trip itself has to fit", 700ms, 950ms},
      {"2 s", 2s, 2250ms},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CHECK(silence_limit(c.round_trip) == c.limit);
  }
  CHECK(silence_limit(0ms) == kShortestSilence);
}

}  // namespace keepwarm::policy
