#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "core/http/head_parser.h"

/// Finds the heads of one response (interim ones, then the final one) in bytes that may come cut anywhere.
namespace keepwarm::proxy {

/// A head that comes whole is parsed where it lies; only what is cut is copied together.
class ResponseHeadReader {
 public:
  /// The first byte of a response is next.
  void reset() noexcept;

  /// What came. Call next() until it does not say Complete.
  void feed(std::string_view bytes);
  /// Complete: `head` is there, its views are valid until the next call; rest() is what follows. Incomplete: feed()
  /// more. Broken: the parser knows why.
  [[nodiscard]] http::HeadProgress next(http::HeadParser& parser, const http::HeadLimits& limits,
                                        http::ResponseHead& head);
  /// Valid as long as what was fed is, and until the next call.
  [[nodiscard]] std::string_view rest() const noexcept { return input_; }

  /// Gives the memory back if it is more than `kept` bytes.
  void trim(std::size_t kept);

 private:
  std::string buffer_;      ///< the beginning of a head that was cut
  std::string_view input_;  ///< what has not been parsed yet, within one event
  http::HeadScan scan_;
};

}  // namespace keepwarm::proxy
