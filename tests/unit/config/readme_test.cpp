#include <fstream>
#include <iterator>
#include <string>

#include <doctest/doctest.h>

#include "config/keys.h"

namespace keepwarm::config {
namespace {

/// The first two cells of a key's row; what follows them is free.
std::string row_start(const Key& key) {
  return "| `" + std::string(key.name) + "` | `" + to_toml(default_of(key)) + "` |";
}

std::string row_end(const Key& key) {
  const std::string allowed = allowed_of(key);
  return ' ' + std::string(key.sentence) + " | " + allowed + (allowed.empty() ? "|" : " |");
}

}  // namespace

TEST_CASE("the manual has a row for every key, with its default") {
  std::ifstream file(KEEPWARM_SOURCE_DIR "/packaging/doc/settings.md");
  const std::string manual{std::istreambuf_iterator<char>(file), {}};
  for (const Key& key : keys()) {
    INFO("the row that belongs there: ", row_start(key) + row_end(key));
    CHECK(manual.find('\n' + row_start(key)) != std::string::npos);
  }
}

}  // namespace keepwarm::config
