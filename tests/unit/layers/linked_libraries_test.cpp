#include <cstddef>
#include <link.h>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "core/http/head_parser.h"
#include "core/policy/idle_terms.h"

/// This program links every object of core/base, core/http and core/policy, and nothing that those do not ask for. What
/// they must not use would be missing at link time; what they should not ask for would be loaded here.
namespace keepwarm {
namespace {

std::vector<std::string> loaded_libraries() {
  std::vector<std::string> names;
  const auto note = [](dl_phdr_info* info, std::size_t, void* to) {
    static_cast<std::vector<std::string>*>(to)->emplace_back(info->dlpi_name);
    return 0;
  };
  ::dl_iterate_phdr(note, &names);
  return names;
}

TEST_CASE("heads, framing and policy need no event loop, no TLS and no logger") {
  const std::vector<std::string> loaded = loaded_libraries();
  REQUIRE(loaded.size() > 1);  // the C++ library at least
  for (const std::string& library : loaded) {
    CAPTURE(library);
    for (const std::string_view refused : {"libuv", "libssl", "libcrypto", "libspdlog", "libfmt", "libtomlplusplus"}) {
      CHECK(library.find(refused) == std::string::npos);
    }
  }
}

TEST_CASE("they work without") {
  http::HeadParser parser;
  http::HeadScan scan;
  http::RequestHead head;
  CHECK(parser.parse_request("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", scan, {}, head) ==
        http::HeadProgress::Complete);
  CHECK(policy::idle_terms({}, {}).trusted_for > Duration::zero());
}

}  // namespace
}  // namespace keepwarm
