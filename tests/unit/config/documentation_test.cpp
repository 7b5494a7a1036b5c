#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <ostream>
#include <regex>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "config/keys.h"
#include "config/load.h"

/// What README.md and packaging/doc say of the configuration is so. keepwarm.toml(5) needs no such test: it is
/// generated.
namespace keepwarm::config {
namespace {

namespace fs = std::filesystem;

struct Document {
  std::string name;
  std::string text;
};

std::vector<Document> documents() {
  std::vector<fs::path> files = {fs::path(KEEPWARM_SOURCE_DIR) / "README.md"};
  for (const auto& entry : fs::directory_iterator(fs::path(KEEPWARM_SOURCE_DIR) / "packaging/doc")) {
    if (entry.path().extension() == ".md") files.push_back(entry.path());
  }
  std::vector<Document> all;
  for (const fs::path& file : files) {
    std::ifstream stream(file);
    all.push_back({file.filename().string(), std::string(std::istreambuf_iterator<char>(stream), {})});
  }
  return all;
}

std::vector<std::smatch> matches(const std::string& text, const std::string& pattern) {
  const std::regex regex(pattern);
  return {std::sregex_iterator(text.begin(), text.end(), regex), std::sregex_iterator()};
}

/// What stands between ```toml and ```.
std::vector<std::string> toml_blocks(const std::string& text) {
  constexpr std::string_view kBegin = "```toml\n";
  std::vector<std::string> blocks;
  for (std::size_t at = text.find(kBegin); at != std::string::npos; at = text.find(kBegin, at)) {
    at += kBegin.size();
    const std::size_t end = text.find("```", at);
    blocks.push_back(text.substr(at, end - at));
    at = end;
  }
  return blocks;
}

/// Whether some section has that key, and, where a default is given, with that default.
bool is_key(const std::string& name, const std::string& default_text = {}) {
  return std::any_of(keys().begin(), keys().end(), [&](const Key& key) {
    return (key.name == name || key.name == "tls." + name) &&
           (default_text.empty() || to_toml(default_of(key)) == default_text);
  });
}

}  // namespace

TEST_CASE("every example of a configuration in the documentation is a right one") {
  std::size_t count = 0;
  for (const Document& document : documents()) {
    for (const std::string& block : toml_blocks(document.text)) {
      ++count;
      const Result<Config, ConfigErrors> config = parse_config(block, document.name);
      INFO(block, config.ok() ? std::string() : to_text(config.failure().front()));
      CHECK(config.ok());
    }
  }
  CHECK(count >= 3);
}

TEST_CASE("a key with a value that the documentation names exists") {
  std::size_t count = 0;
  for (const Document& document : documents()) {
    for (const std::smatch& setting : matches(document.text, "`([a-z_.]+) = [^`\n]+`")) {
      ++count;
      INFO(document.name, ": ", setting.str());
      CHECK(is_key(setting[1].str()));
    }
  }
  CHECK(count >= 10);
}

TEST_CASE("a default in a table of the documentation is the default") {
  for (const Document& document : documents()) {
    for (const std::smatch& row : matches(document.text, "\n\\| `([a-z_.]+)` \\| `([^`]*)` \\|")) {
      const bool is_about_keys = document.text.find("| key | default |") != std::string::npos;
      if (!is_about_keys) continue;
      INFO(document.name, ": ", row.str());
      CHECK(is_key(row[1].str(), row[2].str()));
    }
  }
}

}  // namespace keepwarm::config
