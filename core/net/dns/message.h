#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.h"
#include "core/net/address.h"

/// Messages to and from name servers (RFC 1035 §4) as values. Pure, but for the random numbers in questions.
namespace keepwarm::net {

/// What is asked of a name server (RFC 1035 §3.2.2, RFC 3596 §2.1).
enum class RecordType : std::uint16_t { A = 1, Aaaa = 28 };

/// What became of a question.
struct Reply {
  enum class Kind : std::uint8_t {
    Answer,       ///< `addresses`, perhaps none: the name has none of this family
    NoName,       ///< there is no such name
    Failed,       ///< the server cannot say (SERVFAIL, REFUSED, …), or its answer is none
    Unreachable,  ///< nobody listens there, or there is no route
    Silent,       ///< no answer within Channel::kPatience
  };
  Kind kind = Kind::Failed;
  std::vector<SocketAddress> addresses{};  ///< with port 0
  Duration ttl{};                          ///< of the answer: the least of its records', those of aliases too
};

/// A question for the name with a random number, in the letters as they are. nullopt: it is no name.
[[nodiscard]] std::optional<std::string> make_question(std::string_view name, RecordType type);

/// The name in random upper and lower case, which an answer returns (draft-vixie-dnsext-dns0x20): who forges one has to
/// guess them.
[[nodiscard]] std::string in_random_case(std::string_view name);
/// Whether the answer returns the question's name as it was written.
[[nodiscard]] bool returns_name(std::string_view question, std::string_view answer) noexcept;

/// The answer did not fit: it is to be asked for by TCP.
[[nodiscard]] bool is_truncated(std::string_view answer) noexcept;

/// What a message says that claims to answer a question of the type.
[[nodiscard]] Reply parse_answer(RecordType type, std::string_view answer);

}  // namespace keepwarm::net
