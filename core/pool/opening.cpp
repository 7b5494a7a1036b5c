#include "core/pool/opening.h"

namespace keepwarm::pool {

Opening::Opening(HostPool& host, Waiter* waiter, bool local_client)
    : host_(host),
      context_(host.context_),
      waiter_(waiter),
      began_(net::Loop::event_time()),
      local_client_(local_client),
      for_nobody_(waiter == nullptr) {
  if (waiter != nullptr) waiter->opening_ = this;
  ++context_.stats.openings;
}

Opening::~Opening() {
  let_go();
  --context_.stats.openings;
}

void Opening::start() {
  dialer_ = std::make_unique<Dialer>(context_, host_.hop(), local_client_, *this);
  dialer_->start(host_.settings().connect_timeout, host_.tls_tickets());
}

void Opening::adopt(Waiter& waiter) noexcept {
  waiter_ = &waiter;
  waiter.opening_ = this;
  adopted_ = true;
}

void Opening::let_go() noexcept {
  if (waiter_ != nullptr) waiter_->opening_ = nullptr;
  waiter_ = nullptr;
}

}  // namespace keepwarm::pool
