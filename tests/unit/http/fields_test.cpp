#include <chrono>

#include "wire.h"

namespace keepwarm::http::test {
namespace {

using namespace std::chrono_literals;

std::vector<std::string> elements(std::string_view value, ListGrammar grammar = ListGrammar::QuotedStrings) {
  std::vector<std::string> all;
  ListElements list(value, grammar);
  while (const auto element = list.next()) all.emplace_back(*element);
  return all;
}

KeepAliveHint hint(std::string_view value) {
  return keep_alive_hint(fields({{"Keep-Alive", value}}));
}

}  // namespace

TEST_CASE("several Via fields are one list, which ends with us") {
  const Field fields[] = {{"Via", "1.1 a", FieldId::Via},
                          {"Host", "h", FieldId::Host},
                          {"via", "", FieldId::Via},
                          {"VIA", "1.0 b, 1.1 c (x, y)", FieldId::Via}};
  CHECK(via_value(fields, Version::Http11, "us") == "1.1 a, 1.0 b, 1.1 c (x, y), 1.1 us");
  CHECK(via_value(fields, Version::Http11, "") == "1.1 a, 1.0 b, 1.1 c (x, y)");
  CHECK(via_value({}, Version::Http10, "us") == "1.0 us");
  CHECK(via_value({}, Version::Http11, "") == "");
}

TEST_CASE("fields are known by name in any case, and by no other name") {
  struct Case {
    std::string_view name;
    FieldId id;
  };
  const Case cases[] = {{"authorization", FieldId::Authorization},
                        {"cache-control", FieldId::CacheControl},
                        {"connection", FieldId::Connection},
                        {"content-length", FieldId::ContentLength},
                        {"cookie", FieldId::Cookie},
                        {"date", FieldId::Date},
                        {"expect", FieldId::Expect},
                        {"host", FieldId::Host},
                        {"http2-settings", FieldId::Http2Settings},
                        {"idempotency-key", FieldId::IdempotencyKey},
                        {"keep-alive", FieldId::KeepAlive},
                        {"max-forwards", FieldId::MaxForwards},
                        {"proxy-authenticate", FieldId::ProxyAuthenticate},
                        {"proxy-authentication-info", FieldId::ProxyAuthenticationInfo},
                        {"proxy-authorization", FieldId::ProxyAuthorization},
                        {"proxy-connection", FieldId::ProxyConnection},
                        {"proxy-status", FieldId::ProxyStatus},
                        {"set-cookie", FieldId::SetCookie},
                        {"te", FieldId::Te},
                        {"trailer", FieldId::Trailer},
                        {"transfer-encoding", FieldId::TransferEncoding},
                        {"proxy-support", FieldId::ProxySupport},
                        {"upgrade", FieldId::Upgrade},
                        {"via", FieldId::Via},
                        {"www-authenticate", FieldId::WwwAuthenticate}};
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CHECK(field_id(c.name) == c.id);
    std::string upper(c.name);
    for (char& each : upper) each = static_cast<char>(each >= 'a' && each <= 'z' ? each - 32 : each);
    CHECK(field_id(upper) == c.id);
    for (std::size_t i = 0; i < c.name.size(); ++i) {
      std::string other(c.name);
      other[i] = '!';
      CHECK(field_id(other) == FieldId::Other);
      if (c.name[i] < 'a') other[i] = static_cast<char>(c.name[i] ^ 0x20);  // '-' has no other case
      CHECK(field_id(other) == FieldId::Other);
    }
    CHECK(field_id(std::string(c.name) + "x") == FieldId::Other);
  }
  CHECK(field_id("") == FieldId::Other);
  CHECK(field_id("x") == FieldId::Other);
}

TEST_CASE("a list is split at its commas, but not inside quotes") {
  using List = std::vector<std::string>;
  CHECK(elements("") == List{});
  CHECK(elements(" , ,\t,") == List{});
  CHECK(elements("a") == List{"a"});
  CHECK(elements(" a b ,, c\t") == List{"a b", "c"});
  CHECK(elements("a=\"b,c\", d") == List{"a=\"b,c\"", "d"});
  CHECK(elements("a=\"b\\\",c\", d") == List{"a=\"b\\\",c\"", "d"});
  CHECK(elements("a=\"\\") == List{"a=\"\\"});
}

