#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

/// The states of an exchange (DESIGN.md §2) and what moves it from one to the next.
///
///   Ready ─Started─▶ Leasing ─Leased─▶ AwaitingHead ─HeadReceived─▶ Relaying ─ResponseEnded─▶ Draining ─RequestEnded─▶
///   Over
///                      ▲                   │                           │                                     ▲
///                      └────Retried────────┘                           └──────────MessagesEnded──────────────┘
///   From every state but Ready: Failed, ClientLeft ─▶ Over. AwaitingHead, Upgraded ─▶ Over.
namespace keepwarm::proxy {

enum class ExchangeState : std::uint8_t {
  Ready,         ///< in the free list
  Leasing,       ///< waits for an upstream connection
  AwaitingHead,  ///< the request is being sent, or has been; no final response head yet
  Relaying,      ///< the response body is under way (and perhaps the request body still is)
  Draining,      ///< the response is whole, the request is not: its rest is read and dropped
  Over,
};

enum class ExchangeEvent : std::uint8_t {
  Started,
  Leased,
  Retried,
  HeadReceived,
  ResponseEnded,
  RequestEnded,
  MessagesEnded,
  Upgraded,
  Failed,
  ClientLeft,
};

namespace exchange_table {

inline constexpr std::size_t kStates = 6;
inline constexpr std::size_t kEvents = 10;

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
    {ExchangeState::Draining, ExchangeEvent::Failed, ExchangeState::Over},
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

/// nullopt: the event is a bug in that state.
[[nodiscard]] constexpr std::optional<ExchangeState> next(ExchangeState from, ExchangeEvent event) noexcept {
  const std::uint8_t to = exchange_table::kTable[static_cast<std::size_t>(from)][static_cast<std::size_t>(event)];
  if (to == exchange_table::kRefused) return std::nullopt;
  return static_cast<ExchangeState>(to);
}

static_assert(!next(ExchangeState::Relaying, ExchangeEvent::Retried), "bytes went downstream: never retried");
static_assert(!next(ExchangeState::Over, ExchangeEvent::Failed), "what is over cannot fail");
static_assert(next(ExchangeState::AwaitingHead, ExchangeEvent::Retried) == ExchangeState::Leasing);

}  // namespace keepwarm::proxy
