#include "core/net/descriptor.h"
#include "core/net/tls/tls_stream.h"

// A TlsStream between two loops.
namespace keepwarm::net {

class TlsStream::Detached final : public DetachedStream {
 public:
  Detached(TlsSession::Detached session, Descriptor descriptor, const SendHistory& sent) noexcept
      : session_(std::move(session)), descriptor_(std::move(descriptor)), sent_(sent) {}

  [[nodiscard]] std::unique_ptr<Stream> attach(TlsClient& client, std::shared_ptr<TlsTickets> tickets) override {
    auto transport = TcpStream::adopt(client.loop(), descriptor_.release(), sent_);
    if (!transport) return nullptr;
    return std::unique_ptr<Stream>(
        new TlsStream(client, std::move(session_), std::move(tickets), std::move(transport)));
  }

 private:
  TlsSession::Detached session_;
  Descriptor descriptor_;
  SendHistory sent_;
};

TlsStream::TlsStream(TlsClient& client, TlsSession::Detached session, std::shared_ptr<TlsTickets> tickets,
                     std::unique_ptr<TcpStream> transport)
    : client_(client),
      session_(client.wire(), std::move(session), std::move(tickets)),
      transport_(std::move(transport)),
      phase_(Phase::Secured) {
  transport_->set_events(*this);
}

std::unique_ptr<DetachedStream> TlsStream::detach() {
  const bool idle = phase_ == Phase::Secured && session_.state() == TlsSession::State::Open && !held_ && !rest_ &&
                    !finished_ && !writing_failed_ && queued_bytes() == 0 && session_.between_records();
  if (!idle) return nullptr;
  Descriptor descriptor = Descriptor::duplicate_of(transport_->fd());
  if (!descriptor) return nullptr;
  phase_ = Phase::Over;  // no close_notify
  later_.reset();
  return std::make_unique<Detached>(session_.detach(), std::move(descriptor), transport_->sent());
}

}  // namespace keepwarm::net
