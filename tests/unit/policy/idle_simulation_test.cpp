// What the policy costs and saves in thousands of simulated servers. What a long run prints is in packaging/doc.

#include "tests/unit/policy/idle_simulation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include "tests/support/tier.h"

namespace keepwarm::policy::simulation {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kSeeds = 20;
/// Of the races: no seed learns from another one, so that fewer show the same, less often.
const std::uint64_t kRaces = test::amount<std::uint64_t>(4, kSeeds);
constexpr int kRequests = 200;

/// Packets and requests do not share their dice: every conduct meets the same requests.
constexpr std::uint64_t kPackets = 0x5eed;

struct Mix {
  double posts = 0.5;  ///< their share
  int one_way = 2;     ///< the latency of 1 to 300 ms is that of the round trip, divided by this
  bool overlapping = false;
  std::uint64_t servers_per_seed = 100;
};

/// Pareto with an exponent of 1.2, at least 50 ms, at most ten minutes.
Duration pareto_gap(Dice& dice) {
  const double seconds = 0.05 * std::pow(1.0 - dice.roll(), -1.0 / 1.2);
  return std::min<Duration>(Duration(static_cast<Duration::rep>(seconds * 1e9)), 10min);
}

Scene any_server(std::uint64_t seed, const Mix& mix) {
  Dice dice(seed);
  Scene scene{.timeout = dice.between(1s, 120s), .latency = dice.between(1ms, 300ms) / mix.one_way};
  scene.overlapping = mix.overlapping;
  for (int i = 0; i < kRequests; ++i) {
    const Duration gap = pareto_gap(dice);
    scene.requests.push_back({gap, dice.roll() < mix.posts});
  }
  return scene;
}

/// Closes after half a second, 40 ms away, and is asked at about that gap: five GETs and five POSTs in any order.
Scene race(std::uint64_t seed) {
  Dice dice(seed);
  Scene scene{.timeout = 500ms, .latency = 20ms};
  for (int i = 0; i < 10; ++i) scene.requests.push_back({dice.between(400ms, 600ms), i % 2 == 0});
  for (std::size_t left = scene.requests.size(); left > 1; --left) {
    std::swap(scene.requests[left - 1].post,
              scene.requests[static_cast<std::size_t>(dice.roll() * static_cast<double>(left))].post);
  }
  return scene;
}

/// Idle timeouts as Node and Apache, gunicorn, nginx and others have them by default, in about equal parts.
Scene as_shipped(std::uint64_t seed) {
  constexpr std::array<Duration, 6> kTimeouts = {2s, 5s, 15s, 60s, 75s, 120s};
  Scene scene = any_server(seed, {});
  Dice dice(seed ^ kPackets);
  scene.timeout = kTimeouts[static_cast<std::size_t>(dice.roll() * kTimeouts.size())];
  return scene;
}

/// A timeout of 1 to 3 s at a distance that takes much of it, and is asked at any pause up to a little beyond.
Scene far_and_short(std::uint64_t seed) {
  Dice dice(seed);
  Scene scene{.timeout = dice.between(1s, 3s), .latency = dice.between(50ms, 300ms)};
  for (int i = 0; i < kRequests; ++i) {
    const Duration gap = dice.between(200ms, scene.timeout + 300ms);
    scene.requests.push_back({gap, dice.roll() < 0.5});
  }
  return scene;
}

/// All hold for ten minutes at most, so that nobody closes before it must.
HostSettings patient() {
  HostSettings settings;
  settings.idle_timeout = 10min;
  return settings;
}

Conduct keepwarm() {
  return {Conduct::Kind::Keepwarm, patient()};
}

/// Each host as if it was the only one.
Conduct alone() {
  return {Conduct::Kind::Alone, patient()};
}

Conduct resending() {
  Conduct conduct = keepwarm();
  conduct.settings.retry_undelivered = true;
  return conduct;
}

/// A POST goes on any connection that is open.
Conduct daring() {
  Conduct conduct = keepwarm();
  conduct.settings.unsafe_reuse = UnsafeReuse::Always;
  return conduct;
}

Conduct oracle() {
  return {Conduct::Kind::Oracle, patient()};
}

Conduct fixed(Duration limit) {
  Conduct conduct{Conduct::Kind::Fixed, patient()};
  conduct.settings.idle_timeout = limit;
  return conduct;
}

using Servers = std::vector<Server>;

template <typename MakeScene>
Servers of_seed(std::uint64_t seed, std::uint64_t count, MakeScene make_scene) {
  Servers servers;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t own = seed * 1'000'003 + i;
    servers.push_back({make_scene(own), own ^ kPackets});
  }
  return servers;
}

