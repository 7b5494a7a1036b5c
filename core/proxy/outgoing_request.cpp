#include "core/proxy/outgoing_request.h"

namespace keepwarm::proxy {

std::string& OutgoingRequest::begin_head() noexcept {
  text_.clear();
  whole_ = true;
  return text_;
}

void OutgoingRequest::begin_body(const http::BodyFraming& framing, std::size_t max_trailers) {
  head_size_ = text_.size();
  body_.start(framing, max_trailers, http::SectionOf::Request);
}

void OutgoingRequest::lay_out(BodyWriter& writer, const std::vector<std::string_view>& data) const {
  writer.begin({});
  writer.add_data(body_.framing(), data);
  if (body_.ended()) writer.add_end(body_.framing(), body_.trailers());
}

void OutgoingRequest::trim(std::size_t kept) {
  if (text_.capacity() > kept) std::string().swap(text_);
}

}  // namespace keepwarm::proxy