TEST_CASE("what is opened and never closed hides nothing in a list") {
  using List = std::vector<std::string>;
  using enum ListGrammar;
  CHECK(elements("a=\"never closed, d", QuotedStrings) == List{"a=\"never closed", "d"});
  CHECK(elements("\"b, c\", \"d, e\\\", f", QuotedStrings) == List{"\"b, c\"", "\"d", "e\\\"", "f"});
  CHECK(elements("1.1 a (b, c, 1.1 d", Comments) == List{"1.1 a (b", "c", "1.1 d"});
  CHECK(elements("1.1 a (b, (c, d), 1.1 e", Comments) == List{"1.1 a (b", "(c", "d)", "1.1 e"});
}

TEST_CASE("each list is read by its own grammar") {
  using List = std::vector<std::string>;
  using enum ListGrammar;
  CHECK(elements("\"a, b\", (c, d)", Tokens) == List{"\"a", "b\"", "(c", "d)"});
  CHECK(elements("1.1 a (b, (c, d) \\), e), 1.0 f", Comments) == List{"1.1 a (b, (c, d) \\), e)", "1.0 f"});
  CHECK(elements("1.1 a(b, c)", Comments) == List{"1.1 a(b", "c)"});
  CHECK(elements("1.1 \"a, 1.1 b\"", Comments) == List{"1.1 \"a", "1.1 b\""});
}

TEST_CASE("an option of Connection that is no token counts as close") {
  for (const std::string_view value :
       {"\"close\"", "\"x, keep-alive", "keep-alive; x", "x y", "keep-alive, \xC3\xA9"}) {
    CAPTURE(value);
    CHECK(connection_options(fields({{"Connection", value}})).close);
  }
  CHECK(connection_options(fields({{"Connection", "\"a, upgrade, b\""}})).upgrade);
}

TEST_CASE("the options of all Connection fields are taken together") {
  const auto options = connection_options(fields({{"Connection", "Keep-Alive, X-Mine"}, {"connection", "UPGRADE"}}));
  CHECK(options.keep_alive);
  CHECK(options.upgrade);
  CHECK(options.nominates);
  CHECK_FALSE(options.close);
  CHECK(connection_options(fields({{"Connection", "close"}})).close);
  CHECK_FALSE(connection_options(fields({{"Connection", "closed, not-close"}})).close);
}

TEST_CASE("a nomination that changes nothing is none") {
  for (const std::string_view value : {"close", "TE, close", "Upgrade, HTTP2-Settings", "Host, Content-Length, Via"}) {
    CAPTURE(value);
    CHECK_FALSE(connection_options(fields({{"Connection", value}})).nominates);
  }
  CHECK(connection_options(fields({{"Connection", "Cookie"}})).nominates);
}

TEST_CASE("a nominated field is known by its name in any case") {
  const auto head = fields({{"Connection", "close, X-Mine"}});
  CHECK(is_nominated(head, "x-mine"));
  CHECK_FALSE(is_nominated(head, "x-min"));
}

TEST_CASE("framing and routing can neither be nominated nor stand in a trailer") {
  for (const FieldId id : {FieldId::Host, FieldId::ContentLength, FieldId::TransferEncoding, FieldId::Via,
                           FieldId::Date, FieldId::CacheControl, FieldId::MaxForwards, FieldId::Expect}) {
    CHECK_FALSE(may_be_nominated(id));
    CHECK_FALSE(allowed_in_trailer(id));
  }
  for (const FieldId id : {FieldId::Authorization, FieldId::Cookie, FieldId::SetCookie, FieldId::Trailer,
                           FieldId::Connection, FieldId::Te, FieldId::ProxyAuthorization, FieldId::Upgrade}) {
    CHECK_FALSE(allowed_in_trailer(id));
  }
  CHECK(allowed_in_trailer(FieldId::Other));
  CHECK(may_be_nominated(FieldId::Other));
}

TEST_CASE("the hint of a server is read in any order and case, and junk is ignored") {
  struct Case {
    std::string_view value;
    std::optional<Duration> timeout;
    std::optional<std::uint64_t> max;
  };
  const Case cases[] = {{"timeout=5, max=100", 5s, 100},
                        {"MAX=3,TIMEOUT=15", 15s, 3},
                        {"timeout=5", 5s, {}},
                        {"max=0", {}, 0},
                        {"timeout=0", 0s, {}},
                        {"junk, timeout=x, , =, max=-1, timeout=7", 7s, {}},
                        {"timeout = 5 , max = 6", 5s, 6},
                        {"timeout=9, timeout=4", 4s, {}},
                        {"timeout=4, timeout=9, max=1, max=2", 4s, 1},
                        {"timeout", {}, {}},
                        {"timeout=5s", {}, {}},
                        {"timeout=\"5\", max=\"6\"", 5s, 6},
                        {"timeout=\"5, max=6", {}, 6},
                        {"x=\"a, timeout=3\", timeout=5", 5s, {}},
                        {"x=\"a, timeout=3", 3s, {}},
                        {"timeout=\"", {}, {}},
                        {"timeout=99999999999999999999", {}, {}},
                        {"300", {}, {}},
                        {"", {}, {}}};
  for (const Case& c : cases) {
    CAPTURE(c.value);
    CHECK(hint(c.value).timeout == c.timeout);
    CHECK(hint(c.value).max == c.max);
  }
  CHECK(*hint("timeout=18446744073709551615").timeout > 8760h);
  const auto two = keep_alive_hint(fields({{"Keep-Alive", "timeout=5"}, {"keep-alive", "max=2"}}));
  CHECK(two.timeout == 5s);
  CHECK(two.max == 2);
}

