#include "config/credentials.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

#include "config/keys.h"
#include "config/load.h"
#include "config/review.h"

namespace keepwarm::config {
namespace {

/// What systemd makes of LoadCredential=, for as long as the object lives.
class CredentialFolder {
 public:
  CredentialFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "keepwarm-credentials-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~CredentialFolder() { std::filesystem::remove_all(path_); }
  CredentialFolder(const CredentialFolder&) = delete;
  CredentialFolder& operator=(const CredentialFolder&) = delete;

  void hold(const std::string& name, std::string_view content) const { std::ofstream(path_ / name) << content; }
  [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }
  [[nodiscard]] Credentials credentials() const { return {.folder = path_.string(), .needed = true}; }

 private:
  std::filesystem::path path_;
};

const Credentials kNeeded{.folder = {}, .needed = true};

policy::HostSettings settings_of(std::string_view text, const Credentials& credentials) {
  const Result<Config, ConfigErrors> config = parse_config(text, "k.toml", nullptr, credentials);
  if (!config) MESSAGE(to_text(config.failure()[0]));
  REQUIRE(config.ok());
  return config->hosts.resolve("a", 80);
}

std::string problem_of(std::string_view text, const Credentials& credentials) {
  const Result<Config, ConfigErrors> config = parse_config(text, "k.toml", nullptr, credentials);
  if (config) return "";
  REQUIRE(config.failure().size() == 1);
  return to_text(config.failure()[0]);
}

std::string parent(std::string_view value) {
  return "[host.\"*\"]\nparent = \"" + std::string(value) + "\"\n";
}

constexpr std::string_view kFiles =
    "[host.\"*\".tls]\nca_file = \"credential:ca\"\nclient_certificate = \"credential:c.pem\"\n"
    "client_key = \"credential:k.pem\"\n";

}  // namespace

TEST_CASE("where a file is named a credential is the file in the folder") {
  const CredentialFolder folder;
  for (const char* const name : {"ca", "c.pem", "k.pem"}) folder.hold(name, "anything");
  const policy::HostSettings settings = settings_of(kFiles, folder.credentials());
  CHECK(settings.tls_ca_file == folder.file("ca"));
  CHECK(settings.tls_client_certificate == folder.file("c.pem"));
  CHECK(settings.tls_client_key == folder.file("k.pem"));
  CHECK(unread_credentials(settings).empty());
}

TEST_CASE("of a parent the credential holds the URL, with or without an end of the line") {
  const CredentialFolder folder;
  for (const char* const end : {"", "\n", "\r\n"}) {
    folder.hold("proxy", std::string("http://me:s%40cret@proxy.corp:3128") + end);
    const policy::HostSettings settings = settings_of(parent("credential:proxy"), folder.credentials());
    REQUIRE(settings.parent);
    CHECK(settings.parent->host == "proxy.corp");
    CHECK(settings.parent->port == 3128);
    CHECK(settings.parent->credentials == "me:s@cret");
    CHECK(to_toml(settings.parent) == "\"credential:proxy\"");
  }
}

TEST_CASE("another content is another parent") {
  const CredentialFolder folder;
  const auto now = [&](std::string_view url) {
    folder.hold("proxy", url);
    return settings_of(parent("credential:proxy"), folder.credentials());
  };
  const policy::HostSettings before = now("http://me:one@p:1");
  CHECK(before == now("http://me:one@p:1\n"));
  CHECK_FALSE(before == now("http://me:two@p:1"));
}

TEST_CASE("a credential that is not there is an error that names the line of the unit") {
  const CredentialFolder folder;
  const std::string remedy = "; allowed: a name that the unit of the service has, as in LoadCredential=p:/PATH";
  CHECK(problem_of(parent("credential:p"), folder.credentials()) ==
        "k.toml:2:10: host.\"*\".parent: there is no credential \"p\" (No such file or directory)" + remedy);
  CHECK(problem_of("[host.\"*\".tls]\nca_file = \"credential:p\"", folder.credentials()) ==
        "k.toml:2:11: host.\"*\".tls.ca_file: there is no credential \"p\" (No such file or directory)" + remedy);
  for (const std::string& text :
       {parent("credential:p"), std::string("[host.\"*\".tls]\n\nca_file = \"credential:p\"")}) {
    const std::string problem = problem_of(text, kNeeded);
    CHECK(problem.ends_with(": \"credential:p\" is looked for in $CREDENTIALS_DIRECTORY, which is not set" + remedy));
  }
}

TEST_CASE("what a credential holds is in no message") {
  const CredentialFolder folder;
  for (const char* const url :
       {"", "\n", "secret", "me:secret@p:1", "https://me:secret@p:1", "http://me:secret@p:1/path",
        "http://me:secret@p:1\nhttp://me:secret@p:2", "http://me:sec%ret@p:1"}) {
    CAPTURE(url);
    folder.hold("proxy", url);
    CHECK(problem_of(parent("credential:proxy"), folder.credentials()) ==
          "k.toml:2:10: host.\"*\".parent: credential \"proxy\" holds no proxy's URL; allowed: \"http://HOST:PORT\" or "
          "\"http://USER:PASSWORD@HOST:PORT\" in one line, special characters as %40");
  }
}

TEST_CASE("the name of a credential is that of a file in the folder, and leads nowhere else") {
  const CredentialFolder folder;
  folder.hold("...", "http://p:1");
  const std::string longest(255, 'n');
  folder.hold(longest, "http://p:1");
  for (const std::string& name : {std::string("..."), longest}) {
    CHECK(problem_of(parent("credential:" + name), folder.credentials()) == "");
  }
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string("../x"), std::string("/x"), std::string("a:b"),
        longest + 'n', std::string("a\\u0000b"), std::string("a\\nb")}) {
    CAPTURE(name);
    const std::string text = "\"credential:" + (name == "a\\nb" ? "a\\u000Ab" : name) +
                             "\" names no credential; allowed: "
                             "\"credential:NAME\", with a file's name without \"/\" and \":\"";
    for (const Credentials& credentials : {folder.credentials(), kNeeded, Credentials{}}) {
      CHECK(problem_of(parent("credential:" + name), credentials) == "k.toml:2:10: host.\"*\".parent: " + text);
      CHECK(problem_of("[host.\"*\".tls]\nclient_key = \"credential:" + name + '"', credentials).ends_with(text));
    }
  }
}

