#include "core/net/tls/client_hello.h"

#include <algorithm>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "tests/unit/net/tls/captured_hellos.h"
#include "tests/unit/net/tls/hello_builder.h"

namespace keepwarm::net::test {
namespace {

using Progress = HelloProgress;

Progress progress_of(std::string_view bytes) {
  ClientHello hello;
  return read_client_hello(bytes, hello);
}
ClientHello read_whole(std::string_view bytes) {
  ClientHello hello;
  REQUIRE(read_client_hello(bytes, hello) == Progress::Complete);
  return hello;
}
Progress progress_of(const HelloSpec& spec) {
  return progress_of(in_one_record(spec));
}
ClientHello read_whole(const HelloSpec& spec) {
  return read_whole(in_one_record(spec));
}

TEST_CASE("the hellos of real clients are read") {
  struct Case {
    const char* client;
    const char* hex;
    const char* name;
    bool alpn, http_1_1, h2, tls_1_3, usable;
  };
  const Case cases[] = {
      {"curl", kCurlHello, "api.example.com", true, true, true, true, true},
      {"Python", kPythonHello, "api.example.com", false, false, false, true, true},
      {"Node", kNodeHello, "api.example.com", false, false, false, true, true},
      {"Go", kGoHello, "api.example.com", false, false, false, true, true},
      {"wget", kWgetHello, "localhost", false, false, false, true, true},
      {"s_client -tls1_2", kTls12Hello, "api.example.com", false, false, false, false, true},
      {"s_client without a name", kNamelessHello, "", false, false, false, true, true},
  };
  for (const Case& c : cases) {
    CAPTURE(c.client);
    const std::string bytes = from_hex(c.hex);
    const ClientHello hello = read_whole(bytes);
    CHECK(hello.length == bytes.size());
    CHECK(hello.ends_with_record);
    CHECK(hello.server_name() == c.name);
    CHECK(hello.has_server_name == !std::string_view(c.name).empty());
    CHECK(hello.has_alpn == c.alpn);
    CHECK(hello.offers_http_1_1 == c.http_1_1);
    CHECK(hello.offers_h2 == c.h2);
    CHECK(hello.offers_tls_1_2);
    CHECK(hello.offers_tls_1_3 == c.tls_1_3);
    CHECK(hello.offers_usable_cipher == c.usable);
    CHECK(hello.accepts_ecdsa_p256);
    CHECK_FALSE(hello.early_data);
    CHECK_FALSE(hello.pre_shared_key);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      CAPTURE(size);
      CHECK(progress_of(bytes.substr(0, size)) == Progress::Incomplete);
    }
  }
}

TEST_CASE("a hello is put together from records of any size, and read as it is from one") {
  const std::string message = from_hex(kCurlHello).substr(5);
  const ClientHello whole = read_whole(from_hex(kCurlHello));
  for (const std::size_t fragment : {1U, 2U, 3U, 4U, 5U, 100U, 171U, 511U, 512U}) {
    CAPTURE(fragment);
    const std::string bytes = in_records(message, fragment);
    const ClientHello hello = read_whole(bytes + "more");
    CHECK(hello.length == bytes.size());
    CHECK(hello.ends_with_record);
    CHECK(hello.server_name() == "api.example.com");
    CHECK(hello.offers_http_1_1);
    CHECK(hello.shape == whole.shape);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      if (progress_of(bytes.substr(0, size)) != Progress::Incomplete) FAIL("at " << size);
    }
  }
}

TEST_CASE("what stands behind a hello is told apart: in its record, and in the next one") {
  const std::string message = hello_message(HelloSpec{}.body());
  const std::string with_more = in_records(message + "more");
  const ClientHello within = read_whole(with_more);
  CHECK_FALSE(within.ends_with_record);
  CHECK(within.length == with_more.size());
  CHECK(progress_of(with_more.substr(0, with_more.size() - 1)) == Progress::Incomplete);

  const std::string alone = in_records(message);
  const ClientHello behind = read_whole(alone + "\x14\x03\x03");
  CHECK(behind.ends_with_record);
  CHECK(behind.length == alone.size());
}

