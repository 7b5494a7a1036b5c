#include "daemon/notifier.h"

#include <algorithm>
#include <chrono>

#include "daemon/systemd.h"

namespace keepwarm::daemon {

namespace {

constexpr std::chrono::milliseconds kSendAgainAfter{50};
/// Of more the oldest are dropped: the last ones say how things stand.
constexpr std::size_t kMostWaiting = 16;

}  // namespace

void Notifier::tell(std::string state) {
  if (waiting_.size() == kMostWaiting) waiting_.erase(waiting_.begin());
  waiting_.push_back(std::move(state));
  send();
}

void Notifier::send() {
  const auto stays = std::find_if_not(waiting_.begin(), waiting_.end(),
                                      [](const std::string& state) { return notify_systemd(state); });
  waiting_.erase(waiting_.begin(), stays);
  if (!waiting_.empty()) again_.arm(kSendAgainAfter);
}

}  // namespace keepwarm::daemon
