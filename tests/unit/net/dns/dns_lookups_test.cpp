#include "core/net/dns/dns_lookups.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/unit/net/dns/scripted_name_server.h"
#include "tests/unit/net/net_fixture.h"

namespace keepwarm::net::test {
namespace {

struct Told {
  std::string name;
  LookupAnswer answer;
  TimePoint at;
};

struct DnsFixture : LoopFixture {
  explicit DnsFixture(std::size_t count = 1) {
    for (std::size_t i = 0; i < count; ++i) servers.push_back(std::make_unique<ScriptedNameServer>(loop));
    conf.servers.clear();
    for (const auto& server : servers) conf.servers.push_back(server->address());
    lookups.emplace(loop, [this](const std::string& name, const LookupAnswer& answer) {
      told.push_back({name, answer, Loop::now()});
    });
    lookups->configure(conf);
  }
  ScriptedNameServer& server(std::size_t i = 0) { return *servers[i]; }
  /// The final answer.
  LookupAnswer look_up(const std::string& name) {
    began = Loop::now();
    told.clear();
    lookups->start(name);
    run_until([&] { return !told.empty() && !told.back().answer.partial; });
    return told.back().answer;
  }
  [[nodiscard]] Duration took() const { return told.back().at - began; }

  std::vector<std::unique_ptr<ScriptedNameServer>> servers;
  ResolvConf conf;
  std::vector<Told> told;
  TimePoint began;
  std::optional<DnsLookups> lookups;
};

std::vector<std::string> texts(const LookupAnswer& answer) {
  std::vector<std::string> all;
  for (const SocketAddress& address : answer.addresses) all.push_back(address.host_text());
  std::sort(all.begin(), all.end());
  return all;
}

TEST_CASE("a name's addresses of both families come from one look-up, with the least time to live") {
  DnsFixture fixture;
  fixture.server().set("a.example", {"192.0.2.1", "192.0.2.2"}, {"2001:db8::1"}, 300);
  fixture.server().records[{"a.example", RecordType::Aaaa}].ttl = 60;
  const LookupAnswer answer = fixture.look_up("a.example");
  CHECK(answer.error == 0);
  CHECK_FALSE(answer.partial);
  CHECK(texts(answer) == std::vector<std::string>{"192.0.2.1", "192.0.2.2", "2001:db8::1"});
  CHECK(answer.ttl == 60s);
  CHECK(fixture.told.size() == 1);
  CHECK(fixture.lookups->running() == 0);
  CHECK(fixture.server().asked("a.example", RecordType::A) == 1);
  CHECK(fixture.server().asked("a.example", RecordType::Aaaa) == 1);
}

TEST_CASE("the time to live of an alias counts, too, and nonsense counts as none") {
  DnsFixture fixture;
  fixture.server().set("a.example", {"192.0.2.1"}, {}, 300);
  fixture.server().records[{"a.example", RecordType::A}].alias = "b.example";
  fixture.server().records[{"a.example", RecordType::A}].alias_ttl = 20;
  CHECK(fixture.look_up("a.example").ttl == 20s);
  fixture.server().set("c.example", {"192.0.2.1"}, {}, 0xFFFFFFFF);
  CHECK(fixture.look_up("c.example").ttl == 0s);
}

TEST_CASE("what is not there is told apart from what nobody can say") {
  DnsFixture fixture;
  CHECK(fixture.look_up("no.example").error == UV_EAI_NONAME);
  fixture.server().set("empty.example", {});
  CHECK(fixture.look_up("empty.example").error == UV_EAI_NODATA);
  fixture.server().codes["broken.example"] = 2;  // SERVFAIL
  CHECK(fixture.look_up("broken.example").error == UV_EAI_AGAIN);
  CHECK(fixture.took() < 1s);
}

TEST_CASE("who cannot say is passed over at once") {
  DnsFixture fixture(2);
  for (const unsigned code : {2U, 5U}) {  // SERVFAIL, REFUSED
    fixture.server(0).codes["a.example"] = code;
    fixture.server(1).set("a.example", {"192.0.2.1"});
    CHECK(texts(fixture.look_up("a.example")) == std::vector<std::string>{"192.0.2.1"});
    CHECK(fixture.took() < 1s);
  }
}

TEST_CASE("a dead server costs a second once, and then nothing") {
  DnsFixture fixture(2);
  fixture.server(0).mute = true;
  fixture.server(1).set("a.example", {"192.0.2.1"});
  fixture.server(1).set("b.example", {"192.0.2.2"});
  CHECK(texts(fixture.look_up("a.example")) == std::vector<std::string>{"192.0.2.1"});
  CHECK(fixture.took() >= 1s);
  CHECK(fixture.took() < 1500ms);
  CHECK(texts(fixture.look_up("b.example")) == std::vector<std::string>{"192.0.2.2"});
  CHECK(fixture.took() < 500ms);
  CHECK(fixture.server(0).asked("b.example") == 0);
}

TEST_CASE("where nobody listens the next server is asked at once") {
  DnsFixture fixture(2);
  fixture.servers[0].reset();
  fixture.turn();
  fixture.server(1).set("a.example", {"192.0.2.1"});
  CHECK(texts(fixture.look_up("a.example")) == std::vector<std::string>{"192.0.2.1"});
  CHECK(fixture.took() < 1s);
}

TEST_CASE("an answer that takes longer than a second is taken, and its server is not dead") {
  DnsFixture fixture(2);
  fixture.server(0).silent.insert({"slow.example", RecordType::A});
  fixture.server(1).mute = true;
  fixture.server(0).set("slow.example", {"192.0.2.1"});
  fixture.server(0).set("b.example", {"192.0.2.2"});
  fixture.lookups->start("slow.example");
  fixture.run_until([&] { return fixture.server(1).asked("slow.example") > 0; });  // a second later
  CHECK(fixture.told.empty());
  fixture.server(0).release("slow.example", RecordType::A);
  fixture.run_until([&] { return !fixture.told.empty(); });
  CHECK(texts(fixture.told.back().answer) == std::vector<std::string>{"192.0.2.1"});
  CHECK(texts(fixture.look_up("b.example")) == std::vector<std::string>{"192.0.2.2"});
  CHECK(fixture.took() < 500ms);
}

TEST_CASE("a family that is late holds the other one up for 50 ms, and completes the answer afterwards") {
  for (const RecordType late : {RecordType::A, RecordType::Aaaa}) {
    CAPTURE(static_cast<int>(late));
    DnsFixture fixture;
    fixture.server().set("a.example", {"192.0.2.1"}, {"2001:db8::1"});
    fixture.server().silent.insert({"a.example", late});
    fixture.began = Loop::now();
    fixture.lookups->start("a.example");
    fixture.run_until([&] { return !fixture.told.empty(); });
    CHECK(fixture.took() >= DnsLookups::kGrace);
    CHECK(fixture.took() < 500ms);
    CHECK(fixture.told.back().answer.partial);
    CHECK(fixture.told.back().answer.addresses.size() == 1);
    CHECK(fixture.lookups->running() == 1);
    fixture.lookups->start("a.example");  // who asks again waits for the rest
    fixture.server().release("a.example", late);
    fixture.run_until([&] { return fixture.told.size() == 2; });
    CHECK_FALSE(fixture.told.back().answer.partial);
    CHECK(texts(fixture.told.back().answer) == std::vector<std::string>{"192.0.2.1", "2001:db8::1"});
    CHECK(fixture.lookups->running() == 0);
  }
}

TEST_CASE("IPv6 addresses that come first and have a route are told at once") {
  DnsFixture fixture;
  Duration least = 1h;
  for (int i = 0; i < 5; ++i) {
    const std::string name = "n" + std::to_string(i) + ".example";
    fixture.server().set(name, {"127.0.0.1"}, {"::1"});
    fixture.server().silent.insert({name, RecordType::A});
    fixture.began = Loop::now();
    fixture.told.clear();
    fixture.lookups->start(name);
    fixture.run_until([&] { return !fixture.told.empty(); });
    CHECK(fixture.told.back().answer.partial);
    CHECK(texts(fixture.told.back().answer) == std::vector<std::string>{"::1"});
    least = std::min(least, fixture.took());
    fixture.server().release(name, RecordType::A);
    fixture.run_until([&] { return fixture.told.size() == 2; });
    CHECK(texts(fixture.told.back().answer) == std::vector<std::string>{"127.0.0.1", "::1"});
  }
  CHECK(least < DnsLookups::kGrace);
}

TEST_CASE("a server that was taken for dead serves again as soon as a late answer has come") {
  DnsFixture fixture(2);
  fixture.server(0).silent.insert({"slow.example", RecordType::A});
  fixture.server(0).silent.insert({"slow.example", RecordType::Aaaa});
  for (std::size_t i = 0; i < 2; ++i) {
    fixture.server(i).set("slow.example", {"192.0.2.1"});
    fixture.server(i).set("b.example", {i == 0 ? "192.0.2.1" : "192.0.2.2"});
    fixture.server(i).set("c.example", {i == 0 ? "192.0.2.1" : "192.0.2.2"});
  }
  fixture.look_up("slow.example");
  CHECK(texts(fixture.look_up("b.example")) == std::vector<std::string>{"192.0.2.2"});
  fixture.server(0).release("slow.example", RecordType::A);
  fixture.turn();
  CHECK(texts(fixture.look_up("c.example")) == std::vector<std::string>{"192.0.2.1"});
}

TEST_CASE("a server that finds names in lower case alone is asked in lower case") {
  DnsFixture fixture;
  fixture.server().strict_case = true;
  for (const char* name : {"abcdefghijklmnopqrstuvwxyz.example", "zyxwvutsrqponmlkjihgfedcba.example"}) {
    fixture.server().set(name, {"192.0.2.1"});
    CHECK(texts(fixture.look_up(name)) == std::vector<std::string>{"192.0.2.1"});
    CHECK(fixture.server().spellings.back() == name);
  }
  CHECK(fixture.server().questions.size() == 3 + 2);
}

TEST_CASE("a family that comes within its grace is in the one answer") {
  DnsFixture fixture;
  fixture.server().set("a.example", {"192.0.2.1"}, {"2001:db8::1"});
  fixture.server().silent.insert({"a.example", RecordType::Aaaa});
  fixture.lookups->start("a.example");
  fixture.run_until([&] { return fixture.server().questions.size() == 2; });
  fixture.server().release("a.example", RecordType::Aaaa);
  fixture.run_until([&] { return !fixture.told.empty(); });
  CHECK(fixture.told.size() == 1);
  CHECK_FALSE(fixture.told.back().answer.partial);
}

TEST_CASE("the search list is tried in its order, and ends with what is found") {
  DnsFixture fixture;
  fixture.conf.search = {"one.example", "two.example"};
  fixture.conf.ndots = 2;
  fixture.lookups->configure(fixture.conf);
  fixture.server().set("db.svc.two.example", {"192.0.2.1"});
  CHECK(texts(fixture.look_up("db.svc")) == std::vector<std::string>{"192.0.2.1"});
  CHECK(fixture.server().asked("db.svc.one.example") == 1);
  CHECK(fixture.server().asked("db.svc") == 0);
  CHECK(fixture.look_up("no").error == UV_EAI_NONAME);
  CHECK(fixture.server().asked("no") == 1);
}

TEST_CASE("names are asked for in mixed case, unless the server does not return them so") {
  DnsFixture fixture;
  const std::string name = "abcdefghijklmnopqrstuvwxyz.example";
  fixture.server().set(name, {"192.0.2.1"});
  fixture.look_up(name);
  CHECK(fixture.server().spellings.front() != name);  // one in 2^33
  fixture.server().lower_case = true;
  CHECK(texts(fixture.look_up(name)) == std::vector<std::string>{"192.0.2.1"});
  const std::size_t before = fixture.server().questions.size();
  CHECK(texts(fixture.look_up(name)) == std::vector<std::string>{"192.0.2.1"});
  CHECK(fixture.server().questions.size() == before + 2);
  CHECK(fixture.server().spellings.back() == name);
}

TEST_CASE("a port serves for a bounded number of questions") {
  DnsFixture fixture;
  constexpr std::uint32_t kNames = 3 * Channel::kPortQuestions / 2;  // two questions each
  for (std::uint32_t i = 0; i < kNames; ++i) fixture.look_up("n" + std::to_string(i) + ".example");
  CHECK(fixture.server().questions.size() == 2 * kNames);
  CHECK(fixture.server().ports.size() == 3);
}

TEST_CASE(
    "other servers are asked from the moment on that they are configured, and what is under way ends with its own") {
  DnsFixture fixture(2);
  for (std::size_t i = 0; i < 2; ++i) {
    fixture.server(i).set("a.example", {i == 0 ? "192.0.2.1" : "192.0.2.2"});
    fixture.server(i).set("b.example", {i == 0 ? "192.0.2.1" : "192.0.2.2"});
  }
  fixture.server(0).silent = {{"a.example", RecordType::A}, {"a.example", RecordType::Aaaa}};
  fixture.conf.servers = {fixture.server(0).address()};
  fixture.lookups->configure(fixture.conf);
  fixture.lookups->start("a.example");
  fixture.run_until([&] { return fixture.server(0).questions.size() == 2; });
  fixture.conf.servers = {fixture.server(1).address()};
  fixture.lookups->configure(fixture.conf);
  CHECK(texts(fixture.look_up("b.example")) == std::vector<std::string>{"192.0.2.2"});
  fixture.told.clear();
  fixture.server(0).release("a.example", RecordType::A);
  fixture.server(0).release("a.example", RecordType::Aaaa);
  fixture.run_until([&] { return !fixture.told.empty(); });
  CHECK(texts(fixture.told.back().answer) == std::vector<std::string>{"192.0.2.1"});
}

TEST_CASE("look-ups can be given up at any moment, and an idle one keeps no loop alive") {
  DnsFixture fixture;
  fixture.server().set("a.example", {"192.0.2.1"});
  fixture.look_up("a.example");
  fixture.server().mute = true;
  fixture.lookups->start("b.example");
  SUBCASE("before anything was sent") {}
  SUBCASE("while servers are silent") {
    fixture.run_until([&] { return fixture.server().asked("b.example") > 0; });
  }
  fixture.lookups.reset();
  fixture.servers.clear();
  fixture.turn();
  CHECK(uv_loop_alive(&fixture.loop.uv()) == 0);
}

TEST_CASE("ten thousand names of a dead zone hold no other name up") {
  DnsFixture fixture;
  constexpr int kNames = 10000;
  fixture.server().set("good.example", {"192.0.2.1"});
  for (int i = 0; i < kNames; ++i) {
    const std::string name = "n" + std::to_string(i) + ".dead.example";
    fixture.server().silent.insert({name, RecordType::A});
    fixture.server().silent.insert({name, RecordType::Aaaa});
  }
  for (int i = 0; i < kNames; ++i) fixture.lookups->start("n" + std::to_string(i) + ".dead.example");
  fixture.turn();
  const auto good = [&] {
    return std::any_of(fixture.told.begin(), fixture.told.end(),
                       [](const Told& t) { return t.name == "good.example"; });
  };
  for (int i = 0; i < 3; ++i) {
    const TimePoint began = Loop::now();
    fixture.told.clear();
    fixture.lookups->start("good.example");
    fixture.run_until(good);
    MESSAGE("another name took " << std::chrono::duration_cast<std::chrono::microseconds>(Loop::now() - began).count()
                                 << " us");
    CHECK(Loop::now() - began < 1s);
  }
}

}  // namespace
}  // namespace keepwarm::net::test
