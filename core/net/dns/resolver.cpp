#include "core/net/dns/resolver.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include "core/net/dns/address_cache.h"
#include "core/net/dns/address_order.h"
#include "core/net/dns/dns_lookups.h"

namespace keepwarm::net {
namespace {

/// While answers come from the cache.
constexpr Duration kFollowEvery = std::chrono::seconds(1);
constexpr std::size_t kLongestName = 253;  // RFC 1035 §2.3.4, in text without the final dot

constexpr std::size_t kLongestLabel = 63;

/// Whether there is any point in asking for it. getaddrinfo would take a NUL for the name's end.
bool askable(std::string_view name) noexcept {
  if (name.empty() || name.size() > kLongestName || name.find('\0') != std::string_view::npos) return false;
  std::size_t label = 0;
  return std::none_of(name.begin(), name.end(), [&](char c) {
    label = c == '.' ? 0 : label + 1;
    return label > kLongestLabel;
  });
}

/// Whether an answer says something about the name. Other failures are shortages of our own, which may be over any
/// time.
bool worth_keeping(const LookupAnswer& answer) noexcept {
  switch (answer.error) {
    case 0:
    case UV_EAI_AGAIN:
    case UV_EAI_FAIL:
    case UV_EAI_NODATA:
    case UV_EAI_NONAME:
    case UV_ETIMEDOUT: return true;
    default: return false;
  }
}

AddressCache::Terms terms_of(const Resolver::Settings& settings) noexcept {
  return {.ttl = settings.ttl, .negative_ttl = settings.negative_ttl, .min_ttl = settings.min_ttl};
}

const std::array<SocketAddress, 2>& localhost() {
  static const std::array<SocketAddress, 2> addresses{*SocketAddress::parse("::1", 0),
                                                      *SocketAddress::parse("127.0.0.1", 0)};
  return addresses;
}

}  // namespace

struct Resolver::Impl {
  /// A name that is being looked up, or waits for a thread (then it hangs in `waiting`).
  struct Pending : ListHook<Pending> {
    std::string_view name;  // the key
    bool again = false;     // somebody knew an answer that led nowhere
    IntrusiveList<Query, Query> askers;
  };

  Impl(Loop& loop, Settings settings, Lookup lookup, SystemNames::Paths paths)
      : cache(kMaxEntries, terms_of(settings)),
        names(settings.mode, std::move(paths)),
        threads(loop, std::move(lookup),
                [this](const std::string& name, const LookupAnswer& answer) { on_answer(name, answer); }),
        dns(loop, [this](const std::string& name, const LookupAnswer& answer) { on_answer(name, answer); }) {
    dns.configure(names.conf());
  }

  void follow_files(TimePoint now, Duration unless_within);
  [[nodiscard]] std::vector<SocketAddress> find_in_hosts(std::string_view name) const;
  void ask(std::string_view name, Query& query, bool again);
  void start_waiting();
  void drop_abandoned();
  void on_answer(const std::string& name, const LookupAnswer& answer);
  void report(std::string_view name, const LookupAnswer& answer);
  void report_partial(std::string_view name, const LookupAnswer& answer);

