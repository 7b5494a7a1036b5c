#include "core/proxy/body_reader.h"

#include <algorithm>

namespace keepwarm::proxy {

using Kind = http::BodyFraming::Kind;

void BodyReader::start(const http::BodyFraming& framing, std::size_t max_trailers, http::SectionOf what) {
  framing_ = framing;
  left_ = framing.length;
  data_bytes_ = 0;
  ended_ = !framing.has_body();
  if (framing.kind != Kind::Chunked) return;
  if (!chunked_) chunked_ = std::make_unique<http::ChunkedReader>();
  http::ChunkedLimits limits;
  limits.max_trailers = max_trailers;
  chunked_->start(limits, what);
}

BodyReader::ReadResult BodyReader::read(std::string_view bytes, std::vector<std::string_view>& data) {
  if (ended_) return {Progress::Ended, 0, {}};
  return framing_.kind == Kind::Chunked ? read_chunked(bytes, data) : read_counted(bytes, data);
}

BodyReader::ReadResult BodyReader::read_counted(std::string_view bytes, std::vector<std::string_view>& data) {
  std::size_t taken = bytes.size();
  if (framing_.kind == Kind::Length) {
    taken = static_cast<std::size_t>(std::min<std::uint64_t>(left_, taken));
    left_ -= taken;
    ended_ = left_ == 0;
  }
  if (taken > 0) data.push_back(bytes.substr(0, taken));
  data_bytes_ += taken;
  return {ended_ ? Progress::Ended : Progress::More, taken, {}};
}

BodyReader::ReadResult BodyReader::read_chunked(std::string_view bytes, std::vector<std::string_view>& data) {
  const std::size_t before = data.size();
  const http::ChunkedReader::ReadResult step = chunked_->read(bytes, data);
  for (std::size_t i = before; i < data.size(); ++i) data_bytes_ += data[i].size();
  if (step.progress == http::ChunkedProgress::Broken) return {Progress::Broken, step.consumed, step.fault};
  ended_ = step.progress == http::ChunkedProgress::Ended;
  return {ended_ ? Progress::Ended : Progress::More, step.consumed, {}};
}

std::optional<std::uint64_t> BodyReader::remaining() const noexcept {
  if (ended_) return 0;
  if (framing_.kind == Kind::Length) return left_;
  return std::nullopt;
}

std::span<const http::Field> BodyReader::trailers() const noexcept {
  return framing_.kind == Kind::Chunked ? chunked_->trailers() : std::span<const http::Field>();
}

}  // namespace keepwarm::proxy
