// chaos: many clients and misbehaving origins around a proxy. Every answer must be byte-exact or visibly failed, none
// crossed, nothing that is not replayable sent twice, and the proxy must give back every descriptor. Exits 0 when it
// was so, 1 when not.

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <poll.h>
#include <random>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include "tests/support/chaos/client.h"
#include "tests/support/chaos/origin.h"
#include "tests/support/chaos/plan.h"
#include "tests/support/chaos/wire.h"

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

struct Options {
  std::uint64_t proxy_port = 0;
  std::uint64_t pid = 0;
  std::uint64_t seed = std::random_device{}();
  std::uint64_t clients = 200;
  std::uint64_t requests = 500;
  std::uint64_t hosts = 8;
};

constexpr const char* kUsage =
    "Usage: chaos --proxy PORT --pid PID [--seed N] [--clients 200] [--requests 500] [--hosts 8]\n"
    "  PORT: the proxy's, on 127.0.0.1; PID: its process, whose descriptors are counted.\n";

std::optional<Options> parse(const std::vector<std::string>& arguments) {
  Options options;
  const std::pair<const char*, std::uint64_t*> known[] = {
      {"--proxy", &options.proxy_port}, {"--pid", &options.pid},           {"--seed", &options.seed},
      {"--clients", &options.clients},  {"--requests", &options.requests}, {"--hosts", &options.hosts}};
  for (std::size_t i = 0; i < arguments.size(); i += 2) {
    const auto* const found = std::find_if(std::begin(known), std::end(known),
                                           [&](const auto& option) { return arguments[i] == option.first; });
    if (found == std::end(known) || i + 1 == arguments.size()) return std::nullopt;
    const std::string& text = arguments[i + 1];
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *found->second);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  }
  const bool complete = options.proxy_port > 0 && options.pid > 0 && options.hosts > 0 && options.requests > 0;
  return complete ? std::optional(options) : std::nullopt;
}

std::size_t descriptors(std::uint64_t pid) {
  std::error_code error;
  const std::filesystem::directory_iterator all("/proc/" + std::to_string(pid) + "/fd", error);
  return error ? 0 : static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

std::string peak_memory(std::uint64_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmHWM:", 0) == 0) return line.substr(line.find_first_not_of(" \t", 6));
  }
  return "unknown";
}

/// One connection that the proxy refuses by itself, so that what it opens once and for all is there before we count.
void warm_up(std::uint16_t proxy_port) {
  const int fd = chaos::connect_to(proxy_port);
  if (fd < 0) return;
  chaos::Outgoing out;
  out.add("GET / HTTP/1.1\r\nHost: nowhere\r\nConnection: close\r\n\r\n");
  const auto deadline = Clock::now() + chaos::kPatience;
  chaos::write_all(fd, out, deadline);
  chaos::MessageReader answer;
  while (chaos::wait_for(fd, POLLIN, deadline) != 0 && !ended(chaos::receive(fd, answer))) {
  }
  chaos::close_by(fd, false);
}

void run_clients(chaos::World& world, chaos::Tally& tally, const Options& options) {
  std::vector<std::thread> threads;
  for (std::uint64_t client = 0; client < options.clients; ++client) {
    threads.emplace_back([&, client] {
      chaos::Client(world, tally, static_cast<std::uint16_t>(options.proxy_port))
          .run(client * options.requests, options.requests);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

/// The descriptors that the proxy holds at rest: the least of many looks.
std::size_t baseline_of(std::uint64_t pid) {
  std::size_t least = descriptors(pid);
  for (int look = 0; look < 20; ++look) {
    std::this_thread::sleep_for(10ms);
    least = std::min(least, descriptors(pid));
  }
  return least;
}

/// Waits until the proxy holds no more descriptors than before; how many it holds in the end.
std::size_t settle(std::uint64_t pid, std::size_t baseline) {
  const auto until = Clock::now() + chaos::kPatience;
  std::size_t now = descriptors(pid);
  while (now > baseline && Clock::now() < until) {
    std::this_thread::sleep_for(20ms);
    now = descriptors(pid);
  }
  return now;
}

void report(const chaos::World& world, const chaos::Tally& tally, std::size_t connections, double seconds) {
  const auto sent_again = std::count_if(world.records.begin(), world.records.end(),
                                        [](const chaos::Record& record) { return record.arrivals > 1; });
  std::printf(
      "%zu requests in %.1f s: %zu exact, %zu failed by the origin's fault (%zu refused, %zu cut), %zu stale and not "
      "replayable, %zu unanswered in a pipeline, %zu left by the client\n%zu upstream connections, %td requests sent "
      "again\n",
      world.records.size(), seconds, tally.exact.load(), tally.refused.load() + tally.cut.load(), tally.refused.load(),
      tally.cut.load(), tally.stale.load(), tally.unanswered.load(), tally.aborted.load(), connections, sent_again);
}

int run(const Options& options) {
  chaos::World world(options.seed, options.clients * options.requests, options.hosts);
  chaos::Tally tally;
  std::printf("seed %llu\n", static_cast<unsigned long long>(options.seed));
  warm_up(static_cast<std::uint16_t>(options.proxy_port));
  const std::size_t before = baseline_of(options.pid);
  {
    const chaos::Origins origins(world);
    const auto start = Clock::now();
    run_clients(world, tally, options);
    const std::chrono::duration<double> took = Clock::now() - start;
    report(world, tally, origins.connections(), took.count());
    world.stop = true;
  }
  const std::size_t after = settle(options.pid, before);
  std::printf("descriptors of the proxy: %zu before, %zu after; peak memory %s\n", before, after,
              peak_memory(options.pid).c_str());
  if (before == 0 || after == 0) world.error(0, "the proxy's process cannot be looked at: is it gone?");
  if (after > before) world.error(0, "the proxy did not give all descriptors back");
  std::printf("%zu errors\n", world.errors.load());
  return world.errors == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::optional<Options> options = parse({argv + 1, argv + argc});
  if (!options) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  return run(*options);
}
