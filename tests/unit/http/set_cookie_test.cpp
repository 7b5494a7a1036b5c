#include "core/http/set_cookie.h"

#include <doctest/doctest.h>

namespace keepwarm::http::test {

TEST_CASE("Secure, and what counts only beside it, is taken from a cookie, and nothing else") {
  struct Case {
    std::string_view cookie, kept;
  };
  const Case cases[] = {
      {"a=b; Secure", "a=b"},
      {"a=b;secure;HttpOnly", "a=b;HttpOnly"},
      {"a=b; Path=/; SECURE ; HttpOnly", "a=b; Path=/; HttpOnly"},
      {"a=b; Secure=1; Path=/", "a=b; Path=/"},
      {"a=b; Secure; Secure", "a=b"},
      {"a=b; SameSite=None; Secure", "a=b"},
      {"a=b; samesite = none ; Path=/", "a=b; Path=/"},
      {"a=b; SameSite=Lax; Secure", "a=b; SameSite=Lax"},
      {"a=b; Secure; Partitioned; Max-Age=5", "a=b; Max-Age=5"},
      {"Secure=Secure; Path=/", "Secure=Secure; Path=/"},  // the name of the cookie
      {"a=Secure; Expires=Wed, 01 Jan 2031 00:00:00 GMT; Secure", "a=Secure; Expires=Wed, 01 Jan 2031 00:00:00 GMT"},
      {"a=b; Securely; Comment=Secure", "a=b; Securely; Comment=Secure"},
      {"a=b", "a=b"},
      {"a=b;", "a=b;"},
      {"a=b; ; Secure;", "a=b; ;"},
      {"", ""},
      {";Secure", ""},
  };
  for (const Case& c : cases) {
    CAPTURE(c.cookie);
    CHECK(without_secure(c.cookie) == c.kept);
  }
}

TEST_CASE("a cookie whose name promises Secure stays as it is") {
  for (const std::string_view cookie : {"__Secure-a=b; Secure", "__Host-a=b; Path=/; Secure; SameSite=None",
                                        "__secure-a=b; Secure", " __HOST-=b; Secure"}) {
    CAPTURE(cookie);
    CHECK(without_secure(cookie) == cookie);
  }
  CHECK(without_secure("__Secure=b; Secure") == "__Secure=b");
  CHECK(without_secure("x__Host-a=b; Secure") == "x__Host-a=b");
}

}  // namespace keepwarm::http::test