TEST_CASE("what is no TLS is known by its first byte that differs") {
  CHECK(progress_of("") == Progress::Incomplete);
  CHECK(progress_of("\x16") == Progress::Incomplete);
  CHECK(progress_of("\x16\x03") == Progress::Incomplete);
  for (const std::string_view other : {"GET / HTTP/1.1\r\n", "SSH-2.0-OpenSSH", "EHLO", "\x05", "\x80\x2e\x01",
                                       "\x15\x03\x01", "\x17\x03\x03", "\x16\x02", "\x16\x04"}) {
    CAPTURE(other);
    CHECK(progress_of(other) == Progress::NotTls);
  }
  CHECK(progress_of(std::string("\x16\x03\x01\0\0", 5)) == Progress::NotTls);        // a record of nothing
  CHECK(progress_of("\x16\x03\x01\x40\x01") == Progress::NotTls);                    // longer than a record can be
  CHECK(progress_of(std::string("\x16\x03\x01\0\x05\x02", 6)) == Progress::NotTls);  // a ServerHello
  // An SSL 2 hello that offers TLS 1.2, as clients sent it up to about 2010.
  CHECK(progress_of(from_hex("802e0103030015000000100000350000") + std::string(40, 'c')) == Progress::NotTls);
}

TEST_CASE("a record of another kind within a hello makes it none") {
  const std::string bytes = in_records(hello_message(HelloSpec{}.body()), 100);
  std::string other = bytes;
  other[105] = '\x17';
  CHECK(progress_of(other) == Progress::NotTls);
  CHECK(progress_of(other.substr(0, 106)) == Progress::NotTls);
  CHECK(progress_of(other.substr(0, 105)) == Progress::Incomplete);
}

TEST_CASE("a hello takes at most 16 KiB, and one that is longer is known by its header") {
  const auto padded = [](std::size_t size) {
    HelloSpec spec;
    const std::size_t before = in_one_record(spec.with(21, "")).size();
    return in_one_record(spec.with(21, std::string(size - before, '\0')));
  };
  CHECK(read_whole(padded(kLongestClientHello)).server_name() == "api.example.com");
  const std::string longer = padded(kLongestClientHello + 1);
  CHECK(progress_of(longer) == Progress::NotTls);
  CHECK(progress_of(longer.substr(0, 5)) == Progress::NotTls);
  CHECK(progress_of(std::string("\x16\x03\x01\0\x04\x01\0\x40\0", 9)) == Progress::NotTls);  // 16 KiB without headers
  CHECK(progress_of(in_records(hello_message(std::string(16000, 'x')), 50)) == Progress::NotTls);
  // In records, and so with more headers, of which the last one would be too many.
  const std::string message = hello_message(std::string(16372, 'x'));
  const std::string all_but_one = in_records(message.substr(0, 16375));
  CHECK(progress_of(all_but_one.substr(0, 16379)) == Progress::Incomplete);
  CHECK(progress_of(all_but_one) == Progress::NotTls);
  const std::string long_message = hello_message(HelloSpec{}.with(21, std::string(12000, '\0')).body());
  CHECK(progress_of(in_records(long_message, 8000)) == Progress::Complete);
  CHECK(progress_of(in_records("\x01", 1) + in_records(std::string(20000, '\0'), 1)) == Progress::NotTls);
}

TEST_CASE("names: in lower case, without a final dot; what no host is called is refused") {
  const auto named = [](std::string_view name) { return HelloSpec{}.with(0, server_name_list(name)); };
  CHECK(read_whole(named("API.Example.COM")).server_name() == "api.example.com");
  CHECK(read_whole(named("api.example.com.")).server_name() == "api.example.com");
  CHECK(read_whole(named("a_b-9.example")).server_name() == "a_b-9.example");
  CHECK(read_whole(named("192.0.2.7")).server_name() == "192.0.2.7");
  CHECK(read_whole(named(std::string(253, 'n'))).server_name() == std::string(253, 'n'));
  CHECK(read_whole(HelloSpec{}.without(0)).server_name().empty());
  for (const std::string& odd :
       {std::string(), std::string("."), std::string("a.."), std::string(".a"), std::string("a..b"),
        std::string("a\0b", 3), std::string("a b"), std::string("\xc3\xa4.example"), std::string("a:443"),
        std::string("[::1]"), std::string("a/b"), std::string("*.example"), std::string(254, 'n')}) {
    CAPTURE(odd);
    CHECK(progress_of(named(odd)) == Progress::NotTls);
  }
}

TEST_CASE("a list of names that holds more or less than one name of a host is refused") {
  const std::string entry = be(0, 1) + sized(2, "a.example");
  const auto names = [](const std::string& content) { return progress_of(HelloSpec{}.with(0, content)); };
  CHECK(names(sized(2, entry)) == Progress::Complete);
  CHECK(names(sized(2, entry + entry)) == Progress::NotTls);
  CHECK(names(sized(2, "")) == Progress::NotTls);
  CHECK(names("") == Progress::NotTls);
  CHECK(names(sized(2, be(1, 1) + sized(2, "a.example"))) == Progress::NotTls);
  CHECK(names(sized(2, entry) + "x") == Progress::NotTls);
  CHECK(names(sized(2, entry + "x")) == Progress::NotTls);
}

