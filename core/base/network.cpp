#include "core/base/network.h"

#include <algorithm>
#include <iterator>
#include <span>
#include <string_view>
#include <tuple>
#include <utility>

namespace keepwarm {

namespace {

/// In whatever order, as long as it is always the same.
struct InOrder {
  static auto key(const IpAddress& address) noexcept {
    const auto bytes = address.bytes();
    return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  bool operator()(const IpAddress& one, const IpAddress& other) const noexcept { return key(one) < key(other); }
  bool operator()(const Route& one, const Route& other) const noexcept {
    const auto all = [](const Route& route) {
      return std::tuple(key(route.to.base), route.to.prefix, route.table, route.metric, route.own,
                        std::string_view(route.way));
    };
    return all(one) < all(other);
  }
  bool operator()(const std::string& one, const std::string& other) const noexcept { return one < other; }
};

template <typename T>
void sort_once_each(std::vector<T>& all) {
  std::sort(all.begin(), all.end(), InOrder{});
  all.erase(std::unique(all.begin(), all.end()), all.end());
}

/// Of two sorted lists.
template <typename T>
void add_difference(std::vector<T>& to, const std::vector<T>& all, const std::vector<T>& without) {
  std::set_difference(all.begin(), all.end(), without.begin(), without.end(), std::back_inserter(to), InOrder{});
}

}  // namespace

NetworkChange NetworkChange::between(NetworkState before, NetworkState after) {
  for (NetworkState* state : {&before, &after}) {
    sort_once_each(state->addresses);
    sort_once_each(state->routes);
    sort_once_each(state->rules);
  }
  NetworkChange change;
  add_difference(change.gone_, before.addresses, after.addresses);
  add_difference(change.came_, after.addresses, before.addresses);
  add_difference(change.changed_, before.routes, after.routes);
  add_difference(change.changed_, after.routes, before.routes);
  std::set_intersection(before.routes.begin(), before.routes.end(), after.routes.begin(), after.routes.end(),
                        std::back_inserter(change.stayed_), InOrder{});
  change.rules_differ_ = before.rules != after.rules;
  return change;
}

bool NetworkChange::address_gone(const IpAddress& own) const noexcept {
  return std::binary_search(gone_.begin(), gone_.end(), own, InOrder{});
}

/// Whether a route that has stayed serves `peer` before `changed` does, or did.
bool NetworkChange::served_by_other(const Route& changed, const IpAddress& peer) const noexcept {
  return std::any_of(stayed_.begin(), stayed_.end(), [&](const Route& route) {
    if (route.table != changed.table || !route.to.contains(peer)) return false;
    return std::pair(changed.to.prefix, route.metric) < std::pair(route.to.prefix, changed.metric);
  });
}

bool NetworkChange::route_changed(const IpAddress& peer) const noexcept {
  // An address of this machine comes before all tables. And that of a link has no other way than that link.
  const auto is_own = [&](const Route& route) { return route.own && route.to.contains(peer); };
  if (peer.is_link_local() || std::any_of(stayed_.begin(), stayed_.end(), is_own)) return false;
  if (rules_differ_) return true;
  return std::any_of(changed_.begin(), changed_.end(),
                     [&](const Route& route) { return route.to.contains(peer) && !served_by_other(route, peer); });
}

bool NetworkChange::concerns_names() const noexcept {
  // Containers come and go all the time, each with addresses and routes of its own link.
  const auto beyond_link = [](const IpAddress& address) { return !address.is_link_local(); };
  return std::any_of(gone_.begin(), gone_.end(), beyond_link) || std::any_of(came_.begin(), came_.end(), beyond_link) ||
         std::any_of(changed_.begin(), changed_.end(), [](const Route& route) { return route.to.prefix == 0; }) ||
         rules_differ_;
}

std::string NetworkChange::text() const {
  static constexpr std::size_t kShown = 4;
  std::string text;
  const auto add = [&text](std::string_view what, const auto& list, const auto& text_of) {
    if (list.empty()) return;
    text.append(text.empty() ? "" : "; ").append(what);
    for (const auto& each : std::span(list).first(std::min(list.size(), kShown)))
      text.append(" ").append(text_of(each));
    if (list.size() > kShown) text.append(" and ").append(std::to_string(list.size() - kShown)).append(" more");
  };
  const auto address = [](const IpAddress& each) { return each.text(); };
  add("addresses gone:", gone_, address);
  add("new addresses:", came_, address);
  add("other routes to:", changed_,
      [](const Route& each) { return each.to.prefix == 0 ? std::string("default") : each.to.text(); });
  if (rules_differ_) text.append(text.empty() ? "" : "; ").append("other routing rules");
  return text;
}

}  // namespace keepwarm
