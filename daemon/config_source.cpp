#include "daemon/config_source.h"

#include <cerrno>
#include <unistd.h>
#include <utility>

#include "config/credentials.h"
#include "config/load.h"

namespace keepwarm::daemon {
namespace {

/// A file whose existence cannot be found out counts as existing: an attempt to read it then says why not.
bool exists(const std::string& file) {
  return access(file.c_str(), F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

}  // namespace

Result<LoadedConfig, config::ConfigErrors> load_config_for(const CommandLine& line, const std::string& default_file,
                                                           config::Review review) {
  LoadedConfig loaded;
  if (line.config_file) {
    loaded.file = *line.config_file;
  } else if (exists(default_file)) {
    loaded.file = default_file;
  }
  if (!loaded.file.empty()) {
    Result<config::Config, config::ConfigErrors> from_file =
        config::load_config(loaded.file, review, config::Credentials::of_environment(line.command == Command::Run));
    if (!from_file) return from_file.failure();
    loaded.config = std::move(from_file).value();
  }
  loaded.config.hosts.set_file_marks(tls_file_marks(loaded.config));
  config::ConfigErrors errors = config::override_listen(loaded.config, line.listen);
  if (!errors.empty()) return errors;
  return loaded;
}

}  // namespace keepwarm::daemon
