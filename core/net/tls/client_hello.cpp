#include "core/net/tls/client_hello.h"

#include <algorithm>
#include <optional>
#include <span>

namespace keepwarm::net {

namespace {

constexpr std::size_t kRecordHeader = 5;
constexpr std::size_t kMessageHeader = 4;
constexpr std::uint8_t kHandshakeRecord = 22;
constexpr std::uint8_t kClientHelloMessage = 1;
constexpr std::uint8_t kMajorVersion = 3;  // SSL 3 and every TLS
constexpr std::uint16_t kTls12 = 0x0303, kTls13 = 0x0304;
constexpr std::size_t kMaxExtensions = 64;

enum Extension : std::uint16_t {
  kServerName = 0,
  kSupportedGroups = 10,
  kSignatureAlgorithms = 13,
  kAlpn = 16,
  kPadding = 21,
  kPreSharedKey = 41,
  kEarlyData = 42,
  kSupportedVersions = 43,
  kPskModes = 45,
  kSignatureAlgorithmsCert = 50,
  kKeyShare = 51,
};

constexpr std::uint16_t kFallbackScsv = 0x5600;
constexpr std::uint16_t kP256 = 23, kX25519 = 29;
constexpr std::uint16_t kEcdsaP256Sha256 = 0x0403;

/// Values that say nothing, so that servers keep ignoring what they do not know (RFC 8701 §2).
constexpr bool is_grease(std::uint16_t value) noexcept {
  return (value & 0x0f0fU) == 0x0a0aU && value >> 8U == (value & 0xffU);
}

std::uint8_t byte_at(std::string_view bytes, std::size_t at) noexcept {
  return static_cast<std::uint8_t>(bytes[at]);
}

/// Takes fields from the front of bytes. Once one was not there, nothing is.
class Fields {
 public:
  explicit Fields(std::string_view bytes) noexcept : rest_(bytes) {}

  [[nodiscard]] std::string_view bytes(std::size_t count) noexcept {
    if (count > rest_.size()) {
      good_ = false;
      rest_ = {};
      return {};
    }
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }
  /// A number of `size` bytes, the highest first.
  [[nodiscard]] std::size_t number(std::size_t size) noexcept {
    std::size_t value = 0;
    for (const char byte : bytes(size)) value = value << 8U | static_cast<std::uint8_t>(byte);
    return value;
  }
  [[nodiscard]] std::uint16_t number16() noexcept { return static_cast<std::uint16_t>(number(2)); }
  /// Bytes that follow their length, which takes `size` bytes.
  [[nodiscard]] std::string_view vector(std::size_t size) noexcept { return bytes(number(size)); }

  [[nodiscard]] bool more() const noexcept { return !rest_.empty(); }
  /// All that was taken was there.
  [[nodiscard]] bool good() const noexcept { return good_; }
  /// And nothing is left.
  [[nodiscard]] bool whole() const noexcept { return good_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool good_ = true;
};

/// Numbers of 16 bits, one or more.
class List16 {
 public:
  /// nullopt: `list` is none.
  static std::optional<List16> of(std::string_view list) noexcept {
    if (list.empty() || list.size() % 2 != 0) return std::nullopt;
    return List16(list);
  }
  /// All of `bytes` is the length of the list, in `size` bytes, and the list.
  static std::optional<List16> behind_length(std::string_view bytes, std::size_t size) noexcept {
    Fields fields(bytes);
    const std::string_view list = fields.vector(size);
    return fields.whole() ? of(list) : std::nullopt;
  }
  [[nodiscard]] bool has(std::uint16_t wanted) const noexcept {
    return any([wanted](std::uint16_t value) { return value == wanted; });
  }
  template <typename Is>
  [[nodiscard]] bool any(Is is) const noexcept {
    for (Fields left(list_); left.more();) {
      if (is(left.number16())) return true;
    }
    return false;
  }

