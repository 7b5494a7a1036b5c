#include "daemon/command/ca_bundle.h"

#include <ostream>

#include "daemon/ca/ca_command.h"
#include "daemon/ca/new_file.h"
#include "daemon/ca/publish.h"

namespace keepwarm::daemon {

int run_ca_bundle(const CommandLine& line, std::ostream& out, std::ostream& err) {
  constexpr const char* kName = "ca bundle";
  const std::optional<config::Config> config = config_for_ca(line, err);
  if (!config) return kInputWrong;
  const CaPlace place = line.ca.output ? ca_place_to_use(*config) : ca_place(*config);
  const auto certificates = certificates_in(place.folder, kName, err);
  if (!certificates) return kInputWrong;
  const SystemAuthorities system = system_authorities(place.bundle());
  if (system.file.empty()) err << "keepwarm ca bundle: the system has no authorities: only ours are in it\n";
  const std::string file = line.ca.output.value_or(place.bundle());
  const std::string problem = line.ca.output ? write_new_file(file, bundle_text(system, certificates->found), 0644)
                                             : publish(place, system, certificates->found);
  if (!problem.empty()) return fail(kName, problem, err);
  for (const std::string& each : certificates->problems) fail(kName, each, err);
  out << "wrote " << file << ": "
      << (system.file.empty() ? std::string() : "the authorities of " + system.file + ", and ")
      << certificates->found.size() << (certificates->found.size() == 1 ? " root of ours\n" : " roots of ours\n");
  return certificates->problems.empty() ? kDone : kInputWrong;
}

}  // namespace keepwarm::daemon
