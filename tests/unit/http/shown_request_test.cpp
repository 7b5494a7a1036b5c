#include "core/http/shown_request.h"

#include <string>
#include <string_view>

#include <doctest/doctest.h>

namespace keepwarm::http {
namespace {

TEST_CASE("a target is shown without its secrets") {
  struct Case {
    std::string_view target, shown;
  };
  const Case cases[] = {{"http://x/a", "http://x/a"},
                        {"http://user:secret@x:81/a", "http://x:81/a"},
                        {"http://user:secret@x", "http://x"},
                        {"http://u:se@cret@x/a", "http://x/a"},
                        {"http://x/a@b", "http://x/a@b"},
                        {"/a?secret", "/a?..."},
                        {"http://x?secret@y/z", "http://x?..."},
                        {"http://x/a#secret?b", "http://x/a#..."},
                        {"user:secret@x:443", "x:443"},
                        {"x:443", "x:443"},
                        {"*", "*"},
                        {"", ""}};
  for (const Case& c : cases) {
    CAPTURE(c.target);
    CHECK(shown_target(c.target) == c.shown);
  }
  const std::string much = shown_target('/' + std::string(100'000, 'a') + "?secret");
  CHECK(much.size() == kMaxShownTarget + 3);
  CHECK(much.ends_with("..."));
}

TEST_CASE("the words of a request line are taken from a head that is broken elsewhere") {
  struct Case {
    std::string_view head, method, target;
  };
  const Case cases[] = {{"GET /a HTTP/1.1\r\nbad header\r\n\r\n", "GET", "/a"},
                        {"\r\nGET /a HTTP/9\r\n", "GET", "/a"},
                        {"GET /a", "GET", "/a"},
                        {"G(T /a HTTP/1.1\r\n", "", ""},
                        {"\x16\x03\x01 /a", "", ""},
                        {"password\r\n", "", ""},
                        {" /a HTTP/1.1", "", ""},
                        {"", "", ""}};
  for (const Case& c : cases) {
    CAPTURE(c.head);
    CHECK(request_words(c.head).method == c.method);
    CHECK(request_words(c.head).target == c.target);
  }
  CHECK(request_words(std::string(40, 'A') + " /a HTTP/1.1\r\n").method.empty());
}

}  // namespace
}  // namespace keepwarm::http
