#pragma once

#include <string>

#include "core/proxy/access_record.h"
#include "daemon/log/log_text.h"

namespace keepwarm::daemon {

/// Append one line (without a newline) of the access log (core/doc/design.md §8). The query of a URL is never shown,
/// since it may hold secrets: "?..." stands for it. Only an exchange that did not end as its messages said has the
/// fields that tell why.
void write_access_text(std::string& out, const proxy::AccessRecord& record, WallTime now);
void write_access_json(std::string& out, const proxy::AccessRecord& record, WallTime now);

}  // namespace keepwarm::daemon