TEST_CASE("versions: the list of them counts if there is one, else the old field") {
  const HelloSpec spec;
  const auto listed = [&](std::initializer_list<std::uint16_t> versions) {
    return read_whole(spec.with(43, sized(1, list16(versions))));
  };
  CHECK(listed({0x0304}).offers_tls_1_3);
  CHECK_FALSE(listed({0x0304}).offers_tls_1_2);
  CHECK(listed({0x0a0a, 0x0304, 0x0303}).offers_tls_1_2);
  CHECK_FALSE(listed({0x0302}).offers_tls_1_2);
  CHECK_FALSE(listed({0x0302}).offers_usable_cipher);
  HelloSpec old = spec.without(43);
  CHECK(read_whole(old).offers_tls_1_2);
  CHECK_FALSE(read_whole(old).offers_tls_1_3);
  CHECK(read_whole(old).offers_usable_cipher);
  old.version = 0x0304;
  CHECK(read_whole(old).offers_tls_1_2);
  CHECK_FALSE(read_whole(old).offers_tls_1_3);
  old.version = 0x0302;
  CHECK_FALSE(read_whole(old).offers_tls_1_2);
  old.version = 0x0202;
  CHECK(progress_of(old) == Progress::NotTls);
  CHECK(progress_of(spec.with(43, sized(1, ""))) == Progress::NotTls);
  CHECK(progress_of(spec.with(43, sized(1, "\x03\x04\x03"))) == Progress::NotTls);
}

TEST_CASE("cipher suites and groups are usable in the newest common version") {
  const HelloSpec both;
  const HelloSpec old = both.without(43);
  const auto usable = [](const HelloSpec& spec) { return read_whole(spec).offers_usable_cipher; };
  CHECK(usable(both.with_suites(list16({0x1303}))));
  CHECK_FALSE(usable(both.with_suites(list16({0xC02B}))));  // a server of TLS 1.3 would choose that version
  CHECK(usable(old.with_suites(list16({0xC02B}))));
  CHECK(usable(old.with_suites(list16({0xC02C}))));
  CHECK(usable(old.with_suites(list16({0xCCA9}))));
  CHECK_FALSE(usable(old.with_suites(list16({0x1301, 0xC02F, 0xC009, 0x009C}))));
  CHECK_FALSE(usable(old.with_suites(list16({0xC02B, 0x5600}))));  // it knows better, and has fallen back
  CHECK(usable(both.with_suites(list16({0x1301, 0x5600}))));

  CHECK(usable(both.with(10, sized(2, list16({24, 23})))));
  CHECK(usable(both.with(10, sized(2, list16({29})))));
  CHECK_FALSE(usable(both.with(10, sized(2, list16({24, 0x11ec})))));
  CHECK_FALSE(usable(both.without(10)));
  CHECK(usable(old.without(10)));
  CHECK_FALSE(usable(both.without(51)));
  CHECK(usable(old.without(51)));
  CHECK(progress_of(both.with_suites("")) == Progress::NotTls);
  CHECK(progress_of(both.with_suites("\x13")) == Progress::NotTls);
}

TEST_CASE("certificates on P-256 must be accepted as signatures, and as a group in TLS 1.2") {
  const HelloSpec both;
  const HelloSpec old = both.without(43);
  const auto accepts = [](const HelloSpec& spec) { return read_whole(spec).accepts_ecdsa_p256; };
  CHECK(accepts(both));
  CHECK(accepts(old));
  CHECK_FALSE(accepts(both.with(13, sized(2, list16({0x0503, 0x0804})))));
  CHECK_FALSE(accepts(both.without(13)));
  CHECK_FALSE(accepts(old.without(13)));
  CHECK(accepts(both.with(50, sized(2, list16({0x0804, 0x0403})))));
  CHECK_FALSE(accepts(both.with(50, sized(2, list16({0x0804})))));
  CHECK(accepts(both.with(10, sized(2, list16({29})))));
  CHECK_FALSE(accepts(old.with(10, sized(2, list16({29})))));
  CHECK(accepts(old.without(10)));
}

TEST_CASE("application protocols") {
  const HelloSpec spec;
  const ClientHello only_h2 = read_whole(spec.with(16, protocol_list({"h2"})));
  CHECK(only_h2.has_alpn);
  CHECK(only_h2.offers_h2);
  CHECK_FALSE(only_h2.offers_http_1_1);
  CHECK_FALSE(read_whole(spec.without(16)).has_alpn);
  CHECK(progress_of(spec.with(16, sized(2, ""))) == Progress::NotTls);
  CHECK(progress_of(spec.with(16, sized(2, sized(1, "")))) == Progress::NotTls);
  CHECK(progress_of(spec.with(16, sized(2, "\x09h2"))) == Progress::NotTls);
  CHECK(progress_of(spec.with(16, protocol_list({"h2"}) + "x")) == Progress::NotTls);
}

