#include <algorithm>
#include <string>

#include "config/load.h"
#include "tests/fuzz/fuzz.h"

// A configuration file: it is taken, or there are errors that say where and what.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using keepwarm::fuzz::expect;
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  const auto config = keepwarm::config::parse_config(text, "file");
  if (!config) {
    expect(!config.failure().empty());
    for (const auto& error : config.failure()) expect(!error.message.empty());
    return 0;
  }
  const auto again = keepwarm::config::parse_config(text, "file");
  expect(again.ok());
  for (const std::string_view host : {"example.com", "a.b.example.com", "127.0.0.1", "::1"}) {
    const auto settings = config->hosts.resolve(host, 443);
    expect(settings.max_connections > 0);
    expect(config->hosts.sources(host, 443).size() == keepwarm::policy::host_keys().size());
  }
  return 0;
}
