#include "core/pool/address_history.h"

#include <vector>

#include <doctest/doctest.h>

namespace keepwarm::pool {
namespace {

using namespace std::chrono_literals;

net::SocketAddress at(const char* literal, std::uint16_t port = 0) {
  return net::SocketAddress::parse(literal, port).value();
}

const TimePoint kStart{24h};
const std::vector<net::SocketAddress> kFirst = {at("192.0.2.1")};
const std::vector<net::SocketAddress> kSecond = {at("192.0.2.2")};

}  // namespace

TEST_CASE("an address that one answer lacks is not gone, however long ago the last one was") {
  AddressHistory history;
  history.answered(kFirst, kStart);
  history.answered(kSecond, kStart + 1h);
  CHECK_FALSE(history.gone(at("192.0.2.1", 80)));
}

TEST_CASE("an address that all answers of five minutes lack is gone") {
  AddressHistory history;
  history.answered(kFirst, kStart);
  history.answered(kSecond, kStart + 1min);
  history.answered(kSecond, kStart + 6min);
  CHECK_FALSE(history.gone(at("192.0.2.1")));
  history.answered(kSecond, kStart + 6min + 1s);
  CHECK(history.gone(at("192.0.2.1", 80)));
  CHECK_FALSE(history.gone(at("192.0.2.2")));
}

TEST_CASE("an address that comes back is not gone, and is missed anew") {
  AddressHistory history;
  history.answered(kFirst, kStart);
  history.answered(kSecond, kStart + 1min);
  history.answered(kFirst, kStart + 5min);
  history.answered(kSecond, kStart + 7min);
  CHECK_FALSE(history.gone(at("192.0.2.1")));
  CHECK_FALSE(history.gone(at("192.0.2.2")));
}

TEST_CASE("an address that was never in an answer is not called gone") {
  AddressHistory history;
  history.answered(kFirst, kStart);
  CHECK_FALSE(history.gone(at("192.0.2.9")));
}

TEST_CASE("what is remembered is bounded, and what is in use stays") {
  AddressHistory history;
  history.answered(kFirst, kStart);
  for (int i = 0; i < 1000; ++i) {
    const std::string other = "10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1);
    const std::vector<net::SocketAddress> answer = {at("192.0.2.1"), at(other.c_str())};
    history.answered(answer, kStart + std::chrono::seconds(i));
  }
  history.answered(kSecond, kStart + 1h);
  history.answered(kSecond, kStart + 2h);
  CHECK(history.gone(at("192.0.2.1")));  // remembered to the end
}

}  // namespace keepwarm::pool