 private:
  explicit List16(std::string_view list) noexcept : list_(list) {}
  std::string_view list_;
};

/// FNV-1a.
class ShapeHash {
 public:
  void add(std::uint8_t byte) noexcept { value_ = (value_ ^ byte) * 0x100000001b3U; }
  void add16(std::uint16_t value) noexcept {
    add(static_cast<std::uint8_t>(value >> 8U));
    add(static_cast<std::uint8_t>(value));
  }
  void add(std::string_view text) noexcept {
    add16(static_cast<std::uint16_t>(text.size()));
    for (const char c : text) add(static_cast<std::uint8_t>(c));
  }
  [[nodiscard]] std::uint64_t value() const noexcept { return value_; }

 private:
  std::uint64_t value_ = 0xcbf29ce484222325U;
};

constexpr bool is_tls_1_3_suite(std::uint16_t suite) noexcept {
  return suite >= 0x1301 && suite <= 0x1303;
}

/// ECDHE-ECDSA with AES-128-GCM, AES-256-GCM or ChaCha20-Poly1305.
constexpr bool is_tls_1_2_suite(std::uint16_t suite) noexcept {
  return suite == 0xC02B || suite == 0xC02C || suite == 0xCCA9;
}

/// Reads the body of the message.
class HelloReader {
 public:
  explicit HelloReader(ClientHello& hello) noexcept : hello_(hello) {}

  /// False: it is no ClientHello, or an odd one.
  [[nodiscard]] bool read(std::string_view body) noexcept {
    constexpr std::size_t kRandom = 32, kLongestSessionId = 32;
    Fields fields(body);
    const std::uint16_t legacy_version = fields.number16();
    static_cast<void>(fields.bytes(kRandom));
    const std::string_view session_id = fields.vector(1);
    const std::string_view suites = fields.vector(2);
    const std::string_view compression = fields.vector(1);
    const std::string_view extensions = fields.more() ? fields.vector(2) : std::string_view();
    const bool sound = fields.whole() && legacy_version >> 8U == kMajorVersion &&
                       session_id.size() <= kLongestSessionId && compression.find('\0') != std::string_view::npos;
    if (!sound) return false;
    suites_ = List16::of(suites);
    hello_.offers_tls_1_2 = legacy_version >= kTls12;
    if (!suites_ || !read_extensions(extensions)) return false;
    judge();
    return true;
  }

 private:
  bool read_extensions(std::string_view extensions) noexcept {
    for (Fields left(extensions); left.more();) {
      const std::uint16_t type = left.number16();
      const std::string_view content = left.vector(2);
      if (!left.good() || count_ == kMaxExtensions) return false;
      types_[count_++] = type;
      if (!read_extension(type, content)) return false;
      if (type == kPreSharedKey && left.more()) return false;
    }
    const auto types = std::span(types_).first(count_);
    std::sort(types.begin(), types.end());
    return std::adjacent_find(types.begin(), types.end()) == types.end() &&
           (!hello_.pre_shared_key || std::binary_search(types.begin(), types.end(), std::uint16_t{kPskModes}));
  }

  bool read_extension(std::uint16_t type, std::string_view content) noexcept {
    switch (type) {
      case kServerName: return read_server_name(content);
      case kAlpn: return read_alpn(content);
      case kSupportedVersions: return read_versions(content);
      case kSupportedGroups: return (groups_ = List16::behind_length(content, 2)).has_value();
      case kSignatureAlgorithms: return (signatures_ = List16::behind_length(content, 2)).has_value();
      case kSignatureAlgorithmsCert: return (certificate_signatures_ = List16::behind_length(content, 2)).has_value();
      case kEarlyData: return hello_.early_data = true;
      case kPreSharedKey: return hello_.pre_shared_key = true;
      case kKeyShare: return has_key_share_ = true;
      default: return true;
    }
  }

