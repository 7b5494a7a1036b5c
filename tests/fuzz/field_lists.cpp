#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "core/http/ascii.h"
#include "core/http/fields.h"
#include "core/http/persistence.h"
#include "tests/fuzz/fuzz.h"

// The lists of every field that is decided by: each line of the input is a field, whose id its first byte picks.
namespace {

using namespace keepwarm;
using namespace keepwarm::http;
using fuzz::expect;

constexpr std::string_view kUs = "keepwarm-01234567";
constexpr std::array kIds = {FieldId::Connection,
                             FieldId::Upgrade,
                             FieldId::Via,
                             FieldId::Te,
                             FieldId::KeepAlive,
                             FieldId::Expect,
                             FieldId::ProxyConnection,
                             FieldId::WwwAuthenticate,
                             FieldId::ProxyAuthenticate,
                             FieldId::Authorization,
                             FieldId::Other};

std::vector<Field> fields_of(std::string_view bytes) {
  std::vector<Field> fields;
  while (!bytes.empty()) {
    const std::string_view line = bytes.substr(0, bytes.find('\n'));
    bytes.remove_prefix(std::min(line.size() + 1, bytes.size()));
    if (line.empty()) continue;
    const FieldId id = kIds[static_cast<std::uint8_t>(line.front()) % kIds.size()];
    fields.push_back({"x", trim_blanks(line.substr(1)), id});
  }
  return fields;
}

std::size_t check_elements(std::string_view value, ListGrammar grammar) {
  ListElements elements(value, grammar);
  std::size_t count = 0;
  const char* behind = value.data();
  while (const auto element = elements.next()) {
    ++count;
    expect(!element->empty() && trim_blanks(*element) == *element);
    expect(element->data() >= behind && element->data() + element->size() <= value.data() + value.size());
    behind = element->data() + element->size();
    if (grammar == ListGrammar::Tokens) expect(element->find(',') == std::string_view::npos);
  }
  expect(!elements.next());
  return count;
}

/// Whatever is in the Via fields: an element that is put behind them is found.
void check_via(const Fields& fields) {
  for (const std::string_view behind : {"", ", 1.1 squid (squid/5.7)"}) {
    const std::string value = via_value(fields, Version::Http11, kUs).append(behind);
    const std::array<Field, 1> joined = {Field{"Via", value, FieldId::Via}};
    expect(via_names(joined, kUs));
  }
}

void check_upgrade(const Fields& fields) {
  RequestHead head;
  head.fields = fields;
  expect(!upgrade_was_offered("", fields));
  if (!wants_upgrade(head)) return;
  std::string offer;
  append_upgrade_protocols(fields, offer);
  const std::array<Field, 1> chosen = {Field{"Upgrade", offer, FieldId::Upgrade}};
  expect(upgrade_was_offered(offer, chosen));
  ListElements offers(offer, ListGrammar::Tokens);
  std::size_t count = 0;
  while (const auto protocol = offers.next()) {
    ++count;
    const std::size_t slash = std::min(protocol->find('/'), protocol->size());
    expect(is_token(protocol->substr(0, slash)) && !equals_ignoring_case(protocol->substr(0, slash), "h2c"));
  }
  expect(count > 0 && count <= kMaxUpgradeProtocols);
}

void check_connection(const Fields& fields) {
  const ConnectionOptions options = connection_options(fields);
  if (has_list_token(fields, FieldId::Connection, "close")) expect(options.close);
  expect(options.keep_alive == is_nominated(fields, "keep-alive"));
  expect(options.upgrade == is_nominated(fields, "upgrade"));
  RequestHead head;
  head.fields = fields;
  if (options.close) expect(!client_may_persist(head));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<Field> list = fields_of({reinterpret_cast<const char*>(data), size});
  const Fields fields(list);
  for (const Field& field : fields) {
    const std::size_t most = check_elements(field.value, ListGrammar::Tokens);
    expect(check_elements(field.value, ListGrammar::QuotedStrings) <= most);
    expect(check_elements(field.value, ListGrammar::Comments) <= most);
  }
  check_via(fields);
  check_upgrade(fields);
  check_connection(fields);
  const KeepAliveHint hint = keep_alive_hint(fields);
  expect(hint.timeout.value_or(Duration{}) >= Duration{});
  expect(!asks_connection_bound_auth(fields) || fields.has(FieldId::Authorization));
  expect(!offers_connection_bound_auth(fields) ||
         fields.has_any(FieldIds(FieldId::WwwAuthenticate, FieldId::ProxyAuthenticate)));
  return 0;
}
