#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

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

  /// While it lives, `session` is at work on `incoming`. OpenSSL's error queue (one for each thread) is empty before
  /// and after.
  class Operation {
   public:
    Operation(TlsWire& wire, TlsSession& session, std::string_view incoming) noexcept;
    ~Operation();
    Operation(const Operation&) = delete;
    Operation& operator=(const Operation&) = delete;

   private:
    TlsWire& wire_;
  };

 private:
  static int read(bio_st* bio, char* to, std::size_t space, std::size_t* count);
  static int write(bio_st* bio, const char* from, std::size_t size, std::size_t* count);
  static long control(bio_st* bio, int command, long number, void* pointer);

  bio_method_st* method_;
  std::string_view incoming_;  // what OpenSSL has not read yet
  std::string outgoing_;
  TlsSession* session_ = nullptr;
  std::unique_ptr<char[]> plaintext_;
  std::unique_ptr<char[]> record_;
};

}  // namespace keepwarm::net
