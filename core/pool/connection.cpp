#include "core/pool/connection.h"

#include <cerrno>

#include "core/pool/host_pool.h"

namespace keepwarm::pool {

namespace {

constexpr Duration kSampleInterval = std::chrono::seconds(5);

}  // namespace

Connection::Connection(HostPool& host, std::unique_ptr<net::Stream> stream, const net::SocketAddress& address,
                       TimePoint now)
    : host_(host), stream_(std::move(stream)), address_(address), opened_at_(now), idle_since_(now) {
  stream_->set_events(*this);
  stream_->resume_reading();
  sample_round_trip(now);
}

void Connection::sample_round_trip(TimePoint now) noexcept {
  if (sampled_at_ != TimePoint{} && now - sampled_at_ < kSampleInterval) return;
  sampled_at_ = now;
  round_trip_ = stream_->path().round_trip();
}

void Connection::on_bytes(std::string_view bytes) {
  // Apache and others announce an idle close with a 408 that nobody asked for.
  const bool announced_close = bytes.size() >= 12 && bytes.starts_with("HTTP/1.") && bytes.substr(8, 4) == " 408";
  host_.idle_ended(*this, announced_close ? CloseReason::ServerClosedIdle : CloseReason::StrayBytes);
}

void Connection::on_end() {
  host_.idle_ended(*this, CloseReason::ServerClosedIdle);
}

void Connection::on_broken(int error) {
  // Where TCP's own probes were not answered, nobody knows since when.
  const bool silent = error == -ETIMEDOUT || error == -EHOSTUNREACH || error == -ENETUNREACH;
  host_.idle_ended(*this, silent ? CloseReason::Unacknowledged : CloseReason::ServerClosedIdle);
}

void Connection::on_deadline(TimePoint now) {
  const Duration lifetime = host_.settings().max_lifetime;
  const bool too_old = lifetime > Duration::zero() && now - opened_at_ >= lifetime;
  if (too_old) return host_.close(*this, CloseReason::Lifetime);
  host_.idle_time_over(*this, now);
}

}  // namespace keepwarm::pool
