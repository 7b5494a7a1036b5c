#include <string>

#include "core/base/origin.h"
#include "core/http/target.h"
#include "core/policy/configured_hop.h"
#include "tests/fuzz/fuzz.h"

// The authority of a CONNECT, and what the configuration has of the same kind: what is accepted names the same host and
// port when it is written anew.
namespace {

using namespace keepwarm;
using fuzz::expect;

void check_written_again(const std::string& host, std::uint16_t port) {
  const std::string again = host_and_port(host, port);
  const auto target = http::parse_target(again, true, false);
  expect(target.ok() && target->port == port);
  std::string name;
  http::normalize_host(target->host, name);
  expect(name == host);
}

void check_authority(std::string_view text) {
  const auto target = http::parse_target(text, true, false);
  const auto connect_to = policy::parse_connect_to(text);
  if (!target) return;
  expect(target->form == http::TargetForm::Authority && target->authority == text && target->port != 0);
  expect(target->path_and_query.empty() && http::valid_host_field(text));
  expect(text.find_first_of("@/?#\\% \t\r\n") == std::string_view::npos);
  std::string host;
  http::normalize_host(target->host, host);
  if (host.empty() || host.ends_with('.')) return;  // no name: its look-up fails
  check_written_again(host, target->port);
  if (connect_to && connect_to->unix_path.empty()) expect(connect_to->host == host && connect_to->port == target->port);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  check_authority(text);
  if (const auto parent = policy::parse_parent(text)) {
    expect(!parent->host.empty() && parent->port != 0);
    expect(parent->shown == policy::without_credentials(text));
  }
  static_cast<void>(policy::without_credentials(text));
  return 0;
}
