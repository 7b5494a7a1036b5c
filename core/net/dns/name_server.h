#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "core/base/clock.h"
#include "core/net/address.h"
#include "core/net/dns/channel.h"
#include "core/net/dns/message.h"
#include "core/net/dns/name_case.h"
#include "core/net/loop.h"

namespace keepwarm::net {

class Question;

class QuestionEvents {
 public:
  /// Once. Possibly inside ask(). The question may be destroyed, and others asked; but not the server.
  virtual void on_reply(Question& question, const Reply& reply) = 0;

 protected:
  ~QuestionEvents() = default;
};

/// A question that is under way. Destroying it withdraws it: a late reply is dropped.
class Question {
 public:
  explicit Question(QuestionEvents& events) noexcept : events_(events) {}
  ~Question();
  Question(const Question&) = delete;
  Question& operator=(const Question&) = delete;

  /// The name went out in random case.
  [[nodiscard]] bool random_case() const noexcept { return random_case_; }

 private:
  friend class NameServer;
  struct Sent;
  QuestionEvents& events_;
  Sent* sent_ = nullptr;  // c-ares has it; nullptr: not asked, or answered
  bool random_case_ = false;
};

/// One name server: questions and answers over UDP, and over TCP where an answer is too long, by c-ares on our loop.
/// Which server is asked, and when another one, is not its business.
///
/// Against forged answers c-ares checks the server's address, and the number and the name of the question; the number
/// is random, so is the port, which serves for a bounded time (channel.h), and so is the case of the letters of the
/// name where the server copes with that (name_case.h).
///
/// c-ares 1.18 refuses to change the servers of a channel that has work, and keeps no memory of a dead one. So each
/// server has channels of its own; one that is replaced goes when its last question is answered.
class NameServer {
 public:
  NameServer(Loop& loop, const SocketAddress& address);
  /// Not inside on_reply(). Questions under way are dropped.
  ~NameServer();
  NameServer(const NameServer&) = delete;
  NameServer& operator=(const NameServer&) = delete;

  /// `name`: of letters in lower case, digits, "-", "_" and ".", at most 253 bytes. `plain`: not in random case.
  void ask(std::string_view name, RecordType type, Question& question, bool plain);
  /// A name that it did not find in random case, it has in lower case.
  void needs_lower_case() noexcept { name_case_.not_found(); }
  /// To be called every now and then, every 100 ms or so, while open(): ends what nobody answers, and closes sockets
  /// that are not needed. Not inside on_reply().
  void tick(TimePoint now);
  /// It has sockets.
  [[nodiscard]] bool open() const noexcept { return udp_ || tcp_ || !draining_.empty(); }

  [[nodiscard]] const SocketAddress& address() const noexcept { return address_; }
  /// When the last answer came; TimePoint{}: none has.
  [[nodiscard]] TimePoint answered_at() const noexcept { return answered_at_; }

 private:
  friend class Question;
  static void on_message(void* sent, int status, int timeouts, unsigned char* message, int size);
  void take_answer(std::unique_ptr<Question::Sent> sent, std::string_view answer);
  void send(std::unique_ptr<Question::Sent> sent, Channel::Way way);
  static void report(std::unique_ptr<Question::Sent> sent, const Reply& reply);
  [[nodiscard]] Channel* channel_for(Channel::Way way, TimePoint now);
  void retire(std::unique_ptr<Channel>& channel);

  Loop& loop_;
  SocketAddress address_;
  std::unique_ptr<Channel> udp_;
  std::unique_ptr<Channel> tcp_;
  std::vector<std::unique_ptr<Channel>> draining_;
  TimePoint answered_at_{};
  NameCase name_case_;
};

}  // namespace keepwarm::net
