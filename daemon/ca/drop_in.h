#pragma once

#include <string>
#include <vector>

/// The drop-in of the service's unit that has systemd hand it the CA's keys: a user that exists while the service runs
/// (DynamicUser=) cannot read files of root.
namespace keepwarm::daemon {

inline constexpr const char* kDropInFile = "/etc/systemd/system/keepwarm.service.d/ca.conf";

/// `folder`: of the CA; `generations`: their numbers.
[[nodiscard]] std::string drop_in_text(const std::string& folder, const std::vector<unsigned>& generations);

}  // namespace keepwarm::daemon
