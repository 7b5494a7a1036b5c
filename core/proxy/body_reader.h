#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/http/chunked_reader.h"
#include "core/http/framing.h"

/// Reads a message body: finds its data, and its end, in the bytes of a connection.
namespace keepwarm::proxy {

/// Reads one message body of any framing, piece by piece as it comes. Bodies with a length are counted, never parsed.
class BodyReader {
 public:
  enum class Progress : std::uint8_t { More, Ended, Broken };
  struct ReadResult {
    Progress progress = Progress::More;
    std::size_t consumed = 0;  ///< bytes that belong to the body; the rest is something else
    http::Fault fault = http::Fault::BadChunk;
  };

  /// `what`: whose body it is; see http::ChunkedReader::start().
  void start(const http::BodyFraming& framing, std::size_t max_trailers,
             http::SectionOf what = http::SectionOf::Request);

  /// Appends the data in `bytes` to `data`. After Ended it consumes nothing.
  [[nodiscard]] ReadResult read(std::string_view bytes, std::vector<std::string_view>& data);

  [[nodiscard]] bool ended() const noexcept { return ended_; }
  /// For UntilClose: the connection has ended, and so has the body.
  void connection_ended() noexcept { ended_ = true; }
  [[nodiscard]] const http::BodyFraming& framing() const noexcept { return framing_; }
  /// Bytes that are still to come; nullopt: unknown.
  [[nodiscard]] std::optional<std::uint64_t> remaining() const noexcept;
  [[nodiscard]] std::uint64_t data_bytes() const noexcept { return data_bytes_; }
  /// The trailer fields of a chunked body, after its end.
  [[nodiscard]] std::span<const http::Field> trailers() const noexcept;

 private:
  ReadResult read_counted(std::string_view bytes, std::vector<std::string_view>& data);
  ReadResult read_chunked(std::string_view bytes, std::vector<std::string_view>& data);

  http::BodyFraming framing_;
  std::uint64_t left_ = 0;
  std::uint64_t data_bytes_ = 0;
  bool ended_ = true;
  std::unique_ptr<http::ChunkedReader> chunked_;  ///< made with the first chunked body, then kept
};

}  // namespace keepwarm::proxy
