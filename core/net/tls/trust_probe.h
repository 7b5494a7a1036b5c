#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "core/net/tls/local_ca.h"
#include "core/net/tls/openssl_handles.h"

namespace keepwarm::net {

/// A throw-away TLS server that finds out whether a client trusts the local CA: for `keepwarm ca test`, on sockets that
/// block, one after another. (Clients of the daemon have TlsServer.)
class TrustProbe {
 public:
  struct Outcome {
    enum class Kind : std::uint8_t {
      Trusted,  ///< it has sent a request
      Refused,  ///< it has sent an alert, or gone without a byte after it saw the certificate
      Nothing,  ///< it never began
    };
    Kind kind = Kind::Nothing;
    std::string text = {};  ///< Refused: how
  };

  /// With a certificate for `host` by that generation. nullptr: OpenSSL failed.
  [[nodiscard]] static std::unique_ptr<TrustProbe> make(const LocalCa& ca, std::size_t generation,
                                                        std::string_view host,
                                                        std::chrono::system_clock::time_point now);

  /// Answers a handshake, and the request behind it with 404. Blocks for as long as the socket's own time limits let
  /// it; the socket stays open.
  [[nodiscard]] Outcome serve(int socket);

 private:
  explicit TrustProbe(ContextHandle context) noexcept : context_(std::move(context)) {}
  ContextHandle context_;
};

}  // namespace keepwarm::net
