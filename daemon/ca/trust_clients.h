#pragma once

#include <string>
#include <vector>

#include "daemon/ca/machine.h"

/// The programs that `keepwarm ca test` knows how to have make one HTTPS request.
namespace keepwarm::daemon {

struct TrustClient {
  std::string name;
  std::vector<std::string> command;        ///< makes a request by the proxy of the environment
  std::vector<std::string> is_there = {};  ///< exits with 0 if what the command needs is there; empty: it is
  std::string remedy;                      ///< what has it trust the CA
};

/// Those that this machine has. `host`: for whom the request is; `port`: of the proxy on 127.0.0.1, for programs that
/// do not read the environment.
[[nodiscard]] std::vector<TrustClient> trust_clients(const Machine& machine, const std::string& host,
                                                     std::uint16_t port);

/// The text of a file "Request.java", which Java is to run.
[[nodiscard]] std::string java_request();

}  // namespace keepwarm::daemon
