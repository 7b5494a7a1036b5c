#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "core/http/head_parser.h"
#include "core/policy/settings.h"

/// How an engine serves its clients at present: the settings in force, its name, and whether it is shutting down.
namespace keepwarm::proxy {

struct ServiceMode {
  const policy::ProxySettings* settings;  ///< replaced by a reload; never null
  std::string pseudonym;                  ///< "keepwarm-1a2b3c4d": our name in Via, unique to the process
  bool draining = false;                  ///< shutting down: no client's connection persists any more

  /// What we call ourselves in Via; empty: no Via is sent.
  [[nodiscard]] std::string_view via() const noexcept {
    return settings->via == policy::Via::Omit ? std::string_view() : pseudonym;
  }
  /// The same for what was intercepted: its client and its server expect no proxy between them.
  [[nodiscard]] std::string_view via_intercepted() const noexcept {
    return settings->via == policy::Via::Always ? pseudonym : std::string_view();
  }
  [[nodiscard]] http::HeadLimits head_limits() const noexcept {
    http::HeadLimits limits;
    limits.max_size = static_cast<std::size_t>(settings->max_header_size);
    return limits;
  }
};

}  // namespace keepwarm::proxy
