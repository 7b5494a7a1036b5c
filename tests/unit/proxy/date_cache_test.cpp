#include "core/proxy/date_cache.h"

#include <chrono>
#include <ctime>
#include <string>
#include <thread>

#include <doctest/doctest.h>

namespace keepwarm::proxy::test {
namespace {

using namespace std::chrono_literals;

std::string date_of(std::time_t seconds) {
  std::string text;
  http::write_date(text, seconds);
  return text;
}

TEST_CASE("the date is that of this second, and the same text all through it") {
  DateCache cache;
  const std::time_t before = std::time(nullptr);
  const std::string first(cache.now());
  const std::string_view second = cache.now();
  const std::time_t after = std::time(nullptr);
  bool found = false;
  for (std::time_t each = before; each <= after; ++each) found = found || first == date_of(each);
  CHECK(found);
  if (before == after) {
    CHECK(second == first);
    CHECK(cache.now().data() == second.data());
  }
  CHECK(first.size() == 29);
}

TEST_CASE("the date follows the clock") {
  DateCache cache;
  const std::string first(cache.now());
  const std::time_t began = std::time(nullptr);
  while (std::time(nullptr) == began) std::this_thread::sleep_for(5ms);  // no event tells of a new second
  CHECK(cache.now() != first);
}

}  // namespace
}  // namespace keepwarm::proxy::test
