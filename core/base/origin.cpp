#include "core/base/origin.h"

namespace keepwarm {

std::string host_in_url(std::string_view host) {
  const bool literal = host.find(':') != std::string_view::npos;
  std::string text;
  text.reserve(host.size() + 8);
  if (literal) text += '[';
  text += host;
  if (literal) text += ']';
  return text;
}

std::string host_and_port(std::string_view host, std::uint16_t port) {
  std::string text = host_in_url(host);
  text += ':';
  text += std::to_string(port);
  return text;
}

}  // namespace keepwarm
