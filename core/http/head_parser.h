#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "core/http/head.h"

namespace keepwarm::http {

struct HeadLimits {
  std::size_t max_size = std::size_t{64} * 1024;  ///< of the whole head in bytes; less than 4 GiB
  std::size_t max_fields = 1000;                  ///< less than 65,535
};

/// How far a growing head has been scanned, so that a head which comes byte by byte is not scanned anew each time.
/// A value of whoever collects the bytes; reset to {} for each head. Small, since each client session has one.
struct HeadScan {
  std::uint32_t line_start = 0;    ///< where the first line not yet seen whole begins
  std::uint32_t seen = 0;          ///< bytes of that line that need not be looked at again
  std::uint32_t fields_start = 0;  ///< where the line after the start line begins; 0: not yet seen
  std::uint16_t lines = 0;         ///< whole lines before line_start (a skipped empty line is not counted)
  bool skipped_empty_line = false;
};

/// What a response answers. CONNECT: the fields of framing of a 2xx mean nothing, and are no fault whatever they say.
enum class AnswerTo : std::uint8_t { Request, Connect };

enum class HeadProgress : std::uint8_t { Incomplete, Complete, Broken };

/// Parses request and response heads strictly and in place (RFC 9112 §2–§5, §11; core/doc/design.md §9). We parse the
/// start line ourselves; the fields go through llhttp after a guard of ours has checked each line (bare CR or LF,
/// folding, sizes), since llhttp 8.1 lacks the fixes of CVE-2023-30589, CVE-2024-22019, CVE-2024-27982 and
/// CVE-2025-23167. ChunkedReader is the only other class that uses llhttp.
///
/// In a response, white space before a colon is removed (RFC 9112 §5.1), but not from a field of framing: that is a
/// fault, as it is from any field of a request.
///
/// One parser serves a whole event loop: it keeps no state between calls but the memory of its field list, and of the
/// last fields that it repaired. The views in a parsed head point into the bytes given or into this parser, its
/// `fields` into this parser: all hold until the next call, as long as the bytes do.
class HeadParser {
 public:
  HeadParser();
  ~HeadParser();
  HeadParser(const HeadParser&) = delete;
  HeadParser& operator=(const HeadParser&) = delete;

  /// `bytes`: all that has come since the head began. Incomplete: call again with more. Broken: fault() says why;
  /// the guard's faults are found at the first byte that makes them certain, and so are those in the first 128 bytes of
  /// the start line (a response that does not begin as "HTTP/", a request that begins as a TLS handshake or with
  /// SOCKS); others of the start line when that is whole, malformed fields when the head is. The fault does not depend
  /// on how the bytes were cut. One empty line before a request is skipped. A head that reaches max_size without an end
  /// is too large: there is no point in waiting for more.
  [[nodiscard]] HeadProgress parse_request(std::string_view bytes, HeadScan& scan, const HeadLimits& limits,
                                           RequestHead& head);
  [[nodiscard]] HeadProgress parse_response(std::string_view bytes, HeadScan& scan, const HeadLimits& limits,
                                            ResponseHead& head, AnswerTo what = AnswerTo::Request);

  [[nodiscard]] Fault fault() const noexcept { return fault_; }

 private:
  struct Llhttp;  // keeps llhttp.h out of this header
  std::unique_ptr<Llhttp> llhttp_;
  Fault fault_ = Fault::BadRequestLine;
};

}  // namespace keepwarm::http
