#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/http/framing.h"

/// Lays out the pieces of one write of a message body, in the framing in which it goes on.
namespace keepwarm::proxy {

/// Lays out one write of body data for a message of the given framing. The data itself is not copied, unless it came in
/// very many small pieces, as chunks may. One object serves a whole loop: what it returns is valid until its next use.
class BodyWriter {
 public:
  /// Begins a write; `head` (possibly empty) goes out before the data. Must live until the write is done.
  void begin(std::string_view head);
  /// Adds the data of one read. For a chunked message it becomes one chunk, however it was cut before.
  void add_data(const http::BodyFraming& framing, std::span<const std::string_view> data);
  /// Ends the message: for a chunked one the last chunk with its trailer fields.
  void add_end(const http::BodyFraming& framing, std::span<const http::Field> trailers);

  [[nodiscard]] std::span<const std::string_view> pieces() const noexcept { return pieces_; }
  [[nodiscard]] bool empty() const noexcept { return pieces_.empty(); }
  /// Appends all pieces to `out`: what is kept for a replay.
  void copy_to(std::string& out) const;

 private:
  std::vector<std::string_view> pieces_;
  std::string size_line_;
  std::string gathered_;
  std::string last_chunk_;
};

}  // namespace keepwarm::proxy
