#include "daemon/ca/store_plan.h"

#include <map>
#include <ostream>
#include <set>
#include <string>

#include <doctest/doctest.h>

namespace keepwarm::daemon {
namespace {

/// A machine that is made up.
struct MadeUp {
  std::set<std::string> files;
  std::set<std::string> programs;
  std::map<std::string, std::vector<std::string>> folders;
  std::map<std::string, std::string> links;
  std::map<std::string, std::string> variables;

  [[nodiscard]] Machine machine() const {
    return {
        .has = [this](const std::string& path) { return files.contains(path) || folders.contains(path); },
        .names_in =
            [this](const std::string& folder) {
              const auto found = folders.find(folder);
              return found == folders.end() ? std::vector<std::string>() : found->second;
            },
        .program = [this](const std::string& name) { return programs.contains(name) ? "/bin/" + name : std::string(); },
        .real_path =
            [this](const std::string& path) {
              const auto found = links.find(path);
              return found == links.end() ? path : found->second;
            },
        .variable =
            [this](const char* name) {
              const auto found = variables.find(name);
              return found == variables.end() ? std::string() : found->second;
            }};
  }
};

const std::vector<StoredRoot> kRoots = {{"A1B2", "PEM 1", "/p/root.crt"}, {"00FF", "PEM 2", "/p/2/root.crt"}};

/// One line for each step.
std::string told(const std::vector<StorePlan>& plans) {
  std::string text;
  for (const StorePlan& plan : plans) {
    if (!plan.note.empty()) text += plan.store + ": " + plan.note + '\n';
    if (!plan.problem.empty()) text += plan.store + "! " + plan.problem + '\n';
    for (const StoreStep& step : plan.steps) {
      if (step.kind == StoreStep::Kind::Write) text += "write " + step.path + " " + step.text;
      if (step.kind == StoreStep::Kind::Remove) text += "remove " + step.path;
      for (const std::string& word : step.command) text += &word == &step.command.front() ? word : ' ' + word;
      text += step.may_fail ? " ?\n" : "\n";
    }
  }
  return text;
}

}  // namespace

TEST_CASE("each distribution's store is filled, and emptied, by its own tool") {
  struct Case {
    const char* name;
    std::string folder;
    std::string program;
    std::string after_removal;
  };
  const Case cases[] = {
      {"Debian", "/usr/local/share/ca-certificates", "update-ca-certificates", " --fresh"},
      {"Fedora", "/etc/pki/ca-trust/source/anchors", "update-ca-trust", ""},
      {"SUSE", "/etc/pki/trust/anchors", "update-ca-certificates", ""},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    MadeUp made;
    made.folders[c.folder] = {"keepwarm-00FF.crt", "keepwarm-9999.crt", "others.crt"};
    made.programs = {c.program, "trust"};
    CHECK(told(plans_to_install(CaStore::System, kRoots, made.machine())) ==
          "write " + c.folder + "/keepwarm-A1B2.crt PEM 1\nwrite " + c.folder + "/keepwarm-00FF.crt PEM 2\n/bin/" +
              c.program + '\n');
    CHECK(told(plans_to_uninstall(CaStore::System, kRoots, made.machine())) ==
          "remove " + c.folder + "/keepwarm-00FF.crt\nremove " + c.folder + "/keepwarm-9999.crt\n/bin/" + c.program +
              c.after_removal + '\n');
    made.folders[c.folder] = {"others.crt"};
    CHECK(told(plans_to_uninstall(CaStore::System, kRoots, made.machine())) ==
          "system: nothing of ours is in " + c.folder + '\n');
  }
}

TEST_CASE("Debian's store for Java forgets ours, too") {
  MadeUp made;
  made.folders["/usr/local/share/ca-certificates"] = {"keepwarm-A1B2.crt"};
  made.programs = {"update-ca-certificates", "keytool"};
  made.files = {"/etc/ssl/certs/java/cacerts"};
  CHECK(
      told(plans_to_uninstall(CaStore::System, kRoots, made.machine())) ==
      "remove /usr/local/share/ca-certificates/keepwarm-A1B2.crt\n/bin/update-ca-certificates --fresh\n"
      "/bin/keytool -delete -alias debian:keepwarm-A1B2.pem -keystore /etc/ssl/certs/java/cacerts -storepass changeit "
      "?\n");
}

TEST_CASE("where there is no folder of anchors, trust(1) does it") {
  MadeUp made;
  made.programs = {"trust"};
  CHECK(told(plans_to_install(CaStore::System, kRoots, made.machine())) ==
        "/bin/trust anchor --store /p/root.crt\n/bin/trust anchor --store /p/2/root.crt\n");
  CHECK(told(plans_to_uninstall(CaStore::System, kRoots, made.machine())) ==
        "/bin/trust anchor --remove /p/root.crt\n/bin/trust anchor --remove /p/2/root.crt\n");
  made.programs.clear();
  CHECK(told(plans_to_install(CaStore::System, kRoots, made.machine())).starts_with("system! this system has none"));
  CHECK(told(plans_to_uninstall(CaStore::System, kRoots, made.machine())).starts_with("system! this system has none"));
}

TEST_CASE("NSS has a database for Chrome, and one in each profile of Firefox") {
  MadeUp made;
  made.variables["HOME"] = "/home/u";
  CHECK(told(plans_to_install(CaStore::Nss, kRoots, made.machine())).starts_with("nss: there are no databases"));
  made.files = {"/home/u/.pki/nssdb/cert9.db", "/home/u/.mozilla/firefox/x.default/cert9.db"};
  made.folders["/home/u/.mozilla/firefox"] = {"profiles.ini", "x.default"};
  CHECK(told(plans_to_install(CaStore::Nss, kRoots, made.machine())).starts_with("nss! certutil is missing"));
  made.programs = {"certutil"};
  const std::vector<StoredRoot> one = {kRoots[0]};
  CHECK(told(plans_to_install(CaStore::Nss, one, made.machine())) ==
        "/bin/certutil -A -d sql:/home/u/.pki/nssdb -n keepwarm local CA A1B2 -t C,, -i /p/root.crt\n"
        "/bin/certutil -A -d sql:/home/u/.mozilla/firefox/x.default -n keepwarm local CA A1B2 -t C,, -i /p/root.crt\n");
  CHECK(told(plans_to_uninstall(CaStore::Nss, one, made.machine())) ==
        "/bin/certutil -D -d sql:/home/u/.pki/nssdb -n keepwarm local CA A1B2 ?\n"
        "/bin/certutil -D -d sql:/home/u/.mozilla/firefox/x.default -n keepwarm local CA A1B2 ?\n");
}

TEST_CASE("Java's store is changed only where it is its own") {
  MadeUp made;
  CHECK(told(plans_to_install(CaStore::Java, kRoots, made.machine())) ==
        "java: there is no Java by JAVA_HOME or PATH\n");
  made.programs = {"java", "keytool"};
  made.links["/bin/java"] = "/opt/jdk/bin/java";
  const std::string store = "/opt/jdk/lib/security/cacerts";
  made.files = {store};
  const std::vector<StoredRoot> one = {kRoots[0]};
  const std::string removal =
      "/bin/keytool -delete -alias keepwarm-A1B2 -keystore " + store + " -storepass changeit ?\n";
  CHECK(told(plans_to_install(CaStore::Java, one, made.machine())) ==
        removal + "/bin/keytool -importcert -noprompt -alias keepwarm-A1B2 -file /p/root.crt -keystore " + store +
            " -storepass changeit\n");
  CHECK(told(plans_to_uninstall(CaStore::Java, one, made.machine())) == removal);
  made.links[store] = "/etc/ssl/certs/java/cacerts";
  CHECK(told(plans_to_install(CaStore::Java, one, made.machine())) ==
        "java: " + store + " is the system's store (/etc/ssl/certs/java/cacerts): see --store system\n");
  made.variables["JAVA_HOME"] = "/opt/old";
  made.files.insert("/opt/old/jre/lib/security/cacerts");
  made.programs.erase("keytool");
  CHECK(told(plans_to_install(CaStore::Java, one, made.machine())).starts_with("java! keytool is missing"));
}

TEST_CASE("all stores are each by itself") {
  const MadeUp nothing;
  const std::vector<StorePlan> plans = plans_to_install(CaStore::All, kRoots, nothing.machine());
  REQUIRE(plans.size() == 3);
  CHECK(plans[0].store == "system");
  CHECK(plans[1].store == "nss");
  CHECK(plans[2].store == "java");
}

}  // namespace keepwarm::daemon
