#include "core/proxy/access_record.h"

namespace keepwarm::proxy {

std::string_view describe(EndedBy ended) noexcept {
  switch (ended) {
    case EndedBy::Completed: return "completed";
    case EndedBy::Ourselves: return "keepwarm";
    case EndedBy::Client: return "client";
    case EndedBy::Origin: return "origin";
    case EndedBy::Timeout: return "timeout";
    case EndedBy::Shutdown: return "shutdown";
  }
  return "unknown";
}

}  // namespace keepwarm::proxy
