#include "core/net/network_watch.h"

#include <vector>

#include <doctest/doctest.h>

#include "net_fixture.h"

namespace keepwarm::net {

TEST_CASE("a network in which nothing changes is watched without a word") {
  Loop loop;
  std::vector<std::string> changes;
  bool uncertain = false;
  const NetworkWatch watch(loop, {.on_change = [&](const auto& change) { changes.push_back(change.text()); },
                                  .on_uncertain = [&](bool is) { uncertain = is; }});
  CHECK(watch.works());
  loop.run();  // a watch is nothing that keeps a loop
  CHECK(changes.empty());
  CHECK_FALSE(uncertain);
}

}  // namespace keepwarm::net
