#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <ostream>
#include <sstream>
#include <string>
#include <unistd.h>

#include <doctest/doctest.h>

#include "daemon/command/check.h"
#include "daemon/command/explain.h"
#include "daemon/config_source.h"

namespace keepwarm::daemon {
namespace {

/// A file that is gone with its object.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string_view text) {
    const int descriptor = mkstemp(path_.data());
    REQUIRE(descriptor >= 0);
    close(descriptor);
    std::ofstream(path_) << text;
  }
  ~TemporaryFile() { unlink(path_.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_ = (std::filesystem::temp_directory_path() / "keepwarm-test-XXXXXX").string();
};

struct Outcome {
  int code;
  std::string out;
  std::string err;
};

Outcome check(const std::string& file) {
  std::ostringstream out;
  std::ostringstream err;
  const int code =
      run_check({.command = Command::Check, .help_on = {}, .config_file = file, .listen = {}, .url = {}}, out, err);
  return {code, out.str(), err.str()};
}

Outcome explain(const std::string& url, const std::string& file) {
  std::ostringstream out;
  std::ostringstream err;
  const int code = run_explain(
      {.command = Command::Explain, .help_on = {}, .config_file = file, .listen = {}, .url = url}, out, err);
  return {code, out.str(), err.str()};
}

/// The line of a table that begins with `key`, with single spaces; "": there is none.
std::string row_of(const std::string& table, const std::string& key) {
  std::istringstream lines(table);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string word;
    if (!(words >> word) || word != key) continue;
    std::string row = word;
    while (words >> word) row += ' ' + word;
    return row;
  }
  return "";
}

}  // namespace

TEST_CASE("check says ok, and what the configuration is about") {
  const TemporaryFile file("[proxy]\nlisten = [\"127.0.0.1:1\", \"[::1]:2\"]\n[host.\"a\"]\n[host.\"b\"]\n");
  const Outcome outcome = check(file.path());
  CHECK(outcome.code == kDone);
  CHECK(outcome.out == file.path() + ": ok\nlistens on 127.0.0.1:1, [::1]:2; 2 host tables\n");
  CHECK(outcome.err == "");
}

TEST_CASE("check prints every error, and nothing else") {
  const TemporaryFile file("[proxy]\nvai = true\nmax_clients = 0\n");
  const Outcome outcome = check(file.path());
  CHECK(outcome.code == kInputWrong);
  CHECK(outcome.out == "");
  CHECK(outcome.err == file.path() + ":2:1: proxy.vai: unknown key; did you mean \"via\"?\n" + file.path() +
                           ":3:15: proxy.max_clients: 0 is out of range; allowed: 1 to 10000000\n");
}

TEST_CASE("check warns of what is allowed but likely a mistake") {
  const TemporaryFile file("[host.\"*\"]\nunsafe_reuse = \"always\"\n");
  const Outcome outcome = check(file.path());
  CHECK(outcome.code == kDone);
  CHECK(outcome.out.starts_with(file.path() + ": ok\n"));
  CHECK(outcome.err.starts_with(file.path() + ": warning: host.\"*\".unsafe_reuse: "));
}

TEST_CASE("a named file that is missing is an error") {
  const Outcome outcome = check("/nonexistent/keepwarm.toml");
  CHECK(outcome.code == kInputWrong);
  CHECK(outcome.err == "/nonexistent/keepwarm.toml: cannot be read: No such file or directory\n");
}

