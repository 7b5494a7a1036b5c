#include "core/proxy/response_head_reader.h"

namespace keepwarm::proxy {

void ResponseHeadReader::reset() noexcept {
  buffer_.clear();
  scan_ = {};
}

void ResponseHeadReader::feed(std::string_view bytes) {
  input_ = bytes;
  if (!buffer_.empty()) input_ = buffer_.append(bytes);
}

http::HeadProgress ResponseHeadReader::next(http::HeadParser& parser, const http::HeadLimits& limits,
                                            http::ResponseHead& head) {
  if (input_.empty()) {
    buffer_.clear();
    return http::HeadProgress::Incomplete;
  }
  const http::HeadProgress progress = parser.parse_response(input_, scan_, limits, head);
  if (progress == http::HeadProgress::Complete) {
    scan_ = {};
    input_.remove_prefix(head.size);
  } else if (progress == http::HeadProgress::Incomplete) {
    if (buffer_.empty()) {
      buffer_.assign(input_);
    } else {
      buffer_.erase(0, buffer_.size() - input_.size());
    }
  }
  return progress;
}

void ResponseHeadReader::trim(std::size_t kept) {
  if (buffer_.capacity() > kept) std::string().swap(buffer_);
}

}  // namespace keepwarm::proxy
