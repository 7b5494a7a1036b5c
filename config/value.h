#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/config.h"
#include "core/base/ip.h"

/// The types that a key of the configuration can have, and how their values are written in TOML.
namespace keepwarm::config {

/// In this order: boolean, whole number, size in bytes, duration, text, list of texts, list of places to listen at,
/// list of address ranges, list of ports, place to connect to, parent proxy, and the choices.
using Value =
    std::variant<bool, std::uint32_t, std::uint64_t, Duration, std::string, std::vector<std::string>,
                 std::vector<ListenAddress>, std::vector<Cidr>, std::vector<policy::PortRange>,
                 std::optional<policy::ConnectTo>, std::optional<policy::ParentProxy>, policy::UnsafeReuse,
                 policy::UpgradeCookies, policy::BadPorts, policy::ProxyStatusMode, policy::Via,
                 policy::ClientHalfClose, policy::InterceptSettings::Refused, ResolverMode, LogLevel, AccessLog>;

/// One word of a choice. "true" and "false" stand for the booleans of TOML, all others are strings.
template <typename Enum>
struct Choice {
  std::string_view word;
  Enum value;
};
/// The words of a choice, in the order in which they are shown.
template <typename Enum>
[[nodiscard]] std::span<const Choice<Enum>> choices() noexcept;
template <>
std::span<const Choice<policy::UnsafeReuse>> choices() noexcept;
template <>
std::span<const Choice<policy::UpgradeCookies>> choices() noexcept;
template <>
std::span<const Choice<policy::BadPorts>> choices() noexcept;
template <>
std::span<const Choice<policy::ProxyStatusMode>> choices() noexcept;
template <>
std::span<const Choice<policy::Via>> choices() noexcept;
template <>
std::span<const Choice<policy::ClientHalfClose>> choices() noexcept;
template <>
std::span<const Choice<policy::InterceptSettings::Refused>> choices() noexcept;
template <>
std::span<const Choice<ResolverMode>> choices() noexcept;
template <>
std::span<const Choice<LogLevel>> choices() noexcept;
template <>
std::span<const Choice<AccessLog>> choices() noexcept;

/// How the word of a choice is written in TOML: `true`, `"always"`.
[[nodiscard]] std::string word_to_toml(std::string_view word);

/// As it would stand in the file: `true`, `64`, `"64KiB"`, `"5s"`, `["GET", "HEAD"]`; but of a parent proxy without its
/// password.
[[nodiscard]] std::string to_toml(const Value& value);

/// "a duration", "true or false", "one word of a choice", …: completes "expected …".
[[nodiscard]] std::string_view type_name(const Value& value) noexcept;

/// Digits and one of ms, s, m, h: "250ms", "4s". nullopt: not written so. What does not fit is Duration::max().
[[nodiscard]] std::optional<Duration> parse_duration(std::string_view text) noexcept;
[[nodiscard]] std::string format_duration(Duration duration);

/// Digits and one of B, KiB, MiB, GiB: "64KiB". nullopt: not written so. What does not fit is the largest number.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text) noexcept;
[[nodiscard]] std::string format_size(std::uint64_t bytes);

/// "443" or "1024-65535", within 1 to 65535 and in order; nullopt: neither.
[[nodiscard]] std::optional<policy::PortRange> parse_ports(std::string_view text) noexcept;

/// The text as a TOML string; control characters are escaped, so that it is safe in a message or on a terminal.
[[nodiscard]] std::string quote(std::string_view text);

}  // namespace keepwarm::config