TEST_CASE("explain shows each setting with the table that it came from") {
  const TemporaryFile file(
      "[host.\"*\"]\nmax_idle = 3\n[host.\"*.internal.example\"]\nidle_timeout = \"10s\"\nmax_idle = 4\n"
      "[host.\"a.internal.example:8080\"]\nreuse = true\ntls.verify = false\n");
  const Outcome outcome = explain("http://A.internal.example.:8080/path?query", file.path());
  CHECK(outcome.code == kDone);
  CHECK(outcome.err == "");
  CHECK(outcome.out.starts_with("http://a.internal.example:8080  (" + file.path() + ")\n\n"));
  CHECK(row_of(outcome.out, "reuse") == "reuse true host.\"a.internal.example:8080\"");
  CHECK(row_of(outcome.out, "tls.verify") == "tls.verify false host.\"a.internal.example:8080\"");
  CHECK(row_of(outcome.out, "idle_timeout") == "idle_timeout \"10s\" host.\"*.internal.example\"");
  CHECK(row_of(outcome.out, "max_idle") == "max_idle 4 host.\"*.internal.example\"");
  CHECK(row_of(outcome.out, "max_connections") == "max_connections 64 default");
  CHECK(row_of(outcome.out, "queue_timeout") == "queue_timeout \"10s\" default");
  for (const policy::HostKey& key : policy::host_keys()) CHECK(row_of(outcome.out, std::string(key.name)) != "");
  const Outcome other = explain("b.internal.example", file.path());
  CHECK(other.out.starts_with("http://b.internal.example:80  "));
  CHECK(row_of(other.out, "reuse") == "reuse true default");
}

TEST_CASE("the sources in explain stand in one column") {
  const TemporaryFile file("[host.\"a\"]\nreuse = false\n");
  const Outcome outcome = explain("http://a/", file.path());
  const std::string& out = outcome.out;
  const auto column_of = [&](const std::string& key, const std::string& source) {
    const std::size_t line = out.find("\n  " + key + ' ');
    return out.find("  " + source + '\n', line) - line;
  };
  CHECK(column_of("reuse", "host.\"a\"") == column_of("idle_timeout", "default"));
  CHECK(column_of("reuse", "host.\"a\"") == column_of("tls.server_name", "default"));
}

TEST_CASE("explain says what is expected of the server, and from where that is known") {
  const TemporaryFile file(
      "[host.\"deaf\"]\nserver_hint = false\nidle_margin = \"4s\"\n[host.\"stubborn\"]\nlearn = false\n"
      "[host.\"fixed\"]\nserver_hint = false\nlearn = false\nassumed_idle_timeout = \"20s\"\n"
      "[host.\"short\"]\nidle_timeout = \"2s\"\n");
  struct Case {
    const char* host;
    const char* expected;
    const char* trusted;
  };
  const Case cases[] = {
      {"any",
       "  expected   closed by the server after the lesser of its Keep-Alive hint and what closes have taught (learn = "
       "true);\n             until then after 5s (assumed), or what three connections have outlived\n",
       "  trusted    until a margin before the hint, or what was learned, and then closed by keepwarm, which so closes "
       "first;\n             without that as long as any has survived before, at most 4s\n"},
      {"deaf",
       "  expected   closed by the server after what closes have taught (learn = true); hints are ignored\n"
       "             until then after 5s (assumed), or what three connections have outlived\n",
       "  trusted    until a margin before what was learned, and then closed by keepwarm, which so closes first;\n"
       "             without that as long as any has survived before, at most 2500ms\n"},
      {"stubborn",
       "  expected   closed by the server after its Keep-Alive hint; without one after 5s (assumed; learn = false)\n",
       "  trusted    until a margin before the hint, and then closed by keepwarm, which so closes first;\n"
       "             without that as long as any has survived before, at most 4s\n"},
      {"fixed", "  expected   closed by the server after 20s (assumed; hints are ignored, learn = false)\n",
       "  trusted    as long as any has survived before, at most 19s\n"},
      {"short", "  held       up to 64, each for 2s at most\n", "survived before, at most 2s\n"}};
  for (const Case& c : cases) {
    const std::string text = explain(c.host, file.path()).out;
    CAPTURE(text);
    CHECK(text.find(c.expected) != std::string::npos);
    CHECK(text.find(c.trusted) != std::string::npos);
  }
}