TEST_CASE("who only looks at a configuration keeps the values as they are written, and is told") {
  const std::string text = parent("credential:proxy") + std::string(kFiles);
  const policy::HostSettings settings = settings_of(text, {});
  CHECK(to_toml(settings.parent) == "\"credential:proxy\"");
  CHECK(settings.tls_client_key == "credential:k.pem");
  CHECK(unread_credentials(settings) ==
        std::vector<std::string_view>{"parent", "tls.ca_file", "tls.client_certificate", "tls.client_key"});
  std::string keys;
  for (const Finding& finding : advice(*parse_config(text, "k.toml"))) {
    CHECK(finding.message.find("$CREDENTIALS_DIRECTORY is not set") != std::string::npos);
    keys += finding.key + '\n';
  }
  CHECK(keys ==
        "host.\"*\".parent\nhost.\"*\".tls.ca_file\nhost.\"*\".tls.client_certificate\nhost.\"*\".tls.client_key\n");
}

TEST_CASE("a key outside the host tables may be a credential, too") {
  const CredentialFolder folder;
  folder.hold("ca.key", "x");
  const std::string text = "[intercept]\nkey = \"credential:ca.key\"";
  const auto read_as = [&](const Credentials& credentials) {
    return parse_config(text, "k.toml", nullptr, credentials);
  };
  CHECK(read_as(folder.credentials())->intercept.key == folder.credentials().folder + "/ca.key");
  CHECK(unread_credentials(*read_as(folder.credentials())).empty());
  const auto unread = read_as({});
  CHECK(unread->intercept.key == "credential:ca.key");
  CHECK(unread_credentials(*unread) == std::vector<std::string>{"intercept.key"});
  REQUIRE(advice(*unread).size() == 1);
  CHECK(advice(*unread)[0].key == "intercept.key");
}

TEST_CASE("only files and parents may be credentials") {
  const CredentialFolder folder;
  folder.hold("x", "http://p:1");
  CHECK(problem_of("[host.\"*\"]\nconnect_to = \"credential:x\"", folder.credentials()) != "");
  CHECK(settings_of("[host.\"*\".tls]\nserver_name = \"credential:x\"", folder.credentials()).tls_server_name ==
        "credential:x");
  for (const Key& key : keys()) {
    if (!key.rule.credential) continue;
    CAPTURE(key.name);
    CHECK((key.section == Section::Host || key.section == Section::Intercept));
    CHECK(key.description.find("credential:NAME") != std::string_view::npos);
  }
}

TEST_CASE("the environment says where credentials are") {
  const char* const given = std::getenv("CREDENTIALS_DIRECTORY");
  const std::string before = given == nullptr ? "" : given;
  REQUIRE(::setenv("CREDENTIALS_DIRECTORY", "/run/credentials/k.service", 1) == 0);
  CHECK(Credentials::of_environment(true).folder == "/run/credentials/k.service");
  CHECK(Credentials::of_environment(true).needed);
  REQUIRE(::unsetenv("CREDENTIALS_DIRECTORY") == 0);
  CHECK(Credentials::of_environment(false).folder == "");
  CHECK_FALSE(Credentials::of_environment(false).needed);
  if (given != nullptr) ::setenv("CREDENTIALS_DIRECTORY", before.c_str(), 1);
}

}  // namespace keepwarm::config
