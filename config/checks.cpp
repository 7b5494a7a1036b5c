#include "config/checks.h"

#include <algorithm>

#include "config/config.h"
#include "config/value.h"
#include "core/base/ip.h"
#include "core/http/fields.h"
#include "core/policy/configured_hop.h"

namespace keepwarm::config {
namespace {

/// What to do about a text that is refused for one of the usual reasons, to be put between what is wrong and what is
/// allowed; "" for any other.
std::string remedy(std::string_view text) {
  const std::string_view before_zone = text.substr(0, text.find('%'));
  const bool has_zone = before_zone.size() < text.size() && is_ipv6(before_zone.substr(before_zone.rfind('[') + 1));
  if (has_zone) return " (an address has no zone here)";
  const auto is_8bit = [](char c) { return static_cast<unsigned char>(c) >= 0x80; };
  if (std::any_of(text.begin(), text.end(), is_8bit)) return R"( (a name is written in its ASCII form, "xn--…"))";
  return {};
}

}  // namespace

std::string listen_problem(std::string_view text) {
  constexpr std::string_view kAllowed = R"(; allowed: "ADDR:PORT", "[v6]:PORT" with port 0 to 65535, "unix:/PATH")";
  if (ListenAddress::parse(text)) return {};
  if (text.starts_with(kUnixPrefix)) {
    return quote(text) + ": " + unix_path_problem(text.substr(kUnixPrefix.size())) + std::string(kAllowed);
  }
  return quote(text) + " is not an address and a port" + remedy(text) + std::string(kAllowed);
}

std::string admin_listen_problem(std::string_view text) {
  const std::string default_value = AdminConfig{}.listen;
  if (text.empty() || text == default_value) return {};
  if (!ListenAddress::parse(text) && !text.starts_with(kUnixPrefix)) {
    return quote(text) + " is not an address and a port; allowed: " + quote(default_value) + R"(, or "")";
  }
  return quote(text) + ": this key is not built yet in this release; allowed: its default " + quote(default_value) +
         R"(, or "")";
}

std::string cidr_problem(std::string_view text) {
  if (Cidr::parse(text)) return {};
  return quote(text) + " is not a range of addresses" + remedy(text) +
         R"(; allowed: CIDRs like "10.0.0.0/8", "fd00::/8", or an address)";
}

std::string method_problem(std::string_view text) {
  if (!http::is_token(text)) return quote(text) + R"( is not a method; allowed: tokens like "GET")";
  if (text == "CONNECT") return "CONNECT cannot be sent twice; allowed: any other method";
  return {};
}

std::string connect_to_problem(std::string_view text) {
  if (text.empty() || policy::parse_connect_to(text)) return {};
  return quote(text) + " is no place to connect to" + remedy(text) +
         R"(; allowed: "HOST:PORT", "[v6]:PORT", "unix:/PATH", or "" for none)";
}

std::string parent_problem(std::string_view text) {
  if (text.empty() || policy::parse_parent(text)) return {};
  return quote(policy::without_credentials(text)) + " is no proxy's URL" + remedy(text.substr(text.rfind('@') + 1)) +
         R"(; allowed: "http://HOST:PORT", "http://USER:PASSWORD@HOST:PORT", or "" for none)";
}

std::string path_problem(std::string_view text) {
  if (text.empty() || (text.front() == '/' && text.find('\0') == std::string_view::npos)) return {};
  return quote(text) + R"( is no absolute path; allowed: "/…", or "" for the default)";
}

std::string folder_problem(std::string_view text) {
  if (!text.empty() && text.find_first_not_of('/') == std::string_view::npos) {
    return quote(text) + R"( has no name of its own; allowed: an absolute path like "/etc/keepwarm/ca", or "")";
  }
  return path_problem(text);
}

std::string log_file_problem(std::string_view text) {
  if (!text.empty()) return {};
  return R"("" names no file; allowed: a path, or "-" for standard error)";
}

}  // namespace keepwarm::config