TEST_CASE("explain says what the settings mean for an idle connection") {
  const TemporaryFile file(
      "[host.\"never\"]\nreuse = false\n[host.\"deaf\"]\nunsafe_reuse = \"never\"\nidle_margin = \"4s\"\nretry = "
      "false\n[host.\"bold\"]\nunsafe_reuse = \"always\"\n");
  const auto has = [&](const std::string& url, const std::string& text) {
    CAPTURE(text);
    CHECK(explain(url, file.path()).out.find(text) != std::string::npos);
  };
  has("http://any/", "  held       up to 64, each for 60s at most\n");
  has("http://any/", "  margin     1s; more on a slow link, but no more than half of what is expected");
  has("http://any/", "once more on a fresh one\n");
  has("http://any/", "other requests (unsafe_reuse): a trusted one, or a fresh connection\n");
  has("http://never/", "  none: each request has a connection of its own (reuse = false)\n");
  has("http://deaf/", "  margin     4s;");
  has("http://deaf/", "502 (retry = false)\n");
  has("http://deaf/", "other requests (unsafe_reuse): none, always a fresh connection\n");
  has("http://bold/", "other requests (unsafe_reuse): any of them, at your risk\n");
  has("https://any:8443/", "\nCONNECT to this host\n\n  refused: proxy.connect_ports does not have 8443\n");
  has("https://any/", "\nCONNECT to this host\n\n  a tunnel: intercept = false\n");
  CHECK(explain("http://any/", file.path()).out.find("CONNECT") == std::string::npos);
}

TEST_CASE("explain refuses what is not a URL, without repeating a password") {
  const TemporaryFile file("");
  for (const char* url : {"http://", "ftp://a/", "http://a:99999/", "http://user:secret@a/", "a b", "/path"}) {
    const Outcome outcome = explain(url, file.path());
    CAPTURE(std::string(url));
    CHECK(outcome.code == kInputWrong);
    CHECK(outcome.out == "");
    CHECK(outcome.err.starts_with("keepwarm explain: not a URL to explain: "));
    CHECK(outcome.err.ends_with("; allowed: http://HOST[:PORT]/..., https://HOST[:PORT]/..., HOST[:PORT]\n"));
    CHECK(outcome.err.find("secret") == std::string::npos);
  }
}

TEST_CASE("explain refuses a wrong configuration as check does") {
  const TemporaryFile file("[dns]\nttl = \"x\"\n");
  const Outcome outcome = explain("http://a/", file.path());
  CHECK(outcome.code == kInputWrong);
  CHECK(outcome.out == "");
  CHECK(outcome.err == check(file.path()).err);
}

TEST_CASE("the default file is used if it is there, and need not be") {
  const TemporaryFile file("[proxy]\nvia = false\n");
  const CommandLine line;
  const auto from_file = load_config_for(line, file.path());
  REQUIRE(from_file.ok());
  CHECK(from_file->file == file.path());
  CHECK(from_file->config.proxy.via == policy::Via::Omit);

  const auto without = load_config_for(line, "/nonexistent/keepwarm.toml");
  REQUIRE(without.ok());
  CHECK(without->file == "");
  CHECK(without->config.proxy == policy::ProxySettings{});
}

TEST_CASE("--config and --listen win over the default file") {
  const TemporaryFile file("[proxy]\nvia = false\n");
  const TemporaryFile default_file("nonsense");
  CommandLine line;
  line.config_file = file.path();
  line.listen = {"127.0.0.1:0"};
  const auto loaded = load_config_for(line, default_file.path());
  REQUIRE(loaded.ok());
  CHECK(loaded->config.proxy.via == policy::Via::Omit);
  CHECK(loaded->config.proxy.listen == std::vector{ListenAddress::parse("127.0.0.1:0").value()});
  CHECK_FALSE(loaded->config.proxy.listen_is_default);

  line.listen = {"0.0.0.0:0"};
  const auto refused = load_config_for(line, default_file.path());
  REQUIRE_FALSE(refused.ok());
  REQUIRE(refused.failure().size() == 1);
  CHECK(to_text(refused.failure()[0]).starts_with("command line: --listen: \"0.0.0.0:0\" is not a loopback address; "));
}

}  // namespace keepwarm::daemon
