#include <string>

#include "core/http/fields.h"
#include "core/http/framing.h"
#include "core/http/persistence.h"
#include "core/http/serializer.h"
#include "tests/fuzz/fuzz.h"

// A response head: the answer does not depend on how the bytes were cut, what is accepted is strict, and what we make
// of it is accepted again with the same status and framing.
namespace {

using namespace keepwarm;
using namespace keepwarm::http;
using fuzz::expect;

void check_forwarded(const ResponseHead& head, const BodyFraming& framing) {
  ForwardedResponse how;
  how.framing = framing;
  how.keep_alive = server_may_persist(head, framing);
  how.keep_alive_timeout = std::chrono::seconds(60);
  how.via = "keepwarm-01234567";
  how.date = "Sun, 06 Nov 1994 08:49:37 GMT";
  std::string wire;
  write_response_head(wire, head, how);

  HeadParser parser;
  HeadScan scan;
  ResponseHead again;
  expect(parser.parse_response(wire, scan, {}, again) == HeadProgress::Complete);
  expect(again.size == wire.size() && again.status == head.status && again.reason == head.reason);
  const auto framing_again = response_framing(again, false);
  expect(framing_again.ok() && framing_again.value() == framing);
  expect(connection_options(again.fields).close == !how.keep_alive);
  expect(via_names(again.fields, how.via));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Input input(data, size);
  HeadParser parser;
  ResponseHead head;
  const auto parse = [&](std::string_view bytes, HeadScan& scan) {
    fuzz::Outcome outcome;
    outcome.progress = parser.parse_response(bytes, scan, fuzz::kHeadLimits, head);
    if (outcome.progress == HeadProgress::Broken) outcome.fault = parser.fault();
    return outcome;
  };
  const fuzz::Outcome piecemeal = fuzz::feed_in_pieces(input, parse);
  HeadScan scan;
  const fuzz::Outcome whole = parse(input.bytes, scan);
  expect(input.bytes.empty() || piecemeal == whole);
  if (whole.progress != HeadProgress::Complete) return 0;

  fuzz::expect_strict(input.bytes.substr(0, head.size), head.fields);
  expect(head.status >= 100 && head.status <= 999);
  expect(keep_alive_hint(head.fields).timeout.value_or(Duration{}) >= Duration{});
  expect(!offers_connection_bound_auth(head.fields) || !head.fields.empty());
  const auto framing = response_framing(head, false);
  if (framing) check_forwarded(head, framing.value());
  return 0;
}