TEST_CASE("decimal numbers have digits and nothing else") {
  CHECK(parse_decimal("0") == 0);
  CHECK(parse_decimal("007") == 7);
  CHECK(parse_decimal("18446744073709551615") == 18446744073709551615U);
  for (const std::string_view text :
       {"", "18446744073709551616", "99999999999999999999", "+1", "-1", " 1", "1 ", "1,1", "0x1", "1.0"}) {
    CAPTURE(text);
    CHECK(parse_decimal(text) == std::nullopt);
  }
}

TEST_CASE("a Via that names us is found among others") {
  constexpr std::string_view us = "keepwarm-01234567";
  CHECK(via_names(fields({{"Via", "1.0 a, 1.1 keepwarm-01234567 (comment)"}}), us));
  CHECK(via_names(fields({{"Via", "1.0 a"}, {"via", "HTTP/1.1\tKEEPWARM-01234567"}}), us));
  CHECK_FALSE(via_names(fields({{"Via", "1.1 keepwarm-01234568, 1.1 a (keepwarm-01234567)"}}), us));
  CHECK_FALSE(via_names(fields({{"Via", "keepwarm-01234567"}, {"X", "1.1 keepwarm-01234567"}}), us));
}

TEST_CASE("nothing in a Via hides us behind it") {
  constexpr std::string_view us = "keepwarm-01234567";
  for (const std::string_view first : {"1.1 x \"", "1.1 x \"\\", "1.1 \"x", "1.1 x (", "1.1 x (a\\", "1.1 x (a (b)",
                                       "1.1 x (a, \"b)", "\"", "(", ",,", "1.1", "1.1 x y", "1.1 x (a\\)"}) {
    CAPTURE(first);
    for (const std::string_view behind : {"", ", 1.1 y", ", 1.1 squid (squid/5.7)"}) {
      const std::string value = std::string(first) + ", 1.1 keepwarm-01234567" + std::string(behind);
      CHECK(via_names(fields({{"Via", value}}), us));
    }
  }
  CHECK(via_names(fields({{"Via", "1.1 x keepwarm-01234567"}}), us));
}

TEST_CASE("authentication of the connection is recognised on both sides") {
  CHECK(asks_connection_bound_auth(fields({{"Authorization", "NTLM TlRMTVNTUAAB"}})));
  CHECK(asks_connection_bound_auth(fields({{"authorization", "negotiate YII="}})));
  CHECK_FALSE(asks_connection_bound_auth(fields({{"Authorization", "Basic NTLM"}, {"X", "NTLM x"}})));
  CHECK_FALSE(asks_connection_bound_auth(fields({{"Authorization", "NTLMv9 x"}})));
  CHECK(offers_connection_bound_auth(fields({{"WWW-Authenticate", "Basic realm=\"a, b\", NTLM"}})));
  CHECK(offers_connection_bound_auth(fields({{"WWW-Authenticate", "Basic"}, {"Proxy-Authenticate", "Negotiate"}})));
  CHECK_FALSE(offers_connection_bound_auth(fields({{"WWW-Authenticate", "Basic realm=\"x, NTLM\""}})));
}

TEST_CASE("the schemes of challenges are named, and nothing else") {
  const auto schemes = [](std::initializer_list<std::pair<std::string_view, std::string_view>> list) {
    return challenge_schemes(fields(list), FieldId::ProxyAuthenticate);
  };
  CHECK(schemes({{"Proxy-Authenticate", "Negotiate"}}) == "Negotiate");
  CHECK(schemes({{"Proxy-Authenticate", "Negotiate"}, {"proxy-authenticate", "NTLM TlRM"}}) == "Negotiate, NTLM");
  CHECK(schemes({{"Proxy-Authenticate", "Digest realm=\"a, b\", nonce=\"c\", qop = auth, Basic realm=x"}}) ==
        "Digest, Basic");
  CHECK(schemes({{"Proxy-Authenticate", "<b>, \x01, , Basic"}}) == "Basic");
  CHECK(schemes({{"WWW-Authenticate", "Basic"}}).empty());
  CHECK(schemes({{"Proxy-Authenticate", std::string(200, 'x')}}).empty());
}

