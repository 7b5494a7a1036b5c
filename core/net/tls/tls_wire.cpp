#include "core/net/tls/tls_wire.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <new>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "core/net/loop.h"

namespace keepwarm::net {

namespace {

constexpr std::size_t kRecordSize = SSL3_RT_MAX_PLAIN_LENGTH;
/// Some records without data take OpenSSL 170 µs each: so the clock is read for every fourth record.
constexpr std::uint32_t kReadsBetweenLooks = 8;
constexpr std::size_t kPlaintextSize = Loop::kReadBufferSize + SSL3_RT_MAX_PACKET_SIZE;

TlsWire& wire_of(BIO* bio) noexcept {
  return *static_cast<TlsWire*>(BIO_get_data(bio));
}

}  // namespace

TlsWire::TlsWire()
    : method_(BIO_meth_new(BIO_TYPE_SOURCE_SINK, "keepwarm")),
      plaintext_(new char[kPlaintextSize]),
      record_(new char[kRecordSize]) {
  if (method_ == nullptr) throw std::bad_alloc();
  BIO_meth_set_read_ex(method_, read);
  BIO_meth_set_write_ex(method_, write);
  BIO_meth_set_ctrl(method_, control);
}

TlsWire::~TlsWire() {
  BIO_meth_free(method_);
}

bool TlsWire::attach(ssl_st* ssl) {
  BIO* bio = BIO_new(method_);
  if (bio == nullptr) return false;
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl, bio, bio);
  return true;
}

TlsSession& TlsWire::session_of(const ssl_st* ssl) noexcept {
  return *wire_of(SSL_get_rbio(ssl)).session_;
}

std::span<char> TlsWire::plaintext() noexcept {
  return {plaintext_.get(), kPlaintextSize};
}

std::span<char> TlsWire::record() noexcept {
  return {record_.get(), kRecordSize};
}

/// Whether the operation has had its time.
bool TlsWire::is_late() noexcept {
  if (!late_ && ++reads_ % kReadsBetweenLooks == 0) late_ = until_ != TimePoint::max() && Loop::now() >= until_;
  return late_;
}

int TlsWire::read(bio_st* bio, char* to, std::size_t space, std::size_t* count) {
  BIO_clear_retry_flags(bio);
  TlsWire& wire = wire_of(bio);
  *count = wire.is_late() ? 0 : std::min(space, wire.incoming_.size());
  if (*count == 0) {
    wire.starved_ = true;
    BIO_set_retry_read(bio);
    return 0;
  }
  std::memcpy(to, wire.incoming_.data(), *count);
  wire.incoming_.remove_prefix(*count);
  return 1;
}

int TlsWire::write(bio_st* bio, const char* from, std::size_t size, std::size_t* count) {
  BIO_clear_retry_flags(bio);
  wire_of(bio).outgoing_.append(from, size);
  *count = size;
  return 1;
}

long TlsWire::control(bio_st*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

TlsWire::Operation::Operation(TlsWire& wire, TlsSession& session, std::string_view incoming, TimePoint until) noexcept
    : wire_(wire) {
  assert(wire.session_ == nullptr);
  wire.session_ = &session;
  wire.incoming_ = incoming;
  wire.until_ = until;
  wire.reads_ = 0;
  wire.late_ = wire.starved_ = false;
  ERR_clear_error();
}

TlsWire::Operation::~Operation() {
  wire_.session_ = nullptr;
  wire_.incoming_ = {};
  ERR_clear_error();
}

}  // namespace keepwarm::net
