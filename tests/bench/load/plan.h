#pragma once
#include <cstdint>
#include <netinet/in.h>
#include <string>
#include <sys/types.h>
#include <vector>

#include "tests/bench/tools/arguments.h"
#include "tests/bench/tools/clock.h"

namespace keepwarm::bench {

/// The bytes that one host is asked with.
struct Request {
  std::string tunnel;  ///< the CONNECT that goes before the first request of a connection; empty: none
  std::string head;
};

/// What is asked, of whom, how often: the command line as values. Usage: tests/bench/README.md.
struct Plan {
  explicit Plan(Arguments& arguments);

  sockaddr_in target;             ///< where clients connect: a proxy, or an origin
  std::vector<Request> requests;  ///< one for each host, taken in turn
  bool tls = false;               ///< the requests go over TLS: through the tunnel if there is one, else to the target
  std::string server_name;        ///< what its hello asks for: the first host
  std::uint64_t body = 0;         ///< bytes of each request's body
  std::size_t clients = 1;
  std::size_t burst = 0;  ///< of the clients, those that only connect, and ask all at once when the first window opens
  long per_connection = 0;  ///< requests on a connection; 0: no limit
  double rate = 0;          ///< requests a second that start whatever becomes of the others; 0: each client in turn
  Nanos pause_from = 0;     ///< from an answer to the client's next request, to the same host: random in this range
  Nanos pause_to = 0;
  std::uint64_t total = 0;  ///< ends after so many requests; 0: after warm_up and the windows
  Nanos warm_up = 0;
  Nanos window = 0;            ///< what is measured
  std::size_t windows = 1;     ///< so many of that length, each reported by itself; one with `total`
  Nanos between = 0;           ///< from a window's end to the start of the next
  std::vector<pid_t> watched;  ///< processes whose CPU time is measured over each window
};

}  // namespace keepwarm::bench
