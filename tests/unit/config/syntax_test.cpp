#include "config/syntax.h"

#include <doctest/doctest.h>

#include "config/load.h"

namespace keepwarm::config {
namespace {

/// What is said of a file that is no TOML, without the beginning that is always the same.
std::string syntax_problem_of(std::string_view text) {
  const auto result = parse_config(text, "k.toml");
  REQUIRE_FALSE(result.ok());
  REQUIRE(result.failure().size() == 1);
  const std::string& message = result.failure()[0].message;
  constexpr std::string_view kBegin = "not valid TOML: ";
  CHECK(message.starts_with(kBegin));
  return message.substr(kBegin.size());
}

}  // namespace

TEST_CASE("a table that is there twice is named as it stands there, with the line of the first") {
  CHECK(syntax_problem_of("[host.\"a.a.test\"]\nreuse = true\n  [host.\"a.a.test\"]  # again") ==
        "the table [host.\"a.a.test\"] is there already, in line 1; allowed: one table for each");
  CHECK(syntax_problem_of("[log]\n[proxy]\n[log]") ==
        "the table [log] is there already, in line 1; allowed: one table for each");
  CHECK(syntax_problem_of("[host.'a.b']\n[host.\"a.b\"]") ==
        "the table [host.\"a.b\"] is there already, in another notation; allowed: one table for each");
}

TEST_CASE("a word without quotes is named, whatever the parser took it for") {
  for (const std::string value : {"no", "yes", "on", "True", "info", "debug", "5s", "/var/log/x", "nope"}) {
    CAPTURE(value);
    CHECK(syntax_problem_of("[log]\nlevel = " + value + "  # no quotes\n") ==
          '"' + value + "\" without quotes is no value; allowed: true, false, numbers, and all else in quotes");
  }
  CHECK(syntax_problem_of("[host.\"*\"]\nparent = http://user:secret@proxy:1\n").starts_with("this without quotes"));
}

TEST_CASE("of anything else the parser's words are taken") {
  CHECK(syntax_problem_of("[log\nlevel = 1").starts_with("Error while parsing table header"));
  CHECK(syntax_problem_of("[proxy]\nvia = true\nvia = false").ends_with("cannot redefine existing boolean 'via'"));
  CHECK(syntax_problem_of("[proxy]\nvia too = false").starts_with("Error while parsing key-value pair"));
  CHECK(syntax_problem_of("[log]\nlevel =\n").starts_with("Error while parsing key-value pair"));
  CHECK(syntax_problem_of("[proxy]\nlisten = [127.0.0.1:80]")
            .ends_with("; durations, sizes, addresses and words stand in quotes"));
  CHECK(syntax_problem("", 7, "oops") == "oops");
  CHECK(syntax_problem("a = 1", 2, "oops") == "oops");
}

}  // namespace keepwarm::config
