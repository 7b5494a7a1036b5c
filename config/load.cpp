#include "config/load.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include <toml++/toml.h>

#include "config/checks.h"
#include "config/hints.h"
#include "config/keys.h"
#include "config/read_file.h"
#include "config/review.h"
#include "config/syntax.h"
#include "core/base/ip.h"

/// The only file that sees toml++. It finds the keys of the table (keys.h) in the document and reports whatever else
/// stands there; what a value may be is said there and in checks.h.
namespace keepwarm::config {
namespace {

using Position = toml::source_position;

bool before(const Position& a, const Position& b) {
  return std::tie(a.line, a.column) < std::tie(b.line, b.column);
}

std::string shortened(std::string_view text) {
  constexpr std::size_t kEnough = 60;
  if (text.size() <= kEnough) return quote(text);
  std::size_t cut = kEnough;
  while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xC0U) == 0x80U) --cut;  // not inside a UTF-8 sequence
  return quote(text.substr(0, cut)) + "…";
}

/// "the number 10", "the string \"x\"": completes "got …".
std::string describe(const toml::node& node) {
  if (const auto* text = node.as_string()) return "the string " + shortened(text->get());
  if (const auto* number = node.as_integer()) return "the number " + std::to_string(number->get());
  if (const auto* truth = node.as_boolean()) return truth->get() ? "the boolean true" : "the boolean false";
  if (node.is_floating_point()) return "a number with a fraction";
  if (node.is_array()) return "an array";
  return node.is_table() ? "a table" : "a date or time";
}

/// One name of a dotted key as TOML writes it: bare where that is possible.
std::string key_text(std::string_view name) {
  const auto is_bare = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  return !name.empty() && std::all_of(name.begin(), name.end(), is_bare) ? std::string(name) : shortened(name);
}

/// Collects the errors of one document.
class Errors {
 public:
  explicit Errors(std::string_view file) : file_(file) {}

  void add(const Position& at, std::string key, std::string message) {
    list_.push_back({file_, at.line, at.column, std::move(key), std::move(message)});
  }
  [[nodiscard]] bool concern(std::string_view key) const {
    return std::any_of(list_.begin(), list_.end(), [&](const ConfigError& error) { return error.key == key; });
  }
  [[nodiscard]] bool empty() const { return list_.empty(); }
  /// In the order of the file; toml++ hands tables out in alphabetical order.
  [[nodiscard]] ConfigErrors take() {
    std::stable_sort(list_.begin(), list_.end(), [](const ConfigError& a, const ConfigError& b) {
      return std::tie(a.line, a.column) < std::tie(b.line, b.column);
    });
    return std::move(list_);
  }

 private:
  std::string file_;
  ConfigErrors list_;
};

/// Turns the node of one key into its value; says to `errors` why it cannot. Visited with the default of the key, whose
/// alternative is the type that is wanted.
class Conversion {
 public:
  Conversion(const Key& key, const std::string& path, const toml::node& node, Errors& errors)
      : key_(key), path_(path), node_(node), errors_(errors) {}