TEST_CASE("a proxy supports authentication of the connection only if it says so itself") {
  CHECK(supports_session_auth(
      fields({{"Connection", "keep-alive, proxy-support"}, {"Proxy-Support", "session-based-authentication"}})));
  CHECK_FALSE(supports_session_auth(fields({{"Proxy-Support", "Session-Based-Authentication"}})));
  CHECK_FALSE(supports_session_auth(fields({{"Connection", "Proxy-Support"}})));
  CHECK_FALSE(supports_session_auth(fields({{"Connection", "Proxy-Support"}, {"Proxy-Support", "Other"}})));
}

TEST_CASE("an upgrade is wanted when Connection says so and something other than h2c is offered") {
  struct Case {
    std::string_view name, connection, upgrade;
    bool wanted;
    Version version = Version::Http11;
  };
  const Case cases[] = {{"WebSocket", "Upgrade", "websocket", true},
                        {"with other options", "keep-alive, upgrade", "websocket", true},
                        {"h2c and another", "upgrade", "h2c, TLS/1.0", true},
                        {"h2c alone", "Upgrade, HTTP2-Settings", "h2c", false},
                        {"H2C alone", "Upgrade", "H2C", false},
                        {"not in Connection", "keep-alive", "websocket", false},
                        {"nothing offered", "upgrade", "", false},
                        {"a version", "upgrade", "foo/2", true},
                        {"no token", "upgrade", "\"websocket\"", false},
                        {"two versions", "upgrade", "foo/2/3", false},
                        {"no name", "upgrade", "/2", false},
                        {"one of them malformed", "upgrade", "websocket, a b", false},
                        {"hidden in quotes", "upgrade", "\"a, h2c", false},
                        {"HTTP/1.0", "upgrade", "websocket", false, Version::Http10}};
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const auto list = fields({{"Connection", c.connection}, {"Upgrade", c.upgrade}});
    RequestHead head;
    head.version = c.version;
    head.fields = list;
    CHECK(wants_upgrade(head) == c.wanted);
  }
}

TEST_CASE("as many protocols may be offered and chosen, and not one more") {
  std::string most;
  for (std::size_t i = 0; i < kMaxUpgradeProtocols; ++i) most += "p" + std::to_string(i) + ", ";
  const auto list = fields({{"Connection", "upgrade"}, {"Upgrade", most}});
  const auto longer = fields({{"Connection", "upgrade"}, {"Upgrade", most}, {"Upgrade", "x"}});
  RequestHead head;
  head.fields = list;
  CHECK(wants_upgrade(head));
  head.fields = longer;
  CHECK_FALSE(wants_upgrade(head));
  CHECK(upgrade_was_offered(most, list));
  CHECK_FALSE(upgrade_was_offered(most + "x", longer));
}

TEST_CASE("the offered protocols are joined without h2c") {
  std::string out;
  append_upgrade_protocols(fields({{"Upgrade", "h2c, websocket"}, {"X", "y"}, {"upgrade", "TLS/1.0, H2C"}}), out);
  CHECK(out == "websocket, TLS/1.0");
}

TEST_CASE("a 101 may choose what was offered and nothing else") {
  constexpr std::string_view offered = "websocket, TLS/1.0";
  CHECK(upgrade_was_offered(offered, fields({{"Upgrade", "WebSocket"}})));
  CHECK(upgrade_was_offered(offered, fields({{"Upgrade", "tls/1.0, websocket"}})));
  CHECK_FALSE(upgrade_was_offered(offered, fields({{"Upgrade", "TLS/1.1"}})));
  CHECK_FALSE(upgrade_was_offered(offered, fields({{"Upgrade", "websocket, h2c"}})));
  CHECK_FALSE(upgrade_was_offered("h2c", fields({{"Upgrade", "h2c"}})));
  CHECK_FALSE(upgrade_was_offered(offered, fields({{"Upgrade", ""}})));
  CHECK_FALSE(upgrade_was_offered(offered, fields({{"X", "websocket"}})));
  CHECK_FALSE(upgrade_was_offered("", fields({{"Upgrade", "websocket"}})));
}

TEST_CASE("tokens are made of token bytes and are not empty") {
  CHECK(is_token("M-SEARCH"));
  CHECK_FALSE(is_token(""));
  CHECK_FALSE(is_token("a b"));
  CHECK_FALSE(is_token("a\x80"));
}

}  // namespace keepwarm::http::test
