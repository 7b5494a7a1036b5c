#include "core/http/llhttp_fields.h"

#include <algorithm>

#include "core/http/ascii.h"
#include "core/http/field_repair.h"
#include "core/http/fields.h"

namespace keepwarm::http {
namespace {

FieldCollector& collector_of(llhttp_t* parser) noexcept {
  return *static_cast<FieldCollector*>(parser->data);
}

int on_name(llhttp_t* parser, const char* at, std::size_t length) {
  FieldCollector& collector = collector_of(parser);
  const std::string_view name{at, length};
  const FieldId id = field_id(name);
  if (id == FieldId::Other && !is_token(name)) {  // the known names are tokens
    collector.bad_name = true;
    return HPE_USER;
  }
  collector.ids.add(id);
  collector.fields.push_back({name, {}, id});
  return HPE_OK;
}

int on_value(llhttp_t* parser, const char* at, std::size_t length) {
  // The white space before it is skipped by llhttp, the white space behind it is not.
  Field& field = collector_of(parser).fields.back();
  field.value = trim_blanks({at, length});
  const char* const behind_name = field.name.data() + field.name.size();
  field.plain = at == behind_name + 2 && behind_name[1] == ' ' && field.value.size() == length;
  return HPE_OK;
}

bool has(const FieldCollector& collector, FieldId id) noexcept {
  return std::any_of(collector.fields.begin(), collector.fields.end(), [id](const Field& f) { return f.id == id; });
}

/// llhttp's verdict on a section. `collector` has the fields seen so far, the offending one included.
Fault fault_of(llhttp_errno_t error, const FieldCollector& collector) noexcept {
  if (collector.bad_name) return Fault::BadField;
  switch (error) {
    case HPE_UNEXPECTED_CONTENT_LENGTH:
    case HPE_INVALID_CONTENT_LENGTH:
    case HPE_INVALID_TRANSFER_ENCODING:
      // Which of the three llhttp reports for a pair of them differs between its versions.
      if (!has(collector, FieldId::TransferEncoding)) return Fault::BadContentLength;
      return has(collector, FieldId::ContentLength) ? Fault::LengthAndTransferEncoding : Fault::BadTransferEncoding;
    default: return Fault::BadField;
  }
}

}  // namespace

void collect_fields(llhttp_settings_t& settings) {
  settings.on_header_field = on_name;
  settings.on_header_value = on_value;
}

std::optional<Fault> take_repaired(const llhttp_t& prepared, std::string_view section, SectionOf what,
                                   llhttp_errno_t error, FieldCollector& collector, std::string& repaired) {
  if (repair_fields(section, what, repaired)) error = take_section(prepared, repaired, collector);
  if (error == HPE_OK) return std::nullopt;
  return fault_of(error, collector);
}

}  // namespace keepwarm::http