template <typename MakeScene>
Servers of_all_seeds(std::uint64_t servers_per_seed, MakeScene make_scene) {
  Servers servers;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    for (Server& server : of_seed(seed, servers_per_seed, make_scene)) servers.push_back(std::move(server));
  }
  return servers;
}

Servers any_servers(const Mix& mix) {
  return of_all_seeds(mix.servers_per_seed, [&mix](std::uint64_t seed) { return any_server(seed, mix); });
}

Tally one_after_another(const Servers& servers, const Conduct& conduct) {
  Tally sum;
  CloseRiskEstimator prior;
  for (const Server& server : servers) sum += simulate(server, conduct, prior);
  return sum;
}

Tally at_once(const Servers& servers, const Conduct& conduct) {
  CloseRiskEstimator prior;
  return simulate(servers, conduct, prior);
}

/// Each seed anew: 300 hosts are all that is ever met.
template <typename Meet>
Tally races(const Conduct& conduct, Meet meet) {
  Tally sum;
  for (std::uint64_t seed = 1; seed <= kRaces; ++seed) sum += meet(of_seed(seed, 300, race), conduct);
  return sum;
}

Tally races(const Conduct& conduct) {
  return races(conduct, one_after_another);
}

double ratio(std::uint64_t part, std::uint64_t whole) {
  return static_cast<double>(part) / static_cast<double>(whole);
}

std::string row(const char* name, const Tally& tally, const Tally& ideal) {
  std::array<char, 160> text{};
  std::snprintf(text.data(), text.size(), "| %s | %llu | %.2f | %llu | %llu (%.4f %%) |\n", name,
                static_cast<unsigned long long>(tally.opened), ratio(tally.opened, ideal.opened),
                static_cast<unsigned long long>(tally.get_failures),
                static_cast<unsigned long long>(tally.post_failures), 100 * ratio(tally.post_failures, tally.posts));
  return text.data();
}

/// What each conduct comes to.
struct Comparison {
  Tally oracle, keepwarm, resending, alone, daring, fixed_4s, fixed_20s;
};

template <typename Run>
Comparison compare(Run run) {
  return {run(oracle()), run(keepwarm()), run(resending()), run(alone()),
          run(daring()), run(fixed(4s)),  run(fixed(20s))};
}

std::string table(const std::string& title, const Comparison& all) {
  std::string text = std::string("\n") + title + "\n\n";
  text += "| | connections | of the oracle's | failed GETs | failed POSTs |\n|---|---:|---:|---:|---:|\n";
  text += row("knows the server's timeout (oracle)", all.oracle, all.oracle);
  text += row("keepwarm", all.keepwarm, all.oracle);
  text += row("keepwarm, `retry_undelivered = true`", all.resending, all.oracle);
  text += row("keepwarm, each host by itself", all.alone, all.oracle);
  text += row("keepwarm, `unsafe_reuse = \"always\"`", all.daring, all.oracle);
  text += row("a fixed 4 s", all.fixed_4s, all.oracle);
  text += row("a fixed 20 s", all.fixed_20s, all.oracle);
  return text;
}

void check_no_failure(const Tally& tally) {
  CHECK(tally.get_failures == 0);
  CHECK(tally.posts_executed_twice == 0);
  CHECK(tally.late_post_failures == 0);
  CHECK(ratio(tally.post_failures, tally.posts) <= 0.001);
}

void check_resending(const Tally& tally) {
  CHECK(tally.get_failures == 0);
  CHECK(tally.post_failures == 0);
  CHECK(tally.posts_executed_twice == 0);
}

void check_race(const Tally& tally) {
  CHECK(tally.get_failures == 0);
  CHECK(tally.posts_executed_twice == 0);
  CHECK(tally.late_post_failures == 0);
  CHECK(ratio(tally.post_failures, tally.posts) <= 0.01);
}

}  // namespace

TEST_CASE("thousands of servers of unknown timeouts: no GET fails, hardly a POST, and few connections are too many") {
  const Servers servers = any_servers({.servers_per_seed = 300});
  const Comparison all = compare([&servers](const Conduct& conduct) { return one_after_another(servers, conduct); });
  CHECK(all.oracle.requests == kSeeds * 300 * kRequests);
  CHECK(all.oracle.get_failures + all.oracle.post_failures == 0);
  check_no_failure(all.keepwarm);
  check_resending(all.resending);
  CHECK(ratio(all.keepwarm.opened, all.oracle.opened) <= 1.15);
  // Where no host knows of the others, a POST after a longer pause than any before opens a connection.
  check_resending(all.alone);
  CHECK(ratio(all.alone.opened, all.oracle.opened) > 1.8);
  CHECK(ratio(all.alone.opened, all.oracle.opened) <= 2.2);
  MESSAGE(table("6,000 servers, 200 requests each, half of them POST", all));
}

