#include "config/value.h"

#include <array>
#include <charconv>
#include <limits>
#include <type_traits>

namespace keepwarm::config {
namespace {

using namespace std::chrono_literals;

/// A unit that a number in a string may have; the larger come first.
struct Unit {
  std::string_view suffix;
  std::uint64_t factor;
};
constexpr auto kTimeUnits = std::to_array<Unit>({
    {"h", 3'600'000'000'000},
    {"m", 60'000'000'000},
    {"s", 1'000'000'000},
    {"ms", 1'000'000},
});
constexpr auto kSizeUnits = std::to_array<Unit>({{"GiB", 1U << 30U}, {"MiB", 1U << 20U}, {"KiB", 1U << 10U}, {"B", 1}});

/// Digits and a unit, at most `limit`; nullopt: not written so.
std::optional<std::uint64_t> parse_with_unit(std::string_view text, std::span<const Unit> units,
                                             std::uint64_t limit) noexcept {
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  if (error == std::errc::invalid_argument) return std::nullopt;
  const std::string_view suffix(stopped, static_cast<std::size_t>(end - stopped));
  for (const Unit& unit : units) {
    if (suffix != unit.suffix) continue;
    if (error == std::errc::result_out_of_range || number > limit / unit.factor) return limit;
    return number * unit.factor;
  }
  return std::nullopt;
}

template <typename Enum>
constexpr bool kIsChoice = std::is_enum_v<Enum>;

std::string to_text(bool value) {
  return value ? "true" : "false";
}
std::string to_text(std::uint32_t value) {
  return std::to_string(value);
}
std::string to_text(std::uint64_t value) {
  return quote(format_size(value));
}
std::string to_text(Duration value) {
  return quote(format_duration(value));
}
std::string to_text(const std::string& value) {
  return quote(value);
}
std::string to_text(const ListenAddress& address) {
  return quote(address.text());
}
std::string to_text(const Cidr& range) {
  return quote(range.text());
}
std::string to_text(const policy::PortRange& ports) {
  const std::string first = std::to_string(ports.first);
  return ports.first == ports.last ? first : quote(first + '-' + std::to_string(ports.last));
}
/// A place that need not be set.
template <typename Place>
std::string to_text(const std::optional<Place>& place) {
  return quote(place ? std::string_view(place->shown) : std::string_view());
}
template <typename Enum>
requires kIsChoice<Enum> std::string to_text(Enum value) {
  for (const Choice<Enum>& choice : choices<Enum>()) {
    if (choice.value == value) return word_to_toml(choice.word);
  }
  return {};
}
template <typename Element>
std::string to_text(const std::vector<Element>& list) {
  std::string text = "[";
  for (const Element& element : list) {
    if (text.size() > 1) text += ", ";
    text += to_text(element);
  }
  return text + ']';
}

struct TypeName {
  std::string_view operator()(bool) const noexcept { return "a boolean"; }
  std::string_view operator()(std::uint32_t) const noexcept { return "a whole number"; }
  std::string_view operator()(std::uint64_t) const noexcept { return "a size"; }
  std::string_view operator()(Duration) const noexcept { return "a duration"; }
  std::string_view operator()(const std::string&) const noexcept { return "a string"; }
  std::string_view operator()(const std::vector<std::string>&) const noexcept { return "an array of strings"; }
  std::string_view operator()(const std::vector<ListenAddress>&) const noexcept { return "an array of strings"; }
  std::string_view operator()(const std::vector<Cidr>&) const noexcept { return "an array of strings"; }
  std::string_view operator()(const std::vector<policy::PortRange>&) const noexcept { return "an array of ports"; }
  template <typename Place>
  std::string_view operator()(const std::optional<Place>&) const noexcept {
    return "a string";
  }
  template <typename Enum>
  requires kIsChoice<Enum> std::string_view operator()(Enum) const noexcept { return "a string"; }
  std::string_view operator()(policy::Via) const noexcept { return "a boolean or a string"; }
};

}  // namespace

template <>
std::span<const Choice<policy::UnsafeReuse>> choices() noexcept {
  using enum policy::UnsafeReuse;
  static constexpr auto kWords =
      std::to_array<Choice<policy::UnsafeReuse>>({{"never", Never}, {"trusted", Trusted}, {"always", Always}});
  return kWords;
}
template <>
std::span<const Choice<policy::UpgradeCookies>> choices() noexcept {
  using enum policy::UpgradeCookies;
  static constexpr auto kWords =
      std::to_array<Choice<policy::UpgradeCookies>>({{"keep", Keep}, {"strip-secure", StripSecure}});
  return kWords;
}
template <>
std::span<const Choice<policy::BadPorts>> choices() noexcept {
  using enum policy::BadPorts;
  static constexpr auto kWords = std::to_array<Choice<policy::BadPorts>>({{"refuse", Refuse}, {"allow", Allow}});
  return kWords;
}
template <>
std::span<const Choice<policy::ProxyStatusMode>> choices() noexcept {
  using enum policy::ProxyStatusMode;
  static constexpr auto kWords =
      std::to_array<Choice<policy::ProxyStatusMode>>({{"off", Off}, {"errors", Errors}, {"always", Always}});
  return kWords;
}
template <>
std::span<const Choice<policy::Via>> choices() noexcept {
  using enum policy::Via;
  static constexpr auto kWords =
      std::to_array<Choice<policy::Via>>({{"true", Add}, {"false", Omit}, {"always", Always}});
  return kWords;
}
template <>
std::span<const Choice<policy::InterceptSettings::Refused>> choices() noexcept {
  using enum policy::InterceptSettings::Refused;
  static constexpr auto kWords =
      std::to_array<Choice<policy::InterceptSettings::Refused>>({{"fail", Fail}, {"tunnel", Tunnel}});
  return kWords;
}
template <>
std::span<const Choice<policy::ClientHalfClose>> choices() noexcept {
  using enum policy::ClientHalfClose;
  static constexpr auto kWords =
      std::to_array<Choice<policy::ClientHalfClose>>({{"auto", Auto}, {"honour", Honour}, {"abort", Abort}});
  return kWords;
}
template <>
std::span<const Choice<ResolverMode>> choices() noexcept {
  using enum ResolverMode;
  static constexpr auto kWords =
      std::to_array<Choice<ResolverMode>>({{"auto", Auto}, {"system", System}, {"c-ares", Cares}});
  return kWords;
}
template <>
std::span<const Choice<LogLevel>> choices() noexcept {
  using enum LogLevel;
  static constexpr auto kWords = std::to_array<Choice<LogLevel>>(
      {{"trace", Trace}, {"debug", Debug}, {"info", Info}, {"warn", Warn}, {"error", Error}, {"off", Off}});
  return kWords;
}
template <>
std::span<const Choice<AccessLog>> choices() noexcept {
  using enum AccessLog;
  static constexpr auto kWords = std::to_array<Choice<AccessLog>>({{"off", Off}, {"text", Text}, {"json", Json}});
  return kWords;
}

std::string word_to_toml(std::string_view word) {
  return word == "true" || word == "false" ? std::string(word) : quote(word);
}

std::string to_toml(const Value& value) {
  return std::visit([](const auto& v) { return to_text(v); }, value);
}

std::string_view type_name(const Value& value) noexcept {
  return std::visit(TypeName{}, value);
}

std::optional<Duration> parse_duration(std::string_view text) noexcept {
  const auto limit = static_cast<std::uint64_t>(Duration::max().count());
  const std::optional<std::uint64_t> count = parse_with_unit(text, kTimeUnits, limit);
  if (!count) return std::nullopt;
  return Duration(static_cast<Duration::rep>(*count));
}

std::string format_duration(Duration duration) {
  const auto count = static_cast<std::uint64_t>(duration.count());
  if (count == 0) return "0s";
  for (const Unit& unit : kTimeUnits) {
    if (unit.suffix == "m" && count == unit.factor) continue;  // "60s" reads better than "1m" beside "5s"
    if (count % unit.factor == 0) return std::to_string(count / unit.factor).append(unit.suffix);
  }
  return std::to_string(count) + "ns";  // not from a file, where the smallest unit is the millisecond
}

std::optional<std::uint64_t> parse_size(std::string_view text) noexcept {
  return parse_with_unit(text, kSizeUnits, std::numeric_limits<std::uint64_t>::max());
}

std::string format_size(std::uint64_t bytes) {
  if (bytes == 0) return "0B";
  for (const Unit& unit : kSizeUnits) {
    if (bytes % unit.factor == 0) return std::to_string(bytes / unit.factor).append(unit.suffix);
  }
  return {};  // the last unit divides everything
}

std::optional<policy::PortRange> parse_ports(std::string_view text) noexcept {
  const std::size_t dash = text.find('-');
  const auto first = parse_port(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : parse_port(text.substr(dash + 1));
  if (!first || !last || *last < *first) return std::nullopt;
  return policy::PortRange{*first, *last};
}

std::string quote(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted += {'\\', c};
    } else if (byte < 0x20 || byte == 0x7F) {
      quoted += {'\\', 'u', '0', '0', kHex[byte >> 4U], kHex[byte & 0xFU]};
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

}  // namespace keepwarm::config
