#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

/// The states of an exchange, and what moves it from one to the next.
///
// clang-format off
///   Ready ──Started──▶ Leasing ──Leased──▶ AwaitingHead ──HeadReceived──▶ Relaying ──ResponseEnded──▶ Draining
///                         ▲                     │                            │                           │
///                         └───────Retried───────┤                            │                           │
///                                           Upgraded                   MessagesEnded               RequestEnded
///                                               ▼                            ▼                           ▼
///                                             Over                         Over                        Over
///
///   Leasing, AwaitingHead, Relaying ──Failed──▶ Over
///   Draining ──Abandoned──▶ Over
///   Leasing, AwaitingHead, Relaying, Draining ──ClientLeft──▶ Over
// clang-format on
namespace keepwarm::proxy {

enum class ExchangeState : std::uint8_t {
  Ready,         ///< not lent to a session
  Leasing,       ///< waits for an upstream connection
  AwaitingHead,  ///< the request is being sent, or has been; no final response head yet
  Relaying,      ///< the response body is under way (and perhaps the request body still is)
  Draining,      ///< the response is whole, the request is not: its rest is read and dropped
  Over,
};

enum class ExchangeEvent : std::uint8_t {
  Started,
  Leased,
  Retried,        ///< the attempt gave no answer for the client, and another one follows
  HeadReceived,   ///< of the final response
  ResponseEnded,  ///< before the request has
  RequestEnded,   ///< after the response
  MessagesEnded,  ///< both, the response last
  Upgraded,       ///< 101: the two connections are a tunnel now
  Failed,         ///< the client gets an answer of ours, or a response that is cut
  Abandoned,      ///< the client has its whole response; what it still sends is not waited for
  ClientLeft,
};

namespace exchange_table {

inline constexpr std::size_t kStates = 6;
inline constexpr std::size_t kEvents = 11;

struct Row {
  ExchangeState from;
  ExchangeEvent event;
  ExchangeState to;
};

inline constexpr Row kRows[] = {
    {ExchangeState::Ready, ExchangeEvent::Started, ExchangeState::Leasing},
    {ExchangeState::Leasing, ExchangeEvent::Leased, ExchangeState::AwaitingHead},
    {ExchangeState::Leasing, ExchangeEvent::Failed, ExchangeState::Over},
    {ExchangeState::Leasing, ExchangeEvent::ClientLeft, ExchangeState::Over},
    {ExchangeState::AwaitingHead, ExchangeEvent::Retried, ExchangeState::Leasing},  // RFC 9112 §9.3.1
    {ExchangeState::AwaitingHead, ExchangeEvent::HeadReceived, ExchangeState::Relaying},
    {ExchangeState::AwaitingHead, ExchangeEvent::Upgraded, ExchangeState::Over},
    {ExchangeState::AwaitingHead, ExchangeEvent::Failed, ExchangeState::Over},
    {ExchangeState::AwaitingHead, ExchangeEvent::ClientLeft, ExchangeState::Over},
    {ExchangeState::Relaying, ExchangeEvent::ResponseEnded, ExchangeState::Draining},
    {ExchangeState::Relaying, ExchangeEvent::MessagesEnded, ExchangeState::Over},
    {ExchangeState::Relaying, ExchangeEvent::Failed, ExchangeState::Over},
    {ExchangeState::Relaying, ExchangeEvent::ClientLeft, ExchangeState::Over},
    {ExchangeState::Draining, ExchangeEvent::RequestEnded, ExchangeState::Over},
    {ExchangeState::Draining, ExchangeEvent::Abandoned, ExchangeState::Over},
    {ExchangeState::Draining, ExchangeEvent::ClientLeft, ExchangeState::Over},
};

inline constexpr std::uint8_t kRefused = 0xFF;

consteval std::array<std::array<std::uint8_t, kEvents>, kStates> build() {
  std::array<std::array<std::uint8_t, kEvents>, kStates> table{};
  for (auto& row : table) row.fill(kRefused);
  for (const Row& row : kRows) {
    table[static_cast<std::size_t>(row.from)][static_cast<std::size_t>(row.event)] = static_cast<std::uint8_t>(row.to);
  }
  return table;
}

inline constexpr auto kTable = build();

}  // namespace exchange_table

/// For the log, should an event come that the table does not allow.
[[nodiscard]] constexpr std::string_view describe(ExchangeState state) noexcept {
  switch (state) {
    case ExchangeState::Ready: return "ready";
    case ExchangeState::Leasing: return "leasing";
    case ExchangeState::AwaitingHead: return "awaiting a head";
    case ExchangeState::Relaying: return "relaying";
    case ExchangeState::Draining: return "draining";
    case ExchangeState::Over: return "over";
  }
  return "in an unknown state";
}
[[nodiscard]] constexpr std::string_view describe(ExchangeEvent event) noexcept {
  switch (event) {
    case ExchangeEvent::Started: return "started";
    case ExchangeEvent::Leased: return "leased";
    case ExchangeEvent::Retried: return "retried";
    case ExchangeEvent::HeadReceived: return "head received";
    case ExchangeEvent::ResponseEnded: return "response ended";
    case ExchangeEvent::RequestEnded: return "request ended";
    case ExchangeEvent::MessagesEnded: return "messages ended";
    case ExchangeEvent::Upgraded: return "upgraded";
    case ExchangeEvent::Failed: return "failed";
    case ExchangeEvent::Abandoned: return "abandoned";
    case ExchangeEvent::ClientLeft: return "client left";
  }
  return "unknown";
}

/// nullopt: the event is a bug in that state.
[[nodiscard]] constexpr std::optional<ExchangeState> next(ExchangeState from, ExchangeEvent event) noexcept {
  const std::uint8_t to = exchange_table::kTable[static_cast<std::size_t>(from)][static_cast<std::size_t>(event)];
  if (to == exchange_table::kRefused) return std::nullopt;
  return static_cast<ExchangeState>(to);
}

static_assert(!next(ExchangeState::Relaying, ExchangeEvent::Retried), "bytes went downstream: never retried");
static_assert(!next(ExchangeState::Over, ExchangeEvent::Failed), "what is over cannot fail");
static_assert(!next(ExchangeState::Draining, ExchangeEvent::Failed), "whoever has the whole answer meets no failure");
static_assert(next(ExchangeState::AwaitingHead, ExchangeEvent::Retried) == ExchangeState::Leasing);

}  // namespace keepwarm::proxy
