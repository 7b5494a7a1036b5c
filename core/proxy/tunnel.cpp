#include "core/proxy/tunnel.h"

#include <algorithm>
#include <utility>

#include "core/net/loop.h"

namespace keepwarm::proxy {

namespace {

/// A tunnel in which nothing has passed for so long gets keepalive. Most have ended by then, and save eight system
/// calls.
constexpr Duration kQuiet = std::chrono::milliseconds(100);

}  // namespace

Tunnel::Tunnel(DeadlineWheel& deadlines, net::Stream& client, std::unique_ptr<net::Stream> upstream,
               const policy::TunnelLimits& limits, Gauge& open_tunnels, TunnelEvents& events)
    : deadlines_(deadlines),
      upstream_stream_(std::move(upstream)),
      client_(*this, client),
      upstream_(*this, *upstream_stream_),
      limits_(limits),
      open_tunnels_(open_tunnels),
      events_(events) {
  ++open_tunnels_;
  client_.peer = &upstream_;
  upstream_.peer = &client_;
}

Tunnel::~Tunnel() {
  --open_tunnels_;
}

void Tunnel::start(std::string_view from_client, std::string_view from_upstream, bool client_ended) {
  client_.stream->set_events(client_);
  upstream_.stream->set_events(upstream_);
  touch();
  client_.stream->resume_reading();
  upstream_.stream->resume_reading();
  starting_ = true;  // the end, which may destroy us, is reported last
  if (!from_upstream.empty()) forward(upstream_, from_upstream);
  if (!from_client.empty()) forward(client_, from_client);
  if (client_ended) finish(client_);
  starting_ = false;
  end_if_done();
}

void Tunnel::forward(Side& from, std::string_view bytes) {
  from.received += bytes.size();
  touch();
  switch (net::write_all(*from.peer->stream, bytes)) {
    case net::WriteResult::Done: return;
    case net::WriteResult::Queued: return from.stream->pause_reading();
    case net::WriteResult::Failed:
      // The peer takes nothing any more, so this direction is over; the other one may still have something to say.
      from.stream->pause_reading();
      from.ended = true;
      touch();
      return end_if_done();
  }
}

void Tunnel::finish(Side& from) {
  from.ended = from.end_read = true;
  touch();
  const bool last = from.peer->end_read && queued() == 0;  // then the close that follows says as much
  if (!last) from.peer->stream->finish_writing();
  end_if_done();
}

void Tunnel::drained(Side& to) {
  touch();
  to.peer->stream->resume_reading();
  end_if_done();
}

void Tunnel::end_if_done() {
  if (!starting_ && client_.ended && upstream_.ended && queued() == 0)
    events_.on_tunnel_ended(ExchangeOutcome::Completed);
}

void Tunnel::break_off(ExchangeOutcome ended) {
  // Neither side may take what it got for all there was.
  client_.stream->reset_on_close();
  upstream_.stream->reset_on_close();
  events_.on_tunnel_ended(ended);
}

std::size_t Tunnel::queued() const noexcept {
  return client_.stream->queued_bytes() + upstream_.stream->queued_bytes();
}

/// A NAT forgets a tunnel in which nothing passes, and tells nobody.
void Tunnel::enable_keepalive() {
  for (const Side* side : {&client_, &upstream_}) side->stream->path().enable_keepalive();
}

void Tunnel::on_deadline(TimePoint now) {
  if (!std::exchange(has_keepalive_, true)) {
    enable_keepalive();
    if (!limit()) return;
    if (*limit() > kQuiet) return deadlines_.arm(*this, now + (*limit() - kQuiet));
  }
  // A slow reader empties a queue without an event of ours.
  const std::size_t unsent = client_.stream->unacknowledged_bytes() + upstream_.stream->unacknowledged_bytes();
  if (std::exchange(unsent_mark_, unsent) != unsent) return touch();
  break_off(ExchangeOutcome::Timeout);
}

std::optional<Duration> Tunnel::limit() const noexcept {
  const Duration limit = client_.ended || upstream_.ended ? limits_.half_closed : limits_.open;
  return limit > Duration::zero() ? std::optional(limit) : std::nullopt;
}

void Tunnel::touch() {
  std::optional<Duration> wait = limit();
  if (!has_keepalive_) wait = std::min(wait.value_or(kQuiet), kQuiet);
  if (wait) deadlines_.arm(*this, net::Loop::event_time() + *wait);
}

}  // namespace keepwarm::proxy
