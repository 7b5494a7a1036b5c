#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace keepwarm::net {

/// The longest input, from the first byte on, that a ClientHello may take with the headers of its records.
inline constexpr std::size_t kLongestClientHello = std::size_t{16} * 1024;

/// What the first message of a TLS client says of itself (RFC 8446 §4.1.2, RFC 5246 §7.4.1.2), as far as it matters for
/// whether we can be its server. A value that keeps nothing of the bytes. Values of GREASE (RFC 8701) and encrypted
/// hellos (ECH, real or GREASE) count for nothing; what counts with ECH is the name outside.
class ClientHello {
 public:
  /// The host that the client wants, in lower case and without a final dot; "": it names none.
  [[nodiscard]] std::string_view server_name() const noexcept { return {name_.data(), name_size_}; }
  /// False for a `name` that cannot be one of a host.
  [[nodiscard]] bool set_server_name(std::string_view name) noexcept;

  std::size_t length = 0;         ///< of the input, up to the end of the record in which the hello ends
  bool ends_with_record = false;  ///< nothing stands behind the hello in that record
  bool has_server_name = false;
  bool has_alpn = false;
  bool offers_http_1_1 = false;  ///< in ALPN (RFC 7301)
  bool offers_h2 = false;
  bool offers_tls_1_2 = false;
  bool offers_tls_1_3 = false;
  /// In the newest version of these two: a cipher suite of ours (any of TLS 1.3; ECDHE-ECDSA with AES-GCM or ChaCha20
  /// in TLS 1.2), a group of ours for the key exchange (X25519 or P-256; it need not be that of the key share), and no
  /// sign that an older version than the newest of both sides was chosen on purpose (RFC 7507).
  bool offers_usable_cipher = false;
  bool accepts_ecdsa_p256 = false;  ///< certificates and signatures by ECDSA on P-256 with SHA-256
  bool early_data = false;
  bool pre_shared_key = false;  ///< it wants to resume a session of TLS 1.3
  /// The same for all hellos of a client program, and mostly another one for another: a hash of cipher suites, ALPN,
  /// and the sorted types of extensions. Without what changes from one hello of a program to the next: GREASE,
  /// padding, early data and pre-shared keys. Not made to resist those who want two to be equal.
  std::uint64_t shape = 0;

 private:
  std::array<char, 253> name_{};
  std::uint8_t name_size_ = 0;
};

enum class HelloProgress : std::uint8_t {
  Incomplete,
  NotTls,    ///< no ClientHello of SSL 3 or TLS; one longer than kLongestClientHello; or one with anything odd in it
  Complete,  ///< with the whole record in which it ends
};

/// Reads the ClientHello that `bytes` begin with; it may be spread over several records, and more may follow it. To be
/// asked again, from the first byte on, when more bytes have come: while it is incomplete, only the headers of records
/// are looked at. `hello` is filled in if it is complete, else its content is undefined.
///
/// Odd, and so NotTls, is whatever no client sends that means it: lengths that do not fit, bytes left over, an
/// extension twice, more than 64 of them, several names, or one that is empty or not of letters, digits, '-', '_' and
/// '.', a pre-shared key that is not last (RFC 8446 §4.2.11). Extensions that are not named here are not looked into.
[[nodiscard]] HelloProgress read_client_hello(std::string_view bytes, ClientHello& hello) noexcept;

}  // namespace keepwarm::net
