#include "core/net/tls/tls_failure_text.h"

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "core/net/error_text.h"
#include "core/net/tls/openssl_handles.h"

namespace keepwarm::net {

namespace {

constexpr std::size_t kLongestName = 120;
constexpr std::size_t kMaxNames = 3;

struct FreeNames {
  void operator()(GENERAL_NAMES* names) const noexcept { GENERAL_NAMES_free(names); }
};
struct FreeText {
  void operator()(char* text) const noexcept { OPENSSL_free(text); }
};

/// `text` as it may stand in a message: cut when it is long, harmless everywhere.
std::string harmless(std::string_view text) {
  std::string out(text.substr(0, kLongestName));
  for (char& c : out) {
    const bool plain = c >= ' ' && c <= '~';
    if (!plain || c == '<' || c == '>' || c == '&' || c == '"') c = '?';
  }
  if (text.size() > kLongestName) out += "...";
  return out;
}

/// What `print` writes to a BIO.
template <typename Print>
std::string printed(Print print) {
  const BioHandle bio(BIO_new(BIO_s_mem()));
  if (!bio) return {};
  print(bio.get());
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return harmless({text, size > 0 ? static_cast<std::size_t>(size) : 0});
}

std::string name_text(const X509_NAME* name) {
  std::string text = printed([&](BIO* bio) { X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253); });
  return text.empty() ? "(no name)" : text;
}

std::string time_text(const ASN1_TIME* time) {
  tm when{};
  std::array<char, 40> text{};
  if (ASN1_TIME_to_tm(time, &when) != 1) return "at an unknown time";
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S UTC", &when);
  return text.data();
}

std::string alternative_name_text(const GENERAL_NAME& name) {
  if (name.type == GEN_DNS) {
    return harmless({reinterpret_cast<const char*>(ASN1_STRING_get0_data(name.d.dNSName)),
                     static_cast<std::size_t>(ASN1_STRING_length(name.d.dNSName))});
  }
  if (name.type != GEN_IPADD) return {};
  const int size = ASN1_STRING_length(name.d.iPAddress);
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (size != 4 && size != 16) return {};
  inet_ntop(size == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(name.d.iPAddress), text.data(), text.size());
  return text.data();
}

/// The names and addresses of hosts that a certificate is for: "'a.example', 'b.example' and 7 more".
std::string hosts_text(X509* certificate) {
  const std::unique_ptr<GENERAL_NAMES, FreeNames> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  std::string text;
  std::size_t count = 0;
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const std::string name = alternative_name_text(*sk_GENERAL_NAME_value(names.get(), i));
    if (name.empty() || ++count > kMaxNames) continue;
    text += (count > 1 ? ", '" : "'") + name + '\'';
  }
  if (count > kMaxNames) text += " and " + std::to_string(count - kMaxNames) + " more";
  return text;
}

/// The subject, or the hosts if there is none.
std::string certificate_text(X509* certificate) {
  const X509_NAME* subject = X509_get_subject_name(certificate);
  const std::string hosts = X509_NAME_entry_count(subject) == 0 ? hosts_text(certificate) : std::string();
  const std::string who = hosts.empty() ? '\'' + name_text(subject) + '\'' : "for " + hosts;
  return who + " issued by '" + name_text(X509_get_issuer_name(certificate)) + '\'';
}

std::string mismatch_text(X509* certificate, X509_VERIFY_PARAM* wanted) {
  const std::unique_ptr<char, FreeText> address(X509_VERIFY_PARAM_get1_ip_asc(wanted));
  const char* host = X509_VERIFY_PARAM_get0_host(wanted, 0);
  const std::string name = address ? address.get() : host != nullptr ? host : "";
  std::string hosts = hosts_text(certificate);
  if (hosts.empty()) hosts = "no host that it names";
  return "it is for " + hosts + ", not for '" + harmless(name) + '\'';
}

