#pragma once

#include <optional>
#include <string>

#include "core/base/origin.h"
#include "core/http/target.h"

namespace keepwarm::daemon {

/// A URL on the command line.
struct UrlArgument {
  std::string text;     ///< with its scheme; `target` has views into it
  http::Target target;  ///< views into `text`
  Origin origin;

  UrlArgument() = default;
  UrlArgument(const UrlArgument&) = delete;
  UrlArgument& operator=(const UrlArgument&) = delete;
};

/// Takes "http://host:port/path", "https://…", or "host", "host:port", which mean http. Returns what is wrong with it;
/// nullopt: nothing, and `url` has it. Whoever reports the fault must not repeat the URL, which may hold a password.
[[nodiscard]] std::optional<http::TargetFault> parse_url(const std::string& text, UrlArgument& url);

/// "http://a.example:80"
[[nodiscard]] std::string origin_text(const Origin& origin);

}  // namespace keepwarm::daemon
