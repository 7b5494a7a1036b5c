#include <algorithm>
#include <string>
#include <sys/socket.h>

#include "daemon/log/access_line.h"
#include "tests/fuzz/fuzz.h"

// What a peer sends, in lines of the log: there is one line, it is UTF-8 without control characters, and in JSON it is
// a JSON text (RFC 8259).
namespace {

using namespace keepwarm;
using namespace keepwarm::daemon;
using fuzz::expect;

constexpr WallTime kNow{std::chrono::milliseconds{784111777542}};

/// Texts cut off the input, one behind the other; the first byte of each says how long it is.
class Pieces {
 public:
  explicit Pieces(std::string_view bytes) : bytes_(bytes) {}
  [[nodiscard]] std::string_view next() {
    if (bytes_.empty()) return {};
    const std::size_t size = std::min<std::size_t>(static_cast<std::uint8_t>(bytes_.front()), bytes_.size() - 1);
    const std::string_view piece = bytes_.substr(1, size);
    bytes_.remove_prefix(1 + size);
    return piece;
  }

 private:
  std::string_view bytes_;
};

void expect_one_visible_line(std::string_view line) {
  for (std::size_t at = 0; at < line.size();) {
    const auto first = static_cast<std::uint8_t>(line[at]);
    expect(first >= 0x20 && first != 0x7F);
    const std::size_t size = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    expect(first < 0x80 || first >= 0xC2);
    expect(at + size <= line.size());
    for (std::size_t i = 1; i < size; ++i) expect((static_cast<std::uint8_t>(line[at + i]) & 0xC0U) == 0x80U);
    at += size;
  }
}

/// A reader of what the log writes: objects, arrays, strings, numbers, null, true and false.
class JsonReader {
 public:
  explicit JsonReader(std::string_view text) : text_(text) {}
  void read_all() {
    read_value();
    expect(text_.empty());
  }

 private:
  char take() {
    expect(!text_.empty());
    const char c = text_.front();
    text_.remove_prefix(1);
    return c;
  }
  void read_value() {
    expect(!text_.empty());
    switch (text_.front()) {
      case '{': return read_members('}', true);
      case '[': return read_members(']', false);
      case '"': return read_string();
      default: return read_word();
    }
  }
  void read_members(char close, bool named) {
    take();
    if (!text_.empty() && text_.front() == close) return static_cast<void>(take());
    while (true) {
      if (named) {
        read_string();
        expect(take() == ':');
      }
      read_value();
      const char c = take();
      if (c == close) return;
      expect(c == ',');
    }
  }
  void read_string() {
    expect(take() == '"');
    for (char c = take(); c != '"'; c = take()) {
      if (c == '\\') expect(std::string_view("\"\\/bfnrt").find(take()) != std::string_view::npos);
    }
  }
  void read_word() {
    const std::string_view word = text_.substr(0, text_.find_first_of(",]}"));
    const auto is_number = [](char c) { return (c >= '0' && c <= '9') || c == '.'; };
    expect(word == "null" || word == "true" || word == "false" ||
           (!word.empty() && std::all_of(word.begin(), word.end(), is_number)));
    text_.remove_prefix(word.size());
  }
  std::string_view text_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Pieces pieces({reinterpret_cast<const char*>(data), size});
  proxy::AccessRecord record;
  record.client = *net::SocketAddress::parse("127.0.0.1", 40001);
  record.upstream = &record.client;
  record.method = pieces.next();
  record.host_and_port = pieces.next();
  record.path = pieces.next();
  record.upstream_path = pieces.next();
  record.failure.reason = pieces.next();
  record.ended = proxy::ExchangeOutcome::Origin;
  const std::string_view message = pieces.next();

  for (const LogFormat format : {LogFormat::Text, LogFormat::Json}) {
    std::string line;
    std::string other;
    if (format == LogFormat::Json) {
      write_access_json(line, record, kNow);
      JsonReader(line).read_all();
    } else {
      write_access_text(line, record, kNow);
      expect(std::count(line.begin(), line.end(), ' ') >= 20);
    }
    append_message(other, format, LogLevel::Info, kNow, message);
    if (format == LogFormat::Json) JsonReader(other).read_all();
    expect_one_visible_line(line);
    expect_one_visible_line(other);
  }
  return 0;
}
