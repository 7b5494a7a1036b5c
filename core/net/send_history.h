#pragma once

#include <cstdint>

namespace keepwarm::net {

/// What is remembered of a connection for Stream::send_state(), wherever it goes.
struct SendHistory {
  std::uint64_t written = 0;       ///< bytes that write() took, see Stream::written_bytes()
  std::uint32_t least_rtt_us = 0;  ///< of all that were looked at, as the kernel forgets after minutes; 0: none
};

}  // namespace keepwarm::net
