#include "packaging/manual/roff.h"

#include <ostream>

#include <doctest/doctest.h>

namespace keepwarm::manual {
namespace {

/// A page with a section, without its head.
std::string body_of(const Page& page) {
  return page.text().substr(page.text().find(".SH"));
}

Page page_with_section() {
  Page page("X", 1, "2026-11-30", "x 1", "Manual");
  page.section("S");
  return page;
}

}  // namespace

TEST_CASE("what roff would take for its own is escaped") {
  CHECK(plain("a-b") == "a\\-b");
  CHECK(plain("it's a `\\`") == "it\\(aqs a \\(ga\\e\\(ga");
  CHECK(plain("~^") == "\\(ti\\(ha");
  CHECK(plain("…§") == "\\[u2026]\\[u00A7]");
  CHECK(bold("--x") == "\\fB\\-\\-x\\fP");
  CHECK(italic("x") == "\\fIx\\fP");
  CHECK(sentence("done", '.') == "Done.");
}

TEST_CASE("no line of text is taken for a request") {
  Page page = page_with_section();
  page.paragraph(".TH");
  page.paragraph("'x");
  page.literal(".nf\nplain");
  CHECK(body_of(page) == ".SH S\n\\&.TH\n.PP\n\\&'x\n.RS 4\n.nf\n\\&.nf\nplain\n.fi\n.RE\n");
}

TEST_CASE("each sentence begins a line, and no line is long") {
  Page page = page_with_section();
  page.paragraph("One. Two " + std::string(70, 'x') + " three (four.) Five");
  CHECK(body_of(page) == ".SH S\nOne.\nTwo " + std::string(70, 'x') + "\nthree (four.)\nFive\n");
}

TEST_CASE("paragraphs and items follow each other") {
  Page page = page_with_section();
  page.paragraph("a");
  page.paragraph("b");
  page.line("c");
  page.item("d", "e");
  page.item_paragraph("f");
  page.subsection("g");
  page.paragraph("h");
  CHECK(body_of(page) == ".SH S\na\n.PP\nb\n.br\nc\n.TP\nd\ne\n.IP\nf\n.SS g\nh\n");
}

}  // namespace keepwarm::manual
