#include "core/http/head.h"

#include "core/http/ascii.h"

namespace keepwarm::http {
namespace {

/// Compares with a name in lower case without a branch for each character. 0x20 is the bit between upper and lower
/// case; for other bytes it must not be ignored.
template <std::size_t N>
bool equals(std::string_view name, const char (&known)[N]) noexcept {
  int difference = 0;
  for (std::size_t i = 0; i < N - 1; ++i) difference |= (name[i] | (is_alpha(known[i]) ? 0x20 : 0)) ^ known[i];
  return difference == 0;
}

template <std::size_t N>
FieldId if_equal(std::string_view name, const char (&known)[N], FieldId id) noexcept {
  return (name.front() | 0x20) == known[0] && equals(name, known) ? id : FieldId::Other;
}

}  // namespace

FieldId field_id(std::string_view name) noexcept {
  // Names of one length differ in one character, given here: a name is compared as a whole at most once.
  const auto char_at = [name](std::size_t at) noexcept { return static_cast<char>(name[at] | 0x20); };
  switch (name.size()) {
    case 2: return if_equal(name, "te", FieldId::Te);
    case 3: return if_equal(name, "via", FieldId::Via);
    case 4: return char_at(0) == 'h' ? if_equal(name, "host", FieldId::Host) : if_equal(name, "date", FieldId::Date);
    case 6:
      return char_at(0) == 'c' ? if_equal(name, "cookie", FieldId::Cookie) : if_equal(name, "expect", FieldId::Expect);
    case 7:
      return char_at(0) == 't' ? if_equal(name, "trailer", FieldId::Trailer)
                               : if_equal(name, "upgrade", FieldId::Upgrade);
    case 10:
      if (char_at(0) == 'c') return if_equal(name, "connection", FieldId::Connection);
      return char_at(0) == 'k' ? if_equal(name, "keep-alive", FieldId::KeepAlive)
                               : if_equal(name, "set-cookie", FieldId::SetCookie);
    case 12:
      return char_at(0) == 'm' ? if_equal(name, "max-forwards", FieldId::MaxForwards)
                               : if_equal(name, "proxy-status", FieldId::ProxyStatus);
    case 13:
      if (char_at(0) == 'a') return if_equal(name, "authorization", FieldId::Authorization);
      return char_at(0) == 'c' ? if_equal(name, "cache-control", FieldId::CacheControl)
                               : if_equal(name, "proxy-support", FieldId::ProxySupport);
    case 14:
      return char_at(0) == 'c' ? if_equal(name, "content-length", FieldId::ContentLength)
                               : if_equal(name, "http2-settings", FieldId::Http2Settings);
    case 15: return if_equal(name, "idempotency-key", FieldId::IdempotencyKey);
    case 16:
      return char_at(0) == 'p' ? if_equal(name, "proxy-connection", FieldId::ProxyConnection)
                               : if_equal(name, "www-authenticate", FieldId::WwwAuthenticate);
    case 17: return if_equal(name, "transfer-encoding", FieldId::TransferEncoding);
    case 18: return if_equal(name, "proxy-authenticate", FieldId::ProxyAuthenticate);
    case 19: return if_equal(name, "proxy-authorization", FieldId::ProxyAuthorization);
    case 25: return if_equal(name, "proxy-authentication-info", FieldId::ProxyAuthenticationInfo);
    default: return FieldId::Other;
  }
}

std::string_view describe(Fault fault) noexcept {
  switch (fault) {
    case Fault::BadRequestLine: return "malformed request line";
    case Fault::BadStatusLine: return "malformed status line";
    case Fault::UnsupportedVersion: return "unsupported HTTP version";
    case Fault::BareCrOrLf: return "bare CR or LF in the head";
    case Fault::ForbiddenByte: return "control byte in the head";
    case Fault::FoldedLine: return "folded line, or white space before a field";
    case Fault::BadField: return "malformed field";
    case Fault::HeadTooLarge: return "head too large";
    case Fault::TargetTooLong: return "request target too long";
    case Fault::TooManyFields: return "too many fields";
    case Fault::BadHost: return "missing, repeated or malformed Host";
    case Fault::BadContentLength: return "malformed or repeated Content-Length";
    case Fault::BadTransferEncoding: return "Transfer-Encoding other than exactly one chunked";
    case Fault::LengthAndTransferEncoding: return "both Content-Length and Transfer-Encoding";
    case Fault::BadChunk: return "malformed chunk";
    case Fault::ChunkExtensionsTooLong: return "chunk extensions too long";
    case Fault::TrailersTooLarge: return "trailer section too large";
    case Fault::TlsHandshake: return "TLS on a plain port: use http:// in https_proxy";
    case Fault::SocksGreeting: return "SOCKS on an HTTP port: use http://, not socks://, for the proxy";
    case Fault::Http2Preface: return "HTTP/2 on an HTTP/1.1 port: use HTTP/1.1 with the proxy";
  }
  return "malformed message";
}

}  // namespace keepwarm::http
