#include "core/net/next_turn.h"

#include <functional>
#include <memory>
#include <string>

#include <doctest/doctest.h>

#include "tests/unit/net/net_fixture.h"

namespace keepwarm::net::test {
namespace {

struct Repeating final : Continuation {
  Repeating(Loop& of, std::string& into, char as) : loop(of), log(into), name(as) {}
  void go_on() override {
    log += name;
    if (then) then();
  }
  Loop& loop;
  std::string& log;
  char name;
  std::function<void()> then;
};

}  // namespace

TEST_CASE("what goes on in the next turn goes on once, in order, and the loop does not sleep before it") {
  LoopFixture fixture;
  std::string log;
  Repeating a(fixture.loop, log, 'a'), b(fixture.loop, log, 'b');
  fixture.loop.go_on_next_turn(a);
  fixture.loop.go_on_next_turn(b);
  fixture.loop.go_on_next_turn(a);  // waits already
  CHECK(log.empty());
  fixture.loop.run();  // ends, since nothing is left that could happen
  CHECK(log == "ab");
  fixture.turn();
  CHECK(log == "ab");
}

TEST_CASE("who goes on again and again does so once a turn, and sockets have their turn in between") {
  LoopFixture fixture;
  std::string log;
  Repeating a(fixture.loop, log, 'a');
  a.then = [&] { fixture.loop.go_on_next_turn(a); };
  fixture.loop.go_on_next_turn(a);
  for (std::size_t turns = 1; turns <= 5; ++turns) {
    uv_run(&fixture.loop.uv(), UV_RUN_NOWAIT);
    CHECK(log.size() == turns);
  }
}

TEST_CASE("it goes on behind the poll, once between two polls") {
  LoopFixture fixture;
  std::string log;
  Repeating a(fixture.loop, log, 'a');
  a.then = [&] { fixture.loop.go_on_next_turn(a); };
  uv_prepare_t before{};
  uv_prepare_init(&fixture.loop.uv(), &before);
  before.data = &log;
  uv_prepare_start(&before, [](uv_prepare_t* handle) { *static_cast<std::string*>(handle->data) += 'p'; });
  fixture.loop.go_on_next_turn(a);
  for (int i = 0; i < 3; ++i) uv_run(&fixture.loop.uv(), UV_RUN_NOWAIT);
  CHECK(log == "papapa");
  uv_close(reinterpret_cast<uv_handle_t*>(&before), nullptr);
}

TEST_CASE("what is destroyed does not go on, though another does it inside the same turn") {
  LoopFixture fixture;
  std::string log;
  Repeating a(fixture.loop, log, 'a');
  auto b = std::make_unique<Repeating>(fixture.loop, log, 'b');
  a.then = [&] { b.reset(); };
  fixture.loop.go_on_next_turn(a);
  fixture.loop.go_on_next_turn(*b);
  fixture.turn();
  CHECK(log == "a");
}

}  // namespace keepwarm::net::test
