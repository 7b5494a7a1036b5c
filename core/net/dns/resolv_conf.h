#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/net/address.h"

/// /etc/resolv.conf as a value, read as resolv.conf(5) and glibc 2.36 say. Pure.
namespace keepwarm::net {

struct ResolvConf {
  static constexpr std::size_t kMaxServers = 3;  ///< more than that glibc ignores, and so do we

  std::vector<SocketAddress> servers;  ///< with port 53; never empty: without an entry 127.0.0.1
  std::vector<std::string> search;     ///< lower case, without final dots
  unsigned ndots = 1;                  ///< a name with fewer dots is tried with `search` first
  unsigned attempts = 2;               ///< rounds through the servers
  bool rotate = false;                 ///< servers take turns
  std::vector<std::string> others;     ///< what c-ares on our loop cannot do: "sortlist", "use-vc", …; as written

  bool operator==(const ResolvConf&) const = default;
};

/// `timeout:` is not among the values: an unanswered query costs a second, whatever stands there. `own_name`: of this
/// machine, gethostname(); what follows its first dot is the search list where the file has none.
[[nodiscard]] ResolvConf parse_resolv_conf(std::string_view text, std::string_view own_name = {});

/// The names to ask for, in order, when `name` (without a final dot) is looked up: by `search` and `ndots`.
[[nodiscard]] std::vector<std::string> names_to_ask(std::string_view name, const ResolvConf& conf);

}  // namespace keepwarm::net
