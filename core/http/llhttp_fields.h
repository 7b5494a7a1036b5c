#pragma once

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

/// llhttp's verdict on a section as a Fault. `collector` has the fields seen so far, the offending one included.
[[nodiscard]] Fault fault_of(llhttp_errno_t error, const FieldCollector& collector) noexcept;

}  // namespace keepwarm::http
