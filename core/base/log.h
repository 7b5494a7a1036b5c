#pragma once

#include <cstdint>
#include <string_view>

namespace keepwarm {

/// How much a line matters, in rising order. `Off` is a threshold only: no line has it.
enum class LogLevel : std::uint8_t { Trace, Debug, Info, Warn, Error, Off };

/// Where the core's messages go; the daemon gives it a spdlog logger, tests a string. Ask enabled() before formatting.
class Log {
 public:
  [[nodiscard]] virtual bool enabled(LogLevel level) const noexcept = 0;
  /// One line without a newline; never with a secret in it (core/doc/design.md §9).
  virtual void write(LogLevel level, std::string_view line) = 0;

 protected:
  ~Log() = default;
};

}  // namespace keepwarm
