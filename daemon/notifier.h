#pragma once

#include <string>
#include <vector>

#include "core/net/timer.h"

namespace keepwarm::daemon {

/// Tells the service manager how things stand, in order, without ever waiting for it: what it does not take now is sent
/// again a little later. Owned by the Lifecycle.
class Notifier {
 public:
  explicit Notifier(net::Loop& loop) : again_(loop, [this] { send(); }) {}

  void tell(std::string state);

 private:
  void send();

  std::vector<std::string> waiting_;
  net::Timer again_;
};

}  // namespace keepwarm::daemon