  std::optional<Value> operator()(bool default_value) {
    const auto* truth = node_.as_boolean();
    return truth ? std::optional<Value>(truth->get()) : wrong_type(default_value, allowed_of(key_));
  }
  std::optional<Value> operator()(std::uint32_t default_value) {
    const auto* number = node_.as_integer();
    if (!number) return wrong_type(default_value, allowed_of(key_));
    return in_range(number->get(), static_cast<std::uint32_t>(number->get()), std::to_string(number->get()));
  }
  std::optional<Value> operator()(std::uint64_t default_value) {
    constexpr std::string_view kForm = R"(a number and a unit in quotes, like "512B", "64KiB" or "1MiB")";
    const auto* text = node_.as_string();
    if (!text) return wrong_type(default_value, kForm);
    const std::optional<std::uint64_t> size = parse_size(text->get());
    if (!size) return refuse(shortened(text->get()) + " is not a size; allowed: " + std::string(kForm));
    const auto max = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    return in_range(static_cast<std::int64_t>(std::min(*size, max)), *size, shortened(text->get()));
  }
  std::optional<Value> operator()(Duration default_value) {
    constexpr std::string_view kForm = R"(a number and a unit in quotes, like "250ms", "4s", "2m" or "1h")";
    const auto* text = node_.as_string();
    if (!text) return wrong_type(default_value, kForm);
    const std::optional<Duration> duration = parse_duration(text->get());
    if (!duration) return refuse(shortened(text->get()) + " is not a duration; allowed: " + std::string(kForm));
    return in_range(duration->count(), *duration, shortened(text->get()));
  }
  std::optional<Value> operator()(const std::string& default_value) {
    const auto* text = node_.as_string();
    if (!text) return wrong_type(default_value, "text in quotes");
    return fits(text->get(), node_) ? std::optional<Value>(text->get()) : std::nullopt;
  }
  std::optional<Value> operator()(const std::vector<std::string>& default_value) {
    return list(default_value, [](const std::string& text) { return std::optional(text); });
  }
  std::optional<Value> operator()(const std::vector<ListenAddress>& default_value) {
    return list(default_value, ListenAddress::parse);
  }
  std::optional<Value> operator()(const std::vector<Cidr>& default_value) { return list(default_value, Cidr::parse); }
  std::optional<Value> operator()(const std::vector<policy::PortRange>& default_value) {
    const auto* array = node_.as_array();
    if (!array) return wrong_type(default_value, "an array of " + allowed_of(key_));
    std::vector<policy::PortRange> list;
    for (const toml::node& element : *array) {
      if (const std::optional<policy::PortRange> ports = ports_of(element)) {
        list.push_back(*ports);
      } else {
        refuse(describe(element) + " is not a port or a range of ports; allowed: " + allowed_of(key_), element);
      }
    }
    return list.size() == array->size() ? std::optional<Value>(std::move(list)) : std::nullopt;
  }
  std::optional<Value> operator()(const std::optional<policy::ConnectTo>& default_value) {
    return place(default_value, policy::parse_connect_to);
  }
  std::optional<Value> operator()(const std::optional<policy::ParentProxy>& default_value) {
    return place(default_value, policy::parse_parent);
  }
  template <typename Enum>
  requires std::is_enum_v<Enum> std::optional<Value>
  operator()(Enum default_value) {
    const auto* text = node_.as_string();
    const auto* truth = node_.as_boolean();
    const std::string written = text ? shortened(text->get()) : truth && truth->get() ? "true" : "false";
    bool takes_booleans = false;
    for (const Choice<Enum>& choice : choices<Enum>()) {
      const std::string word = word_to_toml(choice.word);
      if ((text || truth) && word == written) return choice.value;
      if (word == choice.word) takes_booleans = true;
    }
    if (!text && !(truth && takes_booleans)) return wrong_type(default_value, allowed_of(key_));
    return refuse(written + " is none of its values; allowed: " + allowed_of(key_));
  }

 private:
  std::nullopt_t refuse(std::string message) { return refuse(std::move(message), node_); }
  std::nullopt_t refuse(std::string message, const toml::node& at) {
    errors_.add(at.source().begin, path_, std::move(message));
    return std::nullopt;
  }
  std::nullopt_t wrong_type(const Value& default_value, std::string_view allowed) {
    return refuse("expected " + std::string(type_name(default_value)) + ", got " + describe(node_) +
                  "; allowed: " + std::string(allowed));
  }
  /// "" says that there is none. Only `parse` decides; the rule of the key says why it refused the text.
  template <typename Place, typename Parse>
  std::optional<Value> place(const std::optional<Place>& default_value, Parse parse) {
    const auto* text = node_.as_string();
    if (!text) return wrong_type(default_value, "text in quotes");
    if (text->get().empty()) return Value(std::optional<Place>());
    std::optional<Place> parsed = parse(text->get());
    return parsed ? std::optional<Value>(std::move(parsed)) : refuse(key_.rule.problem(text->get()));
  }
  /// `parse` makes an element of a text that obeys the rule of the key.
  template <typename Element, typename Parse>
  std::optional<Value> list(const std::vector<Element>& default_value, Parse parse) {
    constexpr std::string_view kForm = R"(strings in brackets, like ["a", "b"])";
    const auto* array = node_.as_array();
    if (!array) return wrong_type(default_value, kForm);
    std::vector<Element> elements;
    for (const toml::node& node : *array) {
      const auto* text = node.as_string();
      if (!text) refuse("expected a string, got " + describe(node) + "; allowed: " + std::string(kForm), node);
      if (!text || !fits(text->get(), node)) continue;
      if (auto element = parse(text->get())) {
        elements.push_back(*std::move(element));
      } else {
        refuse(shortened(text->get()) + " is not allowed here", node);
      }
    }
    return elements.size() == array->size() ? std::optional<Value>(std::move(elements)) : std::nullopt;
  }
  std::optional<Value> in_range(std::int64_t measure, Value value, const std::string& as_written) {
    const Range& range = key_.rule.range;
    if (range.min <= measure && measure <= range.max) return value;
    return refuse(as_written + " is out of range; allowed: " + allowed_of(key_));
  }
  bool fits(const std::string& text, const toml::node& at) {
    if (!key_.rule.problem) return true;
    std::string problem = key_.rule.problem(text);
    if (problem.empty()) return true;
    refuse(std::move(problem), at);
    return false;
  }
  static std::optional<policy::PortRange> ports_of(const toml::node& node) {
    if (const auto* text = node.as_string()) return parse_ports(text->get());
    if (const auto* number = node.as_integer()) return parse_ports(std::to_string(number->get()));
    return std::nullopt;
  }

