#include "core/base/result.h"

#include <memory>
#include <string>

#include <doctest/doctest.h>

namespace keepwarm {
namespace {

enum class Trouble { Small, Large };

Result<std::string, Trouble> spelled(int number) {
  if (number == 1) return std::string("one");
  return Trouble::Large;
}

TEST_CASE("a result is a value or the reason why there is none") {
  const Result<std::string, Trouble> good = spelled(1);
  REQUIRE(good.ok());
  CHECK(static_cast<bool>(good));
  CHECK(good.value() == "one");
  CHECK(*good == "one");
  CHECK(good->size() == 3);

  const Result<std::string, Trouble> bad = spelled(2);
  REQUIRE_FALSE(bad.ok());
  CHECK_FALSE(static_cast<bool>(bad));
  CHECK(bad.failure() == Trouble::Large);
}

TEST_CASE("a value can be changed in place and moved out") {
  Result<std::unique_ptr<int>, Trouble> result = std::make_unique<int>(7);
  **result = 8;
  const std::unique_ptr<int> taken = std::move(result).value();
  CHECK(*taken == 8);
}

}  // namespace
}  // namespace keepwarm
