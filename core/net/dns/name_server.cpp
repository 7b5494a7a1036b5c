#include "core/net/dns/name_server.h"

#include <algorithm>
#include <ares.h>
#include <cassert>
#include <string>
#include <utility>

namespace keepwarm::net {
namespace {

/// What a message without EDNS has at most by UDP (RFC 1035 §4.2.1); c-ares cuts longer ones off.
constexpr std::size_t kMaxDatagram = 512;

/// Why there is no answer. That TCP is refused says nothing about the server, which has answered by UDP.
Reply failure_of(int status, Channel::Way way) {
  switch (status) {
    case ARES_ETIMEOUT: return {.kind = Reply::Kind::Silent};
    case ARES_ECONNREFUSED: return {.kind = way == Channel::Way::Udp ? Reply::Kind::Unreachable : Reply::Kind::Failed};
    default: return {};
  }
}

}  // namespace

/// What c-ares has of a question; it ends with the callback.
struct Question::Sent {
  Sent(NameServer& to, Question& of, RecordType t, std::string n, std::string m)
      : server(to), question(&of), type(t), name(std::move(n)), message(std::move(m)) {
    of.sent_ = this;
  }
  ~Sent() {
    if (question != nullptr) question->sent_ = nullptr;
  }
  Sent(const Sent&) = delete;
  Sent& operator=(const Sent&) = delete;

  NameServer& server;
  Channel* channel = nullptr;
  Question* question;  // nullptr: withdrawn
  RecordType type;
  std::string name;     // as the asker wrote it
  std::string message;  // as it was sent
  Reply truncated;      // what there was by UDP, while TCP is asked
};

Question::~Question() {
  if (sent_ != nullptr) sent_->question = nullptr;
}

NameServer::NameServer(Loop& loop, const SocketAddress& address) : loop_(loop), address_(address) {}

NameServer::~NameServer() = default;

void NameServer::retire(std::unique_ptr<Channel>& channel) {
  if (channel) draining_.push_back(std::move(channel));
}

/// nullptr: there is no memory for one.
Channel* NameServer::channel_for(Channel::Way way, TimePoint now) {
  std::unique_ptr<Channel>& channel = way == Channel::Way::Udp ? udp_ : tcp_;
  if (channel && channel->worn(now)) retire(channel);
  if (!channel) channel = std::make_unique<Channel>(loop_, address_, way);
  if (!channel->usable()) channel.reset();
  return channel.get();
}

void NameServer::ask(std::string_view name, RecordType type, Question& question, bool plain) {
  assert(question.sent_ == nullptr);
  question.random_case_ = !plain && name_case_.random(type);
  auto message = make_question(question.random_case_ ? in_random_case(name) : std::string(name), type);
  if (!message) return question.events_.on_reply(question, {.kind = Reply::Kind::NoName});
  send(std::make_unique<Question::Sent>(*this, question, type, std::string(name), std::move(*message)),
       Channel::Way::Udp);
}

void NameServer::send(std::unique_ptr<Question::Sent> sent, Channel::Way way) {
  sent->channel = channel_for(way, Loop::now());
  if (sent->channel == nullptr) return report(std::move(sent), {});
  Question::Sent* const handed_over = sent.release();  // on_message() has it, possibly before this returns
  handed_over->channel->send(handed_over->message, &NameServer::on_message, handed_over);
}

void NameServer::on_message(void* argument, int status, int, unsigned char* message, int size) {
  std::unique_ptr<Question::Sent> sent(static_cast<Question::Sent*>(argument));
  NameServer& server = sent->server;
  sent->channel->answered();
  if (status == ARES_SUCCESS) server.answered_at_ = Loop::now();
  if (status == ARES_EDESTRUCTION || sent->question == nullptr) return;
  if (status == ARES_SUCCESS) {
    return server.take_answer(std::move(sent),
                              {reinterpret_cast<const char*>(message), static_cast<std::size_t>(size)});
  }
  const Channel::Way way = sent->channel->way();
  const Reply reply = sent->truncated.addresses.empty() ? failure_of(status, way) : sent->truncated;
  report(std::move(sent), reply);
}

void NameServer::take_answer(std::unique_ptr<Question::Sent> sent, std::string_view answer) {
  const bool by_udp = sent->channel->way() == Channel::Way::Udp;
  Question& question = *sent->question;
  if (question.random_case_ && !returns_name(sent->message, answer)) {
    // Forged, or the server does not return names as they were written: either way it says nothing.
    name_case_.altered();
    if (sent->channel == udp_.get()) retire(udp_);  // who guessed a port does not know the next one
    const std::string name = sent->name;
    const RecordType type = sent->type;
    sent.reset();
    return ask(name, type, question, false);
  }
  const Reply reply = parse_answer(sent->type, answer);
  const bool cut_off = reply.kind == Reply::Kind::Failed && answer.size() >= kMaxDatagram;
  if (by_udp && (is_truncated(answer) || cut_off)) {
    sent->truncated = reply;  // better than nothing
    return send(std::move(sent), Channel::Way::Tcp);
  }
  if (question.random_case_ && !reply.addresses.empty()) name_case_.found();
  report(std::move(sent), reply);
}

void NameServer::report(std::unique_ptr<Question::Sent> sent, const Reply& reply) {
  Question& question = *sent->question;
  sent.reset();
  question.events_.on_reply(question, reply);
}

void NameServer::tick(TimePoint now) {
  for (Channel* const channel : {udp_.get(), tcp_.get()}) {
    if (channel != nullptr) channel->end_late();
  }
  for (std::size_t i = 0; i < draining_.size(); ++i) draining_[i]->end_late();
  if (udp_ && udp_->worn(now)) retire(udp_);
  if (tcp_ && (tcp_->worn(now) || !tcp_->busy())) retire(tcp_);
  std::erase_if(draining_, [](const std::unique_ptr<Channel>& channel) { return !channel->busy(); });
}

}  // namespace keepwarm::net
