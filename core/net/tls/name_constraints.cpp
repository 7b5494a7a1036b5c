#include "core/net/tls/name_constraints.h"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include <openssl/asn1.h>
#include <openssl/x509v3.h>

namespace keepwarm::net {
namespace {

constexpr std::string_view kNobody = "invalid";
constexpr std::array<std::uint8_t, 4> kZeroV4 = {};
constexpr std::array<std::uint8_t, 16> kZeroV6 = {};

struct FreeConstraints {
  void operator()(NAME_CONSTRAINTS* constraints) const noexcept { NAME_CONSTRAINTS_free(constraints); }
};
using Constraints = std::unique_ptr<NAME_CONSTRAINTS, FreeConstraints>;
using Subtrees = STACK_OF(GENERAL_SUBTREE);

Cidr all_of(bool v4) {
  return {v4 ? IpAddress(kZeroV4) : IpAddress(kZeroV6), 0};
}

/// Adds a constraint of the given kind; the list is made if it is not there.
bool add(Subtrees*& list, int kind, std::string_view bytes) {
  if (list == nullptr) list = sk_GENERAL_SUBTREE_new_null();
  GENERAL_SUBTREE* const subtree = GENERAL_SUBTREE_new();
  ASN1_STRING* const value = ASN1_STRING_type_new(kind == GEN_DNS ? V_ASN1_IA5STRING : V_ASN1_OCTET_STRING);
  if (list == nullptr || subtree == nullptr || value == nullptr ||
      ASN1_STRING_set(value, bytes.data(), static_cast<int>(bytes.size())) != 1 ||
      sk_GENERAL_SUBTREE_push(list, subtree) <= 0) {
    ASN1_STRING_free(value);
    GENERAL_SUBTREE_free(subtree);
    return false;
  }
  GENERAL_NAME_set0_value(subtree->base, kind, value);
  return true;
}

/// The address and its mask.
std::string bytes_of(const Cidr& range) {
  const std::span<const std::uint8_t> address = range.base.bytes();
  std::string bytes(address.begin(), address.end());
  for (unsigned bit = 0; bit < range.base.bits(); bit += 8) {
    const unsigned in_byte = range.prefix <= bit ? 0 : std::min(range.prefix - bit, 8U);
    bytes += static_cast<char>(0xFF00U >> in_byte);
  }
  return bytes;
}

bool add_addresses(NAME_CONSTRAINTS& constraints, const std::vector<Cidr>& permitted, bool v4) {
  bool none = true;
  for (const Cidr& range : permitted) {
    if (range.base.is_v4() != v4) continue;
    none = false;
    if (!add(constraints.permittedSubtrees, GEN_IPADD, bytes_of(range))) return false;
  }
  return !none || add(constraints.excludedSubtrees, GEN_IPADD, bytes_of(all_of(v4)));
}

std::string_view text_of(const ASN1_STRING* value) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
          static_cast<std::size_t>(ASN1_STRING_length(value))};
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  if (lower.ends_with('.')) lower.pop_back();
  return lower;
}

/// nullopt: not an address and a mask whose ones come first.
std::optional<Cidr> range_of(std::string_view bytes) {
  const std::size_t half = bytes.size() / 2;
  Cidr range;
  if (bytes.size() == 2 * kZeroV4.size()) {
    std::array<std::uint8_t, 4> address{};
    std::copy_n(bytes.begin(), address.size(), address.begin());
    range.base = IpAddress(address);
  } else if (bytes.size() == 2 * kZeroV6.size()) {
    std::array<std::uint8_t, 16> address{};
    std::copy_n(bytes.begin(), address.size(), address.begin());
    range.base = IpAddress(address);
    if (range.base.is_v4()) return std::nullopt;  // IPv4-mapped: not what the mask is for
  } else {
    return std::nullopt;
  }
  for (const char byte : bytes.substr(half)) {
    for (unsigned bit = 0x80; bit != 0; bit >>= 1U) {
      if ((static_cast<std::uint8_t>(byte) & bit) != 0) ++range.prefix;
    }
  }
  return bytes_of(range).substr(half) == bytes.substr(half) ? std::optional(range) : std::nullopt;
}

/// Which constraints of a list concern us, and whether there are any of that kind.
struct Listed {
  std::vector<std::string> names;
  std::vector<Cidr> addresses;
  std::string problem;
};

Listed read_list(const Subtrees* list) {
  Listed listed;
  for (int i = 0; i < sk_GENERAL_SUBTREE_num(list); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_SUBTREE_value(list, i)->base;
    if (name->type == GEN_DNS) {
      listed.names.push_back(lower_case(text_of(name->d.dNSName)));
    } else if (name->type == GEN_DIRNAME) {
      listed.problem = "it is constrained to subjects that our certificates do not have";
    } else if (name->type == GEN_IPADD) {
      const std::optional<Cidr> range = range_of(text_of(name->d.iPAddress));
      if (range) listed.addresses.push_back(*range);
      if (!range) listed.problem = "it is constrained to addresses in a way that is not understood";
    }  // names of mail boxes and the like concern no server
  }
  return listed;
}

}  // namespace

bool add_name_constraints(x509_st* certificate, const CertificateScope& scope) {
  if (scope.any_host) return true;
  const Constraints constraints(NAME_CONSTRAINTS_new());
  if (!constraints) return false;
  const std::vector<std::string> nobody = {std::string(kNobody)};
  for (const std::string& name : scope.names.empty() ? nobody : scope.names) {
    if (!add(constraints->permittedSubtrees, GEN_DNS, name)) return false;
  }
  for (const bool v4 : {true, false}) {
    if (!add_addresses(*constraints, scope.addresses, v4)) return false;
  }
  return X509_add1_ext_i2d(certificate, NID_name_constraints, constraints.get(), 1, X509V3_ADD_DEFAULT) == 1;
}

Result<CertificateScope, std::string> name_constraints(const x509_st* certificate) {
  int critical = 0;
  const Constraints constraints(
      static_cast<NAME_CONSTRAINTS*>(X509_get_ext_d2i(certificate, NID_name_constraints, &critical, nullptr)));
  CertificateScope scope;
  if (!constraints) {
    if (critical != -1) return std::string("its name constraints cannot be read");
    scope.any_host = true;
    return scope;
  }
  Listed permitted = read_list(constraints->permittedSubtrees);
  Listed excluded = read_list(constraints->excludedSubtrees);
  for (std::string* problem : {&permitted.problem, &excluded.problem}) {
    if (!problem->empty()) return std::move(*problem);
  }
  scope.any_host = permitted.names.empty() && permitted.addresses.empty();
  if (!scope.any_host) {
    // What is not constrained is permitted.
    if (permitted.names.empty()) permitted.names = {""};
    if (permitted.addresses.empty()) permitted.addresses = {all_of(true), all_of(false)};
    std::erase(permitted.names, kNobody);
    scope.names = std::move(permitted.names);
    scope.addresses = std::move(permitted.addresses);
  }
  scope.excluded_names = std::move(excluded.names);
  scope.excluded_addresses = std::move(excluded.addresses);
  return simplified(std::move(scope));
}

}  // namespace keepwarm::net
