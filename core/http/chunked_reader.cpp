#include "core/http/chunked_reader.h"

#include <algorithm>
#include <string>

#include "core/http/ascii.h"
#include "core/http/byte_scan.h"
#include "core/http/llhttp_fields.h"

// Two parsers walk the body and must agree. The guard is a strict state machine that knows where data is and skips it;
// llhttp gets the same bytes (without chunk extensions, which its older versions do not bound) and hands out the data.
// The trailer section is collected first and given to llhttp whole, so that each field comes in one piece.
namespace keepwarm::http {
namespace {

constexpr std::size_t kMaxSizeDigits = 16;  // a 64-bit number

enum class State : std::uint8_t {
  Size,         // hexadecimal digits, then ';' or CR, or white space
  SizeBlank,    // white space behind the size, which only an extension may follow (BWS, RFC 9112 §7.1.1)
  Extension,    // from after ';' to CR
  SizeLf,       // LF of the size line
  Data,         // chunk data
  DataCr,       // the CR after it
  DataLf,       // the LF after it
  TrailerLine,  // first byte of a trailer line, or CR of the empty line
  Trailer,      // inside a trailer line, up to its CR
  TrailerLf,    // its LF
  EndLf,        // LF of the empty line
  Ended,
  Broken,
};

}  // namespace

struct ChunkedReader::Impl : FieldCollector {
  Impl();
  void start(const ChunkedLimits& limits, SectionOf what);
  ReadResult read(std::string_view bytes, std::vector<std::string_view>& data);

 private:
  static int on_body(llhttp_t* parser, const char* at, std::size_t length);
  static int on_message_complete(llhttp_t* parser);

  void advance();
  void read_size();
  void take_extension_byte(State next);
  void read_size_blank();
  void read_extension();
  void end_size_line();
  void skip_data();
  void begin_trailer_line();
  void read_trailer();
  void end_trailer_line();
  void end_section();
  void expect(char byte, State next, Fault otherwise);
  bool keep_trailer_bytes(std::size_t count);
  void feed();
  void fail(Fault why) noexcept {
    state_ = State::Broken;
    fault_ = why;
  }

  llhttp_settings_t settings_{};
  llhttp_t prepared_{};  // has read a head that announces a chunked body
  llhttp_t parser_{};
  ChunkedLimits limits_;
  SectionOf what_ = SectionOf::Request;

  State state_ = State::Size;
  Fault fault_ = Fault::BadChunk;
  std::uint64_t remaining_ = 0;   // of this chunk: its size while digits come, then the data that is still to come
  std::uint64_t skipped_ = 0;     // data of the body by the guard's count
  std::uint64_t handed_out_ = 0;  // data of the body by llhttp's count; equal after each feed()
  std::size_t digits_ = 0;
  std::size_t extension_bytes_ = 0;
  std::size_t trailer_lines_ = 0;
  std::string trailer_section_;
  std::string repaired_section_;  // the same, if it had to be repaired

  // Only for the read() that is under way:
  std::string_view bytes_;
  std::size_t at_ = 0;   // how far the guard has read
  std::size_t fed_ = 0;  // up to here llhttp was given the bytes, or must not get them; never more than at_
  std::vector<std::string_view>* data_ = nullptr;
};

ChunkedReader::Impl::Impl() {
  llhttp_settings_init(&settings_);
  collect_fields(settings_);
  settings_.on_body = on_body;
  settings_.on_message_complete = on_message_complete;
  llhttp_init(&prepared_, HTTP_REQUEST, &settings_);
  constexpr std::string_view kHead = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  prepared_.data = static_cast<FieldCollector*>(this);
  llhttp_execute(&prepared_, kHead.data(), kHead.size());
  start({}, SectionOf::Request);
}

int ChunkedReader::Impl::on_body(llhttp_t* parser, const char* at, std::size_t length) {
  auto& self = *static_cast<Impl*>(static_cast<FieldCollector*>(parser->data));
  self.handed_out_ += length;
  self.data_->push_back({at, length});
  return HPE_OK;
}

int ChunkedReader::Impl::on_message_complete(llhttp_t* parser) {
  static_cast<FieldCollector*>(parser->data)->ended = true;
  return HPE_PAUSED;
}

void ChunkedReader::Impl::start(const ChunkedLimits& limits, SectionOf what) {
  clear();
  parser_ = prepared_;
  limits_ = limits;
  what_ = what;
  state_ = State::Size;
  remaining_ = skipped_ = handed_out_ = 0;
  digits_ = extension_bytes_ = trailer_lines_ = 0;
  trailer_section_.clear();
}

ChunkedReader::ReadResult ChunkedReader::Impl::read(std::string_view bytes, std::vector<std::string_view>& data) {
  bytes_ = bytes;
  data_ = &data;
  at_ = fed_ = 0;
  while (at_ < bytes_.size() && state_ < State::Ended) advance();
  feed();
  switch (state_) {
    case State::Ended: return {ChunkedProgress::Ended, at_, fault_};
    case State::Broken: return {ChunkedProgress::Broken, at_, fault_};
    default: return {ChunkedProgress::More, at_, fault_};
  }
}

/// Takes at least one byte, or fails.
void ChunkedReader::Impl::advance() {
  switch (state_) {
    case State::Size: return read_size();
    case State::SizeBlank: return read_size_blank();
    case State::Extension: return read_extension();
    case State::SizeLf: return end_size_line();
    case State::Data: return skip_data();
    case State::DataCr: return expect('\r', State::DataLf, Fault::BadChunk);
    case State::DataLf: return expect('\n', State::Size, Fault::BadChunk);
    case State::TrailerLine: return begin_trailer_line();
    case State::Trailer: return read_trailer();
    case State::TrailerLf: return end_trailer_line();
    case State::EndLf: return end_section();
    case State::Ended:
    case State::Broken: return;
  }
}

void ChunkedReader::Impl::expect(char byte, State next, Fault otherwise) {
  if (bytes_[at_] != byte) return fail(otherwise);
  ++at_;
  state_ = next;
}

void ChunkedReader::Impl::read_size() {
  const char c = bytes_[at_];
  if (const int value = hex_value(c); value >= 0) {
    if (++digits_ > kMaxSizeDigits) return fail(Fault::BadChunk);
    remaining_ = remaining_ * 16 + static_cast<std::uint64_t>(value);
    ++at_;
    return;
  }
  if (digits_ == 0) return fail(Fault::BadChunk);
  if (c != ';' && !is_blank(c)) return expect('\r', State::SizeLf, Fault::BadChunk);
  feed();
  take_extension_byte(c == ';' ? State::Extension : State::SizeBlank);
}

/// Takes a byte that llhttp does not get, and that counts as one of an extension.
void ChunkedReader::Impl::take_extension_byte(State next) {
  state_ = next;
  fed_ = ++at_;
  if (++extension_bytes_ > limits_.max_extensions) fail(Fault::ChunkExtensionsTooLong);
}

void ChunkedReader::Impl::read_size_blank() {
  const char c = bytes_[at_];
  if (is_blank(c)) return take_extension_byte(State::SizeBlank);
  if (c != ';') return fail(Fault::BadChunk);
  take_extension_byte(State::Extension);
}

void ChunkedReader::Impl::read_extension() {
  const char* const here = bytes_.data() + at_;
  const auto length = static_cast<std::size_t>(find_control(here, bytes_.data() + bytes_.size(), bytes_.data()) - here);
  extension_bytes_ += length;
  at_ += length;
  fed_ = at_;  // llhttp goes on with CR
  if (extension_bytes_ > limits_.max_extensions) return fail(Fault::ChunkExtensionsTooLong);
  if (at_ < bytes_.size()) expect('\r', State::SizeLf, fault_of_control(bytes_[at_]));
}

void ChunkedReader::Impl::end_size_line() {
  expect('\n', State::Data, Fault::BareCrOrLf);
  if (state_ != State::Data || remaining_ != 0) return;
  feed();
  if (state_ == State::Data) state_ = State::TrailerLine;
}

void ChunkedReader::Impl::skip_data() {
  const std::size_t length = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, bytes_.size() - at_));
  at_ += length;
  skipped_ += length;
  remaining_ -= length;
  digits_ = 0;
  if (remaining_ == 0) state_ = State::DataCr;
}

