#include "core/base/certificate_scope.h"

#include <algorithm>

namespace keepwarm {
namespace {

bool covers(std::string_view constraint, std::string_view name) {
  if (constraint.empty() || constraint == name) return true;
  if (!name.ends_with(constraint)) return false;
  return constraint.front() == '.' || name[name.size() - constraint.size() - 1] == '.';
}

bool covers(const Cidr& constraint, const Cidr& range) {
  return constraint.prefix <= range.prefix && constraint.contains(range.base);
}

template <typename Constraint>
bool overlap(const Constraint& one, const Constraint& other) {
  return covers(one, other) || covers(other, one);
}

/// Leaves out of both lists what the other one makes void.
template <typename Constraint>
void simplify(std::vector<Constraint>& permitted, std::vector<Constraint>& excluded) {
  std::erase_if(permitted, [&](const Constraint& each) {
    return std::any_of(excluded.begin(), excluded.end(), [&](const Constraint& other) { return covers(other, each); });
  });
  std::erase_if(excluded, [&](const Constraint& each) {
    return std::none_of(permitted.begin(), permitted.end(), [&](const Constraint& one) { return overlap(one, each); });
  });
}

bool any_covers(const std::vector<std::string>& constraints, std::string_view name) {
  return std::any_of(constraints.begin(), constraints.end(), [&](const auto& each) { return covers(each, name); });
}

/// Of each pair in which one covers the other the narrower one.
template <typename Constraint>
std::vector<Constraint> common(const std::vector<Constraint>& some, const std::vector<Constraint>& others) {
  std::vector<Constraint> result;
  const auto add = [&](const Constraint& each) {
    if (std::find(result.begin(), result.end(), each) == result.end()) result.push_back(each);
  };
  for (const Constraint& one : some) {
    for (const Constraint& other : others) {
      if (covers(one, other)) {
        add(other);
      } else if (covers(other, one)) {
        add(one);
      }
    }
  }
  return result;
}

template <typename Constraint>
std::vector<Constraint> joined(std::vector<Constraint> some, const std::vector<Constraint>& others) {
  for (const Constraint& each : others) {
    if (std::find(some.begin(), some.end(), each) == some.end()) some.push_back(each);
  }
  return some;
}

void add_to_list(std::string& list, std::string_view text) {
  if (!list.empty()) list += ", ";
  list += text;
}

std::string listed(const std::vector<std::string>& names, const std::vector<Cidr>& addresses) {
  std::string list;
  for (const std::string& name : names) add_to_list(list, name.empty() ? "any name" : name);
  for (const Cidr& range : addresses) add_to_list(list, range.text());
  return list;
}

}  // namespace

bool CertificateScope::permits(std::string_view host) const {
  const std::optional<IpAddress> address = IpAddress::parse(host);
  if (!address) {
    if (host.empty() || any_covers(excluded_names, host)) return false;
    return any_host || any_covers(names, host);
  }
  if (any_contains(excluded_addresses, *address)) return false;
  const bool is_mapped = address->is_v4() && host.find(':') != std::string_view::npos;
  return any_host || (!is_mapped && any_contains(addresses, *address));
}

CertificateScope both(const CertificateScope& one, const CertificateScope& other) {
  CertificateScope scope;
  scope.any_host = one.any_host && other.any_host;
  if (one.any_host || other.any_host) {
    const CertificateScope& narrower = one.any_host ? other : one;
    scope.names = narrower.names;
    scope.addresses = narrower.addresses;
  } else {
    scope.names = common(one.names, other.names);
    scope.addresses = common(one.addresses, other.addresses);
  }
  scope.excluded_names = joined(one.excluded_names, other.excluded_names);
  scope.excluded_addresses = joined(one.excluded_addresses, other.excluded_addresses);
  return scope;
}

CertificateScope simplified(CertificateScope scope) {
  if (scope.any_host) return scope;
  simplify(scope.names, scope.excluded_names);
  simplify(scope.addresses, scope.excluded_addresses);
  return scope;
}

std::string to_text(const CertificateScope& scope) {
  std::string text = scope.any_host ? "any host" : listed(scope.names, scope.addresses);
  if (text.empty()) text = "no host";
  const std::string excluded = listed(scope.excluded_names, scope.excluded_addresses);
  return excluded.empty() ? text : text + " but not " + excluded;
}

}  // namespace keepwarm
