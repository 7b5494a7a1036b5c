#pragma once

#include <string>
#include <vector>

#include "daemon/ca/machine.h"
#include "daemon/cli/command_line.h"

/// What is to be done so that a store of authorities trusts our roots, or does not any more. Pure: it looks at the
/// machine, and changes nothing.
namespace keepwarm::daemon {

/// A root of ours, as stores know it.
struct StoredRoot {
  std::string name;  ///< CaGeneration::name
  std::string pem;
  std::string file;  ///< where it lies for all to read
};

struct StoreStep {
  enum class Kind : int { Write, Remove, Run };
  Kind kind = Kind::Run;
  std::string path = {};                  ///< Write, Remove
  std::string text = {};                  ///< Write
  std::vector<std::string> command = {};  ///< Run; the first word is the program's path
  bool may_fail = false;                  ///< Run: of no importance, since it takes out what may not be there
};

struct StorePlan {
  std::string store;  ///< "system"
  std::vector<StoreStep> steps = {};
  std::string note = {};     ///< why there is nothing to do; "": there is something, or it cannot be done
  std::string problem = {};  ///< why it cannot be done
};

/// One plan for each store that is meant.
[[nodiscard]] std::vector<StorePlan> plans_to_install(CaStore store, const std::vector<StoredRoot>& roots,
                                                      const Machine& machine);
[[nodiscard]] std::vector<StorePlan> plans_to_uninstall(CaStore store, const std::vector<StoredRoot>& roots,
                                                        const Machine& machine);

}  // namespace keepwarm::daemon
