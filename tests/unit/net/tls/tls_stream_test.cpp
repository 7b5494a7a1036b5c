#include "core/net/tls/tls_stream.h"

#include <cerrno>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "tests/unit/net/tls/tls_stream_fixture.h"

namespace keepwarm::net::test {
namespace {

TEST_CASE("a stream is secured, and carries bytes both ways") {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    CAPTURE(version);
    TlsStreamFixture fixture({.newest = version});
    fixture.start();
    CHECK(fixture.events.secured == 0);
    fixture.pump_until([&] { return fixture.events.secured == 1; });
    CHECK(fixture.stream->protocol() == (version == TLS1_2_VERSION ? "TLSv1.2" : "TLSv1.3"));
    CHECK_FALSE(fixture.stream->resumed());
    CHECK(write_all(*fixture.stream, "ping") == WriteResult::Done);
    fixture.pump_until([&] { return fixture.peer->tls.got == "ping"; });
    fixture.write_from_server("pong");
    fixture.pump_until([&] { return fixture.events.got == "pong"; });
    CHECK(fixture.stream->path().round_trip().smoothed_us > 0);
    CHECK(fixture.stream->queued_bytes() == 0);
    CHECK(fixture.events.drained == 0);
    CHECK(fixture.events.failed.empty());
  }
}

TEST_CASE("much goes both ways at once") {
  TlsStreamFixture fixture;
  fixture.start_secured();
  const std::string upload = numbered(20000000), download = numbered(5000000);
  CHECK(write_all(*fixture.stream, upload) == WriteResult::Queued);
  CHECK(fixture.stream->queued_bytes() > 0);
  CHECK(write_all(*fixture.stream, "and more") == WriteResult::Queued);
  fixture.write_from_server(download);
  fixture.pump_until([&] {
    return fixture.events.got.size() == download.size() && fixture.peer->tls.got.size() == upload.size() + 8;
  });
  CHECK(fixture.events.got == download);
  CHECK(fixture.peer->tls.got == upload + "and more");
  fixture.pump_until([&] { return fixture.events.drained > 0; });
  fixture.settle();
  CHECK(fixture.events.drained == 1);
  CHECK(fixture.stream->queued_bytes() == 0);
}

TEST_CASE("what one read of the transport holds comes with one event, and a pause leaves nothing behind") {
  TlsStreamFixture fixture;
  fixture.start_secured();
  fixture.events.then_on_bytes = [&] { fixture.stream->pause_reading(); };
  for (int i = 0; i < 5; ++i) fixture.peer->tls.write(std::to_string(i));  // a record each
  fixture.peer->pump();
  fixture.pump_until([&] { return !fixture.events.got.empty(); });
  CHECK(fixture.events.got == "01234");
  CHECK(fixture.events.chunks == std::vector<std::size_t>{5});
  fixture.write_from_server("5");
  fixture.settle();
  CHECK(fixture.events.got == "01234");
  fixture.stream->resume_reading();
  fixture.pump_until([&] { return fixture.events.got == "012345"; });
}

TEST_CASE("a paused stream stops the server, and loses nothing") {
  TlsStreamFixture fixture;
  fixture.start_secured();
  const std::string download = numbered(20000000);
  fixture.stream->pause_reading();
  fixture.write_from_server(download);
  fixture.settle();
  CHECK(fixture.events.got.empty());
  fixture.events.then_on_bytes = [&] { fixture.stream->pause_reading(); };
  fixture.pump_until([&] {
    fixture.stream->resume_reading();
    return fixture.events.got.size() == download.size();
  });
  CHECK(fixture.events.got == download);
  for (const std::size_t size : fixture.events.chunks) CHECK(size <= Loop::kReadBufferSize + 16384);
}

TEST_CASE("many small records come whole and in order, however often the stream is paused within them") {
  for (const bool pauses : {false, true}) {
    CAPTURE(pauses);
    TlsStreamFixture fixture;
    fixture.start_secured();
    std::string sent;
    for (int i = 0; i < 30000; ++i) {
      sent += static_cast<char>('a' + i % 26);
      fixture.peer->tls.write(std::string_view(sent).substr(sent.size() - 1));
    }
    fixture.peer->tls.close();
    if (pauses) {
      fixture.events.then_on_bytes = [&] { fixture.stream->pause_reading(); };
    }
    fixture.pump_until([&] {
      if (pauses) fixture.stream->resume_reading();
      return fixture.events.ended == 1;
    });
    CHECK(fixture.events.got == sent);
    CHECK(fixture.events.broken.empty());
  }
}

TEST_CASE("a stream with records put aside can be destroyed, and is neither idle nor to be moved") {
  TlsStreamFixture fixture;
  fixture.start_secured();
  const char byte = 'x';
  for (int i = 0; i < 30000; ++i) fixture.peer->tls.write({&byte, 1});
  bool checked = false;
  fixture.events.then_on_bytes = [&] {
    if (fixture.events.got.size() == 30000) return;
    checked = true;
    CHECK_FALSE(fixture.stream->check_idle_alive());
    CHECK(fixture.stream->detach() == nullptr);
    fixture.stream.reset();
  };
  fixture.pump_until([&] { return checked; });
  fixture.settle();
}

TEST_CASE("a server that has TLS answer without end and does not read is broken off") {
  TlsStreamFixture fixture({.newest = TLS1_2_VERSION});
  fixture.start_secured();
  const std::string much(1000000, 'm');
  while (write_all(*fixture.stream, much) == WriteResult::Done) continue;
  const std::size_t before = fixture.stream->queued_bytes();
  for (int i = 0; i < 1000 && !fixture.events.over(); ++i) {
    for (int each = 0; each < 30; ++each) fixture.peer->tls.ask_to_renegotiate();
    fixture.peer->tls.write("x");
    fixture.peer->send_raw(fixture.peer->tls.take_output());
    uv_run(&fixture.loop.uv(), UV_RUN_NOWAIT);
  }
  CHECK(fixture.events.broken == std::vector<int>{-ENOBUFS});
  CHECK(fixture.stream->queued_bytes() < before + 100000);
}

TEST_CASE("close_notify is the end, with the last bytes before it, and writing still works") {
  TlsStreamFixture fixture;
  fixture.start_secured();
  fixture.peer->tls.write("last words");
  fixture.peer->tls.close();
  fixture.peer->pump();
  fixture.events.then_on_end = [&] { CHECK(fixture.events.got == "last words"); };
  fixture.pump_until([&] { return fixture.events.ended == 1; });
  CHECK(write_all(*fixture.stream, "answer") == WriteResult::Done);
  fixture.pump_until([&] { return fixture.peer->tls.got == "answer"; });
  CHECK(fixture.stream->tls_failure() == nullptr);
  SUBCASE("then FIN") {
    fixture.peer->close();
  }
  SUBCASE("then RST") {
    fixture.peer->send_reset();
  }
  fixture.settle();
  fixture.stream->pause_reading();
  fixture.stream->resume_reading();
  fixture.settle();
  CHECK(fixture.events.ended == 1);
  CHECK(fixture.events.broken.empty());
}

TEST_CASE("an end that came while reading was paused is told when it is resumed") {
  TlsStreamFixture fixture;
  fixture.start_secured();
  fixture.events.then_on_bytes = [&] { fixture.stream->pause_reading(); };
  bool clean = false;
  SUBCASE("close_notify") {
    fixture.peer->tls.write("last words");
    fixture.peer->tls.close();
    clean = true;
  }
  SUBCASE("a broken record") {
    fixture.peer->tls.write("last words");
    fixture.peer->pump();
    fixture.peer->send_raw(std::string("\x17\x03\x03\0\x20", 5) + std::string(32, 'x'));
  }
  fixture.peer->pump();
  fixture.pump_until([&] { return !fixture.events.got.empty(); });
  fixture.settle();
  CHECK_FALSE(fixture.events.over());
  fixture.stream->resume_reading();
  CHECK_FALSE(fixture.events.over());  // not inside the call
  fixture.pump_until([&] { return fixture.events.over(); });
  CHECK(fixture.events.got == "last words");
  CHECK(fixture.events.ended == (clean ? 1 : 0));
}

TEST_CASE("a transport that ends without close_notify was cut") {
  TlsStreamFixture fixture;
  fixture.start_secured();
  fixture.write_from_server("half a bo");
  SUBCASE("FIN") {
    fixture.peer->close();
  }
  SUBCASE("RST") {
    fixture.peer->send_reset();
  }
  SUBCASE("in the middle of a record") {
    fixture.peer->tls.write("dy");
    const std::string record = fixture.peer->tls.take_output();
    fixture.peer->send_raw(std::string_view(record).substr(0, record.size() - 1));
    fixture.peer->close();
  }
  fixture.pump_until([&] { return fixture.events.over(); });
  fixture.settle();
  CHECK(fixture.events.got == "half a bo");
  CHECK(fixture.events.broken == std::vector<int>{-ECONNRESET});
  CHECK(fixture.events.ended == 0);
  CHECK(fixture.stream->tls_failure() == nullptr);
  CHECK(write_all(*fixture.stream, "x") == WriteResult::Failed);
}

TEST_CASE("a broken record breaks the stream, and says why") {
  TlsStreamFixture fixture;
  fixture.start_secured();
  fixture.peer->tls.write("good");
  fixture.peer->pump();
  fixture.peer->send_raw(std::string("\x17\x03\x03\0\x20", 5) + std::string(32, 'x'));
  fixture.pump_until([&] { return fixture.events.over(); });
  CHECK(fixture.events.got == "good");
  CHECK(fixture.events.broken == std::vector<int>{-EPROTO});
  REQUIRE(fixture.stream->tls_failure() != nullptr);
  CHECK(fixture.stream->tls_failure()->kind == TlsFailure::Kind::Protocol);
  fixture.peer->pump();
  CHECK(fixture.peer->tls.alert == 20);  // bad_record_mac
  CHECK(write_all(*fixture.stream, "x") == WriteResult::Failed);
}

TEST_CASE("the end of writing is close_notify and FIN behind what is queued, and reading goes on") {
  TlsStreamFixture fixture;
  fixture.start_secured();
  const std::string upload = numbered(20000000);
  CHECK(write_all(*fixture.stream, upload) == WriteResult::Queued);
  fixture.stream->finish_writing();
  CHECK(write_all(*fixture.stream, "too late") == WriteResult::Failed);
  fixture.pump_until([&] { return fixture.peer->closed; });
  CHECK(fixture.peer->tls.got == upload);
  CHECK(fixture.peer->tls.ended);
  fixture.write_from_server("still here");
  fixture.pump_until([&] { return fixture.events.got == "still here"; });
}

TEST_CASE("destroying a stream sends close_notify and FIN, or RST if that was asked for") {
  TlsStreamFixture fixture;
  fixture.start_secured();
  bool gracefully = true;
  SUBCASE("at once") {}
  SUBCASE("after the server's close_notify") {
    fixture.peer->tls.close();
    fixture.pump_until([&] { return fixture.events.ended == 1; });
  }
  SUBCASE("RST") {
    fixture.stream->reset_on_close();
    gracefully = false;
  }
  fixture.stream.reset();
  fixture.pump_until([&] { return fixture.peer->closed || fixture.peer->reset; });
  CHECK(fixture.peer->tls.ended == gracefully);
  CHECK(fixture.peer->reset != gracefully);
}

TEST_CASE("a stream with much still queued can be destroyed") {
  TlsStreamFixture fixture;
  fixture.start_secured();
  CHECK(write_all(*fixture.stream, numbered(20000000)) == WriteResult::Queued);
  fixture.stream.reset();
  fixture.pump_until([&] { return fixture.peer->closed || fixture.peer->reset; });
  CHECK_FALSE(fixture.peer->tls.ended);
}

TEST_CASE("a write that the kernel refuses fails, and what came before it can be read") {
  TlsStreamFixture fixture;
  fixture.start_secured();
  fixture.stream->pause_reading();
  fixture.write_from_server("refused, because");
  fixture.peer->send_reset();
  fixture.pump_until([&] { return write_all(*fixture.stream, "x") == WriteResult::Failed; });
  CHECK(write_all(*fixture.stream, "x") == WriteResult::Failed);
  fixture.stream->resume_reading();
  fixture.pump_until([&] { return fixture.events.over(); });
  CHECK(fixture.events.got == "refused, because");
  CHECK(fixture.events.broken == std::vector<int>{-ECONNRESET});
}

}  // namespace
}  // namespace keepwarm::net::test