  /// RFC 6066 §3.
  bool read_server_name(std::string_view content) noexcept {
    Fields outer(content);
    Fields list(outer.vector(2));
    const std::size_t type = list.number(1);
    const std::string_view name = list.vector(2);
    hello_.has_server_name = true;
    return outer.whole() && list.whole() && type == 0 && hello_.set_server_name(name);
  }

  /// RFC 7301 §3.1.
  bool read_alpn(std::string_view content) noexcept {
    Fields outer(content);
    alpn_ = outer.vector(2);
    if (!outer.whole() || alpn_.empty()) return false;
    hello_.has_alpn = true;
    Fields left(alpn_);
    while (left.more()) {
      const std::string_view protocol = left.vector(1);
      if (protocol.empty()) return false;
      if (protocol == "http/1.1") hello_.offers_http_1_1 = true;
      if (protocol == "h2") hello_.offers_h2 = true;
    }
    return left.whole();
  }

  /// RFC 8446 §4.2.1.
  bool read_versions(std::string_view content) noexcept {
    const auto versions = List16::behind_length(content, 1);
    if (!versions) return false;
    hello_.offers_tls_1_3 = versions->has(kTls13);
    hello_.offers_tls_1_2 = versions->has(kTls12);
    return true;
  }

  void judge() noexcept {
    const bool newest = hello_.offers_tls_1_3;
    const bool suite = newest ? suites_->any(is_tls_1_3_suite)
                              : hello_.offers_tls_1_2 && suites_->any(is_tls_1_2_suite) && !suites_->has(kFallbackScsv);
    const bool p256 = groups_ ? groups_->has(kP256) : !newest;  // without a list a server of TLS 1.2 is free to choose
    const bool group = p256 || (groups_ && groups_->has(kX25519));
    hello_.offers_usable_cipher = suite && group && (!newest || has_key_share_);
    // Without a list it is SHA-1 alone (RFC 5246 §7.4.1.4.1). In TLS 1.2 the list of groups is that of certificates
    // too.
    hello_.accepts_ecdsa_p256 = signatures_ && signatures_->has(kEcdsaP256Sha256) &&
                                (!certificate_signatures_ || certificate_signatures_->has(kEcdsaP256Sha256)) &&
                                (newest || p256);
    hello_.shape = shape();
  }

  [[nodiscard]] std::uint64_t shape() const noexcept {
    ShapeHash hash;
    static_cast<void>(suites_->any([&](std::uint16_t suite) {
      if (!is_grease(suite)) hash.add16(suite);
      return false;
    }));
    hash.add16(0);
    for (const std::uint16_t type : std::span(types_).first(count_)) {
      const bool changing = is_grease(type) || type == kPadding || type == kEarlyData || type == kPreSharedKey;
      if (!changing) hash.add16(type);
    }
    for (Fields left(alpn_); left.more();) {
      const std::string_view protocol = left.vector(1);
      const bool grease = protocol.size() == 2 && is_grease(Fields(protocol).number16());
      if (!grease) hash.add(protocol);
    }
    return hash.value();
  }

  ClientHello& hello_;
  std::optional<List16> suites_, groups_, signatures_, certificate_signatures_;
  std::string_view alpn_;
  std::array<std::uint16_t, kMaxExtensions> types_{};
  std::size_t count_ = 0;
  bool has_key_share_ = false;
};

/// Where the message lies in the input, and what is there of it.
class HelloRecords {
 public:
  explicit HelloRecords(std::string_view bytes) noexcept : bytes_(bytes) {}