TEST_CASE("with one POST among ten requests there are fewer that open a connection of their own") {
  const Servers servers = any_servers({.posts = 0.1});
  const Comparison all = compare([&servers](const Conduct& conduct) { return one_after_another(servers, conduct); });
  check_no_failure(all.keepwarm);
  check_resending(all.resending);
  CHECK(ratio(all.keepwarm.opened, all.oracle.opened) <= 1.15);
  CHECK(ratio(all.alone.opened, all.oracle.opened) <= 1.45);
  MESSAGE(table("2,000 servers, 200 requests each, one in ten a POST", all));
}

TEST_CASE("nothing fails either at twice the distance, or with several requests at a time") {
  struct Case {
    const char* name = "";
    Mix mix;
    double most_connections = 0;
  };
  const Case cases[] = {{"300 ms one way", {.one_way = 1}, 1.35},
                        {"several at a time", {.overlapping = true}, 1.25},
                        {"several at a time, 300 ms one way", {.one_way = 1, .overlapping = true}, 1.3}};
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const Servers servers = any_servers(c.mix);
    const Tally ours = one_after_another(servers, keepwarm());
    check_no_failure(ours);
    check_resending(one_after_another(servers, resending()));
    CHECK(ratio(ours.opened, one_after_another(servers, oracle()).opened) <= c.most_connections);
  }
}

TEST_CASE("where many servers have the same few idle timeouts, other ages are trusted, and those are not") {
  const Servers servers = of_all_seeds(100, as_shipped);
  const Tally ours = one_after_another(servers, keepwarm());
  check_no_failure(ours);
  CHECK(ratio(ours.opened, one_after_another(servers, oracle()).opened) <= 1.35);
}

TEST_CASE("requests that race with the server's close: at most one POST in a hundred fails, and no GET") {
  const Comparison all = compare([](const Conduct& conduct) { return races(conduct); });
  check_race(all.keepwarm);
  check_resending(all.resending);
  MESSAGE(table("the race: " + std::to_string(kRaces * 300) +
                    " servers that close after 0.5 s, 40 ms away, asked after 0.4 to 0.6 s",
                all));
}

TEST_CASE("hundreds of hosts that are met at the same time do not lead each other into the race") {
  const auto run = [](const Conduct& conduct) { return races(conduct, at_once); };
  const Tally ours = run(keepwarm());
  CHECK(ours.requests == kRaces * 300 * 10);
  check_race(ours);
  check_resending(run(resending()));
  CHECK(ratio(ours.opened, run(oracle()).opened) <= 1.3);
}

TEST_CASE("the first hosts that are unlike a thousand others cost a few POSTs, and then nobody trusts those ages") {
  for (const Conduct& conduct : {keepwarm(), resending()}) {
    CloseRiskEstimator prior;
    for (const Server& server : of_seed(1, 1'000, [](std::uint64_t seed) { return any_server(seed, {}); })) {
      static_cast<void>(simulate(server, conduct, prior));
    }
    const Tally tally = simulate(of_seed(2, 300, race), conduct, prior);
    check_race(tally);
    CHECK((tally.post_failures > 0) == !conduct.settings.retry_undelivered);  // else it would show nothing
    CHECK(tally.post_failures <= 15);
  }
}

TEST_CASE("a short timeout at the end of a long path leaves little room, and what is left is safe") {
  const Servers servers = of_all_seeds(10, far_and_short);
  const Comparison all = compare([&servers](const Conduct& conduct) { return one_after_another(servers, conduct); });
  check_no_failure(all.keepwarm);
  CHECK(all.keepwarm.opened < all.keepwarm.requests);  // something is reused
  check_resending(all.resending);
  MESSAGE(table("timeouts of 1 to 3 s, 100 to 600 ms away", all));
}

TEST_CASE("where POSTs are let race, those that were not delivered are saved by being sent again") {
  const Tally lost = races(daring());
  CHECK(lost.post_failures > 0);
  CHECK(ratio(lost.post_failures, lost.posts) <= 0.035);  // a host's first; what is learned of it spares the others
  Conduct daring_resending = daring();
  daring_resending.settings.retry_undelivered = true;
  const Tally saved = races(daring_resending);
  check_resending(saved);
  CHECK(saved.retries > races(keepwarm()).retries);
}

TEST_CASE("a server that reads requests and closes without an answer never executes a POST twice") {
  const Servers servers = of_all_seeds(10, [](std::uint64_t seed) {
    Scene scene = any_server(seed, {});
    scene.dies = 0.1;
    return scene;
  });
  for (const Conduct& conduct : {keepwarm(), resending()}) {
    const Tally tally = one_after_another(servers, conduct);
    CHECK(tally.posts_executed_twice == 0);
    CHECK(tally.retries > 0);
    CHECK(tally.post_failures == 0);  // none but those that it read
  }
}

}  // namespace keepwarm::policy::simulation
