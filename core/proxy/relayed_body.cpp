#include "core/proxy/relayed_body.h"

namespace keepwarm::proxy {

namespace {

using Kind = http::BodyFraming::Kind;

http::BodyFraming framing_for(http::Version client, const http::BodyFraming& framing) noexcept {
  const bool is_old = client == http::Version::Http10;
  // A body that ends with the connection is chunked for an HTTP/1.1 client: then a cut shows, and its connection
  // persists.
  if (framing.kind == Kind::UntilClose && !is_old) return {Kind::Chunked, 0};
  if (framing.kind == Kind::Chunked && is_old) return {Kind::UntilClose, 0};
  return framing;
}

}  // namespace

void RelayedBody::start(const http::BodyFraming& framing, http::Version client, std::size_t max_trailers) {
  reader_.start(framing, max_trailers, http::SectionOf::Response);
  client_framing_ = framing_for(client, framing);
}

BodyReader::ReadResult RelayedBody::lay_out(std::string_view head, std::string_view bytes,
                                            std::vector<std::string_view>& data, BodyWriter& writer) {
  data.clear();
  const BodyReader::ReadResult result = reader_.read(bytes, data);
  writer.begin(head);
  writer.add_data(client_framing_, data);
  if (result.progress == BodyReader::Progress::Ended) writer.add_end(client_framing_, reader_.trailers());
  return result;
}

bool RelayedBody::connection_ended() noexcept {
  if (!ends_with_connection()) return false;
  reader_.connection_ended();
  return true;
}

}  // namespace keepwarm::proxy
