#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/clock.h"

struct bio_st;
struct bio_method_st;
struct ssl_st;

namespace keepwarm::net {

class TlsSession;

/// Where OpenSSL's bytes come from and go to, for all TLS sessions of one engine: a session is at work only within one
/// call from outside, so one set of buffers serves all of them, and an idle session owns none. Private to core/net.
class TlsWire {
 public:
  TlsWire();
  ~TlsWire();
  TlsWire(const TlsWire&) = delete;
  TlsWire& operator=(const TlsWire&) = delete;

  /// Makes `ssl` read and write here. false: out of memory.
  [[nodiscard]] bool attach(ssl_st* ssl);
  /// The session that is at work; for callbacks of OpenSSL.
  [[nodiscard]] static TlsSession& session_of(const ssl_st* ssl) noexcept;

  /// Ciphertext to be sent: whoever had a session work takes it away before the next one works.
  [[nodiscard]] std::string& outgoing() noexcept { return outgoing_; }
  /// Room for the plaintext of one read of a transport and of a record of which a part came before.
  [[nodiscard]] std::span<char> plaintext() noexcept;
  /// Room in which small pieces are gathered into one record.
  [[nodiscard]] std::span<char> record() noexcept;

  /// What OpenSSL has not read of the bytes that it was given.
  [[nodiscard]] std::size_t unread() const noexcept { return incoming_.size(); }
  /// Whether OpenSSL has asked for more bytes than it was given since this was last asked.
  [[nodiscard]] bool starved() noexcept { return std::exchange(starved_, false); }

  /// While it lives, `session` is at work on `incoming`, of which it is given nothing more once it is later than
  /// `until`. (The clock is read once in some records.) OpenSSL's error queue (one for each thread) is empty before and
  /// after.
  class Operation {
   public:
    Operation(TlsWire& wire, TlsSession& session, std::string_view incoming,
              TimePoint until = TimePoint::max()) noexcept;
    ~Operation();
    Operation(const Operation&) = delete;
    Operation& operator=(const Operation&) = delete;

   private:
    TlsWire& wire_;
  };

 private:
  [[nodiscard]] bool is_late() noexcept;
  static int read(bio_st* bio, char* to, std::size_t space, std::size_t* count);
  static int write(bio_st* bio, const char* from, std::size_t size, std::size_t* count);
  static long control(bio_st* bio, int command, long number, void* pointer);

  bio_method_st* method_;
  std::string_view incoming_;  // what OpenSSL has not read yet
  TimePoint until_{};
  std::uint32_t reads_ = 0;  // in this operation; OpenSSL reads header and body of a record in turn
  bool late_ = false;
  bool starved_ = false;
  std::string outgoing_;
  TlsSession* session_ = nullptr;
  std::unique_ptr<char[]> plaintext_;
  std::unique_ptr<char[]> record_;
};

}  // namespace keepwarm::net
