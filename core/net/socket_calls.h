#pragma once

#include <cstddef>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/// System calls on sockets. Private to core/net.
///
/// Here recv(2) and send(2) do not wait and raise no SIGPIPE; they return as libc's do. libc's are cancellation points:
/// in a process with threads each costs two locked instructions and some 40 others, a hundredth of an exchange. Nothing
/// here cancels threads. The sanitizers know libc's, and get those.
namespace keepwarm::net {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline ssize_t receive_bytes(int fd, char* to, std::size_t size) noexcept {
  return ::recv(fd, to, size, MSG_DONTWAIT);
}
inline ssize_t send_bytes(int fd, const char* from, std::size_t size) noexcept {
  return ::send(fd, from, size, MSG_DONTWAIT | MSG_NOSIGNAL);
}
#else
inline ssize_t receive_bytes(int fd, char* to, std::size_t size) noexcept {
  return ::syscall(SYS_recvfrom, fd, to, size, MSG_DONTWAIT, nullptr, nullptr);
}
inline ssize_t send_bytes(int fd, const char* from, std::size_t size) noexcept {
  return ::syscall(SYS_sendto, fd, from, size, MSG_DONTWAIT | MSG_NOSIGNAL, nullptr, 0);
}
#endif

/// An option that the kernel knows for sure.
inline void set_option(int fd, int level, int name, int value) noexcept {
  ::setsockopt(fd, level, name, &value, sizeof value);
}

/// The socket asks a silent peer for signs of life: TcpPath::enable_keepalive() says when. Of one that is not TCP the
/// options are refused.
inline void set_keepalive(int fd) noexcept {
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 15);  // seconds
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 4);  // seconds
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
}

}  // namespace keepwarm::net