  const Key& key_;
  const std::string& path_;
  const toml::node& node_;
  Errors& errors_;
};

/// Walks a parsed document once and builds the configuration.
class Reader {
 public:
  Reader(std::string_view file, const Credentials& credentials) : errors_(file), credentials_(credentials) {}

  [[nodiscard]] Result<Config, ConfigErrors> read(const toml::table& root, Review further) {
    for (auto&& [key, node] : root) {
      const std::optional<Section> section = section_named(key.str());
      if (!section) {
        errors_.add(key.source().begin, key_text(key.str()), unknown_section(key.str()));
      } else if (const toml::table* table = table_or_error(node, std::string(key.str()))) {
        *section == Section::Host ? read_hosts(*table) : read_section(*section, *table);
      }
    }
    config_.proxy.listen_is_default = config_.proxy.listen == policy::ProxySettings{}.listen;
    config_.proxy.deny_destinations_set = places_.contains("proxy.deny_destinations");
    report(contradictions(config_));
    if (further != nullptr) report(further(config_));
    if (errors_.empty()) return std::move(config_);
    return errors_.take();
  }

 private:
  static std::optional<Section> section_named(std::string_view name) {
    for (const Key& key : keys()) {
      if (section_name(key.section) == name) return key.section;
    }
    return std::nullopt;
  }

  const toml::table* table_or_error(const toml::node& node, const std::string& path) {
    if (const toml::table* table = node.as_table()) return table;
    errors_.add(node.source().begin, path, "expected a table, got " + describe(node) + "; allowed: [" + path + ']');
    return nullptr;
  }

  /// The value of a known key if it is right; otherwise it has been reported.
  std::optional<Value> read_value(const Key& key, const std::string& path, const toml::node& node) {
    places_[path] = node.source().begin;
    const auto* text = node.as_string();
    if (key.rule.credential && text && names_credential(text->get())) {
      Result<Value, CredentialProblem> value = credential_value(credentials_, text->get(), default_of(key));
      if (value) return std::move(value).value();
      errors_.add(node.source().begin, path, value.failure().text);
      return std::nullopt;
    }
    return std::visit(Conversion(key, path, node, errors_), default_of(key));
  }

  void read_section(Section section, const toml::table& table) {
    for (auto&& [name, node] : table) {
      const std::string path = std::string(section_name(section)) + '.' + key_text(name.str());
      const Key* key = find_key(section, name.str());
      if (!key) {
        errors_.add(name.source().begin, path, unknown_key(section, {}, name.str()));
      } else if (std::optional<Value> value = read_value(*key, path, node)) {
        key->place.write(config_, *std::move(value));
      }
    }
  }

  void read_hosts(const toml::table& table) {
    std::vector<std::pair<const toml::key*, const toml::node*>> in_order;
    for (auto&& [name, node] : table) in_order.emplace_back(&name, &node);
    std::sort(in_order.begin(), in_order.end(),
              [](const auto& a, const auto& b) { return before(a.first->source().begin, b.first->source().begin); });
    for (const auto& [name, node] : in_order) read_host(*name, *node);
  }

  void read_host(const toml::key& name, const toml::node& node) {
    const Position& at = name.source().begin;
    if (!node.is_table() && find_key(Section::Host, name.str())) {
      return errors_.add(at, "host." + key_text(name.str()), R"(unknown key here; it belongs in [host."*"])");
    }
    const std::string path = "host." + shortened(name.str());
    const toml::table* table = table_or_error(node, path);
    if (!table) return;
    Result<policy::HostPattern, policy::PatternError> pattern = policy::parse_host_pattern(name.str());
    if (!pattern) return errors_.add(at, path, pattern.failure().message);
    report_if_twice(*pattern, path, at);
    policy::HostTableEntry entry{.pattern = std::move(pattern).value(), .values = {}, .keys = {}};
    read_host_keys(*table, {}, entry);
    config_.hosts.add(std::move(entry));
  }

