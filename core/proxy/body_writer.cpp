#include "core/proxy/body_writer.h"

#include "core/http/serializer.h"

namespace keepwarm::proxy {

namespace {

/// More pieces than one system call takes are copied together: cheaper than many calls.
constexpr std::size_t kMaxPieces = 48;

}  // namespace

void BodyWriter::begin(std::string_view head) {
  pieces_.clear();
  if (!head.empty()) pieces_.push_back(head);
}

void BodyWriter::add_data(const http::BodyFraming& framing, std::span<const std::string_view> data) {
  std::size_t size = 0;
  for (const std::string_view piece : data) size += piece.size();
  if (size == 0) return;
  const bool chunked = framing.kind == http::BodyFraming::Kind::Chunked;
  if (chunked) {
    size_line_.clear();
    http::write_chunk_size(size_line_, size);
    pieces_.push_back(size_line_);
  }
  if (data.size() <= kMaxPieces) {
    pieces_.insert(pieces_.end(), data.begin(), data.end());
  } else {
    gathered_.clear();
    for (const std::string_view piece : data) gathered_.append(piece);
    pieces_.push_back(gathered_);
  }
  if (chunked) pieces_.push_back("\r\n");
}

void BodyWriter::add_end(const http::BodyFraming& framing, std::span<const http::Field> trailers) {
  if (framing.kind != http::BodyFraming::Kind::Chunked) return;
  last_chunk_.clear();
  http::write_last_chunk(last_chunk_, trailers);
  pieces_.push_back(last_chunk_);
}

void BodyWriter::copy_to(std::string& out) const {
  for (const std::string_view piece : pieces_) out.append(piece);
}

}  // namespace keepwarm::proxy
