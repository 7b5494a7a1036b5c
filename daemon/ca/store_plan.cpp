#include "daemon/ca/store_plan.h"

#include <array>
#include <string_view>

namespace keepwarm::daemon {
namespace {

using Roots = std::vector<StoredRoot>;
using StepKind = StoreStep::Kind;

/// A folder of files, and the program that makes a store of them.
struct AnchorFolder {
  const char* folder;
  const char* program;
  const char* after_removal;  ///< an option for it; nullptr: none
};
constexpr auto kAnchorFolders = std::to_array<AnchorFolder>({
    {"/usr/local/share/ca-certificates", "update-ca-certificates", "--fresh"},  // Debian, Ubuntu, Alpine
    {"/etc/pki/ca-trust/source/anchors", "update-ca-trust", nullptr},           // Fedora, RHEL
    {"/etc/pki/trust/anchors", "update-ca-certificates", nullptr},              // SUSE
});

std::string file_name(const std::string& name) {
  return "keepwarm-" + name + ".crt";
}

bool is_ours(std::string_view file) {
  return file.starts_with("keepwarm-") && file.ends_with(".crt");
}

StoreStep run(std::vector<std::string> command, bool may_fail = false) {
  return {.kind = StepKind::Run, .command = std::move(command), .may_fail = may_fail};
}

StorePlan without(const char* store, std::string problem) {
  return {.store = store, .problem = std::move(problem)};
}

/// The first whose folder and program are there.
const AnchorFolder* anchors_of(const Machine& machine) {
  for (const AnchorFolder& each : kAnchorFolders) {
    if (machine.has(each.folder) && !machine.program(each.program).empty()) return &each;
  }
  return nullptr;
}

/// Debian keeps a store for Java beside its own, and forgets to take out of it what was made anew (--fresh) without a
/// certificate that was there.
void take_from_javas_copy(StorePlan& plan, const std::string& file, const Machine& machine) {
  const std::string copy = "/etc/ssl/certs/java/cacerts";
  const std::string keytool = machine.program("keytool");
  if (!machine.has(copy) || keytool.empty()) return;
  const std::string alias = "debian:" + file.substr(0, file.size() - std::string_view(".crt").size()) + ".pem";
  plan.steps.push_back(run({keytool, "-delete", "-alias", alias, "-keystore", copy, "-storepass", "changeit"}, true));
}

constexpr const char* kNoSystemStore =
    "this system has none of the stores that are known: those of Debian, Ubuntu, Alpine, Fedora, RHEL, SUSE and Arch";

StorePlan install_in_system(const Roots& roots, const Machine& machine) {
  StorePlan plan{.store = "system"};
  if (const AnchorFolder* anchors = anchors_of(machine)) {
    for (const StoredRoot& root : roots) {
      plan.steps.push_back(
          {.kind = StepKind::Write, .path = anchors->folder + ('/' + file_name(root.name)), .text = root.pem});
    }
    plan.steps.push_back(run({machine.program(anchors->program)}));
    return plan;
  }
  const std::string trust = machine.program("trust");
  if (trust.empty()) return without("system", kNoSystemStore);
  for (const StoredRoot& root : roots) plan.steps.push_back(run({trust, "anchor", "--store", root.file}));
  return plan;
}

StorePlan uninstall_from_system(const Roots& roots, const Machine& machine) {
  StorePlan plan{.store = "system"};
  if (const AnchorFolder* anchors = anchors_of(machine)) {
    for (const std::string& name : machine.names_in(anchors->folder)) {
      if (is_ours(name)) plan.steps.push_back({.kind = StepKind::Remove, .path = anchors->folder + ('/' + name)});
    }
    if (plan.steps.empty()) {
      plan.note = std::string("nothing of ours is in ") + anchors->folder;
      return plan;
    }
    std::vector<std::string> command = {machine.program(anchors->program)};
    if (anchors->after_removal != nullptr) command.emplace_back(anchors->after_removal);
    plan.steps.push_back(run(std::move(command)));
    for (const std::string& name : machine.names_in(anchors->folder)) {
      if (is_ours(name)) take_from_javas_copy(plan, name, machine);
    }
    return plan;
  }
  const std::string trust = machine.program("trust");
  if (trust.empty()) return without("system", kNoSystemStore);
  for (const StoredRoot& root : roots) plan.steps.push_back(run({trust, "anchor", "--remove", root.file}));
  return plan;
}

std::vector<std::string> nss_databases(const Machine& machine) {
  const std::string home = machine.variable("HOME");
  std::vector<std::string> found;
  const auto add = [&](const std::string& folder) {
    if (machine.has(folder + "/cert9.db")) found.push_back(folder);
  };
  add(home + "/.pki/nssdb");
  for (const std::string& profiles : {home + "/.mozilla/firefox", home + "/snap/firefox/common/.mozilla/firefox"}) {
    for (const std::string& name : machine.names_in(profiles)) add(std::string(profiles).append(1, '/').append(name));
  }
  return found;
}

StorePlan plan_for_nss(const Roots& roots, const Machine& machine, bool install) {
  StorePlan plan{.store = "nss"};
  const std::vector<std::string> databases = nss_databases(machine);
  if (databases.empty()) plan.note = "there are no databases in ~/.pki/nssdb or in profiles of Firefox";
  const std::string certutil = machine.program("certutil");
  if (databases.empty()) return plan;
  if (certutil.empty()) return without("nss", "certutil is missing (Debian: libnss3-tools, Fedora: nss-tools)");
  for (const std::string& folder : databases) {
    for (const StoredRoot& root : roots) {
      const std::string name = "keepwarm local CA " + root.name;
      plan.steps.push_back(install
                               ? run({certutil, "-A", "-d", "sql:" + folder, "-n", name, "-t", "C,,", "-i", root.file})
                               : run({certutil, "-D", "-d", "sql:" + folder, "-n", name}, /*may_fail=*/true));
    }
  }
  return plan;
}

/// The store of the Java that $JAVA_HOME or $PATH finds; "": there is none.
std::string java_store(const Machine& machine) {
  std::string home = machine.variable("JAVA_HOME");
  if (home.empty()) {
    const std::string java = machine.program("java");
    const std::string real = java.empty() ? std::string() : machine.real_path(java);
    const std::size_t end = real.rfind("/bin/");
    if (end != std::string::npos) home = real.substr(0, end);
  }
  for (const char* place : {"/lib/security/cacerts", "/jre/lib/security/cacerts"}) {
    if (!home.empty() && machine.has(home + place)) return home + place;
  }
  return {};
}

StorePlan plan_for_java(const Roots& roots, const Machine& machine, bool install) {
  StorePlan plan{.store = "java"};
  const std::string store = java_store(machine);
  if (store.empty()) {
    plan.note = "there is no Java by JAVA_HOME or PATH";
    return plan;
  }
  const std::string real = machine.real_path(store);
  if (real.starts_with("/etc/ssl/") || real.starts_with("/etc/pki/")) {
    plan.note = store + " is the system's store (" + real + "): see --store system";
    return plan;
  }
  const std::string keytool = machine.program("keytool");
  if (keytool.empty()) return without("java", "keytool is missing, which is a part of Java");
  for (const StoredRoot& root : roots) {
    const std::string alias = "keepwarm-" + root.name;
    // What is there already would be refused.
    plan.steps.push_back(
        run({keytool, "-delete", "-alias", alias, "-keystore", store, "-storepass", "changeit"}, true));
    if (!install) continue;
    plan.steps.push_back(run({keytool, "-importcert", "-noprompt", "-alias", alias, "-file", root.file, "-keystore",
                              store, "-storepass", "changeit"}));
  }
  return plan;
}

bool is_meant(CaStore store, CaStore one) {
  return store == one || store == CaStore::All;
}

}  // namespace

std::vector<StorePlan> plans_to_install(CaStore store, const Roots& roots, const Machine& machine) {
  std::vector<StorePlan> plans;
  if (is_meant(store, CaStore::System)) plans.push_back(install_in_system(roots, machine));
  if (is_meant(store, CaStore::Nss)) plans.push_back(plan_for_nss(roots, machine, true));
  if (is_meant(store, CaStore::Java)) plans.push_back(plan_for_java(roots, machine, true));
  return plans;
}

std::vector<StorePlan> plans_to_uninstall(CaStore store, const Roots& roots, const Machine& machine) {
  std::vector<StorePlan> plans;
  if (is_meant(store, CaStore::System)) plans.push_back(uninstall_from_system(roots, machine));
  if (is_meant(store, CaStore::Nss)) plans.push_back(plan_for_nss(roots, machine, false));
  if (is_meant(store, CaStore::Java)) plans.push_back(plan_for_java(roots, machine, false));
  return plans;
}

}  // namespace keepwarm::daemon
