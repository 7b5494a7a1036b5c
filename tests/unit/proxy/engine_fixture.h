#pragma once

#include <string_view>

#include "core/proxy/engine.h"
#include "tests/unit/net/net_fixture.h"

/// An engine with the built-in defaults on a real loop, which listens on loopback and logs nothing.
namespace keepwarm::proxy::test {

struct Silence final : Log, AccessSink {
  [[nodiscard]] bool enabled(LogLevel) const noexcept override { return false; }
  void write(LogLevel, std::string_view) override {}
  [[nodiscard]] bool enabled() const noexcept override { return false; }
  void write(const AccessRecord&) override {}
};

struct EngineFixture {
  EngineFixture() {
    REQUIRE(!engine.listen({net::Endpoint(ListenAddress::parse("127.0.0.1:0").value())}));
    address = engine.listening_on().front().address();
  }

  net::test::LoopFixture fixture;
  Silence silence;
  net::test::Listening origin{net::test::literal("127.0.0.1")};
  Engine engine{fixture.loop, {}, silence, silence, "keepwarm-test"};
  net::SocketAddress address;  ///< where it listens
};

}  // namespace keepwarm::proxy::test
