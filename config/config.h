#pragma once

#include <cstdint>
#include <string>

#include "core/base/log.h"
#include "core/policy/host_table.h"
#include "core/policy/settings.h"

/// The configuration file as plain values (core/doc/design.md §4). Whoever needs only values includes this and never
/// toml++.
namespace keepwarm::config {

enum class AccessLog : std::uint8_t { Off, Text, Json };

/// [admin]
struct AdminConfig {
  std::string listen = "127.0.0.1:3180";  ///< "": turned off

  bool operator==(const AdminConfig&) const = default;
};

/// [log]
struct LogConfig {
  LogLevel level = LogLevel::Info;
  AccessLog access = AccessLog::Off;
  std::string file = "-";  ///< "-": standard error

  bool operator==(const LogConfig&) const = default;
};

/// A whole configuration. Default-constructed it is what serves without a file; a loaded one has passed every check.
struct Config {
  policy::ProxySettings proxy;
  AdminConfig admin;
  LogConfig log;
  policy::DnsSettings dns;
  policy::InterceptSettings intercept;
  policy::HostTable hosts;
};

}  // namespace keepwarm::config
