#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/origin.h"
#include "core/http/framing.h"
#include "core/http/head.h"
#include "core/http/target.h"
#include "core/policy/failure.h"
#include "core/policy/settings.h"

/// Decides from the head of a request what is to be done with it.
namespace keepwarm::proxy {

/// What is to be done with a request, decided from its head alone: no I/O, no look-up.
struct Route {
  enum class Kind : std::uint8_t {
    Forward,        ///< to `target` on a pooled connection
    Tunnel,         ///< CONNECT to `target`
    AnswerOptions,  ///< Max-Forwards: 0 (RFC 9110 §7.6.2): 200 of our own
    AnswerTrace,
    Refuse  ///< with `failure` and `explanation`
  };
  Kind kind = Kind::Refuse;
  http::Target target{};
  http::BodyFraming framing{};
  std::optional<std::uint64_t> max_forwards{};  ///< to send on, already one less
  bool upgrade = false;                         ///< the client asks for one that may be passed on
  policy::FailureKind failure = policy::FailureKind::BadRequest;
  std::string explanation{};
  std::string_view rule{};  ///< the key of the setting that refuses it; empty: none
  bool unframed = false;    ///< refused since the end of the request cannot be known: nothing behind it may be read
};

/// The server in whose place we answer an intercepted client.
struct FixedOrigin {
  const Origin& origin;        ///< what every request is for; https
  std::string_view authority;  ///< the same, for a request without a Host
};

/// `pseudonym`: our name in Via. `fixed`: of an intercepted client, else nullptr. The views of the route point into
/// `head` and `fixed`.
[[nodiscard]] Route route_request(const http::RequestHead& head, const policy::ProxySettings& settings,
                                  std::string_view pseudonym, const FixedOrigin* fixed = nullptr);

/// What goes into the request line of a forwarded request: path and query byte for byte, "/" if there is none, "*" for
/// OPTIONS without a path (RFC 9112 §3.2.4). `scratch` holds the text when it is not a part of the request.
[[nodiscard]] std::string_view forwarded_target(const http::RequestHead& head, const http::Target& target,
                                                std::string& scratch);

/// What goes into the request line for a parent proxy: the whole URL (RFC 9112 §3.2.2). OPTIONS without a path gets
/// none: the last proxy makes it "*".
[[nodiscard]] std::string_view target_for_parent(const http::RequestHead& head, const http::Target& target,
                                                 std::string& scratch);

/// The authority of the target without a port: for a request that goes to another default port than it names.
[[nodiscard]] std::string_view authority_without_port(const http::Target& target) noexcept;

}  // namespace keepwarm::proxy
