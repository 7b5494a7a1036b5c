#include "core/net/dns/message.h"

#include <algorithm>
#include <ares.h>
#include <array>
#include <chrono>
#include <cstring>
#include <limits>
#include <sys/random.h>
#include <type_traits>
#include <utility>

#include "core/net/dns/lookup.h"

namespace keepwarm::net {
namespace {

constexpr int kInternet = 1;  // the class of a record, RFC 1035 §3.2.4
constexpr std::size_t kHeaderSize = 12;

/// Random bits, drawn from the kernel a few at a time.
class Randomness {
 public:
  std::uint64_t draw() noexcept {
    if (next_ == pool_.size()) {
      // Cannot fail for so few bytes once the machine has started (getrandom(2)).
      static_cast<void>(::getrandom(pool_.data(), sizeof pool_, 0));
      next_ = 0;
    }
    return std::exchange(pool_[next_++], 0);
  }

 private:
  std::array<std::uint64_t, 32> pool_{};
  std::size_t next_ = pool_.size();
};

std::uint64_t random_bits() noexcept {
  static thread_local Randomness randomness;
  return randomness.draw();
}

std::uint8_t byte(std::string_view message, std::size_t at) noexcept {
  return static_cast<std::uint8_t>(message[at]);
}
unsigned code_of(std::string_view answer) noexcept {
  return byte(answer, 3) & 0x0FU;
}
unsigned count_at(std::string_view message, std::size_t at) noexcept {
  return (unsigned{byte(message, at)} << 8) | byte(message, at + 1);
}

/// A server that names others who may know, instead of an answer: it has none, and looks for none. As glibc tells it.
bool is_referral(std::string_view answer) noexcept {
  constexpr unsigned kAuthoritative = 0x04;  // in the third byte
  constexpr unsigned kRecursive = 0x80;      // in the fourth
  const bool empty = count_at(answer, 6) == 0 && count_at(answer, 10) == 0;
  return empty && (byte(answer, 2) & kAuthoritative) == 0 && (byte(answer, 3) & kRecursive) == 0;
}

template <typename Record>
SocketAddress address_of(const Record& record) noexcept {
  if constexpr (std::is_same_v<Record, ares_addrttl>) {
    std::array<std::uint8_t, 4> bytes{};
    std::memcpy(bytes.data(), &record.ipaddr, bytes.size());
    return {IpAddress(bytes), 0};
  } else {
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &record.ip6addr, bytes.size());
    return {IpAddress(bytes), 0};
  }
}

template <typename Record, typename Parse>
Reply parse_records(std::string_view answer, Parse parse) {
  std::array<Record, kMaxAddresses> records{};
  int count = static_cast<int>(records.size());
  const int status = parse(reinterpret_cast<const unsigned char*>(answer.data()), static_cast<int>(answer.size()),
                           nullptr, records.data(), &count);
  if (status != ARES_SUCCESS && status != ARES_ENODATA) return {};
  Reply reply{.kind = Reply::Kind::Answer, .ttl = std::chrono::seconds(std::numeric_limits<int>::max())};
  for (int i = 0; i < (status == ARES_SUCCESS ? count : 0); ++i) {
    const Record& record = records[static_cast<std::size_t>(i)];
    reply.addresses.push_back(address_of(record));
    // Above 2^31 it is nonsense, and counts as 0 (RFC 2181 §8).
    reply.ttl = std::min(reply.ttl, Duration(std::chrono::seconds(std::max(record.ttl, 0))));
  }
  return reply;
}

}  // namespace

std::optional<std::string> make_question(std::string_view name, RecordType type) {
  unsigned char* message = nullptr;
  int size = 0;
  const auto number = static_cast<unsigned short>(random_bits());
  const int status =
      ares_create_query(std::string(name).c_str(), kInternet, static_cast<int>(type), number, 1, &message, &size, 0);
  if (status != ARES_SUCCESS) return std::nullopt;
  std::string question(reinterpret_cast<const char*>(message), static_cast<std::size_t>(size));
  ares_free_string(message);
  return question;
}

std::string in_random_case(std::string_view name) {
  std::string mixed(name);
  std::uint64_t bits = 0;
  unsigned left = 0;
  for (char& c : mixed) {
    if (c < 'a' || c > 'z') continue;
    if (left == 0) {
      bits = random_bits();
      left = 64;
    }
    if ((bits & 1) != 0) c = static_cast<char>(c - 'a' + 'A');
    bits >>= 1;
    --left;
  }
  return mixed;
}

bool returns_name(std::string_view question, std::string_view answer) noexcept {
  const std::size_t end = question.find('\0', kHeaderSize);
  return end != std::string_view::npos && answer.size() > end &&
         question.substr(kHeaderSize, end - kHeaderSize) == answer.substr(kHeaderSize, end - kHeaderSize);
}

bool is_truncated(std::string_view answer) noexcept {
  constexpr unsigned kTruncated = 0x02;
  return answer.size() >= kHeaderSize && (byte(answer, 2) & kTruncated) != 0;
}

Reply parse_answer(RecordType type, std::string_view answer) {
  constexpr unsigned kNoError = 0;
  constexpr unsigned kNameError = 3;
  constexpr unsigned kResponse = 0x80;
  if (answer.size() < kHeaderSize || (byte(answer, 2) & kResponse) == 0) return {};
  const unsigned code = code_of(answer);
  if (code == kNameError) return {.kind = Reply::Kind::NoName};
  if (code != kNoError || is_referral(answer)) return {};
  if (type == RecordType::A) return parse_records<ares_addrttl>(answer, ares_parse_a_reply);
  return parse_records<ares_addr6ttl>(answer, ares_parse_aaaa_reply);
}

}  // namespace keepwarm::net
