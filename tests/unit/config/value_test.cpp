#include "config/value.h"

#include <limits>
#include <ostream>
#include <string>

#include <doctest/doctest.h>

namespace keepwarm::config {

using namespace std::chrono_literals;

TEST_CASE("a duration is digits and one of ms, s, m, h") {
  struct Case {
    std::string text;
    std::optional<Duration> duration;
  };
  const Case cases[] = {
      {"250ms", 250ms},
      {"4s", 4s},
      {"2m", 2min},
      {"1h", 1h},
      {"0s", 0s},
      {"0ms", 0s},
      {"007s", 7s},
      {"99999999999h", Duration::max()},
      {"99999999999999999999999s", Duration::max()},
      {"", {}},
      {"s", {}},
      {"10", {}},
      {"1.5s", {}},
      {"-1s", {}},
      {"+1s", {}},
      {"1 s", {}},
      {" 1s", {}},
      {"1s ", {}},
      {"1S", {}},
      {"1us", {}},
      {"1d", {}},
      {"1h30m", {}},
      {"0x10s", {}},
      {"99999999999999999999999", {}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    CHECK(parse_duration(c.text) == c.duration);
  }
}

TEST_CASE("a size is digits and one of B, KiB, MiB, GiB") {
  struct Case {
    std::string text;
    std::optional<std::uint64_t> size;
  };
  const Case cases[] = {
      {"512B", 512},
      {"64KiB", 65536},
      {"1MiB", 1048576},
      {"2GiB", 2147483648},
      {"0B", 0},
      {"18446744073709551615B", std::numeric_limits<std::uint64_t>::max()},
      {"18446744073709551616B", std::numeric_limits<std::uint64_t>::max()},
      {"99999999999999GiB", std::numeric_limits<std::uint64_t>::max()},
      {"", {}},
      {"64", {}},
      {"64K", {}},
      {"64KB", {}},
      {"64kib", {}},
      {"64 KiB", {}},
      {"1.5MiB", {}},
      {"-1B", {}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    CHECK(parse_size(c.text) == c.size);
  }
}

TEST_CASE("durations and sizes are written with the largest unit that divides them, a minute as 60s") {
  CHECK(format_duration(0s) == "0s");
  CHECK(format_duration(250ms) == "250ms");
  CHECK(format_duration(1500ms) == "1500ms");
  CHECK(format_duration(60s) == "60s");
  CHECK(format_duration(90s) == "90s");
  CHECK(format_duration(10min) == "10m");
  CHECK(format_duration(1h) == "1h");
  CHECK(format_duration(90min) == "90m");
  CHECK(format_duration(8760h) == "8760h");
  CHECK(format_size(0) == "0B");
  CHECK(format_size(1023) == "1023B");
  CHECK(format_size(65536) == "64KiB");
  CHECK(format_size(1U << 20U) == "1MiB");
  CHECK(format_size(1U << 30U) == "1GiB");
}

TEST_CASE("ports are one number, or two in order") {
  using policy::PortRange;
  CHECK(parse_ports("443") == PortRange{443, 443});
  CHECK(parse_ports("1024-65535") == PortRange{1024, 65535});
  CHECK(parse_ports("1-1") == PortRange{1, 1});
  for (const std::string text :
       {"", "0", "65536", "-1", "2-1", "0-5", "1-", "-", "1-65536", "a", "1 - 2", "*", "1-2-3"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_ports(text).has_value());
  }
}

TEST_CASE("a value is written as it would stand in the file") {
  CHECK(to_toml(true) == "true");
  CHECK(to_toml(std::uint32_t{64}) == "64");
  CHECK(to_toml(std::uint64_t{65536}) == R"("64KiB")");
  CHECK(to_toml(Duration(5s)) == R"("5s")");
  CHECK(to_toml(std::string("a\"b\\c")) == R"("a\"b\\c")");
  CHECK(to_toml(std::vector<std::string>{}) == "[]");
  CHECK(to_toml(std::vector<std::string>{"GET", "HEAD"}) == R"(["GET", "HEAD"])");
  CHECK(to_toml(policy::default_listen()) == R"(["127.0.0.1:3128", "[::1]:3128"])");
  CHECK(to_toml(std::vector{*Cidr::parse("10.0.0.0/8"), *Cidr::parse("::1")}) == R"(["10.0.0.0/8", "::1"])");
  CHECK(to_toml(std::vector<policy::PortRange>{{443, 443}, {1024, 65535}}) == R"([443, "1024-65535"])");
  CHECK(to_toml(policy::UnsafeReuse::Never) == R"("never")");
  CHECK(to_toml(policy::BadPorts::Allow) == R"("allow")");
  CHECK(to_toml(policy::ProxyStatusMode::Always) == R"("always")");
  CHECK(to_toml(policy::ClientHalfClose::Honour) == R"("honour")");
  CHECK(to_toml(LogLevel::Warn) == R"("warn")");
  CHECK(to_toml(AccessLog::Json) == R"("json")");
}

TEST_CASE("a quoted text cannot disturb a terminal") {
  CHECK(quote("a\n\x1b[31m\x7f") == R"("a\u000A\u001B[31m\u007F")");
  CHECK(quote("grün") == "\"grün\"");
}

}  // namespace keepwarm::config
