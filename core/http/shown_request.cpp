#include "core/http/shown_request.h"

#include <algorithm>

namespace keepwarm::http {

namespace {

constexpr std::size_t kLongestMethod = 32;

/// tchar of RFC 9110 §5.6.2.
bool is_token_char(char c) noexcept {
  const bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  return alphanumeric || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

}  // namespace

std::string shown_target(std::string_view target) {
  std::string shown;
  const std::size_t secret = target.find_first_of("?#");
  std::string_view open = target.substr(0, secret);
  const std::size_t scheme = open.find("://");
  const std::size_t authority = scheme == std::string_view::npos ? 0 : scheme + 3;
  const std::size_t path = std::min(open.find('/', authority), open.size());
  const std::size_t userinfo = open.substr(0, path).rfind('@');
  shown = open.substr(0, authority);
  if (userinfo != std::string_view::npos && userinfo >= authority) {
    open.remove_prefix(userinfo + 1);
  } else {
    open.remove_prefix(authority);
  }
  shown += open;
  if (shown.size() > kMaxShownTarget) return shown.substr(0, kMaxShownTarget) + "...";
  if (secret != std::string_view::npos) (shown += target[secret]) += "...";
  return shown;
}

RequestWords request_words(std::string_view head) noexcept {
  while (head.starts_with('\r') || head.starts_with('\n')) head.remove_prefix(1);
  const std::string_view line = head.substr(0, head.find_first_of("\r\n"));
  const std::size_t first = line.find(' ');
  if (first == std::string_view::npos || first == 0 || first > kLongestMethod) return {};
  const std::string_view method = line.substr(0, first);
  if (!std::all_of(method.begin(), method.end(), is_token_char)) return {};
  std::string_view rest = line.substr(first + 1);
  const std::string_view target = rest.substr(0, rest.find(' '));
  return {method, target};
}

}  // namespace keepwarm::http
