#pragma once

#include <concepts>
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
  ProxySupport,
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
  bool plain = false;  ///< stands in the received head as `name ": " value CRLF`, to be copied as it is
};

/// A set of FieldIds.
class FieldIds {
 public:
  constexpr FieldIds() noexcept = default;
  template <typename... Ids>
  constexpr explicit FieldIds(Ids... ids) noexcept : bits_((bit(ids) | ...)) {}

  constexpr void add(FieldId id) noexcept { bits_ |= bit(id); }
  [[nodiscard]] constexpr bool has(FieldId id) const noexcept { return (bits_ & bit(id)) != 0; }
  [[nodiscard]] constexpr bool has_any(FieldIds others) const noexcept { return (bits_ & others.bits_) != 0; }

 private:
  static constexpr std::uint32_t bit(FieldId id) noexcept { return std::uint32_t{1} << static_cast<unsigned>(id); }
  std::uint32_t bits_ = 0;
};

/// The fields of a message in their order. Knows which ids are among them: most questions about a head are for a field
/// that it does not have, and then cost the test of a bit.
class Fields {
 public:
  constexpr Fields() noexcept = default;
  /// `source`: whatever converts to a span of fields.
  template <std::convertible_to<std::span<const Field>> Source>
  Fields(const Source& source) noexcept : fields_(source) {  // NOLINT(google-explicit-constructor)
    for (const Field& field : fields_) ids_.add(field.id);
  }
  /// `ids`: those of `fields`, and no other.
  Fields(std::span<const Field> fields, FieldIds ids) noexcept : fields_(fields), ids_(ids) {}

  [[nodiscard]] bool has(FieldId id) const noexcept { return ids_.has(id); }
  [[nodiscard]] bool has_any(FieldIds ids) const noexcept { return ids_.has_any(ids); }
  [[nodiscard]] auto begin() const noexcept { return fields_.begin(); }
  [[nodiscard]] auto end() const noexcept { return fields_.end(); }
  [[nodiscard]] std::size_t size() const noexcept { return fields_.size(); }
  [[nodiscard]] bool empty() const noexcept { return fields_.empty(); }
  [[nodiscard]] const Field& operator[](std::size_t at) const noexcept { return fields_[at]; }

 private:
  std::span<const Field> fields_;
  FieldIds ids_;
};

enum class Version : std::uint8_t { Http10, Http11 };

/// What a field section belongs to. It decides which flaws a proxy repairs; all others are refused.
enum class SectionOf : std::uint8_t {
  Request,        ///< none
  Response,       ///< white space before a colon is removed, but not in a field of framing (RFC 9112 §5.1)
  ConnectAnswer,  ///< a 2xx to CONNECT: the same, and its fields of framing mean nothing (RFC 9110 §9.3.6)
};

struct RequestHead {
  std::string_view method;
  std::string_view target;
  Version version = Version::Http11;
  Fields fields;
  std::size_t size = 0;  ///< bytes from the first byte (a skipped empty line included) to the end of the empty line
};

struct ResponseHead {
  Version version = Version::Http11;
  std::uint16_t status = 0;  ///< 100–999
  std::string_view reason;
  Fields fields;
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
  BadField,       ///< not `token ":" value`; white space before the colon where it is not removed
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
  // Requests only: it is no HTTP/1.1 at all, but a protocol that a client may speak to a proxy by mistake.
  TlsHandshake,   ///< no answer: the client could not read it
  SocksGreeting,  ///< no answer
  Http2Preface,   ///< 505
};

/// A sentence fragment for messages: "bare CR or LF in the head".
[[nodiscard]] std::string_view describe(Fault fault) noexcept;
/// Is it one of the last three?
[[nodiscard]] constexpr bool is_other_protocol(Fault fault) noexcept {
  return fault >= Fault::TlsHandshake;
}
/// Of a control byte where none may be.
[[nodiscard]] constexpr Fault fault_of_control(char c) noexcept {
  return c == '\r' || c == '\n' ? Fault::BareCrOrLf : Fault::ForbiddenByte;
}
/// Of a control byte that a request begins with. A TLS handshake begins with 0x16 (RFC 8446 §5.1), SOCKS with its
/// version, 4 or 5 (RFC 1928 §3).
[[nodiscard]] constexpr Fault fault_of_first_byte(char c) noexcept {
  if (c == '\x16') return Fault::TlsHandshake;
  return c == '\x04' || c == '\x05' ? Fault::SocksGreeting : fault_of_control(c);
}

}  // namespace keepwarm::http
