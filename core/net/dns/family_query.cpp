#include "core/net/dns/family_query.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace keepwarm::net {

// ---- ServerSet ----

ServerSet::ServerSet(Loop& loop, const ResolvConf& of) : conf(of), order(of.servers.size(), of.rotate) {
  for (const SocketAddress& server : conf.servers) servers.push_back(std::make_unique<NameServer>(loop, server));
}

bool ServerSet::open() const noexcept {
  return std::any_of(servers.begin(), servers.end(), [](const auto& server) { return server->open(); });
}

std::vector<std::uint8_t> ServerSet::in_order() {
  for (std::size_t i = 0; i < servers.size(); ++i) order.answered(i, servers[i]->answered_at());
  return order.order();
}

void ServerSet::tick(TimePoint now) {
  for (const auto& server : servers) server->tick(now);
}

// ---- FamilyQuery ----

void FamilyQuery::start(const std::string& name, ServerSet& servers, TimePoint now) {
  assert(ended_);
  name_ = name;
  servers_ = &servers;
  order_ = servers.in_order();
  questions_ = 0;
  in_lower_case_ = false;
  reply_ = {};
  ended_ = false;
  if (const auto dead = servers.order.trial(now)) ask(*dead, now, true);
  if (!ended_) ask_next(now);
}

bool FamilyQuery::ask_in_lower_case(TimePoint now) {
  assert(ended_);
  if (!was_random_case_) return false;
  was_random_case_ = false;
  order_ = {static_cast<std::uint8_t>(answered_by_)};
  questions_ = 0;
  in_lower_case_ = true;
  ended_ = false;
  ask_next(now);
  return true;
}

/// Nothing of the query may be touched afterwards: it may have ended, and be gone.
void FamilyQuery::ask_next(TimePoint now) {
  const std::size_t server = order_[questions_++ % order_.size()];
  asked_at_ = now;
  if (linked()) List::remove(*this);
  impatient_.push_back(*this);
  ask(server, now, false);
}

void FamilyQuery::ask(std::size_t server, TimePoint now, bool trial) {
  under_way_.push_back(std::make_unique<Asked>(static_cast<QuestionEvents&>(*this), server, now, trial));
  // A server may drop names in random case: who is asked again is not.
  const bool plain = in_lower_case_ || questions_ > order_.size();
  servers_->servers[server]->ask(name_, type_, *under_way_.back(), plain);
}

void FamilyQuery::lose_patience(TimePoint now) {
  List::remove(*this);
  if (!under_way_.empty()) {
    const Asked& last = *under_way_.back();
    if (servers_->servers[last.server]->answered_at() < last.at) servers_->order.died(last.server, now);
  }
  if (questions_ < most_questions()) ask_next(now);
}

void FamilyQuery::on_reply(Question& question, const Reply& reply) {
  const auto& asked = static_cast<Asked&>(question);
  const std::size_t server = asked.server;
  const bool trial = asked.trial;
  was_random_case_ = asked.random_case();
  answered_by_ = server;
  std::erase_if(under_way_, [&](const auto& each) { return each.get() == &asked; });
  const TimePoint now = Loop::now();
  if (reply.kind == Reply::Kind::Unreachable) servers_->order.died(server, now);
  if (reply.kind == Reply::Kind::Answer || reply.kind == Reply::Kind::NoName) {
    if (in_lower_case_ && !reply.addresses.empty()) servers_->servers[server]->needs_lower_case();
    return end(reply);
  }
  if (trial) return;  // the question that counts is under way, or about to be
  reply_.kind = reply.kind == Reply::Kind::Silent ? Reply::Kind::Silent : Reply::Kind::Failed;
  // One that cannot say will hardly be able to in its second round.
  if (reply.kind != Reply::Kind::Silent && questions_ < order_.size()) return ask_next(now);
  const bool waits = std::any_of(under_way_.begin(), under_way_.end(), [](const auto& each) { return !each->trial; });
  if (!waits) end({.kind = reply_.kind});
}

void FamilyQuery::end(Reply reply) {
  if (linked()) List::remove(*this);
  under_way_.clear();
  reply_ = std::move(reply);
  ended_ = true;
  events_.on_family_ended(*this);
}

}  // namespace keepwarm::net
