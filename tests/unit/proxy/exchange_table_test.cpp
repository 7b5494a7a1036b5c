#include "core/proxy/exchange_table.h"

#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

namespace keepwarm::proxy::test {
namespace {

using S = ExchangeState;
using E = ExchangeEvent;

constexpr S kStates[] = {S::Ready, S::Leasing, S::AwaitingHead, S::Relaying, S::Draining, S::Over};
constexpr E kEvents[] = {E::Started,       E::Leased,   E::Retried, E::HeadReceived, E::ResponseEnded, E::RequestEnded,
                         E::MessagesEnded, E::Upgraded, E::Failed,  E::Abandoned,    E::ClientLeft};
static_assert(std::size(kStates) == exchange_table::kStates);
static_assert(std::size(kEvents) == exchange_table::kEvents);

/// Where the events lead from Ready; nullopt as soon as one is refused.
std::optional<S> after(const std::vector<E>& events) {
  S state = S::Ready;
  for (const E event : events) {
    const auto to = next(state, event);
    if (!to) return std::nullopt;
    state = *to;
  }
  return state;
}

TEST_CASE("legal lives of an exchange") {
  struct Case {
    std::string_view name;
    std::vector<E> events;
    S end;
  };
  const Case cases[] = {
      {"plain", {E::Started, E::Leased, E::HeadReceived, E::MessagesEnded}, S::Over},
      {"answered before the request is whole",
       {E::Started, E::Leased, E::HeadReceived, E::ResponseEnded, E::RequestEnded},
       S::Over},
      {"a stale connection",
       {E::Started, E::Leased, E::Retried, E::Leased, E::HeadReceived, E::MessagesEnded},
       S::Over},
      {"closed before write, more than once", {E::Started, E::Leased, E::Retried, E::Leased, E::Retried}, S::Leasing},
      {"an upgrade", {E::Started, E::Leased, E::Upgraded}, S::Over},
      {"no connection", {E::Started, E::Failed}, S::Over},
      {"no answer", {E::Started, E::Leased, E::Failed}, S::Over},
      {"a cut answer", {E::Started, E::Leased, E::HeadReceived, E::Failed}, S::Over},
      {"the client leaves the queue", {E::Started, E::ClientLeft}, S::Over},
      {"the client leaves the answer", {E::Started, E::Leased, E::HeadReceived, E::ClientLeft}, S::Over},
      {"the rest of an answered request is given up",
       {E::Started, E::Leased, E::HeadReceived, E::ResponseEnded, E::Abandoned},
       S::Over},
      {"the client leaves its own request",
       {E::Started, E::Leased, E::HeadReceived, E::ResponseEnded, E::ClientLeft},
       S::Over},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CHECK(after(c.events) == c.end);
  }
}

TEST_CASE("events that would be a bug are refused") {
  struct Case {
    std::string_view name;
    std::vector<E> events;
  };
  const Case cases[] = {
      {"a lease without a start", {E::Leased}},
      {"a second start", {E::Started, E::Started}},
      {"a second lease", {E::Started, E::Leased, E::Leased}},
      {"an answer without a connection", {E::Started, E::HeadReceived}},
      {"an upgrade without a connection", {E::Started, E::Upgraded}},
      {"the end of an answer without a head", {E::Started, E::Leased, E::ResponseEnded}},
      {"both ends without a head", {E::Started, E::Leased, E::MessagesEnded}},
      {"a second head", {E::Started, E::Leased, E::HeadReceived, E::HeadReceived}},
      {"a retry after the head", {E::Started, E::Leased, E::HeadReceived, E::Retried}},
      {"an upgrade after the head", {E::Started, E::Leased, E::HeadReceived, E::Upgraded}},
      {"an end without an answer is a failure", {E::Started, E::Leased, E::HeadReceived, E::Abandoned}},
      {"a failure after the answer", {E::Started, E::Leased, E::HeadReceived, E::ResponseEnded, E::Failed}},
      {"a retry after the answer", {E::Started, E::Leased, E::HeadReceived, E::ResponseEnded, E::Retried}},
      {"the end of the answer twice", {E::Started, E::Leased, E::HeadReceived, E::ResponseEnded, E::ResponseEnded}},
      {"the request's end is no event before the answer's", {E::Started, E::Leased, E::HeadReceived, E::RequestEnded}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CHECK(after(c.events) == std::nullopt);
  }
}

TEST_CASE("every state can lose its client, and fail or be abandoned, but for what has not begun or is over") {
  for (const S state : kStates) {
    CAPTURE(describe(state));
    const bool under_way = state != S::Ready && state != S::Over;
    const bool answered = state == S::Draining;
    const auto over_if = [](bool legal) { return legal ? std::optional(S::Over) : std::nullopt; };
    CHECK(next(state, E::ClientLeft) == over_if(under_way));
    CHECK(next(state, E::Failed) == over_if(under_way && !answered));
    CHECK(next(state, E::Abandoned) == over_if(answered));
  }
}

TEST_CASE("every state and event has a name of its own, for the log") {
  std::set<std::string_view> names;
  for (const S state : kStates) names.insert(describe(state));
  for (const E event : kEvents) names.insert(describe(event));
  CHECK(names.size() == std::size(kStates) + std::size(kEvents));
}

TEST_CASE("nothing leads out of what is over, and only a start out of what is ready") {
  for (const E event : kEvents) {
    CAPTURE(describe(event));
    CHECK_FALSE(next(S::Over, event));
    CHECK(next(S::Ready, event).has_value() == (event == E::Started));
  }
}

TEST_CASE("nothing leads back to ready, and every row is in the table") {
  std::size_t moves = 0;
  for (const S state : kStates) {
    for (const E event : kEvents) {
      const auto to = next(state, event);
      if (!to) continue;
      ++moves;
      CHECK(*to != S::Ready);
      CHECK(*to != state);
    }
  }
  CHECK(moves == std::size(exchange_table::kRows));  // no two rows for one event
}

}  // namespace
}  // namespace keepwarm::proxy::test
