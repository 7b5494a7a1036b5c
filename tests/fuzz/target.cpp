#include "core/http/target.h"

#include <string>

#include "core/http/shown_request.h"
#include "tests/fuzz/fuzz.h"

// A request target: the parts are parts of it, what is accepted could be sent as Host, and a normalised host stays as
// it is when normalised again.
namespace {

using namespace keepwarm;
using namespace keepwarm::http;
using fuzz::expect;

void check(std::string_view text, const Target& target) {
  if (target.form == TargetForm::Absolute) {
    expect(text.ends_with(target.path_and_query) && target.port != 0);
    expect(target.path_and_query.empty() || target.path_and_query[0] == '/' || target.path_and_query[0] == '?');
  }
  if (target.form == TargetForm::Absolute || target.form == TargetForm::Authority) {
    expect(!target.host.empty() && target.authority.find(target.host) != std::string_view::npos);
    expect(valid_host_field(target.authority));
    expect(target.host.find_first_of("@/?#\\% \t") == std::string_view::npos);
    std::string once;
    std::string twice;
    normalize_host(target.host, once);
    if (!once.ends_with('.')) {
      normalize_host(once, twice);
      expect(once == twice);
    }
  }
  expect(target.path_and_query.find('#') == std::string_view::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text{reinterpret_cast<const char*>(data) + 1, size - 1};
  const auto target = parse_target(text, (data[0] & 1U) != 0, (data[0] & 2U) != 0);
  if (target) {
    check(text, target.value());
  } else {
    expect(!describe(target.failure()).empty());
  }
  const std::string shown = shown_target(text);
  expect(shown.size() <= kMaxShownTarget + 4);
  const std::size_t query = shown.find_first_of("?#");
  expect(query == std::string::npos || shown.substr(query + 1) == "...");
  if (valid_host_field(text)) expect(text.find_first_of("@/?#\\ \t\r\n") == std::string_view::npos);
  return 0;
}
