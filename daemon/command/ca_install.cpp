#include "daemon/command/ca_install.h"

#include <chrono>
#include <ostream>

#include "core/net/tls/local_ca.h"
#include "daemon/ca/ca_command.h"
#include "daemon/ca/ca_place.h"
#include "daemon/ca/child.h"
#include "daemon/ca/new_file.h"
#include "daemon/ca/store_plan.h"

namespace keepwarm::daemon {
namespace {

using StepKind = StoreStep::Kind;

/// As a shell would have it.
std::string shown(const std::vector<std::string>& command) {
  std::string text;
  for (const std::string& word : command) {
    const bool is_plain = word.find_first_of(" ,'\"$\\") == std::string::npos && !word.empty();
    if (!text.empty()) text += ' ';
    text += is_plain ? word : '\'' + word + '\'';
  }
  return text;
}

std::string shown(const StoreStep& step) {
  switch (step.kind) {
    case StepKind::Write: return "write " + step.path;
    case StepKind::Remove: return "remove " + step.path;
    case StepKind::Run: return "run " + shown(step.command);
  }
  return {};
}

std::string take(const StoreStep& step) {
  switch (step.kind) {
    case StepKind::Write: return write_new_file(step.path, step.text, 0644);
    case StepKind::Remove: return remove_file(step.path);
    case StepKind::Run: break;
  }
  const int code = run_to_end(step.command);
  if (code == 0 || step.may_fail) return {};
  return step.command.front() + " ended with " + std::to_string(code);
}

/// Whether the store is as it should be.
bool carry_out(const StorePlan& plan, bool dry_run, const char* command, std::ostream& out, std::ostream& err) {
  if (!plan.note.empty()) out << plan.store << ": " << plan.note << '\n';
  std::string problem = plan.problem;
  for (const StoreStep& step : plan.steps) {
    if (!problem.empty()) break;
    out << plan.store << ": " << (dry_run ? "would " : "") << shown(step) << '\n' << std::flush;
    if (!dry_run) problem = take(step);
  }
  if (problem.empty()) return true;
  fail(command, plan.store + ": " + problem, err);
  return false;
}

std::vector<StoredRoot> roots_of(const CaPlace& place, const net::CaCertificatesRead& read, bool expired_too) {
  std::vector<StoredRoot> roots;
  for (const net::CaCertificates& each : read.found) {
    if (!expired_too && each.facts.not_after <= std::chrono::system_clock::now()) continue;
    roots.push_back(
        {each.facts.name, each.root_pem, net::generation_folder(place.public_folder, each.facts.number) + "/root.crt"});
  }
  return roots;
}

int carry_out_all(const std::vector<StorePlan>& plans, const CommandLine& line, const char* command, std::ostream& out,
                  std::ostream& err) {
  bool good = true;
  for (const StorePlan& plan : plans) good = carry_out(plan, line.ca.dry_run, command, out, err) && good;
  return good ? kDone : kInputWrong;
}

}  // namespace

int run_ca_install(const CommandLine& line, std::ostream& out, std::ostream& err) {
  constexpr const char* kName = "ca install";
  const std::optional<config::Config> config = config_for_ca(line, err);
  if (!config) return kInputWrong;
  const CaPlace place = ca_place_to_use(*config);
  const auto certificates = certificates_in(place.folder, kName, err);
  if (!certificates) return kInputWrong;
  const std::vector<StoredRoot> roots = roots_of(place, *certificates, /*expired_too=*/false);
  if (roots.empty()) return fail(kName, "the local CA has expired: keepwarm ca create", err);
  return carry_out_all(plans_to_install(line.ca.store, roots, Machine::this_one()), line, kName, out, err);
}

int run_ca_uninstall(const CommandLine& line, std::ostream& out, std::ostream& err) {
  const std::optional<config::Config> config = config_for_ca(line, err);
  if (!config) return kInputWrong;
  const CaPlace place = ca_place_to_use(*config);
  // Without a CA the files of the system's store can be found all the same.
  const net::CaCertificatesRead certificates = net::read_ca_certificates(place.folder);
  const std::vector<StoredRoot> roots = roots_of(place, certificates, /*expired_too=*/true);
  return carry_out_all(plans_to_uninstall(line.ca.store, roots, Machine::this_one()), line, "ca uninstall", out, err);
}

}  // namespace keepwarm::daemon
