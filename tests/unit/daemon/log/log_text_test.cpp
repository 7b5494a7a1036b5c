#include "daemon/log/log_text.h"

#include <chrono>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

namespace keepwarm::daemon {
namespace {

using namespace std::chrono_literals;

/// 1994-11-06 08:49:37.042 UTC
constexpr WallTime kWhen{784111777042ms};

std::string visible(std::string_view text) {
  std::string out;
  append_visible(out, text);
  return out;
}

TEST_CASE("times are UTC with milliseconds, also of the line after in another second") {
  std::string out;
  append_time(out, kWhen);
  append_time(out, kWhen + 1s);
  append_time(out, kWhen + 1s + 900ms);
  CHECK(out == "1994-11-06T08:49:37.042Z1994-11-06T08:49:38.042Z1994-11-06T08:49:38.942Z");
}

TEST_CASE("what a peer says cannot be taken for another line or for a command to the terminal") {
  struct Case {
    const char* name;
    std::string_view text, shown;
  };
  const Case cases[] = {
      {"plain", "CN=a, 'b' \"c\" \\", "CN=a, 'b' \"c\" \\"},
      {"control characters", "a\r\n\x1b[2Jb\x7f", R"(a\x0d\x0a\x1b[2Jb\x7f)"},
      {"NUL", std::string_view("a\0b", 3), R"(a\x00b)"},
      {"UTF-8 stays", "Zürich 東京 🦊", "Zürich 東京 🦊"},
      {"control characters beyond ASCII",
       "a\xc2\x9b"
       "31m\xc2\xa0",
       "a\\xc2\\x9b"
       "31m\xc2\xa0"},
      {"a lone byte",
       "a\xff"
       "b\x80",
       R"(a\xffb\x80)"},
      {"cut in the middle", "a\xe6\x9d", R"(a\xe6\x9d)"},
      {"too long for its character", "\xc0\xaf \xe0\x80\xaf \xf0\x80\x80\xaf",
       R"(\xc0\xaf \xe0\x80\xaf \xf0\x80\x80\xaf)"},
      {"a surrogate", "\xed\xa0\x80", R"(\xed\xa0\x80)"},
      {"beyond Unicode", "\xf4\x90\x80\x80 \xf5\x80\x80\x80", R"(\xf4\x90\x80\x80 \xf5\x80\x80\x80)"}};
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CHECK(visible(c.text) == c.shown);
  }
}

TEST_CASE("between quotes, quotes and backslashes are escaped, and a JSON parser reads what is shown") {
  std::string out;
  append_quoted(out, "say \"a\\b\"\n\xff");
  CHECK(out == R"("say \"a\\b\"\\x0a\\xff")");
}

TEST_CASE("a URL has nothing but printable ASCII, percent-encoded where needed") {
  std::string out;
  append_url(out, "/a b%20\"\\\n\x7f\xc3\xa9~");
  CHECK(out == "/a%20b%20%22%5C%0A%7F%C3%A9~");
}

TEST_CASE("a message is a line in the format of its file") {
  std::string text;
  append_message(text, LogFormat::Text, LogLevel::Warn, kWhen, "a \"b\"\nc");
  CHECK(text == R"(1994-11-06T08:49:37.042Z [warning] a "b"\x0ac)");
  std::string json;
  append_message(json, LogFormat::Json, LogLevel::Error, kWhen, "a \"b\"\nc");
  CHECK(json == R"({"time":"1994-11-06T08:49:37.042Z","kind":"log","level":"error","message":"a \"b\"\\x0ac"})");
}

}  // namespace
}  // namespace keepwarm::daemon
