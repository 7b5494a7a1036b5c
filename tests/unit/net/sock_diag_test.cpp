#include "core/net/sock_diag.h"

#include <optional>
#include <string>
#include <string_view>
#include <unistd.h>

#include <doctest/doctest.h>

#include "tests/unit/net/net_fixture.h"

// Questions to sock_diag(7) and its answers, byte by byte. The answers were recorded on Linux 6.18 (x86-64), about the
// client's end of a loopback connection from 127.0.0.1:58720 to 127.0.0.1:58123.

namespace keepwarm::net::test {
namespace {

constexpr std::uint32_t kNumber = 7;

std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

SockDiagQuestion asked(std::uint32_t number = kNumber) {
  return sock_diag_question(literal("127.0.0.1", 58720), literal("127.0.0.1", 58123), number);
}

// The pieces of answers: their headers with the number of the question, what they name, the attributes behind.
const std::string kHeader = "7c0000001400000007000000ef230000";
const std::string kName = "e560e30b7f0000010000000000000000000000007f00000100000000000000000000000000000000";
const std::string kBehind = "08000f00000000000c00150001000000000000000600160052000000";

const std::string kEstablished = kHeader + "02010000" + kName + "1500000000000000" + "0000000000000000" + "00000000" +
                                 "8e014401" + "0500080000000000" + kBehind;
const std::string kHalfClosed = kHeader + "02040100" + kName + "1500000000000000" + "c800000000000000" + "01000000" +
                                "00000000" + "8e014401" + "0500080002000000" + kBehind;
const std::string kClosedBothWays = kHeader + "02040100" + kName + "1500000000000000" + "c800000000000000" +
                                    "01000000" + "00000000" + "8e014401" + "0500080003000000" + kBehind;
const std::string kOrphan = kHeader + "02040100" + kName + "1500000000000000" + "c800000000000000" + "01000000" +
                            "00000000" + "00000000" + "0500080003000000" + kBehind;
const std::string kTimeWait =
    "600000001400000007000000ef23000002060300e560e30b7f0000010000000000000000000000007f00000100000000000000000000000000"
    "00"
    "000015000000000000005cea00000000000000000000000000000000000008000f0000000000";
const std::string kMissing =
    "5c0000000200000007000000ef230000feffffff4800000014000100070000000000000002060000ffffffff000100027f0000010000000000"
    "00"
    "0000000000007f00000100000000000000000000000001000000ffffffffffffffff";
const std::string kListener =
    "7c0000001400000007000000ef230000020a0000e56000007f0000010000000000000000000000000000000000000000000000000000000000"
    "00"
    "00001700000000000000000000000000000080000000000000008d014401050008000000000008000f00000000000c00150001000000000000"
    "00"
    "0600160052000000";

/// An answer that is an error; `error` as the kernel sends it, little-endian.
std::string refusal(const std::string& error) {
  return "240000000200000007000000ef230000" + error + "4800000014000100";
}

std::optional<PeerPresence> presence_in(std::string_view answer) {
  const auto other = read_sock_diag_answer(answer, asked());
  return other ? std::optional(other->presence) : std::nullopt;
}

}  // namespace

TEST_CASE("a question names the other end's socket, and any cookie") {
  const SockDiagQuestion question = asked();
  CHECK(std::string(question.data(), question.size()) ==
        from_hex(
            "4800000014000100070000000000000002060000ffffffffe560e30b7f0000010000000000000000000000007f00000100000000"
            "000000000000000001000000ffffffffffffffff"));
}

TEST_CASE("a question about IPv6 has all of both addresses, and the interface of a scope") {
  const SockDiagQuestion question = sock_diag_question(literal("fe80::1%lo", 1), literal("fe80::2%lo", 2), kNumber);
  CHECK(std::string(question.data(), question.size()).substr(16) ==
        from_hex("0a060000ffffffff00010002fe800000000000000000000000000001fe80000000000000000000000000000201000000"
                 "ffffffffffffffff"));
}

TEST_CASE("what an answer says of the other end") {
  struct Case {
    const char* name;
    std::string answer;
    PeerPresence presence;
  };
  const Case cases[] = {
      {"established", kEstablished, PeerPresence::Present},
      {"half-closed: FIN-WAIT-2, with an inode", kHalfClosed, PeerPresence::Present},
      {"shut down both ways: nobody can read there", kClosedBothWays, PeerPresence::Gone},
      {"closed: FIN-WAIT-2, no inode", kOrphan, PeerPresence::Gone},
      {"TIME-WAIT", kTimeWait, PeerPresence::Gone},
      {"no such socket: ENOENT", kMissing, PeerPresence::Unknown},
      {"a listener at that address is no end of a connection", kListener, PeerPresence::Unknown},
      {"no memory: ENOMEM", refusal("f4ffffff"), PeerPresence::NotAnswered},
      {"no room for an answer: ENOBUFS", refusal("97ffffff"), PeerPresence::NotAnswered},
      {"not allowed: EACCES", refusal("f3ffffff"), PeerPresence::Unknown},
  };
  for (const Case& each : cases) {
    CAPTURE(each.name);
    CHECK(presence_in(from_hex(each.answer)) == each.presence);
  }
}

TEST_CASE("an answer to an earlier question is passed over") {
  CHECK_FALSE(read_sock_diag_answer(from_hex(kEstablished), asked(kNumber + 1)));
  CHECK_FALSE(read_sock_diag_answer(from_hex(kMissing), asked(kNumber + 1)));
  CHECK_FALSE(read_sock_diag_answer({}, asked()));
}

TEST_CASE("an answer that is cut anywhere says nothing wrong of a client") {
  const std::string whole = from_hex(kHalfClosed);
  for (std::size_t size = 16; size < whole.size(); ++size) {
    CAPTURE(size);
    const auto presence = presence_in(std::string_view(whole).substr(0, size));
    CHECK(presence == (size < 88 ? PeerPresence::Unknown : PeerPresence::Present));
  }
  CHECK(presence_in(from_hex(refusal("")).substr(0, 18)) == PeerPresence::Unknown);
}

TEST_CASE("attributes whose sizes make no sense are passed over, to the end") {
  const std::string socket = from_hex(kHalfClosed).substr(0, 88);
  for (const std::string_view attributes : {"00000000", "00000800", "ffff0800", "0400080003", "0500010003000000"}) {
    CAPTURE(attributes);
    CHECK(read_sock_diag_answer(socket + from_hex(attributes), asked()).has_value());
  }
}

TEST_CASE("a socket that does not exist is unknown, and the next question is answered for itself") {
  SockDiag kernel;
  Listening listening(literal("127.0.0.1"));
  const Fd client = connect_to(listening.address());
  const SocketAddress own = local_address_of(client.get());
  for (int i = 0; i < 3; ++i) {
    CHECK(kernel.find(literal("127.0.0.1", 1), literal("127.0.0.1", 2)) == OtherEnd());
    CHECK(kernel.find(own, listening.address()) == OtherEnd{PeerPresence::Present, ::getuid()});
  }
}

}  // namespace keepwarm::net::test
