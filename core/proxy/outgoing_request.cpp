#include "core/proxy/outgoing_request.h"

namespace keepwarm::proxy {

std::string& OutgoingRequest::begin_head() noexcept {
  text_.clear();
  whole_ = true;
  return text_;
}

void OutgoingRequest::begin_body(const http::BodyFraming& framing, std::size_t max_trailers) {
  head_size_ = text_.size();
  body_.start(framing, max_trailers);
}

void OutgoingRequest::lay_out(BodyWriter& writer, const std::vector<std::string_view>& data) const {
  writer.begin({});
  writer.add_data(body_.framing(), data);
  if (body_.ended()) writer.add_end(body_.framing(), body_.trailers());
}

void OutgoingRequest::hold_only_if(bool may_be_sent_again, std::uint64_t limit) noexcept {
  whole_ = whole_ && may_be_sent_again && held_body() + body_.remaining().value_or(0) <= limit;
}

bool OutgoingRequest::will_be_whole(std::uint64_t limit) const noexcept {
  const std::optional<std::uint64_t> remaining = body_.remaining();
  return whole_ && remaining && held_body() + *remaining <= limit;
}

void OutgoingRequest::trim(std::size_t kept) {
  if (text_.capacity() > kept) std::string().swap(text_);
}

}  // namespace keepwarm::proxy
