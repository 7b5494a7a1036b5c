// The load generator of the benchmark: clients that ask through a proxy, or without one, and what they measure.
#include "tests/bench/load/driver.h"
#include "tests/bench/load/plan.h"
#include "tests/bench/tools/arguments.h"
#include "tests/bench/tools/socket.h"
#include "tests/bench/tools/stop.h"

int main(int argc, char** argv) {
  using namespace keepwarm::bench;
  Arguments arguments(argc, argv);
  const Plan plan(arguments);
  arguments.check();
  prepare_process();
  watch_for_stop();
  Driver driver(plan);
  driver.run();
  driver.report();
}
