#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/http/head.h"
#include "core/proxy/body_reader.h"
#include "core/proxy/body_writer.h"

/// The body of a response on its way to the client: read in the framing of the origin, written in that of the client.
namespace keepwarm::proxy {

class RelayedBody {
 public:
  /// `framing`: as it comes from upstream. `client`: the version that the client speaks.
  void start(const http::BodyFraming& framing, http::Version client, std::size_t max_trailers);

  /// Reads what came, and lays out the write for the client behind `head`, which may be empty. `data` is scratch.
  [[nodiscard]] BodyReader::ReadResult lay_out(std::string_view head, std::string_view bytes,
                                               std::vector<std::string_view>& data, BodyWriter& writer);
  /// The upstream connection has ended. True: so has the body, which lay_out() of nothing then ends for the client.
  [[nodiscard]] bool connection_ended() noexcept;

  [[nodiscard]] const http::BodyFraming& client_framing() const noexcept { return client_framing_; }
  /// Upstream the body ends with the connection, which therefore serves no other request.
  [[nodiscard]] bool ends_with_connection() const noexcept { return ends_with_connection(reader_.framing()); }
  /// For the client it does: a clean close of the client's connection would look like the end of a whole body.
  [[nodiscard]] bool cut_looks_whole() const noexcept { return ends_with_connection(client_framing_); }
  [[nodiscard]] std::uint64_t data_bytes() const noexcept { return reader_.data_bytes(); }

 private:
  [[nodiscard]] static bool ends_with_connection(const http::BodyFraming& framing) noexcept {
    return framing.kind == http::BodyFraming::Kind::UntilClose;
  }

  BodyReader reader_;
  http::BodyFraming client_framing_;
};

}  // namespace keepwarm::proxy
