#include "core/net/dns/resolver.h"

#include <array>
#include <cassert>
#include <utility>

#include "core/net/dns/address_cache.h"

namespace keepwarm::net {
namespace {

constexpr std::size_t kLongestName = 253;  // RFC 1035 §2.3.4, in text without the final dot

/// Whether there is any point in asking for it. getaddrinfo would take a NUL for the name's end.
bool askable(std::string_view name) noexcept {
  return !name.empty() && name.size() <= kLongestName && name.find('\0') == std::string_view::npos;
}

/// Whether an answer says something about the name. Other failures are shortages of our own, which may be over any
/// time.
bool worth_keeping(const LookupAnswer& answer) noexcept {
  switch (answer.error) {
    case 0:
    case UV_EAI_AGAIN:
    case UV_EAI_FAIL:
    case UV_EAI_NODATA:
    case UV_EAI_NONAME: return true;
    default: return false;
  }
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

  Impl(Loop& loop, Settings settings, Lookup lookup)
      : cache(kMaxEntries, {settings.ttl, settings.negative_ttl}),
        threads(loop, std::move(lookup),
                [this](const std::string& name, const LookupAnswer& answer) { on_answer(name, answer); }) {}

  void ask(std::string_view name, Query& query, bool again);
  void start_waiting();
  void drop_abandoned();
  void on_answer(const std::string& name, const LookupAnswer& answer);
  void report(std::string_view name, const LookupAnswer& answer);

  AddressCache cache;
  NameMap<Pending> pending;
  IntrusiveList<Pending, Pending> waiting;  // in the order in which they were first asked for
  LookupThreads threads;
};

void Resolver::Impl::ask(std::string_view name, Query& query, bool again) {
  query.looked_up_ = true;
  const auto [entry, is_new] = pending.try_emplace(std::string(name));
  entry->second.again |= again;
  entry->second.askers.push_back(query);
  if (!is_new) return;
  entry->second.name = entry->first;
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
  report(name, answer);
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

Resolver::Resolver(Loop& loop, Settings settings, Lookup lookup)
    : impl_(std::make_unique<Impl>(loop, settings, std::move(lookup))), timeout_(settings.timeout) {}

Resolver::~Resolver() = default;

void Resolver::resolve(std::string_view name, Query& query, ResolveEvents& events) {
  assert(!query.pending());
  query.events_ = &events;
  query.looked_up_ = false;
  if (const auto literal = SocketAddress::parse(name, 0)) return events.on_resolved({&*literal, 1}, 0);
  if (is_localhost(name)) return events.on_resolved(localhost(), 0);
  if (!askable(name)) return events.on_resolved({}, UV_EAI_NONAME);
  if (const LookupAnswer* const cached = impl_->cache.find(name, Loop::now())) {
    const LookupAnswer answer = *cached;  // the cache may let go of it while the asker is being told
    return events.on_resolved(answer.addresses, answer.error);
  }
  impl_->ask(name, query, false);
}

bool Resolver::ask_again(std::string_view name, Query& query, ResolveEvents& events) {
  assert(!query.pending());
  if (is_localhost(name) || SocketAddress::parse(name, 0)) return false;
  if (impl_->cache.confirmed_lately(name, Loop::now())) return false;
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
  impl_->cache.set_terms({settings.ttl, settings.negative_ttl});
  timeout_ = settings.timeout;
}

std::size_t Resolver::running() const noexcept {
  return impl_->threads.running();
}

}  // namespace keepwarm::net
