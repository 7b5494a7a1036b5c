#include "daemon/url_argument.h"

namespace keepwarm::daemon {

std::optional<http::TargetFault> parse_url(const std::string& text, UrlArgument& url) {
  url.text = text.find("://") != std::string::npos ? text : "http://" + text;
  const Result<http::Target, http::TargetFault> target = http::parse_target(url.text, false, false);
  if (!target) return target.failure();
  url.target = *target;
  url.origin = {.scheme = target->scheme, .host = {}, .port = target->port};
  http::normalize_host(target->host, url.origin.host);
  return std::nullopt;
}

std::string origin_text(const Origin& origin) {
  return std::string(name_of(origin.scheme)) + "://" + host_and_port(origin.host, origin.port);
}

}  // namespace keepwarm::daemon
