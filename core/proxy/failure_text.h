#pragma once

#include <span>
#include <string>
#include <string_view>

#include "core/policy/delivery.h"
#include "core/policy/failure.h"
#include "core/pool/host_pool.h"
#include "core/proxy/access_record.h"

/// Why a request could not be served, in the words of its answer.
namespace keepwarm::proxy {

struct ExplainedFailure {
  policy::FailureKind kind{};
  std::string text;          ///< what failed, without the host
  std::string parameters{};  ///< of Proxy-Status, such as `; alert-id=40` (RFC 9209 §2.3)
  std::string_view rule{};   ///< the key of the setting that refused it, or whose limit was passed; empty: none
};

/// What is known of a failure besides its words, for Proxy-Status and the log.
struct FailureDetails {
  std::string_view parameters{};  ///< as above
  std::string_view rule{};
  std::span<const net::SocketAddress> tried{};  ///< what was connected to, in vain
};

/// Why no connection could be had, in the words of the client's answer.
[[nodiscard]] ExplainedFailure explain(const net::ConnectFailure& failure);
[[nodiscard]] ExplainedFailure explain(const net::TlsFailure& failure);
[[nodiscard]] ExplainedFailure explain(const pool::DialFailure& failure);
[[nodiscard]] ExplainedFailure explain(const pool::CheckoutFailure& failure);

/// A 407 of the parent, that offers the schemes of http::challenge_schemes(): keepwarm has Basic only.
[[nodiscard]] ExplainedFailure explain_407(std::string_view schemes);

/// How an exchange ended that was cut off, where there are no other words.
[[nodiscard]] std::string_view describe_cut(ExchangeOutcome outcome) noexcept;

/// Adds whether the request may have been executed, for whoever has to decide whether to send it again: to the text,
/// and as `details` for Proxy-Status (RFC 9209 §2.1.5).
void add_delivery(ExplainedFailure& failure, policy::Delivery delivery);

}  // namespace keepwarm::proxy
