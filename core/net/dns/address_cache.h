#pragma once

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>

#include "core/base/clock.h"
#include "core/base/intrusive_list.h"
#include "core/net/dns/lookup.h"
#include "core/net/dns/name_map.h"

namespace keepwarm::net {

/// The answers of look-ups, for as long as they may be used. Pure: owns no clock. Bounded: beyond its capacity the
/// oldest answer goes. Everything is O(1), amortised.
class AddressCache {
 public:
  /// Terms of use; they hold for what is already in the cache too. 0: not at all.
  struct Terms {
    Duration ttl;                                ///< of addresses: the longest
    Duration negative_ttl;                       ///< of a failure
    Duration min_ttl = std::chrono::seconds(1);  ///< of addresses whose own time is shorter, but never more than `ttl`
  };

  AddressCache(std::size_t capacity, Terms terms) noexcept : capacity_(capacity), terms_(terms) {}

  void set_terms(Terms terms) noexcept { terms_ = terms; }

  /// The answer if it may still be used; else nullptr. Valid until the next store().
  [[nodiscard]] const LookupAnswer* find(std::string_view name, TimePoint now) const {
    const auto found = entries_.find(name);
    return found == entries_.end() || lapsed(found->second, now) ? nullptr : &found->second.answer;
  }

  /// Replaces what was known. `asked_again`: see confirmed_lately(). `now` must not go back.
  void store(const std::string& name, LookupAnswer answer, TimePoint now, bool asked_again = false) {
    const auto stored = entries_.try_emplace(name).first;
    Entry& entry = stored->second;
    entry.name = stored->first;
    entry.confirmed = asked_again && same_addresses(entry.answer, answer);
    entry.answer = std::move(answer);
    entry.answered_at = now;
    if (entry.linked()) List::remove(entry);
    by_age_.push_back(entry);
    while (entries_.size() > capacity_ || lapsed(*by_age_.front(), now)) {
      entries_.erase(entries_.find(by_age_.front()->name));
      if (entries_.empty()) return;
    }
  }

  /// Drops what was known.
  void forget(std::string_view name) {
    if (const auto found = entries_.find(name); found != entries_.end()) entries_.erase(found);
  }

  void clear() { entries_.clear(); }

  /// Whether the name was asked again though it was known, less than kConfirmedFor ago, and the answer was the same.
  [[nodiscard]] bool confirmed_lately(std::string_view name, TimePoint now) const {
    const auto found = entries_.find(name);
    return found != entries_.end() && found->second.confirmed && now - found->second.answered_at < kConfirmedFor;
  }

  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

 private:
  static constexpr Duration kConfirmedFor = std::chrono::seconds(1);

  struct Entry : ListHook<Entry> {
    std::string_view name;  // the key
    LookupAnswer answer;
    TimePoint answered_at;
    bool confirmed = false;
  };
  using List = IntrusiveList<Entry, Entry>;

  /// In whatever order: name servers let them take turns.
  [[nodiscard]] static bool same_addresses(const LookupAnswer& one, const LookupAnswer& other) {
    return std::is_permutation(one.addresses.begin(), one.addresses.end(), other.addresses.begin(),
                               other.addresses.end());
  }

  [[nodiscard]] bool lapsed(const Entry& entry, TimePoint now) const noexcept {
    const Duration held = std::min(terms_.ttl, std::max(terms_.min_ttl, entry.answer.ttl));
    return now - entry.answered_at >= (entry.answer.error == 0 ? held : terms_.negative_ttl);
  }

  std::size_t capacity_;
  Terms terms_;
  NameMap<Entry> entries_;
  List by_age_;  // all entries, the oldest answer first
};

}  // namespace keepwarm::net
