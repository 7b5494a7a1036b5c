#include "core/net/dns/system_names.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <unistd.h>
#include <utility>

namespace keepwarm::net {
namespace {

/// Variables that change what the system's resolver does; "": none is set.
std::string_view resolver_environment() noexcept {
  for (const char* name : {"LOCALDOMAIN", "RES_OPTIONS", "HOSTALIASES"}) {
    if (std::getenv(name) != nullptr) return name;
  }
  return {};
}

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

/// Whether a further change of a file would show in its time, which is counted in steps: by most file systems in those
/// of the kernel's clock, 10 ms at most; by some in seconds, or two.
bool is_past_step(std::int64_t seconds, std::int64_t nanoseconds) noexcept {
  using namespace std::chrono_literals;
  const std::chrono::nanoseconds step = nanoseconds == 0 ? 2s : 20ms;
  const std::chrono::nanoseconds changed = std::chrono::seconds(seconds) + std::chrono::nanoseconds(nanoseconds);
  const auto age = std::chrono::system_clock::now().time_since_epoch() - changed;
  return age > step || age < -step;
}

}  // namespace

// ---- Followed ----

std::optional<std::string> SystemNames::Followed::changed() {
  struct stat found {};
  State now;
  // The time of the inode's last change covers a rename over the file and a changed content alike.
  if (::stat(path_.c_str(), &found) == 0) {
    now = {found.st_dev, found.st_ino, found.st_size, found.st_ctim.tv_sec, found.st_ctim.tv_nsec};
  }
  if (known_ && now == state_) return std::nullopt;
  known_ = now.size < 0 || is_past_step(now.changed_sec, now.changed_nsec);
  state_ = now;
  std::ifstream file(path_, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::size_t content = std::hash<std::string>{}(text);
  if (std::exchange(content_, content) == content) return std::nullopt;
  return text;
}

// ---- SystemNames ----

SystemNames::SystemNames(ResolverMode mode, Paths paths)
    : mode_(mode),
      hosts_file_(std::move(paths.hosts)),
      resolv_conf_file_(std::move(paths.resolv_conf)),
      nsswitch_file_(std::move(paths.nsswitch)) {
  refresh();
}

void SystemNames::set_mode(ResolverMode mode) {
  mode_ = mode;
  choose();
}

bool SystemNames::refresh() {
  auto hosts = hosts_file_.changed();
  const auto conf = resolv_conf_file_.changed();
  const auto nsswitch = nsswitch_file_.changed();
  if (!hosts && !conf && !nsswitch) return false;
  own_name_ = host_name();
  if (hosts) hosts_ = HostsFile(std::move(*hosts));
  if (conf) conf_ = parse_resolv_conf(*conf, own_name_);
  if (nsswitch) nsswitch_ = *nsswitch;
  choose();
  return true;
}

void SystemNames::choose() {
  choice_ = choose_resolver(mode_, nsswitch_, conf_, resolver_environment());
}

}  // namespace keepwarm::net
