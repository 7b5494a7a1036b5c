#pragma once

#include <string>
#include <string_view>

namespace keepwarm::http {

/// The value of a Set-Cookie field (RFC 6265 §4.1) for a client that asked for http://: without `Secure`, for which
/// clients that keep to the rules would drop the cookie, and without `SameSite=None` and `Partitioned`, which mean
/// nothing good without it (browsers drop such a cookie, too). Everything else stays byte for byte. So does the whole
/// value of a cookie named `__Secure-…` or `__Host-…`: such a client drops it in any case, and its name promises what
/// would not be true any more.
[[nodiscard]] std::string without_secure(std::string_view set_cookie);

}  // namespace keepwarm::http
