#include <string>

#include <doctest/doctest.h>

#include "config/checks.h"
#include "config/load.h"

namespace keepwarm::config {
namespace {

/// The errors of `listen = VALUE`, one a line, without where they stand.
std::string listen_errors_of(const std::string& value) {
  const Result<Config, ConfigErrors> config = parse_config("[proxy]\nlisten = " + value, "k.toml");
  if (config) return {};
  std::string all;
  for (const ConfigError& error : config.failure()) all += error.message + '\n';
  return all;
}

std::string path_of_length(std::size_t bytes) {
  return '/' + std::string(bytes - 1, 'x');
}

constexpr const char* kAllowed = R"(; allowed: "ADDR:PORT", "[v6]:PORT" with port 0 to 65535, "unix:/PATH")";

TEST_CASE("a unix socket may be listened on, alone or beside addresses, without allow_clients") {
  CHECK(listen_errors_of(R"(["unix:/run/keepwarm/proxy.sock"])").empty());
  CHECK(listen_errors_of(R"(["127.0.0.1:0", "unix:/run/a b/ü:0", "[::1]:0"])").empty());
}

TEST_CASE("the path of a unix socket is absolute, short enough, and that of a file") {
  CHECK(listen_problem("unix:" + path_of_length(107)).empty());
  const std::string too_long = path_of_length(108);
  const std::string folder = ": the path is that of a folder";
  const std::string relative = ": the path is not absolute";
  struct Case {
    std::string text;
    std::string problem;
  };
  const Case cases[] = {
      {"unix:" + too_long, ": the path is 108 bytes long, and the kernel takes 107 at most"},
      {"unix:", relative},
      {"unix:x.sock", relative},
      {"unix:@x", relative},
      {"unix://", folder},
      {"unix:/run/", folder},
      {"unix:/run/.", folder},
      {"unix:/run/x/..", folder},
      {"unix:/run/a\tb", ": the path has control characters"},
      {"unix:/run/a\x7f", ": the path has control characters"},
      {std::string("unix:/run/a\0b", 13), ": the path has control characters"},
      {"unix", " is not an address and a port"},
      {"UNIX:/run/x", " is not an address and a port"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    CHECK(listen_problem(c.text).ends_with(c.problem + kAllowed));
  }
}

TEST_CASE("a unix socket stands there once, however its path is written") {
  CHECK(listen_errors_of(R"(["unix:/run/x", "unix:/run/y"])").empty());
  CHECK(listen_errors_of(R"(["unix:/run/x:0", "unix:/run/x:0"])") == "\"unix:/run/x:0\" stands there twice\n");
  CHECK(listen_errors_of(R"(["unix:/run/x", "unix:/run//a/.././x"])") == "\"unix:/run/x\" stands there twice\n");
}

}  // namespace
}  // namespace keepwarm::config
