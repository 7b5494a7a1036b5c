#pragma once

#include <string>
#include <string_view>
#include <vector>

/// systemd's two small protocols, without its library: sd_notify(3) and sd_listen_fds(3).
namespace keepwarm::daemon {

/// Sends a state ("READY=1", "STOPPING=1", several lines) to $NOTIFY_SOCKET. Nothing happens without one. Does not
/// wait: false if the service manager is behind with reading, and it is to be sent again.
[[nodiscard]] bool notify_systemd(std::string_view state) noexcept;

/// "RELOADING=1" with the time that Type=notify-reload wants.
[[nodiscard]] std::string reloading_state();

/// The sockets that systemd passed to this very process ($LISTEN_PID, $LISTEN_FDS), marked close-on-exec. The variables
/// are removed, so that children do not take them for theirs.
[[nodiscard]] std::vector<int> take_systemd_sockets();

}  // namespace keepwarm::daemon
