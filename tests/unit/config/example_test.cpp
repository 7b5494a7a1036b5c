#include <fstream>
#include <map>
#include <ostream>
#include <sstream>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include "config/keys.h"
#include "config/load.h"
#include "config/review.h"

namespace keepwarm::config {
namespace {

const std::string kExample = KEEPWARM_SOURCE_DIR "/config/keepwarm.toml";

Config load_example() {
  Result<Config, ConfigErrors> result = load_config(kExample);
  if (!result) {
    for (const ConfigError& error : result.failure()) MESSAGE(to_text(error));
  }
  REQUIRE(result.ok());
  return std::move(result).value();
}

/// A key as it stands in the file.
struct Setting {
  std::string value;
  std::string comment;  ///< the lines above it, as one
};

/// Adds the words of a line, with single spaces.
void add_words(std::string& text, const std::string& line) {
  std::istringstream words(line);
  for (std::string word; words >> word;) text += (text.empty() ? "" : " ") + word;
}

bool is_setting(const std::string& line) {
  const std::size_t equals = line.find(" = ");
  return equals != std::string::npos && line.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == equals;
}

/// "proxy.listen" -> how it stands there; lines that are only a comment of a setting count too.
std::map<std::string, Setting> settings_in_text() {
  std::ifstream file(kExample);
  REQUIRE(file.good());
  std::map<std::string, Setting> settings;
  std::string table;
  std::string comment;
  for (std::string line; std::getline(file, line) && !line.starts_with("# ---");) {
    const std::string plain = line.starts_with("# ") ? line.substr(2) : line;
    if (is_setting(plain)) {
      const std::size_t equals = plain.find(" = ");
      settings[table + '.' + plain.substr(0, equals)] = {plain.substr(equals + 3), comment};
    } else if (line.starts_with('#')) {
      add_words(comment, plain);
      continue;
    } else if (line.starts_with('[')) {
      table = line.substr(1, line.find(']') - 1);
    }
    comment.clear();
  }
  return settings;
}

std::string path_in_example(const Key& key) {
  if (key.section != Section::Host) return std::string(section_name(key.section)) + '.' + std::string(key.name);
  return host_key_path("*", key.name);
}

}  // namespace

TEST_CASE("every key stands in the example file with its default") {
  const std::map<std::string, Setting> settings = settings_in_text();
  for (const Key& key : keys()) {
    const std::string path = path_in_example(key);
    CAPTURE(path);
    REQUIRE(settings.contains(path));
    CHECK(settings.at(path).value == to_toml(default_of(key)));
  }
  CHECK(settings.size() == keys().size());
}

TEST_CASE("the comment above a key in the example file begins with what the manual says of it") {
  const std::map<std::string, Setting> settings = settings_in_text();
  for (const Key& key : keys()) {
    const std::string path = path_in_example(key);
    REQUIRE(settings.contains(path));
    INFO(path, ": ", settings.at(path).comment);
    INFO("expected: ", std::string(key.description));
    CHECK(settings.at(path).comment.starts_with(key.description));
  }
}

TEST_CASE("the example file is the built-in defaults, key by key") {
  const Config example = load_example();
  const policy::HostSettings host = example.hosts.resolve("www.example.com", 80);
  for (const Key& key : keys()) {
    CAPTURE(path_in_example(key));
    const Value value = key.section == Section::Host ? read(host, key) : key.place.read(example);
    CHECK(to_toml(value) == to_toml(default_of(key)));
  }
}

TEST_CASE("a daemon behaves with the example file as it does without any") {
  const Config example = load_example();
  const Config built_in;
  CHECK(example.proxy == built_in.proxy);  // also what follows from a key being set at all
  CHECK(example.admin == built_in.admin);
  CHECK(example.log == built_in.log);
  CHECK(example.dns == built_in.dns);
  CHECK(example.intercept == built_in.intercept);
  CHECK(example.hosts.resolve("www.example.com", 8443) == policy::HostSettings{});
  REQUIRE(example.hosts.entries().size() == 1);
  CHECK(example.hosts.entries()[0].keys.size() == policy::host_keys().size());
  CHECK(advice(example).empty());
}

}  // namespace keepwarm::config
