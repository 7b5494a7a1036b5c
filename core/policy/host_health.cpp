#include "core/policy/host_health.h"

#include <algorithm>
#include <utility>

namespace keepwarm::policy {

bool blames_host(FailureKind kind) noexcept {
  switch (kind) {
    case FailureKind::QueueTimeout:
    case FailureKind::DnsError:
    case FailureKind::DnsTimeout:
    case FailureKind::ConnectTimeout:
    case FailureKind::ConnectionRefused:
    case FailureKind::Unroutable:
    case FailureKind::ConnectionTerminated:
    case FailureKind::TlsCertificate:
    case FailureKind::TlsAlert:
    case FailureKind::TlsProtocol:
    case FailureKind::ParentRefused:
    case FailureKind::Misconfigured:
    case FailureKind::ResponseTimeout:
    case FailureKind::ResponseIncomplete:
    case FailureKind::ResponseHeadTooLarge:
    case FailureKind::BadResponse:
    case FailureKind::UpgradeFailed: return true;
    case FailureKind::BadRequest:
    case FailureKind::NotForAProxy:
    case FailureKind::TargetTooLong:
    case FailureKind::HeadTooLarge:
    case FailureKind::UnsupportedScheme:
    case FailureKind::UnsupportedVersion:
    case FailureKind::ClientTooSlow:
    case FailureKind::RequestDenied:
    case FailureKind::DestinationDenied:
    case FailureKind::LoopDetected:
    case FailureKind::TooManyClients:
    case FailureKind::OutOfResources:
    case FailureKind::InternalError: break;
  }
  return false;
}

std::optional<HostHealth::Notice> HostHealth::failed(std::string_view name, FailureKind kind, TimePoint now) {
  forget_old(now);
  Host& host = host_of(name, now);
  const bool begins = !host.failing;
  if (begins) {
    host.failing = true;
    host.failing_since = now;
    ++failing_;
  }
  ++host.failures;
  host.last_failure = now;
  const bool known = host.told_at != TimePoint{};
  const Duration quiet = host.told && host.kind == kind ? kRemind : kQuiet;
  if (known && now - host.told_at < quiet) return std::nullopt;
  if (!known && !may_begin(now)) {
    host.told_at = now;  // a number in the line of another host tells of it
    host.failures = 0;
    return std::nullopt;
  }
  host.told = true;
  host.kind = kind;
  host.told_at = now;
  return Notice{.failures = std::exchange(host.failures, 0),
                .lasted = now - host.failing_since,
                .other_hosts = std::exchange(untold_, 0)};
}

std::optional<HostHealth::Notice> HostHealth::answered(std::string_view name, TimePoint now) {
  forget_old(now);
  const auto found = hosts_.find(name);
  if (found == hosts_.end() || !found->second.failing) return std::nullopt;
  Host& host = found->second;
  host.failing = false;
  --failing_;
  if (!std::exchange(host.told, false)) return std::nullopt;
  host.told_at = now;
  return Notice{.failures = std::exchange(host.failures, 0), .lasted = now - host.failing_since};
}

HostHealth::Host& HostHealth::host_of(std::string_view name, TimePoint now) {
  if (const auto found = hosts_.find(name); found != hosts_.end()) return found->second;
  if (hosts_.size() >= kMaxHosts) {
    forget(std::min_element(hosts_.begin(), hosts_.end(), [](const auto& a, const auto& b) {
      return a.second.last_failure < b.second.last_failure;
    }));
  }
  Host& host = hosts_[std::string(name)];
  host.last_failure = now;
  return host;
}

/// Whether one more host may have a line of its own now.
bool HostHealth::may_begin(TimePoint now) {
  if (window_began_ == TimePoint{} || now - window_began_ >= kQuiet) {
    window_began_ = now;
    begun_in_window_ = 0;
  }
  if (begun_in_window_ < kMostAtOnce) {
    ++begun_in_window_;
    return true;
  }
  ++untold_;
  return false;
}

void HostHealth::forget_old(TimePoint now) {
  if (now - swept_at_ < kRemind) return;
  swept_at_ = now;
  for (auto host = hosts_.begin(); host != hosts_.end();) {
    const bool old = now - host->second.last_failure >= kForget;
    host = old ? forget(host) : std::next(host);
  }
}

HostHealth::Hosts::iterator HostHealth::forget(Hosts::iterator host) {
  if (host->second.failing) --failing_;
  return hosts_.erase(host);
}

}  // namespace keepwarm::policy
