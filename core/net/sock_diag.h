#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/base/peer_state.h"
#include "core/net/address.h"
#include "core/net/descriptor.h"

/// What the kernel knows of the other end of a TCP connection if that is a socket of this machine (sock_diag(7)). It
/// needs no privileges. Private to core/net.
namespace keepwarm::net {

/// A question about one socket, as it is sent.
using SockDiagQuestion = std::array<char, 72>;

/// The question about the TCP socket whose own address is `own` and whose peer's is `peer`, both of the same family.
/// `number`: the answer has it, too.
[[nodiscard]] SockDiagQuestion sock_diag_question(const SocketAddress& own, const SocketAddress& peer,
                                                  std::uint32_t number) noexcept;

/// What an answer says of the other end.
struct OtherEnd {
  PeerPresence presence = PeerPresence::Unknown;
  std::uint32_t uid = 0;  ///< whose process has it, if it is Present

  bool operator==(const OtherEnd&) const = default;
};

/// nullopt: it is the answer to another question.
[[nodiscard]] std::optional<OtherEnd> read_sock_diag_answer(std::string_view answer,
                                                            const SockDiagQuestion& question) noexcept;

/// Asks such questions: two system calls each, which do not wait, since the kernel answers within the first one. Owned
/// by a Loop. Its socket is opened at once, so that a look at a client fails for no want of descriptors; if that was
/// not possible, it is tried again with each question.
class SockDiag {
 public:
  SockDiag() noexcept { open(); }

  /// Of the socket of this machine, and of the network namespace in which the process was when the socket was opened,
  /// whose own address is `own` and whose peer's is `peer`.
  [[nodiscard]] OtherEnd find(const SocketAddress& own, const SocketAddress& peer) noexcept;

 private:
  int open() noexcept;
  [[nodiscard]] OtherEnd read_answer(const SockDiagQuestion& question) noexcept;

  Descriptor socket_;
  std::uint32_t number_ = 0;  ///< of the last question
};

}  // namespace keepwarm::net
