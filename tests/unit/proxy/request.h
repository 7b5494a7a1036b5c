#pragma once

#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "core/http/head_parser.h"

namespace keepwarm::proxy::test {

/// A request head as the daemon gets it: parsed from its bytes.
class Request {
 public:
  explicit Request(std::string_view wire) : wire_(wire) {
    http::HeadScan scan;
    CAPTURE(wire);
    REQUIRE(parser_.parse_request(wire_, scan, {}, head_) == http::HeadProgress::Complete);
  }
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;

  [[nodiscard]] const http::RequestHead& head() const noexcept { return head_; }

 private:
  std::string wire_;
  http::HeadParser parser_;
  http::RequestHead head_;
};

}  // namespace keepwarm::proxy::test
