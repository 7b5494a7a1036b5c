#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/base/result.h"
#include "core/policy/settings.h"

namespace keepwarm::policy {

/// Which hosts a table [host."…"] is for: "*", "*.suffix", "name", each but "*" also with ":port".
struct HostPattern {
  enum class Kind : std::uint8_t { Any, Suffix, Name };  // from general to specific
  Kind kind = Kind::Any;
  std::string name;                   ///< lower case, no trailing dot; for Suffix without "*."; IPv6 without brackets
  std::optional<std::uint16_t> port;  ///< nullopt: every port
  std::string text;                   ///< as written in the configuration

  /// `host` must be in lower case without trailing dot. A suffix matches any depth of subdomain, not the suffix itself.
  [[nodiscard]] bool matches(std::string_view host, std::uint16_t to_port) const noexcept;
};

/// A host that the pattern is for and no more specific name: its own name, or any name under its suffix.
[[nodiscard]] std::string typical_host(const HostPattern& pattern);

/// The message says what is wrong with the pattern and what is allowed.
struct PatternError {
  std::string message;
};
[[nodiscard]] Result<HostPattern, PatternError> parse_host_pattern(std::string_view text);

/// A pointer to one member of HostSettings, of any of its types.
using HostMember = std::variant<bool HostSettings::*, Duration HostSettings::*, std::uint32_t HostSettings::*,
                                std::uint64_t HostSettings::*, std::string HostSettings::*, UnsafeReuse HostSettings::*,
                                UpgradeCookies HostSettings::*, std::vector<std::string> HostSettings::*,
                                std::optional<ConnectTo> HostSettings::*, std::optional<ParentProxy> HostSettings::*>;

/// A key of [host.*], by its name in the file ("idle_timeout", "tls.verify").
struct HostKey {
  std::string_view name;
  HostMember member;
};

/// All keys, in the order of config/keys.cpp.
[[nodiscard]] std::span<const HostKey> host_keys() noexcept;

/// One table of the file: the pattern, and the values of those keys that it sets (indices into host_keys()).
struct HostTableEntry {
  HostPattern pattern;
  HostSettings values;
  std::vector<std::size_t> keys;
};

/// For the path of each file that the tables name a number that differs when what is in it does. "": the system's
/// authorities.
using FileMarks = std::map<std::string, std::uint64_t, std::less<>>;

/// The host tables of a configuration. A more specific table overrides key by key:
/// name+port > name > longest *.suffix+port > longest *.suffix > "*".
class HostTable {
 public:
  void add(HostTableEntry entry) { entries_.push_back(std::move(entry)); }
  void set_file_marks(FileMarks marks) { file_marks_ = std::move(marks); }
  [[nodiscard]] const std::vector<HostTableEntry>& entries() const noexcept { return entries_; }

  /// The settings in force for host (lower case, no trailing dot) and port, as the client named them.
  [[nodiscard]] HostSettings resolve(std::string_view host, std::uint16_t port) const;

  /// For each of host_keys() the pattern text of the table that it came from; empty: the built-in default.
  [[nodiscard]] std::vector<std::string_view> sources(std::string_view host, std::uint16_t port) const;

 private:
  [[nodiscard]] std::vector<const HostTableEntry*> matching(std::string_view host, std::uint16_t port) const;
  [[nodiscard]] std::uint64_t file_mark(const HostSettings& settings) const;

  std::vector<HostTableEntry> entries_;
  FileMarks file_marks_;
};

}  // namespace keepwarm::policy
