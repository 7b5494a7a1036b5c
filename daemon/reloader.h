#pragma once

#include <functional>
#include <memory>

#include "core/net/loop.h"
#include "core/net/mailbox.h"
#include "core/net/tls/trust_store.h"
#include "daemon/ca/loaded_ca.h"
#include "daemon/config_source.h"

namespace keepwarm::daemon {

/// Reads the configuration, and all files that it names, on a thread of its own: to parse the system's authorities
/// takes tens of milliseconds, and a file server may not answer at all. Meanwhile the event loop serves clients.
class Reloader {
 public:
  struct Loaded {
    Result<LoadedConfig, config::ConfigErrors> config;
    net::TrustStore authorities;  ///< of the system
    LoadedCa ca;                  ///< as the configuration says, if that is right
  };

  /// `on_loaded` is called on the loop's thread. References must outlive it.
  Reloader(net::Loop& loop, const CommandLine& line, std::function<void(Loaded)> on_loaded);
  /// Does not wait for a thread that still reads. That is left behind: see reading().
  ~Reloader();
  Reloader(const Reloader&) = delete;
  Reloader& operator=(const Reloader&) = delete;

  /// Reads everything once more, after what is being read now: the files may have changed since.
  void start();
  /// A thread is under way. If so at the end of the process, that must not run destructors beside it (_exit()).
  [[nodiscard]] bool reading() const noexcept { return reading_; }

 private:
  /// What the thread and the reloader have in common, and so may outlive either: hence a shared_ptr.
  struct Link;

  void read();
  void done(Loaded loaded);

  net::Mailbox mailbox_;
  const CommandLine& line_;
  std::function<void(Loaded)> on_loaded_;
  std::shared_ptr<Link> link_;
  bool reading_ = false;
  bool again_ = false;
};

}  // namespace keepwarm::daemon
