#include "core/proxy/access_record.h"

namespace keepwarm::proxy {

std::string_view describe(ExchangeOutcome ended) noexcept {
  switch (ended) {
    case ExchangeOutcome::Completed: return "completed";
    case ExchangeOutcome::Ourselves: return "keepwarm";
    case ExchangeOutcome::Client: return "client";
    case ExchangeOutcome::Origin: return "origin";
    case ExchangeOutcome::Timeout: return "timeout";
    case ExchangeOutcome::Shutdown: return "shutdown";
  }
  return "unknown";
}

std::string_view describe(Delivered delivered) noexcept {
  switch (delivered) {
    case Delivered::No: return "no";
    case Delivered::Maybe: return "maybe";
    case Delivered::Yes: return "yes";
  }
  return "maybe";
}

std::string_view describe(Road road) noexcept {
  switch (road) {
    case Road::Proxy: return "proxy";
    case Road::Tunnel: return "tunnel";
    case Road::Intercept: return "intercept";
  }
  return "proxy";
}

}  // namespace keepwarm::proxy
