#include "core/http/framing.h"

#include <optional>

#include "core/http/fields.h"
#include "core/http/target.h"

namespace keepwarm::http {
namespace {

/// The framing that the fields announce; Kind::None where they say nothing.
Result<BodyFraming, Fault> announced_framing(const Fields& fields, Version version) noexcept {
  if (!fields.has_any(FieldIds(FieldId::ContentLength, FieldId::TransferEncoding))) return BodyFraming{};
  const Field* length = nullptr;
  const Field* encoding = nullptr;
  bool repeated_length = false;
  bool repeated_encoding = false;
  for (const Field& field : fields) {
    if (field.id == FieldId::ContentLength) {
      repeated_length = length != nullptr;
      length = &field;
    } else if (field.id == FieldId::TransferEncoding) {
      repeated_encoding = encoding != nullptr;
      encoding = &field;
    }
    if (repeated_length || repeated_encoding) break;
  }
  if (length != nullptr && encoding != nullptr) return Fault::LengthAndTransferEncoding;
  if (encoding != nullptr) {
    if (repeated_encoding || version == Version::Http10) return Fault::BadTransferEncoding;
    if (!equals_ignoring_case(encoding->value, "chunked")) return Fault::BadTransferEncoding;
    return BodyFraming{BodyFraming::Kind::Chunked, 0};
  }
  if (length == nullptr) return BodyFraming{};
  const std::optional<std::uint64_t> value = parse_decimal(length->value);
  if (repeated_length || !value) return Fault::BadContentLength;
  return BodyFraming{BodyFraming::Kind::Length, *value};
}

bool never_has_body(std::uint16_t status) noexcept {
  return status < 200 || status == 204 || status == 304;
}

}  // namespace

Result<BodyFraming, Fault> request_framing(const RequestHead& head) noexcept {
  return announced_framing(head.fields, head.version);
}

Result<BodyFraming, Fault> response_framing(const ResponseHead& head, bool answers_head) noexcept {
  const Result<BodyFraming, Fault> announced = announced_framing(head.fields, head.version);
  if (!announced) return announced;
  if (answers_head || never_has_body(head.status)) return BodyFraming{};
  if (announced.value().kind == BodyFraming::Kind::None) return BodyFraming{BodyFraming::Kind::UntilClose, 0};
  return announced;
}

bool host_is_valid(const RequestHead& head, std::string_view known_valid) noexcept {
  if (!head.fields.has(FieldId::Host)) return head.version == Version::Http10;
  const Field* host = nullptr;
  for (const Field& field : head.fields) {
    if (field.id != FieldId::Host) continue;
    if (host != nullptr) return false;
    host = &field;
  }
  if (!known_valid.empty() && host->value == known_valid) return true;
  return valid_host_field(host->value);
}

}  // namespace keepwarm::http
