#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

/// Message heads as values: views into the bytes they were parsed from. Nothing here owns or copies.
namespace keepwarm::http {

/// The fields that a proxy acts upon; every other field is Other and passes unread.
enum class FieldId : std::uint8_t {
  Other,
  Authorization,
  CacheControl,
  Connection,
  ContentLength,
  Date,
  Expect,
  Host,
  Http2Settings,
  IdempotencyKey,
  KeepAlive,
  MaxForwards,
  ProxyAuthenticate,
  ProxyAuthenticationInfo,
  ProxyAuthorization,
  ProxyConnection,
  ProxyStatus,
  SetCookie,
  Cookie,
  Te,
  Trailer,
  TransferEncoding,
  Upgrade,
  Via,
  WwwAuthenticate,
};

/// By name, ASCII case-insensitive. One switch over the length, then one comparison: no hashing, no table walk.
[[nodiscard]] FieldId field_id(std::string_view name) noexcept;

/// `value` is without the white space around it (RFC 9110 §5.5); it may be empty.
struct Field {
  std::string_view name;
  std::string_view value;
  FieldId id = FieldId::Other;
};

enum class Version : std::uint8_t { Http10, Http11 };

struct RequestHead {
  std::string_view method;
  std::string_view target;
  Version version = Version::Http11;
  std::span<const Field> fields;
  std::size_t size = 0;  ///< bytes from the first byte (a skipped empty line included) to the end of the empty line
};

struct ResponseHead {
  Version version = Version::Http11;
  std::uint16_t status = 0;  ///< 100–999
  std::string_view reason;
  std::span<const Field> fields;
  std::size_t size = 0;
};

/// What is wrong with a message. Requests: 400 unless noted; responses: 502.
enum class Fault : std::uint8_t {
  BadRequestLine,
  BadStatusLine,
  UnsupportedVersion,  ///< 505: well-formed HTTP/x.y, but neither 1.0 nor 1.1
  BareCrOrLf,
  ForbiddenByte,  ///< NUL or another control byte
  FoldedLine,     ///< obs-fold, or white space before the first field
  BadField,       ///< not `token ":" value`; a space before the colon
  HeadTooLarge,   ///< 431
  TargetTooLong,  ///< 414: the request line alone passes the limit
  TooManyFields,  ///< 431
  BadHost,        ///< not exactly one valid Host (1.1), or more than one (1.0)
  BadContentLength,
  BadTransferEncoding,  ///< anything but exactly one `chunked`; any at all with HTTP/1.0
  LengthAndTransferEncoding,
  BadChunk,
  ChunkExtensionsTooLong,
  TrailersTooLarge,  ///< 431
};

/// A sentence fragment for messages: "bare CR or LF in the head".
[[nodiscard]] std::string_view describe(Fault fault) noexcept;

}  // namespace keepwarm::http
