#include "core/http/set_cookie.h"

#include "core/http/ascii.h"
#include "core/http/fields.h"

namespace keepwarm::http {
namespace {

/// Prefixes are compared in any case, as clients do (draft-ietf-httpbis-rfc6265bis §5.7).
bool promises_secure(std::string_view name) noexcept {
  for (const std::string_view prefix : {std::string_view("__Secure-"), std::string_view("__Host-")}) {
    if (equals_ignoring_case(name.substr(0, prefix.size()), prefix)) return true;
  }
  return false;
}

/// `attribute` is what stands between two semicolons.
bool needs_secure(std::string_view attribute) noexcept {
  const std::size_t equals = attribute.find('=');
  const std::string_view name = trim_blanks(attribute.substr(0, equals));
  if (equals_ignoring_case(name, "secure") || equals_ignoring_case(name, "partitioned")) return true;
  if (equals == std::string_view::npos || !equals_ignoring_case(name, "samesite")) return false;
  return equals_ignoring_case(trim_blanks(attribute.substr(equals + 1)), "none");
}

}  // namespace

std::string without_secure(std::string_view set_cookie) {
  std::size_t end = set_cookie.find(';');
  std::string kept(set_cookie.substr(0, end));
  if (promises_secure(trim_blanks(kept))) return std::string(set_cookie);
  while (end != std::string_view::npos) {
    const std::size_t begin = end + 1;
    end = set_cookie.find(';', begin);
    const std::string_view attribute = set_cookie.substr(begin, end - begin);
    if (!needs_secure(attribute)) kept.append(1, ';').append(attribute);
  }
  return kept;
}

}  // namespace keepwarm::http