TEST_CASE("GREASE and an encrypted hello are ignored: the outer name counts") {
  HelloSpec grease;
  grease.suites = list16({0x5a5a}) + grease.suites;
  grease.extensions.insert(grease.extensions.begin(), {0x8a8a, ""});
  grease.extensions.push_back({0xfafa, std::string(1, '\0')});
  const ClientHello hello = read_whole(grease.with(0xfe0d, std::string(200, 'e')));
  CHECK(hello.server_name() == "api.example.com");
  CHECK(hello.offers_usable_cipher);
}

TEST_CASE("early data and a pre-shared key are seen; the latter must be last, and have its modes") {
  const HelloSpec spec;
  CHECK(read_whole(spec.with(42, "")).early_data);
  const HelloSpec resuming = spec.with(41, std::string(80, 'p'));
  CHECK(read_whole(resuming).pre_shared_key);
  CHECK(progress_of(resuming.with(42, "")) == Progress::NotTls);
  CHECK(progress_of(resuming.without(45)) == Progress::NotTls);
}

TEST_CASE("the second hello, after a retry, is read as the first") {
  const HelloSpec again = HelloSpec{}.with(44, sized(2, "cookie"));
  CHECK(read_whole(again).server_name() == "api.example.com");
}

TEST_CASE("lengths that do not fit make it no hello") {
  const HelloSpec spec;
  const std::string body = spec.body();
  for (std::size_t size = 0; size < body.size(); ++size) {
    const Progress progress = progress_of(in_records(hello_message(body.substr(0, size))));
    // Without the block of extensions it is a hello of TLS 1.2 before there were any.
    const bool up_to_extensions = size == 2 + 32 + 33 + 2 + 10 + 2;
    if ((progress == Progress::Complete) != up_to_extensions) FAIL("cut at " << size);
  }
  CHECK(progress_of(in_records(hello_message(body + "x"))) == Progress::NotTls);
  HelloSpec long_id = spec;
  long_id.session_id.assign(33, 's');
  CHECK(progress_of(long_id) == Progress::NotTls);
  HelloSpec compressed = spec;
  compressed.compression = "\x01";
  CHECK(progress_of(compressed) == Progress::NotTls);
  std::string beyond = in_one_record(spec);
  beyond[8] = static_cast<char>(beyond[8] + 1);  // the message is longer than its record: more must come
  CHECK(progress_of(beyond) == Progress::Incomplete);
}

TEST_CASE("extensions: none twice, and at most 64") {
  HelloSpec twice;
  twice.extensions.push_back({13, sized(2, list16({0x0403}))});
  CHECK(progress_of(twice) == Progress::NotTls);
  HelloSpec many;
  for (std::uint16_t type = 1000; many.extensions.size() < 64; ++type) many.extensions.push_back({type, ""});
  CHECK(progress_of(many) == Progress::Complete);
  many.extensions.push_back({2000, ""});
  CHECK(progress_of(many) == Progress::NotTls);
}

TEST_CASE("the shape is that of a program, whatever changes between its hellos") {
  const HelloSpec spec;
  const std::uint64_t shape = read_whole(spec).shape;
  HelloSpec shuffled = spec;
  std::reverse(shuffled.extensions.begin(), shuffled.extensions.end());
  CHECK(read_whole(shuffled).shape == shape);
  CHECK(read_whole(spec.with(0, server_name_list("other.example"))).shape == shape);
  CHECK(read_whole(spec.with(21, "\0\0")).shape == shape);
  CHECK(read_whole(spec.with(42, "").with(41, "psk")).shape == shape);
  CHECK(read_whole(spec.with(0x3a3a, "").with_suites(list16({0x1a1a}) + spec.suites)).shape == shape);
  CHECK(read_whole(spec.with(16, protocol_list({"\x2a\x2a", "h2", "http/1.1"}))).shape == shape);

  CHECK(read_whole(spec.with(35, "")).shape != shape);
  CHECK(read_whole(spec.without(16)).shape != shape);
  CHECK(read_whole(spec.with(16, protocol_list({"http/1.1", "h2"}))).shape != shape);
  CHECK(read_whole(spec.with_suites(list16({0x1302, 0x1301, 0x1303, 0xC02B, 0xC02F}))).shape != shape);
  CHECK(read_whole(from_hex(kCurlHello)).shape != read_whole(from_hex(kPythonHello)).shape);
}

}  // namespace
}  // namespace keepwarm::net::test