std::string verdict_text(X509_STORE_CTX* verification, X509* certificate) {
  const int error = X509_STORE_CTX_get_error(verification);
  std::string reason = X509_verify_cert_error_string(error);
  switch (error) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH: return mismatch_text(certificate, X509_STORE_CTX_get0_param(verification));
    case X509_V_ERR_CERT_HAS_EXPIRED: return reason + " (" + time_text(X509_get0_notAfter(certificate)) + ')';
    case X509_V_ERR_CERT_NOT_YET_VALID: return reason + " (" + time_text(X509_get0_notBefore(certificate)) + ')';
    case X509_V_ERR_INVALID_PURPOSE: return reason + " (its extended key usage is not that of a server)";
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN: return "unknown CA (" + reason + ')';
    default: return reason;
  }
}

/// What OpenSSL's own table lacks is named here (RFC 8446 §6).
std::string alert_text(int alert) {
  if (alert == SSL_AD_MISSING_EXTENSION) return "missing extension";
  if (alert == SSL_AD_CERTIFICATE_REQUIRED) return "certificate required";
  return SSL_alert_desc_string_long(alert);
}

std::string who(TlsPeer peer) {
  return peer == TlsPeer::Server ? "the server" : "the client";
}

/// Did OpenSSL refuse the server's choice of a protocol? It gives the reason by the place only.
bool is_of_alpn() noexcept {
  const char* place = nullptr;
  ERR_peek_error_all(nullptr, nullptr, &place, nullptr, nullptr);
  return place != nullptr && std::string_view(place) == "tls_parse_stoc_alpn";
}

}  // namespace

TlsFailure certificate_failure(x509_store_ctx_st* verification) {
  X509* certificate = X509_STORE_CTX_get_current_cert(verification);
  if (certificate == nullptr) certificate = X509_STORE_CTX_get0_cert(verification);
  return {.kind = TlsFailure::Kind::Certificate,
          .text = "the certificate " + certificate_text(certificate) +
                  " is refused: " + verdict_text(verification, certificate)};
}

TlsFailure queued_failure(TlsPeer peer, TlsPhase phase) {
  const unsigned long error = ERR_peek_error();
  const int reason = ERR_GET_REASON(error);
  if (ERR_GET_LIB(error) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET) {
    const int alert = reason - SSL_AD_REASON_OFFSET;
    return {.kind = TlsFailure::Kind::Alert,
            .alert = static_cast<std::uint8_t>(alert),
            .text = who(peer) + " sent the TLS alert '" + alert_text(alert) + "' (" + std::to_string(alert) + ')'};
  }
  if (phase == TlsPhase::Opening && reason == SSL_R_WRONG_VERSION_NUMBER) {
    return {.text = who(peer) + " does not speak TLS"};
  }
  if (is_of_alpn()) return protocol_not_offered({});
  const char* words = ERR_reason_error_string(error);
  const std::string text = words != nullptr ? harmless(words) : "unknown error";
  if (phase != TlsPhase::Established && reason == SSL_R_UNSUPPORTED_PROTOCOL) {
    return {.text = who(peer) + " speaks no version of TLS from 1.2 on (" + text + ')'};
  }
  const std::string_view what =
      phase == TlsPhase::Established ? "the TLS connection broke: " : "the TLS handshake failed: ";
  return {.text = std::string(what) + text};
}

TlsFailure closed_failure(int error, bool certificate_requested) {
  std::string text = "the connection ";
  if (error == 0) {
    text += "was closed within the TLS handshake";
  } else if (error == -ECONNRESET) {
    text += "was reset within the TLS handshake";
  } else {
    text += "failed within the TLS handshake: " + std::string(error_text(error));
  }
  if (certificate_requested) text += ", after the server had asked for a client certificate";
  return {.kind = TlsFailure::Kind::Closed, .text = std::move(text), .certificate_requested = certificate_requested};
}

TlsFailure too_many_empty_messages(TlsPeer peer) {
  return {.text = who(peer) + " sent too many TLS messages without data"};
}

TlsFailure protocol_not_offered(std::string_view protocol) {
  std::string text = "the server answered with a protocol that was not offered";
  if (!protocol.empty()) text += " (" + harmless(protocol) + ')';
  return {.text = std::move(text)};
}

}  // namespace keepwarm::net
