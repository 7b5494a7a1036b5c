#include "daemon/reloader.h"

#include <chrono>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "core/base/blocked_signals.h"

namespace keepwarm::daemon {

struct Reloader::Link {
  std::mutex mutex;
  Reloader* reloader = nullptr;  // under mutex; nullptr: it is gone, and so is its mailbox
};

Reloader::Reloader(net::Loop& loop, const CommandLine& line, std::function<void(Loaded)> on_loaded)
    : mailbox_(loop), line_(line), on_loaded_(std::move(on_loaded)), link_(std::make_shared<Link>()) {
  link_->reloader = this;
}

Reloader::~Reloader() {
  const std::scoped_lock lock(link_->mutex);
  link_->reloader = nullptr;
}

void Reloader::start() {
  if (std::exchange(reading_, true)) {
    again_ = true;
    return;
  }
  read();
}

void Reloader::read() {
  // The command line is copied: the thread may outlive its owner.
  const auto work = [link = link_, line = line_] {
    Loaded loaded{load_config_for(line), net::TrustStore::of_system(), {}};
    if (loaded.config) loaded.ca = load_ca(loaded.config->config, std::chrono::system_clock::now());
    const std::scoped_lock lock(link->mutex);
    Reloader* const reloader = link->reloader;
    if (reloader == nullptr) return;
    reloader->mailbox_.post([reloader, loaded = std::move(loaded)]() mutable { reloader->done(std::move(loaded)); });
  };
  try {
    const BlockedSignals blocked;
    std::thread(work).detach();
  } catch (const std::system_error&) {
    work();  // there can be no further thread: better late than never
  }
}

void Reloader::done(Loaded loaded) {
  reading_ = false;
  if (std::exchange(again_, false)) start();
  on_loaded_(std::move(loaded));
}

}  // namespace keepwarm::daemon
