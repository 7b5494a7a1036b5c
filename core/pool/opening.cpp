#include "core/pool/opening.h"

namespace keepwarm::pool {

Opening::Opening(HostPool& host, Waiter& waiter, bool local_client)
    : host_(host), context_(host.context_), waiter_(&waiter), local_client_(local_client) {
  waiter.opening_ = this;
  ++context_.stats.openings;
}

Opening::~Opening() {
  let_go();
  --context_.stats.openings;
}

void Opening::start() {
  const net::AddressFilter& filter = local_client_ ? context_.local_filter : context_.remote_filter;
  connector_ = std::make_unique<net::Connector>(context_.loop, context_.resolver, filter, *this);
  connector_->start(host_.origin().host, host_.origin().port, host_.settings().connect_timeout);
}

void Opening::adopt(Waiter& waiter) noexcept {
  waiter_ = &waiter;
  waiter.opening_ = this;
}

void Opening::let_go() noexcept {
  if (waiter_ != nullptr) waiter_->opening_ = nullptr;
  waiter_ = nullptr;
}

}  // namespace keepwarm::pool
