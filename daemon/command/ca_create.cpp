#include "daemon/command/ca_create.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <istream>
#include <ostream>
#include <random>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include "config/credentials.h"
#include "core/net/descriptor.h"
#include "core/net/tls/local_ca_create.h"
#include "core/net/tls/local_ca_files.h"
#include "daemon/ca/ca_command.h"
#include "daemon/ca/drop_in.h"
#include "daemon/ca/new_file.h"
#include "daemon/ca/permitted.h"
#include "daemon/ca/publish.h"
#include "daemon/cli/commands.h"

namespace keepwarm::daemon {
namespace {

constexpr const char* kCreateName = "ca create";

Result<CertificateScope, std::string> scope_for(const CommandLine& line, const config::Config& config) {
  if (line.ca.any_host) {
    CertificateScope scope;
    scope.any_host = true;
    return scope;
  }
  return line.ca.permit.empty() ? permitted_by(config) : permitted_by(line.ca.permit);
}

/// Only somebody at a terminal can mean it.
bool is_meant(std::istream& in, std::ostream& out) {
  if (::isatty(STDIN_FILENO) != 1) return false;
  out << "A CA for any host lets who gets hold of its key pose as every server, a bank's too, to all programs that "
         "trust it.\nType \"yes\" to make it: "
      << std::flush;
  std::string answer;
  return std::getline(in, answer) && answer == "yes";
}

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : std::string();
}

/// Four hex digits that none of the others has.
std::string new_name(const std::vector<net::CaCertificates>& others) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::random_device random;
  for (;;) {
    std::string name;
    for (int i = 0; i < 4; ++i) name += kHex[random() % kHex.size()];
    const auto has_it = [&](const auto& each) { return each.facts.name == name; };
    if (std::none_of(others.begin(), others.end(), has_it)) return name;
  }
}

bool is_there(const std::string& path) {
  struct stat found {};
  return ::lstat(path.c_str(), &found) == 0;
}

/// One that has no file at all yet, behind all that have; 0: there are too many.
unsigned next_number(const CaPlace& place) {
  for (unsigned number = net::kMostCaGenerations; number > 0; --number) {
    for (const char* file : {"/root.crt", "/issuer.crt", "/issuer.key"}) {
      const bool taken = is_there(net::generation_folder(place.folder, number) + file) ||
                         is_there(net::generation_folder(place.public_folder, number) + file);
      if (taken) return number == net::kMostCaGenerations ? 0 : number + 1;
    }
  }
  return 1;
}

/// root.crt last: a generation without it is none.
std::string write_generation(const std::string& folder, const net::LocalCaText& text) {
  std::string problem = make_folder(folder, 0700);
  if (problem.empty()) problem = write_new_file(folder + "/issuer.key", text.issuer_key.view(), 0600);
  if (problem.empty()) problem = write_new_file(folder + "/issuer.crt", text.issuer, 0644);
  if (problem.empty()) problem = write_new_file(folder + "/root.crt", text.root, 0644);
  return problem;
}

/// Whether the service of the system uses this CA, and has to be handed its keys.
bool is_for_service(const CommandLine& line, const config::Config& config) {
  const bool its_config = !line.config_file || *line.config_file == kDefaultConfigFile;
  const std::string& key = config.intercept.key;
  const bool handed_over = key.empty() || config::names_credential(key);
  return ::geteuid() == 0 && its_config && handed_over && is_there("/run/systemd/system");
}

std::string write_drop_in(const std::string& folder, const std::vector<net::CaCertificates>& ours) {
  std::vector<unsigned> numbers;
  for (const net::CaCertificates& each : ours) {
    if (is_there(net::generation_folder(folder, each.facts.number) + "/issuer.key")) {
      numbers.push_back(each.facts.number);
    }
  }
  const std::string file = kDropInFile;
  const std::string drop_ins = file.substr(0, file.rfind('/'));
  const std::string problem = is_there(drop_ins) ? std::string() : make_folder(drop_ins, 0755);
  return problem.empty() ? write_new_file(file, drop_in_text(folder, numbers), 0644) : problem;
}

void print_created(const net::CaCertificates& made, const CaPlace& place, std::ostream& out) {
  out << "made generation " << made.facts.number << " of the local CA in "
      << net::generation_folder(place.folder, made.facts.number) << '\n'
      << "  name         " << made.facts.name << '\n'
      << "  may name     " << to_text(made.facts.scope) << '\n'
      << "  until        " << date_text(made.facts.not_after) << '\n'
      << "  fingerprint  " << made.facts.fingerprint << '\n'
      << "what everybody may read is in " << place.public_folder << '\n';
}

int create(const CommandLine& line, const config::Config& config, const CertificateScope& scope, std::ostream& out,
           std::ostream& err) {
  const CaPlace place = ca_place(config);
  if (const std::string problem = make_folder(place.folder, 0700); !problem.empty())
    return fail(kCreateName, problem, err);
  // Two at a time would take the same number.
  const net::Descriptor lock(::open(place.folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  while (lock && ::flock(lock.get(), LOCK_EX) != 0 && errno == EINTR) continue;
  const unsigned number = next_number(place);
  if (number == 0) return fail(kCreateName, "there are too many generations in " + place.folder, err);
  const net::LocalCaRequest request{.scope = scope,
                                    .lifetime = line.ca.lifetime,
                                    .machine = host_name(),
                                    .name = new_name(net::read_ca_certificates(place.folder).found)};
  const Result<net::LocalCaText, std::string> text = net::create_local_ca(request, std::chrono::system_clock::now());
  if (!text) return fail(kCreateName, text.failure(), err);
  std::string problem = write_generation(net::generation_folder(place.folder, number), *text);
  if (!problem.empty()) return fail(kCreateName, problem, err);
  const net::CaCertificatesRead all = net::read_ca_certificates(place.folder);
  const auto made =
      std::find_if(all.found.begin(), all.found.end(), [&](const auto& each) { return each.facts.number == number; });
  if (made == all.found.end()) return fail(kCreateName, "what was written cannot be read: " + place.folder, err);
  problem = publish(place, system_authorities(place.bundle()), all.found);
  if (!problem.empty()) return fail(kCreateName, problem, err);
  print_created(*made, place, out);
  for (const std::string& each : all.problems) err << "keepwarm ca create: warning: " << each << '\n';
  if (!is_for_service(line, config)) {
    out << "next: have the daemon reload its configuration (SIGHUP)\n";
    return kDone;
  }
  problem = write_drop_in(place.folder, all.found);
  if (!problem.empty()) return fail(kCreateName, problem, err);
  out << "the service is handed the key by " << kDropInFile << '\n'
      << "next: systemctl daemon-reload && systemctl restart keepwarm (a reload reads no credential again)\n";
  return kDone;
}

}  // namespace

int run_ca_create(const CommandLine& line, std::istream& in, std::ostream& out, std::ostream& err) {
  const std::optional<config::Config> config = config_for_ca(line, err);
  if (!config) return kInputWrong;
  const Result<CertificateScope, std::string> scope = scope_for(line, *config);
  if (!scope) return fail(kCreateName, scope.failure(), err);
  if (scope->any_host && !is_meant(in, out))
    return fail(kCreateName, "--any-host takes a \"yes\" that is typed at a terminal: nothing was made", err);
  return create(line, *config, *scope, out, err);
}

}  // namespace keepwarm::daemon
