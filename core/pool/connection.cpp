#include "core/pool/connection.h"

#include <cerrno>
#include <sys/socket.h>

#include "core/net/loop.h"

namespace keepwarm::pool {

namespace {

constexpr Duration kSampleInterval = std::chrono::seconds(5);

/// How an idle connection broke. Only a server that closed it shows its idle timeout by that.
CloseReason why_broken(int error, const net::TlsFailure* tls) noexcept {
  // Where TCP's own probes were not answered, nobody knows since when.
  if (error == -ETIMEDOUT || error == -EHOSTUNREACH || error == -ENETUNREACH) return CloseReason::Unacknowledged;
  const bool ended_by_us = error == -ENOBUFS || (tls != nullptr && tls->kind != net::TlsFailure::Kind::Alert);
  return ended_by_us ? CloseReason::ProtocolError : CloseReason::ServerClosedIdle;
}

}  // namespace

Connection::Connection(const Owner& owner, std::unique_ptr<net::Stream> stream, const net::SocketAddress& address,
                       const policy::ConnectionFacts& known)
    : facts(known), owner_(owner), stream_(std::move(stream)), address_(address) {
  stream_->set_events(*this);
  stream_->resume_reading();
}

void Connection::look_after(TimePoint now) noexcept {
  if (address_.family() != AF_UNIX) stream_->path().enable_keepalive();
  sample_round_trip(now);
}

void Connection::sample_round_trip(TimePoint now) noexcept {
  if (sampled_at_ != TimePoint{} && now - sampled_at_ < kSampleInterval) return;
  sampled_at_ = now;
  facts.round_trip = stream_->path().round_trip();
}

void Connection::on_bytes(std::string_view bytes) {
  // Apache and others announce an idle close with a 408 that nobody asked for.
  const bool announced_close = bytes.size() >= 12 && bytes.starts_with("HTTP/1.") && bytes.substr(8, 4) == " 408";
  owner_.idle.idle_ended(*this, announced_close ? CloseReason::ServerClosedIdle : CloseReason::StrayBytes,
                         net::Loop::event_time());
}

void Connection::on_end() {
  owner_.idle.idle_ended(*this, CloseReason::ServerClosedIdle, net::Loop::event_time());
}

void Connection::on_broken(int error) {
  owner_.idle.idle_ended(*this, why_broken(error, stream_->tls_failure()), net::Loop::event_time());
}

void Connection::on_deadline(TimePoint now) {
  owner_.idle.idle_time_over(*this, now);
}

}  // namespace keepwarm::pool
