#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <sys/stat.h>

#include "core/base/resolver_mode.h"
#include "core/net/dns/hosts_file.h"
#include "core/net/dns/resolv_conf.h"
#include "core/net/dns/resolver_choice.h"

namespace keepwarm::net {

/// What the system's files say of names, parsed and followed: a file that changed is read again. Owned by a resolver.
class SystemNames {
 public:
  struct Paths {
    std::string hosts = "/etc/hosts";
    std::string resolv_conf = "/etc/resolv.conf";
    std::string nsswitch = "/etc/nsswitch.conf";
  };

  SystemNames(ResolverMode mode, Paths paths);

  void set_mode(ResolverMode mode);
  /// Reads what has changed. Costs three stat() where nothing has. True: something had.
  bool refresh();

  [[nodiscard]] const HostsFile& hosts() const noexcept { return hosts_; }
  [[nodiscard]] const ResolvConf& conf() const noexcept { return conf_; }
  [[nodiscard]] const ResolverChoice& choice() const noexcept { return choice_; }
  /// Whether the system is to be asked for the name.
  [[nodiscard]] bool asks_system(std::string_view name) const {
    return !choice_.cares || net::asks_system(name, choice_, own_name_);
  }

 private:
  /// A file, and what was read of it.
  class Followed {
   public:
    explicit Followed(std::string path) : path_(std::move(path)) {}
    /// What the file holds if that may have changed since the last call; "": it cannot be read. nullopt: it is as it
    /// was.
    [[nodiscard]] std::optional<std::string> changed();

   private:
    struct State {
      dev_t device = 0;
      ino_t inode = 0;
      off_t size = -1;  ///< -1: it is not there
      std::int64_t changed_sec = 0;
      std::int64_t changed_nsec = 0;

      bool operator==(const State&) const = default;
    };
    std::string path_;
    State state_;
    bool known_ = false;                  ///< a change of the content would show in the state
    std::optional<std::size_t> content_;  ///< its hash
  };

  void choose();

  ResolverMode mode_;
  Followed hosts_file_;
  Followed resolv_conf_file_;
  Followed nsswitch_file_;
  std::string nsswitch_;
  std::string own_name_;
  HostsFile hosts_;
  ResolvConf conf_;
  ResolverChoice choice_;
};

}  // namespace keepwarm::net
