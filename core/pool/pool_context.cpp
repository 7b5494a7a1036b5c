#include "core/pool/pool_context.h"

#include <string>

namespace keepwarm::pool {

void record_close(PoolContext& context, std::string_view upstream, CloseReason reason, std::string_view detail) {
  ++context.stats.closed[static_cast<std::size_t>(reason)];
  if (!context.log.enabled(LogLevel::Debug)) return;
  std::string line = "upstream ";
  line += upstream;
  line += " closed: ";
  line += describe(reason);
  if (!detail.empty()) line += ' ';
  line += detail;
  context.log.write(LogLevel::Debug, line);
}

}  // namespace keepwarm::pool
