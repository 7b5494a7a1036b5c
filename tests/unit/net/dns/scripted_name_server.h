#pragma once

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <utility>
#include <vector>

#include <uv.h>

#include "core/net/dns/name_server.h"
#include "tests/unit/net/net_fixture.h"

namespace keepwarm::net::test {

/// A name server on loopback and on the test's loop, that answers what the test tells it to. A name that it does not
/// know does not exist.
class ScriptedNameServer {
 public:
  struct Records {
    std::vector<SocketAddress> addresses{};
    std::uint32_t ttl = 3600;
    std::string alias{};  ///< not empty: the name is an alias of this one, whose record has `alias_ttl`
    std::uint32_t alias_ttl = 3600;
  };
  using Key = std::pair<std::string, RecordType>;

  explicit ScriptedNameServer(Loop& loop)
      : fd_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)), poll_(new uv_poll_t) {
    const SocketAddress any = literal("127.0.0.1");
    REQUIRE(::bind(fd_.get(), any.get(), any.size()) == 0);
    REQUIRE(uv_poll_init(&loop.uv(), poll_, fd_.get()) == 0);
    poll_->data = this;
    uv_poll_start(poll_, UV_READABLE,
                  [](uv_poll_t* poll, int, int) { static_cast<ScriptedNameServer*>(poll->data)->take_questions(); });
  }
  ~ScriptedNameServer() {
    uv_close(reinterpret_cast<uv_handle_t*>(poll_), [](uv_handle_t* h) { delete reinterpret_cast<uv_poll_t*>(h); });
  }
  ScriptedNameServer(const ScriptedNameServer&) = delete;
  ScriptedNameServer& operator=(const ScriptedNameServer&) = delete;

  [[nodiscard]] SocketAddress address() const { return local_address_of(fd_.get()); }
  void set(const std::string& name, const std::vector<const char*>& v4, const std::vector<const char*>& v6 = {},
           std::uint32_t ttl = 3600) {
    Records a;
    Records aaaa;
    a.ttl = aaaa.ttl = ttl;
    for (const char* one : v4) a.addresses.push_back(literal(one));
    for (const char* one : v6) aaaa.addresses.push_back(literal(one));
    records[{name, RecordType::A}] = a;
    records[{name, RecordType::Aaaa}] = aaaa;
  }
  /// Answers a question that was swallowed.
  void release(const std::string& name, RecordType type) {
    for (const auto& [question, from] : std::exchange(held_, {})) {
      if (key_of(question) == Key{name, type}) {
        answer(question, from);
      } else {
        held_.emplace_back(question, from);
      }
    }
  }
  [[nodiscard]] std::size_t asked(const std::string& name, RecordType type = RecordType::A) const {
    std::size_t times = 0;
    for (const Key& key : questions) times += key == Key{name, type} ? 1U : 0U;
    return times;
  }

  std::map<Key, Records> records;
  std::map<std::string, unsigned> codes;  ///< response codes other than those that `records` give
  std::set<Key> silent;                   ///< no answer
  bool mute = false;                      ///< no answer to anything
  bool lower_case = false;                ///< names come back in lower case
  bool strict_case = false;               ///< names are known in lower case alone
  std::vector<Key> questions;
  std::vector<std::string> spellings;  ///< of the names, as they were asked for
  std::set<std::uint16_t> ports;       ///< from which questions came

 private:
  static std::string name_of(std::string_view message) {
    std::string name;
    for (std::size_t at = 12; message[at] != 0; at += 1 + static_cast<std::size_t>(message[at])) {
      name.append(name.empty() ? "" : ".").append(message.substr(at + 1, static_cast<std::size_t>(message[at])));
    }
    return name;
  }
  static std::string lower(std::string text) {
    for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return text;
  }
  static std::size_t question_end(std::string_view message) { return message.find('\0', 12) + 5; }
  static Key key_of(std::string_view message) {
    return {lower(name_of(message)),
            static_cast<RecordType>(static_cast<unsigned char>(message[question_end(message) - 3]))};
  }
  static void put(std::string& out, std::uint32_t value, int bytes) {
    for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i) & 0xFF);
  }
  static void put_name(std::string& out, std::string_view name) {
    while (!name.empty()) {
      const std::size_t dot = std::min(name.find('.'), name.size());
      put(out, static_cast<std::uint32_t>(dot), 1);
      out += name.substr(0, dot);
      name.remove_prefix(std::min(dot + 1, name.size()));
    }
    out += '\0';
  }

  void take_questions() {
    char buffer[1024];
    sockaddr_in from{};
    socklen_t size = sizeof from;
    ssize_t length = 0;
    while ((length = ::recvfrom(fd_.get(), buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&from), &size)) > 0) {
      const std::string question(buffer, static_cast<std::size_t>(length));
      const Key key = key_of(question);
      questions.push_back(key);
      spellings.push_back(name_of(question));
      ports.insert(ntohs(from.sin_port));
      if (mute || silent.contains(key)) {
        held_.emplace_back(question, from);
      } else {
        answer(question, from);
      }
    }
  }

  void answer(const std::string& question, const sockaddr_in& to) {
    const Key key = key_of(question);
    const bool unknown = strict_case && name_of(question) != key.first;
    const auto found = unknown ? records.end() : records.find(key);
    const auto code = codes.find(key.first);
    const Records known = found == records.end() ? Records() : found->second;
    std::string message = question.substr(0, 2);
    put(message, 0x8180U | (code != codes.end() ? code->second : found == records.end() ? 3U : 0U), 2);
    put(message, 1, 2);
    put(message, static_cast<std::uint32_t>(known.addresses.size() + (known.alias.empty() ? 0 : 1)), 2);
    put(message, 0, 4);
    const std::string asked = question.substr(12, question_end(question) - 12);
    message += lower_case ? lower(asked.substr(0, asked.size() - 4)) + asked.substr(asked.size() - 4) : asked;
    if (!known.alias.empty()) {
      put(message, 0xC00C, 2);
      put(message, 5, 2);
      put(message, 1, 2);
      put(message, known.alias_ttl, 4);
      std::string name;
      put_name(name, known.alias);
      put(message, static_cast<std::uint32_t>(name.size()), 2);
      message += name;
    }
    for (const SocketAddress& address : known.addresses) {
      known.alias.empty() ? put(message, 0xC00C, 2) : put_name(message, known.alias);
      put(message, static_cast<std::uint32_t>(key.second), 2);
      put(message, 1, 2);
      put(message, known.ttl, 4);
      const auto ip = *address.ip();
      put(message, static_cast<std::uint32_t>(ip.bytes().size()), 2);
      message.append(reinterpret_cast<const char*>(ip.bytes().data()), ip.bytes().size());
    }
    ::sendto(fd_.get(), message.data(), message.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
  }

  Fd fd_;
  uv_poll_t* poll_;
  std::vector<std::pair<std::string, sockaddr_in>> held_;
};

}  // namespace keepwarm::net::test