  AddressCache cache;
  NameMap<Pending> pending;
  IntrusiveList<Pending, Pending> waiting;  // in the order in which they were first asked for
  SystemNames names;
  TimePoint followed_at;
  LookupThreads threads;
  DnsLookups dns;
};

/// Reads the system's files if they have changed, and have not been looked at for `unless_within`.
void Resolver::Impl::follow_files(TimePoint now, Duration unless_within) {
  if (now - followed_at < unless_within) return;
  followed_at = now;
  if (!names.refresh()) return;
  cache.clear();
  dns.configure(names.conf());
}

/// In the order in which they should be tried.
std::vector<SocketAddress> Resolver::Impl::find_in_hosts(std::string_view name) const {
  if (names.asks_system(name)) return {};  // getaddrinfo reads the file itself
  const std::vector<SocketAddress> found = names.hosts().find(name);
  if (found.size() < 2) return found;
  std::vector<SocketAddress> v4;
  std::vector<SocketAddress> v6;
  for (const SocketAddress& address : found) (address.family() == AF_INET ? v4 : v6).push_back(address);
  return in_connect_order(in_preferred_order(v6, v4));
}

void Resolver::Impl::ask(std::string_view name, Query& query, bool again) {
  query.looked_up_ = true;
  const auto [entry, is_new] = pending.try_emplace(std::string(name));
  entry->second.again |= again;
  entry->second.askers.push_back(query);
  if (!is_new) return;
  entry->second.name = entry->first;
  if (!names.asks_system(name) && dns.has_capacity()) return dns.start(name);
  drop_abandoned();
  waiting.push_back(entry->second);
  start_waiting();
}

void Resolver::Impl::start_waiting() {
  while (threads.has_capacity()) {
    drop_abandoned();
    Pending* const next = waiting.front();
    if (next == nullptr) return;
    waiting.remove(*next);
    std::string name(next->name);
    if (const int error = threads.start(name); error != 0) report(name, {.addresses = {}, .error = error});
  }
}

/// A dead name server must not make the names that wait for a thread pile up: askers give up in about the order in
/// which they came, so dropping abandoned names at the front alone keeps their number near that of the askers.
void Resolver::Impl::drop_abandoned() {
  while (Pending* const oldest = waiting.front()) {
    if (!oldest->askers.empty()) return;
    pending.erase(pending.find(oldest->name));
  }
}

void Resolver::Impl::on_answer(const std::string& name, const LookupAnswer& answer) {
  if (worth_keeping(answer)) cache.store(name, answer, Loop::now(), pending.find(name)->second.again);
  start_waiting();
  answer.partial ? report_partial(name, answer) : report(name, answer);
}

void Resolver::Impl::report(std::string_view name, const LookupAnswer& answer) {
  // Out of the map first: an asker may ask for the same name again.
  auto ended = pending.extract(pending.find(name));
  IntrusiveList<Query, Query>& askers = ended.mapped().askers;
  while (Query* const query = askers.front()) {
    askers.remove(*query);
    query->events_->on_resolved(answer.addresses, answer.error);
  }
}

/// They stay pending.
void Resolver::Impl::report_partial(std::string_view name, const LookupAnswer& answer) {
  IntrusiveList<Query, Query>& askers = pending.find(name)->second.askers;
  IntrusiveList<Query, Query> to_tell;
  while (Query* const query = askers.front()) {
    askers.remove(*query);
    to_tell.push_back(*query);
  }
  while (Query* const query = to_tell.front()) {
    to_tell.remove(*query);
    askers.push_back(*query);
    query->events_->on_resolved(answer.addresses, answer.error);
  }
}

Resolver::Resolver(Loop& loop, Settings settings, Lookup lookup, SystemNames::Paths paths)
    : impl_(std::make_unique<Impl>(loop, settings, std::move(lookup), std::move(paths))), timeout_(settings.timeout) {}

Resolver::~Resolver() = default;

void Resolver::resolve(std::string_view name, Query& query, ResolveEvents& events) {
  assert(!query.pending());
  query.events_ = &events;
  query.looked_up_ = false;
  if (const auto literal = SocketAddress::parse(name, 0)) return events.on_resolved({&*literal, 1}, 0);
  if (is_localhost(name)) return events.on_resolved(localhost(), 0);
  if (!askable(name)) return events.on_resolved({}, UV_EAI_NONAME);
  const TimePoint now = Loop::now();
  const bool known = impl_->cache.find(name, now) != nullptr;
  impl_->follow_files(now, known ? kFollowEvery : Duration::zero());
  if (const auto in_hosts = impl_->find_in_hosts(name); !in_hosts.empty()) return events.on_resolved(in_hosts, 0);
  if (const LookupAnswer* const cached = impl_->cache.find(name, now)) {
    const LookupAnswer answer = *cached;  // the cache may let go of it while the asker is being told
    const auto rest = answer.partial ? impl_->pending.find(name) : impl_->pending.end();
    if (rest != impl_->pending.end()) rest->second.askers.push_back(query);
    return events.on_resolved(answer.addresses, answer.error);
  }
  impl_->ask(name, query, false);
}

bool Resolver::ask_again(std::string_view name, Query& query, ResolveEvents& events) {
  assert(!query.pending());
  if (is_localhost(name) || SocketAddress::parse(name, 0)) return false;
  if (!impl_->find_in_hosts(name).empty() || impl_->cache.confirmed_lately(name, Loop::now())) return false;
  query.events_ = &events;
  impl_->ask(name, query, true);
  return true;
}

void Resolver::forget(std::string_view name) {
  impl_->cache.forget(name);
}

void Resolver::forget_all() {
  impl_->cache.clear();
}

void Resolver::set_settings(Settings settings) noexcept {
  impl_->cache.set_terms(terms_of(settings));
  impl_->names.set_mode(settings.mode);
  timeout_ = settings.timeout;
}

std::size_t Resolver::running() const noexcept {
  return impl_->threads.running() + impl_->dns.running();
}

}  // namespace keepwarm::net
