#pragma once

#include <string>
#include <string_view>

#include "core/http/head.h"

/// Private to core/http.
namespace keepwarm::http {

/// What is legal in a field section though llhttp refuses it, or is to be repaired by a proxy. Writes `section` (lines
/// that end in CRLF, the empty one behind them) to `out`:
/// - without white space before the colons of a response (RFC 9112 §5.1). A field of framing that has some stays as it
///   is, and so is refused: another recipient may have taken it for no field, and the body for another one;
/// - without white space behind the value of a field of framing: OWS (RFC 9110 §5.6.3), but llhttp takes no tab there;
/// - without the fields of framing, if it belongs to a 2xx that answers CONNECT (RFC 9110 §9.3.6).
/// False: there is nothing of this kind, and no meaning in `out`.
[[nodiscard]] bool repair_fields(std::string_view section, SectionOf what, std::string& out);

}  // namespace keepwarm::http
