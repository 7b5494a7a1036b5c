#include "tests/support/chaos/plan.h"

#include <cmath>
#include <cstdio>
#include <string>

namespace chaos {
namespace {

/// splitmix64: small, and good enough to spread consecutive ids.
class Random {
 public:
  explicit Random(std::uint64_t state) noexcept : state_(state) {}

  std::uint64_t next() noexcept {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31U);
  }
  std::size_t below(std::size_t n) noexcept { return static_cast<std::size_t>(next() % n); }
  double unit() noexcept { return static_cast<double>(next() >> 11U) * 0x1.0p-53; }
  bool percent(unsigned n) noexcept { return below(100) < n; }
  /// 0 once in ten times, else log-uniform in [1, most].
  std::size_t size(std::size_t most) noexcept {
    if (percent(10)) return 0;
    return static_cast<std::size_t>(std::exp(unit() * std::log(static_cast<double>(most))));
  }

 private:
  std::uint64_t state_;
};

constexpr std::size_t kOffsets = 1024UL * 1024;
constexpr std::size_t kPrintedErrors = 20;

Method pick_method(Random& random) noexcept {
  const std::size_t n = random.below(100);
  if (n < 50) return Method::Get;
  if (n < 55) return Method::Head;
  return n < 90 ? Method::Post : Method::Put;
}

OriginFault pick_origin_fault(Random& random) noexcept {
  constexpr OriginFault kFaults[] = {OriginFault::AfterHead, OriginFault::BeforeByte, OriginFault::MidHead,
                                     OriginFault::MidBody, OriginFault::EarlyAnswer};
  return random.percent(8) ? kFaults[random.below(std::size(kFaults))] : OriginFault::None;
}

Afterwards pick_afterwards(Random& random) noexcept {
  constexpr Afterwards kKinds[] = {Afterwards::SayClose, Afterwards::IdleFin, Afterwards::IdleReset,
                                   Afterwards::Idle408};
  return random.percent(15) ? kKinds[random.below(std::size(kKinds))] : Afterwards::Keep;
}

ClientFault pick_client_fault(Random& random) noexcept {
  constexpr ClientFault kFaults[] = {ClientFault::InHead, ClientFault::InBody, ClientFault::BeforeAnswer,
                                     ClientFault::InAnswer};
  return random.percent(5) ? kFaults[random.below(std::size(kFaults))] : ClientFault::None;
}

}  // namespace

bool Plan::idempotent() const noexcept {
  return method != Method::Post;
}

bool Plan::surely_replayable() const noexcept {
  return idempotent() && up_size <= kSurelyReplayableBody;
}

World::World(std::uint64_t run_seed, std::size_t requests, std::size_t host_count)
    : seed(run_seed), hosts(host_count), records(requests), noise_(kOffsets + kMaxBody) {
  Random random(seed);
  for (char& byte : noise_) byte = static_cast<char>(random.next() >> 56U);
}

Plan World::plan(std::size_t id) const noexcept {
  Random random(seed + 0x632be59bd9b4e019U * (id + 1));
  Plan plan;
  plan.method = pick_method(random);
  plan.host = random.below(hosts);
  const bool has_body = plan.method == Method::Post || plan.method == Method::Put;
  const std::size_t up_size = random.size(kMaxBody);
  plan.up_size = has_body ? up_size : 0;
  plan.down_size = random.size(kMaxBody);
  plan.old_client = random.percent(10);
  plan.up_chunked = has_body && !plan.old_client && random.percent(50);
  plan.down_framing = random.percent(4) ? Framing::Close : random.percent(50) ? Framing::Chunked : Framing::Length;
  plan.chunk_size = 256 + random.size(64UL * 1024);
  plan.old_origin = plan.down_framing == Framing::Close && random.percent(30);
  plan.origin_fault = pick_origin_fault(random);
  plan.afterwards = pick_afterwards(random);
  plan.idle_ms = static_cast<int>(random.below(30));
  plan.client_fault = pick_client_fault(random);
  plan.reset = random.percent(50);
  plan.where = random.unit();
  plan.one_shot = random.percent(30);
  plan.pipelined = random.percent(10) && !has_body && !plan.old_client && !plan.one_shot;
  return plan;
}

std::string_view World::slice(std::size_t id, std::uint64_t salt, std::size_t size) const noexcept {
  Random random(seed ^ (salt + id));
  return {noise_.data() + random.below(kOffsets), size};
}

std::string_view World::up_body(std::size_t id) const noexcept {
  return slice(id, 0x517cc1b727220a95U, plan(id).up_size);
}

std::string_view World::down_body(std::size_t id) const noexcept {
  return slice(id, 0xa0761d6478bd642fU, plan(id).down_size);
}

void World::error(std::size_t id, std::string_view what) {
  if (errors.fetch_add(1) >= kPrintedErrors) return;
  const Plan p = plan(id);
  const std::string text(what);
  std::printf(
      "ERROR request %zu (%s, up %zu%s, down %zu framing %d, origin fault %d, afterwards %d, client fault %d, reset "
      "%d, "
      "HTTP/1.%d%s%s; origin saw it %d times): %s\n",
      id, name_of(p.method).data(), p.up_size, p.up_chunked ? " chunked" : "", p.down_size,
      static_cast<int>(p.down_framing), static_cast<int>(p.origin_fault), static_cast<int>(p.afterwards),
      static_cast<int>(p.client_fault), p.reset ? 1 : 0, p.old_client ? 0 : 1, p.one_shot ? ", one-shot" : "",
      p.pipelined ? ", pipelined" : "", records[id].arrivals.load(), text.c_str());
  std::fflush(stdout);
}

std::string_view name_of(Method method) noexcept {
  switch (method) {
    case Method::Get: return "GET";
    case Method::Head: return "HEAD";
    case Method::Post: return "POST";
    case Method::Put: return "PUT";
  }
  return "?";
}

}  // namespace chaos
