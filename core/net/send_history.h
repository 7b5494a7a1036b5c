#pragma once

#include <cstdint>

namespace keepwarm::net {

/// What a TcpPath has counted and measured so far. It goes along when a connection moves to another loop.
struct SendHistory {
  std::uint64_t written = 0;     ///< see TcpPath::written_bytes()
  std::uint32_t min_rtt_us = 0;  ///< of all samples, as the kernel forgets after minutes; 0: none
};

}  // namespace keepwarm::net
