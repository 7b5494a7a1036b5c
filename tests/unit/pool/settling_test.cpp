#include "core/pool/settling.h"

#include <functional>
#include <vector>

#include <doctest/doctest.h>

namespace keepwarm::pool {
namespace {

using namespace std::chrono_literals;

/// Records when it is settled, and does then what the test says.
struct Object final : Settling {
  void settle(TimePoint now) override {
    CHECK(entered());
    settled_at.push_back(now);
    if (meanwhile) meanwhile();
  }
  void settled() noexcept override {
    CHECK_FALSE(entered());
    ++ends;
  }
  using Settling::entered;

  std::vector<TimePoint> settled_at;
  int ends = 0;
  std::function<void()> meanwhile;
};

constexpr TimePoint kNow{5s};
constexpr TimePoint kLater{6s};

TEST_CASE("what is entered once is settled once, when the scope ends") {
  Object object;
  CHECK_FALSE(object.entered());
  {
    const SettleScope scope(object, kNow);
    CHECK(object.entered());
    CHECK(object.settled_at.empty());
  }
  CHECK(object.settled_at == std::vector{kNow});
  CHECK(object.ends == 1);
}

TEST_CASE("only the outermost of several scopes settles") {
  Object object;
  {
    const SettleScope outer(object, kNow);
    {
      const SettleScope inner(object, kLater);
      const SettleScope innermost(object, kLater);
    }
    CHECK(object.settled_at.empty());
    CHECK(object.ends == 0);
    CHECK(object.entered());
  }
  CHECK(object.settled_at == std::vector{kNow});
  CHECK(object.ends == 1);
}

TEST_CASE("what enters while the object settles does not settle it once more") {
  Object object;
  object.meanwhile = [&] { const SettleScope scope(object, kLater); };
  { const SettleScope scope(object, kNow); }
  CHECK(object.settled_at == std::vector{kNow});
  CHECK(object.ends == 1);
}

TEST_CASE("the next thing that happens settles it again") {
  Object object;
  { const SettleScope scope(object, kNow); }
  { const SettleScope scope(object, kLater); }
  CHECK(object.settled_at == std::vector{kNow, kLater});
  CHECK(object.ends == 2);
}

}  // namespace
}  // namespace keepwarm::pool
