#pragma once

#include <string>
#include <string_view>

/// Writes manual pages in the language of man(7). Texts go in as roff: what comes from elsewhere passes plain(), bold()
/// or italic() first.
namespace keepwarm::manual {

/// The text as it is, with what roff would take for its own escaped. Hyphens stay the ASCII ones that people copy.
[[nodiscard]] std::string plain(std::string_view text);
/// The same with a capital letter, and `end` behind it.
[[nodiscard]] std::string sentence(std::string_view text, char end);
[[nodiscard]] std::string bold(std::string_view text);
[[nodiscard]] std::string italic(std::string_view text);

/// A page that grows from its top to its bottom. All texts are roff.
class Page {
 public:
  /// `date` as "2026-11-30"; `source` is what the page belongs to: "keepwarm 0.1.0".
  Page(std::string_view title, int section, std::string_view date, std::string_view source, std::string_view manual);

  void section(std::string_view title);
  void subsection(const std::string& title);
  void paragraph(const std::string& text);
  /// A line of its own right behind what stands there now.
  void line(const std::string& text);
  /// A term, and behind it, indented, what it means.
  void item(const std::string& term, const std::string& text);
  /// A further paragraph of the same item.
  void item_paragraph(const std::string& text);
  /// Lines that are shown as they are (plain text, not roff), indented.
  void literal(std::string_view lines);

  [[nodiscard]] const std::string& text() const noexcept { return text_; }

 private:
  void add_flowing(const std::string& text);

  std::string text_;
};

}  // namespace keepwarm::manual