  void report_if_twice(const policy::HostPattern& pattern, const std::string& path, const Position& at) {
    const auto identity = std::tuple(pattern.kind, pattern.name, pattern.port.value_or(0));
    const auto [earlier, is_new] = patterns_.try_emplace(identity, path, at.line);
    if (is_new) return;
    const auto& [text, line] = earlier->second;
    errors_.add(
        at, path,
        "names the same hosts as " + text + " in line " + std::to_string(line) + "; allowed: one table for each");
  }

  /// `prefix` is "tls." in the sub-table, else "".
  void read_host_keys(const toml::table& table, std::string_view prefix, policy::HostTableEntry& entry) {
    for (auto&& [name, node] : table) {
      const std::string path = host_key_path(entry.pattern.text, prefix) + key_text(name.str());
      const Key* key = find_key(Section::Host, std::string(prefix).append(name.str()));
      const bool is_known = key && name.str().find('.') == std::string_view::npos;
      if (is_known) {
        if (std::optional<Value> value = read_value(*key, path, node)) {
          write(entry.values, *key, *std::move(value));
          entry.keys.push_back(host_index(*key));
        }
      } else if (prefix.empty() && name.str() == "tls") {
        if (const toml::table* tls = table_or_error(node, path)) read_host_keys(*tls, "tls.", entry);
      } else if (node.is_table()) {
        errors_.add(name.source().begin, path, unknown_table(entry.pattern.text, name.str(), node));
      } else {
        errors_.add(name.source().begin, path, unknown_key(Section::Host, prefix, name.str()));
      }
    }
  }

  /// Most likely [host.www.example.com] without the quotes, which TOML takes for tables within tables.
  static std::string unknown_table(std::string_view host, std::string_view name, const toml::node& node) {
    std::string full = std::string(host).append(1, '.').append(name);
    const toml::table* table = node.as_table();
    while (table && table->size() == 1 && table->begin()->second.is_table() && table->begin()->first.str() != "tls") {
      full.append(1, '.').append(table->begin()->first.str());
      table = table->begin()->second.as_table();
    }
    return "unknown table; a host's name with its dots stands in quotes: [host." + quote(full) + ']';
  }

  void report(std::vector<Finding> findings) {
    for (Finding& finding : findings) {
      if (errors_.concern(finding.key) || errors_.concern(finding.with)) continue;
      errors_.add(places_[finding.key], finding.key, std::move(finding.message));
    }
  }

  Config config_;
  Errors errors_;
  const Credentials& credentials_;
  std::map<std::string, Position, std::less<>> places_;  ///< where the value of each key that was seen begins
  std::map<std::tuple<policy::HostPattern::Kind, std::string, int>, std::pair<std::string, std::size_t>> patterns_;
};

ConfigError syntax_error(const toml::parse_error& error, std::string_view text, std::string_view file) {
  const Position& at = error.source().begin;
  return {std::string(file),
          at.line,
          at.column,
          {},
          "not valid TOML: " + syntax_problem(text, at.line, error.description())};
}

}  // namespace

Result<Config, ConfigErrors> parse_config(std::string_view text, std::string_view file, Review further,
                                          const Credentials& credentials) {
  try {
    return Reader(file, credentials).read(toml::parse(text, file), further);
  } catch (const toml::parse_error& error) {
    return ConfigErrors{syntax_error(error, text, file)};
  }
}

Result<Config, ConfigErrors> load_config(const std::string& file, Review further, const Credentials& credentials) {
  std::string text;
  if (const int error = read_file(file, text); error != 0) {
    return ConfigErrors{{file, 0, 0, {}, std::string("cannot be read: ") + std::strerror(error)}};
  }
  return parse_config(text, file, further, credentials);
}

ConfigErrors override_listen(Config& config, std::span<const std::string> addresses) {
  if (addresses.empty()) return {};
  ConfigErrors errors;
  const auto add = [&](std::string message) {
    errors.push_back({"command line", 0, 0, "--listen", std::move(message)});
  };
  std::vector<ListenAddress> listen;
  for (const std::string& text : addresses) {
    if (const auto address = ListenAddress::parse(text)) {
      listen.push_back(*address);
    } else {
      add(listen_problem(text));
    }
  }
  if (!errors.empty()) return errors;
  config.proxy.listen = std::move(listen);
  config.proxy.listen_is_default = false;
  for (Finding& finding : contradictions(config)) add(std::move(finding.message));
  return errors;
}

}  // namespace keepwarm::config
