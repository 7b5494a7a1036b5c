#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "core/base/clock.h"
#include "core/policy/interception.h"

/// What is remembered of servers that cannot be intercepted, and of clients that refuse our certificates. Bounded: when
/// it is full, the entry that was made or renewed longest ago is forgotten. No I/O, no clock of its own.
namespace keepwarm::policy {

/// Entries by key, in the order in which they were last written, at most kLimit of them.
template <typename Key, typename Value, typename Hash>
class BoundedMap {
 public:
  static constexpr std::size_t kLimit = 1000;

  [[nodiscard]] Value* find(const Key& key) {
    const auto at = places_.find(key);
    return at == places_.end() ? nullptr : &at->second->second;
  }
  Value& write(const Key& key, Value value) {
    erase(key);
    if (places_.size() == kLimit) erase(Key(entries_.front().first));
    entries_.emplace_back(key, std::move(value));
    places_.emplace(key, std::prev(entries_.end()));
    return entries_.back().second;
  }
  void erase(const Key& key) {
    const auto at = places_.find(key);
    if (at == places_.end()) return;
    entries_.erase(at->second);
    places_.erase(at);
  }
  void clear() noexcept {
    places_.clear();
    entries_.clear();
  }
  [[nodiscard]] std::size_t size() const noexcept { return places_.size(); }

 private:
  using Entries = std::list<std::pair<Key, Value>>;
  Entries entries_;  ///< front: written longest ago
  std::unordered_map<Key, typename Entries::iterator, Hash> places_;
};

/// Servers whose certificate was refused, which ask for one of the client, or with which no TLS was possible: CONNECT
/// to them is a tunnel for a while. The first CONNECT after that tries again.
class InterceptVerdicts {
 public:
  static constexpr Duration kCertificate = std::chrono::minutes(1);
  static constexpr Duration kOther = std::chrono::minutes(10);

  /// `server`: "host:port". None: there is no verdict against it.
  [[nodiscard]] TunnelReason find(const std::string& server, TimePoint now);
  /// True: it is a new one, or another one than before, and so worth a line in the log.
  bool add(const std::string& server, TunnelReason reason, TimePoint now);
  /// The server has turned out well: whatever is found next is news.
  void forget(const std::string& server) { verdicts_.erase(server); }
  void clear() noexcept { verdicts_.clear(); }
  [[nodiscard]] std::size_t size() const noexcept { return verdicts_.size(); }

 private:
  struct Verdict {
    TunnelReason reason = TunnelReason::None;
    TimePoint until{};
  };
  BoundedMap<std::string, Verdict, std::hash<std::string>> verdicts_;
};

/// Clients that have refused our certificate, told apart by what they asked for and how their ClientHello is made up.
class ClientRefusals {
 public:
  static constexpr Duration kTunnelFor = std::chrono::hours(1);
  static constexpr Duration kLogEach = std::chrono::hours(1);

  /// `shape`: ClientHello::shape. True: it is worth a line in the log.
  bool add(std::string_view host, std::uint64_t shape, TimePoint now);
  /// Whether such a client has refused within the last kTunnelFor.
  [[nodiscard]] bool refused_lately(std::string_view host, std::uint64_t shape, TimePoint now);
  void clear() noexcept { refusals_.clear(); }
  [[nodiscard]] std::size_t size() const noexcept { return refusals_.size(); }

 private:
  struct Refusal {
    TimePoint last{};
    TimePoint logged_at{};
  };
  [[nodiscard]] static std::string key_of(std::string_view host, std::uint64_t shape);

  BoundedMap<std::string, Refusal, std::hash<std::string>> refusals_;
};

}  // namespace keepwarm::policy
