#pragma once

#include "core/net/tls/tls_failure.h"

struct x509_store_ctx_st;

/// What went wrong with TLS, as one line of plain ASCII for a user to read, without characters that mean something in
/// HTML or end a quoted string, though much of it was chosen by the peer. Private to core/net.
namespace keepwarm::net {

/// The verdict of OpenSSL on the certificate that it verifies; called within its verify callback.
[[nodiscard]] TlsFailure certificate_failure(x509_store_ctx_st* verification);

/// Who is on the other side.
enum class TlsPeer : std::uint8_t { Server, Client };

enum class TlsPhase : std::uint8_t {
  Opening,      ///< nothing of TLS has come from the peer
  Handshaking,  ///< the handshake is under way
  Established,
};
/// What the first entry of OpenSSL's error queue says: an alert of the peer, or a breach of the protocol.
[[nodiscard]] TlsFailure queued_failure(TlsPeer peer, TlsPhase phase);

/// The transport ended (`error` 0) or failed (a negative errno) before the handshake was over.
[[nodiscard]] TlsFailure closed_failure(int error, bool certificate_requested);

/// The peer sent more messages without data in a row than anybody needs.
[[nodiscard]] TlsFailure too_many_empty_messages(TlsPeer peer);

/// The server chose an application protocol that was not offered; "": it is not known which.
[[nodiscard]] TlsFailure protocol_not_offered(std::string_view protocol);

}  // namespace keepwarm::net
