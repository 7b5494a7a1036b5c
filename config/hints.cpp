#include "config/hints.h"

#include <algorithm>
#include <array>
#include <vector>

namespace keepwarm::config {
namespace {

constexpr std::array<std::string_view, 6> kSections = {"proxy", "admin", "log", "dns", "intercept", "host"};

/// Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b` (optimal string alignment).
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before_last(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substitution = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, substitution});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
    std::swap(before_last, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

/// The names of a section's keys that begin with `prefix` and have no further dot, without the prefix.
std::vector<std::string_view> names_in(Section section, std::string_view prefix) {
  std::vector<std::string_view> names;
  for (const Key& key : keys()) {
    if (key.section != section || !key.name.starts_with(prefix)) continue;
    const std::string_view name = key.name.substr(prefix.size());
    if (name.find('.') == std::string_view::npos) names.push_back(name);
  }
  if (section == Section::Host && prefix.empty()) names.emplace_back("tls");
  return names;
}

std::string header_of(const Key& key) {
  if (key.section != Section::Host) return '[' + std::string(section_name(key.section)) + ']';
  return key.name.starts_with("tls.") ? R"([host."*".tls])" : R"([host."*"])";
}

/// The table that has a key of this name; "": no table has.
std::string home_of(std::string_view name) {
  for (const Key& key : keys()) {
    if (key.name == name || (key.name.starts_with("tls.") && key.name.substr(4) == name)) return header_of(key);
  }
  return {};
}

std::string list(std::span<const std::string_view> names) {
  std::string text;
  for (const std::string_view name : names) {
    if (!text.empty()) text += ", ";
    text += name;
  }
  return text;
}

}  // namespace

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
  constexpr std::size_t kMaxWord = 64;  // no key is that long, and the work grows with it
  if (word.size() > kMaxWord) return {};
  std::string_view best;
  std::size_t fewest = kMaxWord;
  for (const std::string_view candidate : candidates) {
    const std::size_t typos = distance(word, candidate);
    if (typos < fewest && typos <= std::max<std::size_t>(1, candidate.size() / 3)) {
      fewest = typos;
      best = candidate;
    }
  }
  return best;
}

std::string unknown_key(Section section, std::string_view prefix, std::string_view name) {
  const std::vector<std::string_view> names = names_in(section, prefix);
  if (const std::string_view near = nearest(name, names); !near.empty()) {
    return "unknown key; did you mean " + quote(near) + '?';
  }
  if (const std::string home = home_of(name); !home.empty()) return "unknown key here; it belongs in " + home;
  return "unknown key; allowed: " + list(names);
}

std::string unknown_section(std::string_view name) {
  if (const std::string home = home_of(name); !home.empty()) return "unknown key here; it belongs in " + home;
  if (const std::string_view near = nearest(name, kSections); !near.empty()) {
    return "unknown section; did you mean " + quote(near) + '?';
  }
  return "unknown section; allowed: " + list(kSections);
}

}  // namespace keepwarm::config
