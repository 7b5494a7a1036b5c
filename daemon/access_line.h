#pragma once

#include <chrono>
#include <string>

#include "core/proxy/access_record.h"

namespace keepwarm::daemon {

/// Append one line (without a newline) of the access log (core/doc/design.md §8). The query of a URL is never shown,
/// since it may hold secrets: "?..." stands for it. Bytes that are not printable ASCII are escaped.
void write_access_text(std::string& out, const proxy::AccessRecord& record, std::chrono::system_clock::time_point now);
void write_access_json(std::string& out, const proxy::AccessRecord& record, std::chrono::system_clock::time_point now);

}  // namespace keepwarm::daemon
