#include "daemon/savings_text.h"

#include <array>
#include <chrono>
#include <fmt/format.h>

namespace keepwarm::daemon {
namespace {

using namespace std::chrono_literals;

struct Unit {
  Duration length;
  std::string_view name;
};
constexpr std::array<Unit, 4> kUnits = {{{24h, "d"}, {1h, "h"}, {1min, "min"}, {1s, "s"}}};

std::string counted(std::uint64_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

}  // namespace

std::string rough_time(Duration duration) {
  if (duration < 1s) return fmt::format("{} ms", std::chrono::round<std::chrono::milliseconds>(duration).count());
  if (duration < 1min) return fmt::format("{:.1f} s", std::chrono::duration<double>(duration).count());
  std::size_t unit = 0;
  while (duration < kUnits[unit].length) ++unit;
  const Unit& large = kUnits[unit];
  const Unit& small = kUnits[unit + 1];
  return fmt::format("{} {} {} {}", duration / large.length, large.name, duration % large.length / small.length,
                     small.name);
}

std::string savings_text(const proxy::Savings& savings) {
  std::string text = counted(savings.exchanges, "request");
  if (savings.on_reused > 0) {
    const double share = 100.0 * static_cast<double>(savings.on_reused) / static_cast<double>(savings.exchanges);
    text +=
        fmt::format(", {:.1f} % of them on connections that were open already: {} avoided, which would have taken {}",
                    share, counted(savings.on_reused, "handshake"), rough_time(savings.saved));
  }
  if (savings.hidden_failures > 0) {
    text += "; " + counted(savings.hidden_failures, "failure") + " that clients never saw";
  }
  if (savings.tunnels > 0) text += "; " + counted(savings.tunnels, "tunnel") + ", in which nothing is reused";
  return text;
}

}  // namespace keepwarm::daemon
