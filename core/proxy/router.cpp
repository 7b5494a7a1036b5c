#include "core/proxy/router.h"

#include "core/base/origin.h"
#include "core/http/fields.h"
#include "core/policy/destination.h"

namespace keepwarm::proxy {

namespace {

using policy::FailureKind;

Route refuse(FailureKind failure, std::string explanation, std::string_view rule = {}) {
  Route route;
  route.rule = rule;
  route.failure = failure;
  route.explanation = std::move(explanation);
  return route;
}

Route refuse_unframed(std::string_view what) {
  Route route = refuse(FailureKind::BadRequest, "the request is malformed: " + std::string(what));
  route.unframed = true;
  return route;
}

Route refuse_target(http::TargetFault fault) {
  const bool scheme = fault == http::TargetFault::UnsupportedScheme;
  return refuse(scheme ? FailureKind::UnsupportedScheme : FailureKind::BadRequest,
                "the request-target is refused: " + std::string(describe(fault)));
}

std::optional<std::uint64_t> max_forwards_of(const http::RequestHead& head) {
  if (head.method != "OPTIONS" && head.method != "TRACE") return std::nullopt;
  for (const http::Field& field : head.fields) {
    if (field.id == http::FieldId::MaxForwards) return http::parse_decimal(field.value);
  }
  return std::nullopt;
}

Route route_tunnel(const http::Target& target, const http::BodyFraming& framing,
                   const policy::ProxySettings& settings) {
  if (framing.has_body()) return refuse_unframed("CONNECT with a body (RFC 9110 §9.3.6)");
  if (!policy::may_tunnel_to(settings, target.port)) {
    return refuse(
        FailureKind::RequestDenied,
        "CONNECT to " + host_and_port(target.host, target.port) + " is refused: connect_ports has no such port",
        "connect_ports");
  }
  Route route;
  route.kind = Route::Kind::Tunnel;
  return route;
}

Route forward(const http::RequestHead& head) {
  Route route;
  route.kind = Route::Kind::Forward;
  route.upgrade = http::wants_upgrade(head);
  if (const auto forwards = max_forwards_of(head)) {
    if (*forwards == 0) {
      route.kind = head.method == "TRACE" ? Route::Kind::AnswerTrace : Route::Kind::AnswerOptions;
    } else {
      route.max_forwards = *forwards - 1;
    }
  }
  return route;
}

Route route_forward(const http::RequestHead& head, const http::Target& target, const policy::ProxySettings& settings) {
  if (!policy::may_forward_to(settings, target.port)) {
    return refuse(FailureKind::RequestDenied,
                  "requests to " + host_and_port(target.host, target.port) + " are refused: bad_ports", "bad_ports");
  }
  return forward(head);
}

/// Does the target name the server in whose place we answer, if it names any?
bool is_for(const http::Target& target, const Origin& origin) {
  if (target.form != http::TargetForm::Absolute) return true;
  std::string host;
  http::normalize_host(target.host, host);
  return target.scheme == origin.scheme && target.port == origin.port && host == origin.host;
}

std::string_view host_of(const http::RequestHead& head) noexcept {
  for (const http::Field& field : head.fields) {
    if (field.id == http::FieldId::Host) return field.value;
  }
  return {};
}

/// Of an intercepted client. `target` gets what its form left out. Host goes out as it came, even if it names another
/// server: the bytes would have gone to this one, too, if we had not come between.
Route route_fixed(const http::RequestHead& head, http::Target& target, const FixedOrigin& fixed) {
  if (head.method == "CONNECT") return refuse_unframed("CONNECT to a server that is no proxy");
  if (target.form == http::TargetForm::Asterisk && head.method != "OPTIONS") {
    return refuse_target(http::TargetFault::Malformed);
  }
  if (!is_for(target, fixed.origin)) {
    return refuse(FailureKind::BadRequest, "the request is for another server than its connection, which is one to " +
                                               host_and_port(fixed.origin.host, fixed.origin.port));
  }
  if (target.form != http::TargetForm::Absolute) {
    const std::string_view host = host_of(head);
    target.authority = host.empty() ? fixed.authority : host;
  }
  target.scheme = fixed.origin.scheme;
  target.host = fixed.origin.host;
  target.port = fixed.origin.port;
  return forward(head);
}

/// " for HOST:PORT"; "" if the request does not say.
std::string whither(const http::Target& target, const FixedOrigin* fixed) {
  if (fixed != nullptr) return " for " + host_and_port(fixed->origin.host, fixed->origin.port);
  return target.host.empty() ? std::string() : " for " + host_and_port(target.host, target.port);
}

Route route_target(const http::RequestHead& head, http::Target& target, const http::BodyFraming& framing,
                   const policy::ProxySettings& settings, std::string_view pseudonym, const FixedOrigin* fixed) {
  if (http::via_names(head.fields, pseudonym)) {
    return refuse(FailureKind::LoopDetected,
                  "the request" + whither(target, fixed) + " has been here before (Via names this proxy)");
  }
  if (fixed != nullptr) return route_fixed(head, target, *fixed);
  if (head.method == "CONNECT") return route_tunnel(target, framing, settings);
  if (target.form != http::TargetForm::Absolute) {
    return refuse(FailureKind::NotForAProxy, "this is a proxy, and the request is not for one: send an absolute URL");
  }
  return route_forward(head, target, settings);
}

Route route_framed(const http::RequestHead& head, const http::BodyFraming& framing,
                   const policy::ProxySettings& settings, std::string_view pseudonym, const FixedOrigin* fixed) {
  auto target = http::parse_target(head.target, head.method == "CONNECT", http::wants_upgrade(head));
  const std::string_view authority = target ? target->authority : std::string_view();
  if (!http::host_is_valid(head, authority)) {
    // Host mostly repeats the target, whose fault is then the better hint.
    return refuse_unframed(target ? describe(http::Fault::BadHost) : describe(target.failure()));
  }
  if (!target) return refuse_target(target.failure());
  Route route = route_target(head, target.value(), framing, settings, pseudonym, fixed);
  route.target = target.value();
  return route;
}

}  // namespace

Route route_request(const http::RequestHead& head, const policy::ProxySettings& settings, std::string_view pseudonym,
                    const FixedOrigin* fixed) {
  const auto framing = http::request_framing(head);
  if (!framing) return refuse_unframed(describe(framing.failure()));
  Route route = route_framed(head, *framing, settings, pseudonym, fixed);
  route.framing = *framing;
  return route;
}

std::string_view forwarded_target(const http::RequestHead& head, const http::Target& target, std::string& scratch) {
  const std::string_view path = target.path_and_query;
  if (path.empty()) return head.method == "OPTIONS" ? "*" : "/";
  if (path.front() == '/') return path;
  scratch.assign(1, '/');
  scratch.append(path);
  return scratch;
}

std::string_view target_for_parent(const http::RequestHead& head, const http::Target& target, std::string& scratch) {
  const std::string_view path = target.path_and_query;
  scratch.assign("http://").append(target.authority);
  const bool bare = path.empty() && head.method == "OPTIONS";
  if (!bare && !path.starts_with('/')) scratch += '/';
  scratch.append(path);
  return scratch;
}

std::string_view authority_without_port(const http::Target& target) noexcept {
  const std::size_t brackets = target.authority.starts_with('[') ? 2 : 0;
  return target.authority.substr(0, target.host.size() + brackets);
}

}  // namespace keepwarm::proxy
