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

void check_forwarded(const ResponseHead& head, const BodyFraming& framing, bool strip_secure) {
  ForwardedResponse how;
  how.strip_secure = strip_secure;
  how.framing = framing;
  how.keep_alive = server_may_persist(head, framing);
  how.keep_alive_timeout = std::chrono::seconds(60);
  how.via = "keepwarm-01234567";
  how.date = "Sun, 06 Nov 1994 08:49:37 GMT";
  how.keeps_length_field = true;
  how.proxy_status = head.fields.empty() ? std::string_view() : std::string_view("keepwarm; reused=?1");
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

void check_interim(const ResponseHead& head, bool strip_secure) {
  std::string wire;
  write_interim_head(wire, head, "keepwarm-01234567", strip_secure);
  HeadParser parser;
  HeadScan scan;
  ResponseHead again;
  expect(parser.parse_response(wire, scan, {}, again) == HeadProgress::Complete);
  expect(again.status == head.status && !again.fields.has(FieldId::ContentLength));
}

/// What is a head is one as an answer to CONNECT, too, and its framing can be no fault of a 2xx.
void check_answer_to_connect(std::string_view bytes, const fuzz::Outcome& to_request) {
  HeadParser parser;
  HeadScan scan;
  ResponseHead head;
  const HeadProgress progress = parser.parse_response(bytes, scan, fuzz::kHeadLimits, head, AnswerTo::Connect);
  if (to_request.progress != HeadProgress::Broken) expect(progress == to_request.progress);
  if (progress == HeadProgress::Broken) expect(to_request.progress == progress);
}

/// A date of any second, and the reason of any status.
void check_texts(std::string_view bytes) {
  std::int64_t seconds = 0;
  for (const char c : bytes.substr(0, 5)) seconds = seconds * 256 + static_cast<std::uint8_t>(c);
  std::string date;
  write_date(date, seconds);
  expect(date.ends_with(" GMT") && date.size() >= 29);
  for (std::uint16_t status = 0; status < 600; ++status) {
    expect(reason_phrase(status).find_first_of("\r\n") == std::string_view::npos);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Input input(data, size);
  check_texts(input.bytes);
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
  fuzz::expect_described(whole);
  check_answer_to_connect(input.bytes, whole);
  HeadScan again;
  expect(parse(input.bytes, again) == whole);  // `head` is that of the last call
  if (whole.progress != HeadProgress::Complete) return 0;

  fuzz::expect_strict(input.bytes.substr(0, head.size), head.fields);
  expect(head.status >= 100 && head.status <= 999);
  expect(keep_alive_hint(head.fields).timeout.value_or(Duration{}) >= Duration{});
  expect(!offers_connection_bound_auth(head.fields) || !head.fields.empty());
  const auto framing = response_framing(head, false);
  expect(response_framing(head, true).ok() == framing.ok());
  const bool strip_secure = size % 2 == 1;
  check_interim(head, strip_secure);
  if (framing) check_forwarded(head, framing.value(), strip_secure);
  return 0;
}
