#include "tests/bench/tools/arguments.h"

#include <cerrno>
#include <cstdlib>

#include "tests/bench/tools/socket.h"

namespace keepwarm::bench {

Arguments::Arguments(int argc, char** argv) {
  errno = EINVAL;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view name = argv[i];
    if (!name.starts_with("--") || i + 1 == argc) die("expected --NAME VALUE, not " + std::string(name));
    given_.insert_or_assign(std::string(name.substr(2)), argv[i + 1]);
  }
}

std::string Arguments::text(const std::string& name, std::string_view fallback) {
  const auto found = given_.extract(name);
  return found ? found.mapped() : std::string(fallback);
}

std::string Arguments::text(const std::string& name) {
  const auto found = given_.extract(name);
  if (!found) {
    errno = EINVAL;
    die("missing: --" + name);
  }
  return found.mapped();
}

double Arguments::number(const std::string& name, double fallback) {
  const auto found = given_.extract(name);
  if (!found) return fallback;
  char* end = nullptr;
  const double value = std::strtod(found.mapped().c_str(), &end);
  if (end == found.mapped().c_str() || *end != '\0') {
    errno = EINVAL;
    die("--" + name + " wants a number");
  }
  return value;
}

void Arguments::check() const {
  if (given_.empty()) return;
  errno = EINVAL;
  die("unknown: --" + given_.begin()->first);
}

}  // namespace keepwarm::bench
