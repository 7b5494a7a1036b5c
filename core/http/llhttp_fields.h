#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <llhttp.h>

#include "core/http/head.h"

/// What HeadParser and ChunkedReader share of llhttp: the callbacks that collect fields. Private to core/http.
namespace keepwarm::http {

/// Collects the fields of one section that is given to llhttp whole, so that every name and value comes in one piece.
/// llhttp's `data` points here while it runs.
struct FieldCollector {
  std::vector<Field> fields;
  FieldIds ids;
  bool ended = false;     ///< the empty line was seen
  bool bad_name = false;  ///< a name that is not a token: llhttp 8.1 lets spaces and empty names pass

  void clear() noexcept {
    fields.clear();
    ids = {};
    ended = false;
    bad_name = false;
  }
};

/// Sets the callbacks for names and values.
void collect_fields(llhttp_settings_t& settings);

/// Gives a whole section, the empty line behind it included, to a copy of `prepared`, whose `data` must be `collector`.
/// HPE_OK: `collector` has all fields, which lie in `section`.
[[nodiscard]] inline llhttp_errno_t take_section(const llhttp_t& prepared, std::string_view section,
                                                 FieldCollector& collector) noexcept {
  collector.clear();
  llhttp_t parser = prepared;
  const llhttp_errno_t error = llhttp_execute(&parser, section.data(), section.size());
  return collector.ended && error == HPE_PAUSED ? HPE_OK : error == HPE_OK ? HPE_INTERNAL : error;
}

/// For a section that take_section() has refused with `error`: repairs it where a proxy does so (field_repair.h). The
/// fields then lie in `repaired`. nullopt: `collector` has them all.
[[nodiscard]] std::optional<Fault> take_repaired(const llhttp_t& prepared, std::string_view section, SectionOf what,
                                                 llhttp_errno_t error, FieldCollector& collector,
                                                 std::string& repaired);

}  // namespace keepwarm::http