  /// Goes over the records; on Complete the message is there.
  [[nodiscard]] HelloProgress find() noexcept {
    if (!can_begin_record(bytes_)) return HelloProgress::NotTls;
    while (bytes_.size() - length_ >= kRecordHeader) {
      const std::size_t fragment = Fields(bytes_.substr(length_ + 3, 2)).number16();
      if (fragment == 0) return HelloProgress::NotTls;  // RFC 8446 §5.1
      const std::size_t here = length_ + kRecordHeader;
      if (!note_header(bytes_.substr(here, fragment))) return HelloProgress::NotTls;
      // What is still to come is known to be too long before it has come.
      const std::size_t still = body_ ? kMessageHeader + *body_ - std::min(kMessageHeader + *body_, gathered_) : 0;
      if (here + std::max(fragment, still) > kLongestClientHello) return HelloProgress::NotTls;
      if (bytes_.size() - here < fragment) return HelloProgress::Incomplete;
      length_ = here + fragment;
      gathered_ += fragment;
      ++records_;
      if (body_ && gathered_ >= kMessageHeader + *body_) return HelloProgress::Complete;
      if (!can_begin_record(bytes_.substr(length_))) return HelloProgress::NotTls;
    }
    return length_ + kRecordHeader > kLongestClientHello ? HelloProgress::NotTls : HelloProgress::Incomplete;
  }

  [[nodiscard]] std::size_t length() const noexcept { return length_; }
  [[nodiscard]] bool ends_with_record() const noexcept { return gathered_ == kMessageHeader + *body_; }

  /// The body of the message, put together in `room` if it is in several records.
  [[nodiscard]] std::string_view body(std::span<char> room) const noexcept {
    std::string_view message = bytes_.substr(kRecordHeader, length_ - kRecordHeader);
    if (records_ > 1) {
      char* to = room.data();
      for (std::string_view left = bytes_.substr(0, length_); !left.empty();) {
        const std::size_t fragment = Fields(left.substr(3, 2)).number16();
        to = std::copy_n(left.data() + kRecordHeader, fragment, to);
        left.remove_prefix(kRecordHeader + fragment);
      }
      message = {room.data(), static_cast<std::size_t>(to - room.data())};
    }
    return message.substr(kMessageHeader, *body_);
  }

 private:
  static bool can_begin_record(std::string_view bytes) noexcept {
    return (bytes.empty() || byte_at(bytes, 0) == kHandshakeRecord) &&
           (bytes.size() < 2 || byte_at(bytes, 1) == kMajorVersion);
  }

  /// Takes what `fragment`, as far as it has come, holds of the message's header. False: of another message.
  bool note_header(std::string_view fragment) noexcept {
    for (std::size_t i = 0; i < fragment.size() && gathered_ + i < kMessageHeader; ++i) {
      header_[gathered_ + i] = fragment[i];
      if (gathered_ + i == 0 && byte_at(fragment, i) != kClientHelloMessage) return false;
      if (gathered_ + i == kMessageHeader - 1) body_ = Fields({header_.data() + 1, 3}).number(3);
    }
    return true;
  }

  std::string_view bytes_;
  std::size_t length_ = 0;    // of the records that have come
  std::size_t gathered_ = 0;  // of the message, with what follows it in its last record
  std::size_t records_ = 0;
  std::array<char, kMessageHeader> header_{};
  std::optional<std::size_t> body_;  // its size, once it is known
};

}  // namespace

bool ClientHello::set_server_name(std::string_view name) noexcept {
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.empty() || name.size() > name_.size() || name.front() == '.' || name.back() == '.') return false;
  if (name.find("..") != std::string_view::npos) return false;
  name_size_ = 0;
  for (const char c : name) {
    const bool upper = c >= 'A' && c <= 'Z';
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    if (!upper && !plain) return false;
    name_[name_size_++] = upper ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return true;
}

HelloProgress read_client_hello(std::string_view bytes, ClientHello& hello) noexcept {
  HelloRecords records(bytes);
  const HelloProgress progress = records.find();
  if (progress != HelloProgress::Complete) return progress;
  // Only what was put there is read. NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init)
  std::array<char, kLongestClientHello> room;
  hello = {};
  hello.length = records.length();
  hello.ends_with_record = records.ends_with_record();
  return HelloReader(hello).read(records.body(room)) ? HelloProgress::Complete : HelloProgress::NotTls;
}

}  // namespace keepwarm::net
