#include "core/net/tcp_facts.h"

// <linux/tcp.h>, since the tcp_info of <netinet/tcp.h> lacks what is wanted here. A file cannot include both, and uv.h
// includes the other one: so this is a file of its own.
#include <cstddef>
#include <limits>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace keepwarm::net {

std::optional<TcpFacts> tcp_facts(int fd) noexcept {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return std::nullopt;
  if (size < offsetof(tcp_info, tcpi_min_rtt) + sizeof info.tcpi_min_rtt) return std::nullopt;
  const bool measured = info.tcpi_min_rtt != std::numeric_limits<std::uint32_t>::max();
  return TcpFacts{.bytes_acked = info.tcpi_bytes_acked,
                  .min_rtt_us = measured ? info.tcpi_min_rtt : 0,
                  .rtt_us = info.tcpi_rtt,
                  .rtt_variation_us = info.tcpi_rttvar};
}

}  // namespace keepwarm::net
