#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "core/base/clock.h"
#include "core/http/fields.h"
#include "core/http/head.h"
#include "core/policy/idle_terms.h"
#include "core/policy/interim_budget.h"
#include "core/pool/close_reason.h"
#include "core/pool/dialing.h"
#include "core/proxy/downstream.h"

/// What an Exchange knows, as values, each of which begins anew by `= {}`: of its request, of the attempt under way, of
/// its response, and of the time.
namespace keepwarm::proxy {

/// Whether the client's connection may serve another request, as far as the request says.
enum class ClientPersistence : std::uint8_t {
  No,
  Yes,
  /// It waits for "100 Continue". If it is answered instead, it may never send the body that it announced.
  OnceBodyBegan
};

/// What counts of a request's head once that has been sent on.
struct Request {
  http::Version version = http::Version::Http11;
  ClientPersistence persistence = ClientPersistence::No;
  bool idempotent = false;       ///< policy::is_idempotent()
  bool is_head = false;          ///< so its response has no body
  bool asks_bound_auth = false;  ///< Authorization: NTLM or Negotiate (core/doc/design.md §6.10)
};

/// Whether bytes can be written upstream. A write that failed is no end yet: the answer that explains it (413, say) may
/// be waiting to be read.
enum class UpstreamWriting : std::uint8_t { Open, Blocked, Failed };

/// One try on one connection. No bytes of an attempt count for the next one.
struct Attempt {
  UpstreamWriting writing = UpstreamWriting::Open;
  bool paused = false;               ///< we do not read from upstream, since the client takes no more
  bool undelivered = false;          ///< no byte of the request has reached the server for certain
  bool bound = false;                ///< the connection serves this client alone, for good (core/doc/design.md §6.10)
  std::uint64_t written_before = 0;  ///< TcpPath::written_bytes() before the request
  TimePoint first_sent_at{};         ///< not later than its first byte was written
  policy::Arrival arrival{};
  policy::InterimBudget interims{};

  [[nodiscard]] bool response_begun() const noexcept { return arrival.first_byte != TimePoint{}; }
};

/// The answer that the client gets, of the origin or of our own.
struct Response {
  std::uint16_t status = 0;                           ///< 0: none yet
  AfterExchange after = AfterExchange::Close;         ///< what its Connection field has told the client
  std::optional<pool::CloseReason> close_upstream{};  ///< it says that its connection serves no other request
  http::KeepAliveHint hint{};
};

/// What the deadline of an exchange stands for. There is one at a time.
enum class Awaited : std::uint8_t {
  Progress,         ///< a byte of a body, in either direction (stall_timeout)
  Acknowledgement,  ///< that the peer's kernel took any byte of the request
  Response,         ///< its first byte, once the request is sent (response_timeout)
  RestOfRequest     ///< the client sends what has been answered already
};

/// How things stand between the two sides.
struct Progress {
  Awaited awaited = Awaited::Progress;
  bool client_paused = false;    ///< we do not read from the client, since upstream takes no more
  bool maybe_delivered = false;  ///< by an attempt before this one
  std::uint8_t retries = 0;
  std::uint32_t drained = 0;    ///< bytes of the request that came after its answer
  std::size_t unsent_mark = 0;  ///< what neither side had acknowledged when the deadline last came
};

struct Timing {
  TimePoint started_at{};
  TimePoint asked_at{};  ///< for a connection
  TimePoint sent_at{};   ///< the last byte of the request
  Duration queue{};      ///< waited for a connection, besides the time that opening it took
  pool::OpeningTimes opening{};
};

}  // namespace keepwarm::proxy