/// Copies the next bytes for llhttp to see once the section is whole, as the caller's do not last so long.
bool ChunkedReader::Impl::keep_trailer_bytes(std::size_t count) {
  trailer_section_.append(bytes_.substr(at_, count));
  at_ += count;
  fed_ = at_;
  if (trailer_section_.size() > limits_.max_trailers) fail(Fault::TrailersTooLarge);
  return state_ != State::Broken;
}

void ChunkedReader::Impl::begin_trailer_line() {
  const char c = bytes_[at_];
  if (is_blank(c)) return fail(Fault::FoldedLine);
  if (c != '\r') {
    state_ = State::Trailer;
  } else if (keep_trailer_bytes(1)) {
    state_ = State::EndLf;
  }
}

void ChunkedReader::Impl::read_trailer() {
  const char* const here = bytes_.data() + at_;
  const auto length = static_cast<std::size_t>(find_control(here, bytes_.data() + bytes_.size(), bytes_.data()) - here);
  if (!keep_trailer_bytes(length) || at_ == bytes_.size()) return;
  const char c = bytes_[at_];
  if (c != '\r') return fail(fault_of_control(c));
  if (keep_trailer_bytes(1)) state_ = State::TrailerLf;
}

void ChunkedReader::Impl::end_trailer_line() {
  if (bytes_[at_] != '\n') return fail(Fault::BareCrOrLf);
  if (!keep_trailer_bytes(1)) return;
  if (++trailer_lines_ > limits_.max_trailer_fields) return fail(Fault::TrailersTooLarge);
  state_ = State::TrailerLine;
}

void ChunkedReader::Impl::end_section() {
  if (bytes_[at_] != '\n') return fail(Fault::BareCrOrLf);
  if (!keep_trailer_bytes(1)) return;
  if (const llhttp_errno_t error = take_section(parser_, trailer_section_, *this); error != HPE_OK) {
    const auto fault = take_repaired(parser_, trailer_section_, what_, error, *this, repaired_section_);
    if (fault) return fail(*fault);
  }
  state_ = State::Ended;
}

/// Gives llhttp what the guard has passed. Any disagreement between the two breaks the body.
void ChunkedReader::Impl::feed() {
  if (fed_ < at_) {
    const llhttp_errno_t error = llhttp_execute(&parser_, bytes_.data() + fed_, at_ - fed_);
    fed_ = at_;
    if (state_ != State::Broken && (error != HPE_OK || handed_out_ != skipped_)) fail(Fault::BadChunk);
  }
}

ChunkedReader::ChunkedReader() : impl_(std::make_unique<Impl>()) {}
ChunkedReader::~ChunkedReader() = default;

void ChunkedReader::start(const ChunkedLimits& limits, SectionOf what) {
  impl_->start(limits, what);
}

ChunkedReader::ReadResult ChunkedReader::read(std::string_view bytes, std::vector<std::string_view>& data) {
  return impl_->read(bytes, data);
}

std::span<const Field> ChunkedReader::trailers() const noexcept {
  return impl_->fields;
}

}  // namespace keepwarm::http
