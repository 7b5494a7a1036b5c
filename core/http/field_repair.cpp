#include "core/http/field_repair.h"

#include <algorithm>

#include "core/http/ascii.h"

namespace keepwarm::http {
namespace {

constexpr std::string_view kLineEnd = "\r\n";

/// A field line in its parts; all three together are the line.
struct FieldLine {
  std::string_view name;
  std::string_view blanks;  ///< before the colon
  std::string_view rest;    ///< from the colon on; empty: there is none
};

FieldLine split(std::string_view line) noexcept {
  const std::size_t colon = std::min(line.find(':'), line.size());
  std::size_t end = colon;
  while (end > 0 && is_blank(line[end - 1])) --end;
  return {line.substr(0, end), line.substr(end, colon - end), line.substr(colon)};
}

std::string_view without_blanks_behind(std::string_view text) noexcept {
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

/// Appends the line as it is to be. Whether that is another one.
bool append_repaired(std::string_view line, SectionOf what, std::string& out) {
  const FieldLine field = split(line);
  const FieldId id = field_id(field.name);
  const bool framing = id == FieldId::ContentLength || id == FieldId::TransferEncoding;
  if (framing && what == SectionOf::ConnectAnswer) return true;
  const std::size_t before = out.size();
  out.append(field.name);
  if (what == SectionOf::Request || framing || field.rest.empty()) out.append(field.blanks);
  out.append(framing ? without_blanks_behind(field.rest) : field.rest);
  const bool changed = out.size() - before != line.size();
  out.append(kLineEnd);
  return changed;
}

}  // namespace

bool repair_fields(std::string_view section, SectionOf what, std::string& out) {
  out.clear();
  bool repaired = false;
  while (!section.empty()) {
    const std::size_t end = std::min(section.find(kLineEnd), section.size());
    repaired |= append_repaired(section.substr(0, end), what, out);
    section.remove_prefix(std::min(end + kLineEnd.size(), section.size()));
  }
  return repaired;
}

}  // namespace keepwarm::http
