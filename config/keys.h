#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "config/config.h"
#include "config/value.h"

/// The one table of all keys (core/doc/design.md §4). The parser, `keepwarm explain`, keepwarm.toml(5) and the tests of
/// the example file and of the documentation all read it. Defaults are not in it, but in the structs that it points
/// into. How to add a key is in .github/CONTRIBUTING.md.
namespace keepwarm::config {

enum class Section : std::uint8_t { Proxy, Admin, Log, Dns, Intercept, Host };

/// "proxy", "admin", "log", "dns", "intercept", "host".
[[nodiscard]] std::string_view section_name(Section section) noexcept;

/// The smallest and the greatest value that is allowed: a number, bytes, or nanoseconds, as the key's type says. Other
/// types do not use it.
struct Range {
  std::int64_t min = 0;
  std::int64_t max = 0;
};

/// What a value must satisfy besides having the type of its key.
struct Rule {
  Range range;
  std::string (*problem)(std::string_view text) =
      nullptr;  ///< what is wrong with a text, or with each text of a list (checks.h); null: every text is allowed
  bool credential = false;  ///< "credential:NAME" may stand there (credentials.h); only paths of files, and `parent`
};

/// Where the value of a key outside [host.*] lives. `value` must have the type of the key.
struct Place {
  Value (*read)(const Config& config);
  void (*write)(Config& config, Value value);
};

struct Key {
  Section section;
  std::string_view name;  ///< in [host.*] with its sub-table: "tls.verify"
  /// Sentences: what it does, and what a wrong value costs. The comment in config/keepwarm.toml begins with the same.
  std::string_view description;
  Rule rule;
  Place place;  ///< nulls in Section::Host: there use the overloads for HostSettings below
};

/// In the order in which they are shown; those of Section::Host are in the order of policy::host_keys().
[[nodiscard]] std::span<const Key> keys() noexcept;

/// nullptr: unknown.
[[nodiscard]] const Key* find_key(Section section, std::string_view name) noexcept;

/// Only for keys of Section::Host. host_index(): the place of the key in policy::host_keys().
[[nodiscard]] std::size_t host_index(const Key& key) noexcept;
[[nodiscard]] Value read(const policy::HostSettings& settings, const Key& key);
void write(policy::HostSettings& settings, const Key& key, Value value);

/// The built-in default; its alternative is the type of the key.
[[nodiscard]] Value default_of(const Key& key);

/// What may stand there, as messages and manuals say it: `1 to 1000000`, `"1ms" to "8760h"`, `"off", "text" or "json"`,
/// `true, false or "always"`;
/// "" where only `rule.problem` knows.
[[nodiscard]] std::string allowed_of(const Key& key);

}  // namespace keepwarm::config
