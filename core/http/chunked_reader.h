#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/http/head.h"

namespace keepwarm::http {

enum class ChunkedProgress : std::uint8_t { More, Ended, Broken };

struct ChunkedLimits {
  std::size_t max_extensions = std::size_t{16} * 1024;  ///< bytes of chunk extensions in a whole message
  std::size_t max_trailers = std::size_t{64} * 1024;    ///< bytes of the trailer section
  std::size_t max_trailer_fields = 1000;
};

/// Reads a chunked body (RFC 9112 §7.1) with llhttp after a guard of ours that checks every byte which is not data:
/// CRLF exactly, hexadecimal size without sign, white space behind it only before an extension, no control bytes in
/// extensions, sizes of extensions and trailers. Chunk extensions are checked and dropped. Trailers are kept (copied)
/// until the next start().
///
/// llhttp's state is a member of one flat struct: no allocation for a body without trailers.
class ChunkedReader {
 public:
  ChunkedReader();
  ~ChunkedReader();
  ChunkedReader(const ChunkedReader&) = delete;
  ChunkedReader& operator=(const ChunkedReader&) = delete;

  /// Begins a new body. `what`: of a request or a response, which differ in what is repaired in their trailers.
  void start(const ChunkedLimits& limits, SectionOf what = SectionOf::Request);

  struct ReadResult {
    ChunkedProgress progress = ChunkedProgress::More;
    std::size_t consumed = 0;  ///< all, or less when Ended: the rest is the next message; Broken: no meaning
    Fault fault = Fault::BadChunk;
  };
  /// Reads on. The spans of body data found are appended to `data` (views into `bytes`); data before a fault in the
  /// same bytes is appended too.
  [[nodiscard]] ReadResult read(std::string_view bytes, std::vector<std::string_view>& data);

  /// After Ended: the trailer fields, possibly none. Views into this reader, valid until the next start().
  [[nodiscard]] std::span<const Field> trailers() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace keepwarm::http
