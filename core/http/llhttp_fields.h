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
/// What llhttp refuses is repaired where a proxy does so (field_repair.h): the fields then lie in `repaired`, else in
/// `section`. nullopt: `collector` has them all.
[[nodiscard]] std::optional<Fault> parse_section(const llhttp_t& prepared, std::string_view section, SectionOf what,
                                                 FieldCollector& collector, std::string& repaired);

}  // namespace keepwarm::http
