#include "core/net/dns/dns_lookups.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "core/net/dns/address_order.h"

namespace keepwarm::net {
namespace {

/// How often servers are looked after while questions are under way, and while only sockets are open.
constexpr Duration kBusyTick = std::chrono::milliseconds(100);
constexpr Duration kIdleTick = std::chrono::seconds(1);

bool has_addresses(const FamilyQuery& query) noexcept {
  return query.ended() && !query.reply().addresses.empty();
}

}  // namespace

// ---- NameLookup ----

/// The look-up of one name: its candidates by the search list, one after the other, both families of each at once.
class DnsLookups::NameLookup final : public ListHook<NameLookup>, private FamilyEvents {
 public:
  NameLookup(DnsLookups& owner, std::string name, std::shared_ptr<ServerSet> servers)
      : owner_(owner),
        name_(std::move(name)),
        servers_(std::move(servers)),
        candidates_(names_to_ask(name_, servers_->conf)),
        v4_(RecordType::A, *this, owner.impatient_),
        v6_(RecordType::Aaaa, *this, owner.impatient_) {}

  /// It may be gone afterwards.
  void start_next(TimePoint now) {
    const std::string& candidate = candidates_[next_++];
    starting_ = true;
    v4_.start(candidate, *servers_, now);
    v6_.start(candidate, *servers_, now);
    starting_ = false;
    settle(now);
  }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] TimePoint grace_over_at() const noexcept { return grace_over_at_; }
  /// Connecting can begin: the other family had its time, or need not be waited for.
  void tell_partial() {
    if (linked()) GraceList::remove(*this);
    told_ = true;
    LookupAnswer partial = answer();
    partial.partial = true;
    owner_.on_answer_(std::string(name_), partial);
  }

 private:
  void on_family_ended(FamilyQuery&) override {
    if (!starting_) settle(Loop::now());
  }

  /// May destroy this.
  void settle(TimePoint now) {
    if (v4_.ended() && v6_.ended()) return settle_candidate(now);
    if (told_ || linked()) return;
    if (has_addresses(v6_) && comes_first_anyway(v6_.reply().addresses.front())) return tell_partial();
    if (!has_addresses(v4_) && !has_addresses(v6_)) return;
    grace_over_at_ = now + kGrace;
    owner_.in_grace_.push_back(*this);
    owner_.schedule();
  }

  void settle_candidate(TimePoint now) {
    if (linked()) GraceList::remove(*this);
    const auto kind4 = v4_.reply().kind;
    const auto kind6 = v6_.reply().kind;
    if (kind4 == Reply::Kind::NoName && kind6 == Reply::Kind::Answer && v4_.ask_in_lower_case(now)) return;
    const auto any_is = [&](Reply::Kind kind) { return kind4 == kind || kind6 == kind; };
    failed_ = failed_ || any_is(Reply::Kind::Failed);
    silent_ = silent_ || any_is(Reply::Kind::Silent);
    exists_ = exists_ || any_is(Reply::Kind::Answer);
    const bool found = has_addresses(v4_) || has_addresses(v6_);
    // Who does not answer for one name of the search list hardly will for the next.
    if (!found && !silent_ && next_ < candidates_.size()) return start_next(now);
    owner_.ended(*this, answer());
  }

  [[nodiscard]] LookupAnswer answer() const {
    LookupAnswer answer;
    const auto addresses = [](const FamilyQuery& query) {
      return has_addresses(query) ? query.reply().addresses : std::vector<SocketAddress>();
    };
    answer.addresses = in_connect_order(in_preferred_order(addresses(v6_), addresses(v4_)));
    for (const FamilyQuery* query : {&v4_, &v6_}) {
      if (has_addresses(*query)) answer.ttl = std::min(answer.ttl, query->reply().ttl);
    }
    if (owner_.servers_ != servers_) answer.ttl = Duration::zero();  // other servers are asked by now
    if (answer.addresses.empty()) answer.error = why_none();
    return answer;
  }
  [[nodiscard]] int why_none() const noexcept {
    if (silent_) return UV_ETIMEDOUT;
    if (failed_) return UV_EAI_AGAIN;
    return exists_ ? UV_EAI_NODATA : UV_EAI_NONAME;
  }

  DnsLookups& owner_;
  std::string name_;
  std::shared_ptr<ServerSet> servers_;
  std::vector<std::string> candidates_;
  std::size_t next_ = 0;  // of the candidates
  FamilyQuery v4_;
  FamilyQuery v6_;
  TimePoint grace_over_at_;
  bool starting_ = false;
  bool told_ = false;    // a partial answer
  bool failed_ = false;  // a server could not say
  bool silent_ = false;  // none has answered
  bool exists_ = false;  // a candidate, though without addresses
};

// ---- DnsLookups ----

DnsLookups::DnsLookups(Loop& loop, OnAnswer on_answer)
    : loop_(loop), on_answer_(std::move(on_answer)), timer_(loop, [this] { on_timer(); }) {
  timer_.keeps_loop_alive(false);
}

DnsLookups::~DnsLookups() {
  lookups_.clear();  // withdraws all questions, before the servers go
}

void DnsLookups::configure(const ResolvConf& conf) {
  if (servers_ && servers_->conf == conf) return;
  if (servers_) old_servers_.push_back(std::move(servers_));
  servers_ = std::make_shared<ServerSet>(loop_, conf);
}

void DnsLookups::start(std::string_view name) {
  assert(has_capacity());
  const auto [entry, is_new] = lookups_.try_emplace(std::string(name));
  if (!is_new) return;
  entry->second = std::make_unique<NameLookup>(*this, entry->first, servers_);
  timer_.keeps_loop_alive(true);
  entry->second->start_next(Loop::now());
  schedule();
}

void DnsLookups::ended(NameLookup& lookup, const LookupAnswer& answer) {
  const auto entry = lookups_.find(lookup.name());
  const std::string name = entry->first;
  lookups_.erase(entry);
  if (lookups_.empty()) timer_.keeps_loop_alive(false);
  on_answer_(name, answer);
}

void DnsLookups::on_timer() {
  timer_due_ = TimePoint::max();
  const TimePoint now = Loop::now();
  servers_->tick(now);
  // Whoever is told an answer may ask for another name, and so find other servers.
  for (std::size_t i = 0; i < old_servers_.size(); ++i) old_servers_[i]->tick(now);
  std::erase_if(old_servers_, [](const auto& servers) { return servers.use_count() == 1 && !servers->open(); });
  for (int i = 0; i < kMaxAtOnce; ++i) {
    FamilyQuery* const query = impatient_.front();
    if (query == nullptr || query->impatient_at() > now) break;
    query->lose_patience(now);
  }
  while (NameLookup* const lookup = in_grace_.front()) {
    if (lookup->grace_over_at() > now) break;
    lookup->tell_partial();
  }
  schedule();
}

/// Sets the timer for whatever comes first.
void DnsLookups::schedule() {
  const TimePoint now = Loop::now();
  TimePoint due = TimePoint::max();
  if (!lookups_.empty()) {
    due = now + kBusyTick;
  } else if (servers_->open() || !old_servers_.empty()) {
    due = now + kIdleTick;
  }
  if (FamilyQuery* const query = impatient_.front()) due = std::min(due, query->impatient_at());
  if (NameLookup* const lookup = in_grace_.front()) due = std::min(due, lookup->grace_over_at());
  if (due >= timer_due_) return;
  timer_due_ = due;
  timer_.arm(due - now);
}

}  // namespace keepwarm::net
