#include <algorithm>
#include <string>

#include "core/http/fields.h"
#include "core/http/framing.h"
#include "core/http/persistence.h"
#include "core/http/serializer.h"
#include "core/http/shown_request.h"
#include "tests/fuzz/fuzz.h"

// A request head: the answer does not depend on how the bytes were cut, what is accepted is strict, and what we make of
// it is accepted again with the same method and framing.
namespace {

using namespace keepwarm;
using namespace keepwarm::http;
using fuzz::expect;

void check_forwarded(const RequestHead& head, const BodyFraming& framing) {
  ForwardedRequest how;
  how.method = head.method;
  how.target = "/";
  how.host = "h";
  how.via = "keepwarm-01234567";
  how.framing = framing;
  how.upgrade = wants_upgrade(head);
  how.drop_expect = head.version == Version::Http10;
  how.max_forwards = head.fields.size();
  how.keep_alive = client_may_persist(head);
  how.proxy_authorization = how.keep_alive ? std::string_view("Basic eDp5") : std::string_view();
  std::string wire;
  write_request_head(wire, head, how);

  HeadParser parser;
  HeadScan scan;
  RequestHead again;
  expect(parser.parse_request(wire, scan, {}, again) == HeadProgress::Complete);
  expect(again.size == wire.size() && again.method == head.method && host_is_valid(again));
  const auto framing_again = request_framing(again);
  expect(framing_again.ok() && framing_again.value() == framing);
  expect(via_names(again.fields, how.via));
  expect(wants_upgrade(again) == how.upgrade);
  for (const FieldId id : {FieldId::KeepAlive, FieldId::ProxyConnection, FieldId::Te}) expect(!again.fields.has(id));
  const auto is_ours = [&how](const Field& f) {
    return f.id != FieldId::ProxyAuthorization || f.value == how.proxy_authorization;
  };
  expect(std::all_of(again.fields.begin(), again.fields.end(), is_ours));
  expect(via_value(again.fields, again.version, "us").ends_with(", 1.1 us"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Input input(data, size);
  HeadParser parser;
  RequestHead head;
  const auto parse = [&](std::string_view bytes, HeadScan& scan) {
    fuzz::Outcome outcome;
    outcome.progress = parser.parse_request(bytes, scan, fuzz::kHeadLimits, head);
    if (outcome.progress == HeadProgress::Broken) outcome.fault = parser.fault();
    return outcome;
  };
  const fuzz::Outcome piecemeal = fuzz::feed_in_pieces(input, parse);
  HeadScan scan;
  const fuzz::Outcome whole = parse(input.bytes, scan);
  expect(input.bytes.empty() || piecemeal == whole);
  fuzz::expect_described(whole);
  static_cast<void>(request_words(input.bytes));
  if (whole.progress != HeadProgress::Complete) return 0;

  fuzz::expect_strict(input.bytes.substr(0, head.size), head.fields);
  expect(is_token(head.method) && head.target.find_first_of(" \t\r\n") == std::string_view::npos);
  const RequestWords words = request_words(input.bytes);
  expect(words.method.empty() ? head.method.size() > 32 : words.method == head.method && words.target == head.target);
  const auto framing = request_framing(head);
  if (framing) {
    expect(framing->has_body() == (framing->kind == BodyFraming::Kind::Chunked || framing->length > 0));
    expect(client_may_persist(head) <= (head.version == Version::Http11));
    check_forwarded(head, framing.value());
  } else {
    expect(!describe(framing.failure()).empty());
  }
  std::string trace;
  write_trace_body(trace, head);
  return 0;
}
