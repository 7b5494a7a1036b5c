#include "core/proxy/host_watch.h"

#include <optional>

namespace keepwarm::proxy {

namespace {

std::string seconds(Duration duration) {
  const auto tenths = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count() / 100;
  return std::to_string(tenths / 10) + '.' + std::to_string(tenths % 10) + " s";
}

}  // namespace

void HostWatch::failed(std::string_view host, std::uint16_t port, policy::FailureKind kind, std::string_view reason,
                       TimePoint now) {
  if (!policy::blames_host(kind)) return;
  const std::string name = host_and_port(host, port);
  const auto notice = health_.failed(name, kind, now);
  if (!notice) return;
  std::string line = name + (notice->failures > 1 ? " fails: " : " begins to fail: ");
  line += reason;
  if (notice->failures > 1) {
    line += " (" + std::to_string(notice->failures) + " requests since the last such line; failing for " +
            seconds(notice->lasted) + ")";
  }
  if (notice->other_hosts > 0) {
    line += "; " + std::to_string(notice->other_hosts) + " other hosts have begun to fail, too";
  }
  log_.write(LogLevel::Warn, line);
}

void HostWatch::note_answer(std::string_view host, std::uint16_t port, TimePoint now) {
  const std::string name = host_and_port(host, port);
  const auto notice = health_.answered(name, now);
  if (!notice) return;
  log_.write(LogLevel::Warn, name + " answers again after " + seconds(notice->lasted));
}

}  // namespace keepwarm::proxy
