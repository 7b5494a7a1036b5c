#pragma once

#include <cstdint>
#include <optional>

/// What the kernel knows of a TCP connection (TCP_INFO). Private to core/net.
namespace keepwarm::net {

struct TcpFacts {
  std::uint64_t bytes_acked = 0;  ///< by the peer, from the first byte on; the SYN counts as one
  std::uint32_t min_rtt_us = 0;   ///< 0: not measured
  std::uint32_t rtt_us = 0;       ///< smoothed
  std::uint32_t rtt_variation_us = 0;
};

/// nullopt: no TCP socket, or a kernel that does not count acknowledged bytes (before Linux 4.6). One system call.
[[nodiscard]] std::optional<TcpFacts> tcp_facts(int fd) noexcept;

}  // namespace keepwarm::net
