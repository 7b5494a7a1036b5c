#include "config/credentials.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <unistd.h>
#include <utility>
#include <variant>

#include "config/keys.h"
#include "config/read_file.h"

namespace keepwarm::config {
namespace {

constexpr std::string_view kPrefix = "credential:";

/// As systemd takes it: the name of a file, and no ":" since that ends it in LoadCredential=.
bool is_name(std::string_view name) noexcept {
  constexpr std::size_t kLongest = 255;  // NAME_MAX
  const auto is_odd = [](char c) { return c == '/' || c == ':' || static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  return !name.empty() && name.size() <= kLongest && name != "." && name != ".." &&
         std::none_of(name.begin(), name.end(), is_odd);
}

std::string how_to_hand_over(std::string_view name) {
  return "; allowed: a name that the unit of the service has, as in LoadCredential=" + std::string(name) + ":/PATH";
}

CredentialProblem unreadable(std::string_view name, int error) {
  return {"there is no credential " + quote(name) + " (" + std::strerror(error) + ')' + how_to_hand_over(name)};
}

/// In the file stands what a key would hold, with or without an end of the line.
Result<Value, CredentialProblem> parent_in(const std::string& path, std::string_view name, std::string shown) {
  std::string url;
  if (const int error = read_file(path, url); error != 0) return unreadable(name, error);
  url.erase(url.find_last_not_of("\r\n") + 1);  // npos + 1 is 0
  std::optional<policy::ParentProxy> parent = policy::parse_parent(url);
  if (!parent) {
    return CredentialProblem{"credential " + quote(name) +
                             R"( holds no proxy's URL; allowed: "http://HOST:PORT" or "http://USER:PASSWORD@HOST:PORT")"
                             " in one line, special characters as %40"};
  }
  parent->shown = std::move(shown);
  return Value(std::move(parent));
}

bool is_unread(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return names_credential(*text);
  const auto* parent = std::get_if<std::optional<policy::ParentProxy>>(&value);
  return parent != nullptr && *parent && (*parent)->host.empty();
}

}  // namespace

Credentials Credentials::of_environment(bool needed) {
  const char* const folder = std::getenv("CREDENTIALS_DIRECTORY");
  return {.folder = folder == nullptr ? "" : folder, .needed = needed};
}

bool names_credential(std::string_view text) noexcept {
  return text.starts_with(kPrefix);
}

Result<Value, CredentialProblem> credential_value(const Credentials& credentials, std::string_view text,
                                                  const Value& type) {
  const std::string_view name = text.substr(kPrefix.size());
  const bool is_path = std::holds_alternative<std::string>(type);
  if (!is_name(name)) {
    return CredentialProblem{
        quote(text) + R"( names no credential; allowed: "credential:NAME", with a file's name without "/" and ":")"};
  }
  if (credentials.folder.empty()) {
    if (credentials.needed) {
      return CredentialProblem{quote(text) + " is looked for in $CREDENTIALS_DIRECTORY, which is not set" +
                               how_to_hand_over(name)};
    }
    if (is_path) return Value(std::string(text));
    policy::ParentProxy unread;
    unread.shown = text;
    return Value(std::optional(std::move(unread)));
  }
  std::string path = credentials.folder + '/' + std::string(name);
  if (!is_path) return parent_in(path, name, std::string(text));
  if (access(path.c_str(), R_OK) != 0) return unreadable(name, errno);
  return Value(std::move(path));
}

std::vector<std::string_view> unread_credentials(const policy::HostSettings& settings) {
  std::vector<std::string_view> names;
  for (const Key& key : keys()) {
    if (key.section != Section::Host || !key.rule.credential) continue;
    if (is_unread(read(settings, key))) names.push_back(key.name);
  }
  return names;
}

std::vector<std::string> unread_credentials(const Config& config) {
  std::vector<std::string> paths;
  for (const Key& key : keys()) {
    if (key.section == Section::Host || !key.rule.credential || !is_unread(key.place.read(config))) continue;
    paths.push_back(std::string(section_name(key.section)) + '.' + std::string(key.name));
  }
  return paths;
}

}  // namespace keepwarm::config
