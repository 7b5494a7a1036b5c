#pragma once

#include <string>
#include <string_view>

#include "core/base/resolver_mode.h"
#include "core/net/dns/resolv_conf.h"

/// Who looks a name up: c-ares on the loop, which costs a third of a thread and cannot be held up, or the system's
/// getaddrinfo, which alone knows all that /etc/nsswitch.conf can ask for. Go's rule decides, which has proved itself:
/// c-ares serves where the files ask for nothing that it cannot do, and for each name for which they do the system
/// does. Pure.
///
/// Where it fails: a module that is not named here is left to the system though its answers may be DNS's own. That
/// costs time, and no answer.
namespace keepwarm::net {

struct ResolverChoice {
  bool cares = false;      ///< it serves, but for the names of asks_system()
  std::string why;         ///< in words: completes "since …"
  bool mdns = false;       ///< names below .local are the system's
  bool own_names = false;  ///< those of this machine are the system's (nss-myhostname)

  bool operator==(const ResolverChoice&) const = default;
};

/// The line `hosts:` decides, with the servers of `conf`. A text that has no such line says "files dns". `environment`:
/// a variable that changes what the system's resolver does ("LOCALDOMAIN", …); "": none is set.
[[nodiscard]] ResolverChoice choose_resolver(ResolverMode mode, std::string_view nsswitch, const ResolvConf& conf,
                                             std::string_view environment);

/// Whether `name` is for the system though c-ares serves. `own_name`: of this machine, gethostname().
[[nodiscard]] bool asks_system(std::string_view name, const ResolverChoice& choice, std::string_view own_name);

}  // namespace keepwarm::net
