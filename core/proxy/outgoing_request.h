#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/proxy/body_reader.h"
#include "core/proxy/body_writer.h"

/// A request as it goes upstream: its head as we write it, and the bytes of its body that may have to be sent again.
namespace keepwarm::proxy {

/// Until there is a connection it holds all that has come of the request. After that it goes on holding it as long as
/// that is of use: as soon as one byte is not held, the request cannot be sent a second time. Used again in place, so
/// that it allocates nothing in the long run.
class OutgoingRequest {
 public:
  /// Begins a request. Its head is to be appended to the string.
  [[nodiscard]] std::string& begin_head() noexcept;
  /// The head is there.
  void begin_body(const http::BodyFraming& framing, std::size_t max_trailers);

  /// What came from the client: appends the data in it to `data`, see BodyReader.
  [[nodiscard]] BodyReader::ReadResult read(std::string_view bytes, std::vector<std::string_view>& data) {
    return body_.read(bytes, data);
  }
  /// Lays out what read() found, in the framing in which it goes upstream.
  void lay_out(BodyWriter& writer, const std::vector<std::string_view>& data) const;
  /// Keeps what was laid out. Precondition: whole().
  void hold(const BodyWriter& writer) { writer.copy_to(text_); }
  /// Goes on holding only if the request may be sent again, and only up to `limit` bytes of body; while no byte of the
  /// body has come (the client may wait for "100 Continue"), its head is all there is to hold.
  void hold_only_if(bool may_be_sent_again, std::uint64_t limit) noexcept {
    const bool fits = body_.data_bytes() == 0 || held_body() + body_.remaining().value_or(0) <= limit;
    whole_ = whole_ && may_be_sent_again && fits;
  }

  /// Head and body as far as they are held.
  [[nodiscard]] std::string_view text() const noexcept { return text_; }
  /// All that was taken from the client is held.
  [[nodiscard]] bool whole() const noexcept { return whole_; }
  [[nodiscard]] std::uint64_t held_body() const noexcept { return text_.size() - head_size_; }
  /// It is held, and its end is known to come within `limit` bytes of body.
  [[nodiscard]] bool will_be_whole(std::uint64_t limit) const noexcept {
    const std::optional<std::uint64_t> remaining = body_.remaining();
    return whole_ && remaining && held_body() + *remaining <= limit;
  }

  [[nodiscard]] const BodyReader& body() const noexcept { return body_; }
  /// All of it has come from the client.
  [[nodiscard]] bool ended() const noexcept { return body_.ended(); }

  /// Gives the memory back if it is more than `kept` bytes.
  void trim(std::size_t kept);

 private:
  std::string text_;
  std::size_t head_size_ = 0;
  BodyReader body_;
  bool whole_ = true;
};

}  // namespace keepwarm::proxy
