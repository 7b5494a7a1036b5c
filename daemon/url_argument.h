#pragma once

#include <optional>
#include <string>

#include "core/base/origin.h"
#include "core/http/target.h"

namespace keepwarm::daemon {

/// A URL on the command line.
struct UrlArgument {
  std::string text;     ///< with its scheme; what `target` looks into
  http::Target target;  ///< views into `text`
  Origin origin;

  UrlArgument() = default;
  UrlArgument(const UrlArgument&) = delete;
  UrlArgument& operator=(const UrlArgument&) = delete;
};

/// Takes "http://host:port/path", "https://…", or "host", "host:port", which mean http. nullopt: `url` is one of them.
/// The fault is to be told without the URL, which may hold a password.
[[nodiscard]] std::optional<http::TargetFault> parse_url(const std::string& text, UrlArgument& url);

/// "http://a.example:80"
[[nodiscard]] std::string origin_text(const Origin& origin);

}  // namespace keepwarm::daemon
