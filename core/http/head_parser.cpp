#include "core/http/head_parser.h"

#include <optional>
#include <string>
#include <type_traits>

#include "core/http/ascii.h"
#include "core/http/byte_scan.h"
#include "core/http/llhttp_fields.h"
#include "core/http/start_line.h"

// A head is read twice. First the guard walks its lines: each must end in CRLF and hold no other control byte, the
// first is parsed here, none may be folded. Only when the empty line has come, llhttp gets the field lines, in one
// call. It never sees the start line, since it knows only some methods and accepts too many versions: it starts as a
// copy of a parser that has already read a harmless one.
namespace keepwarm::http {
namespace {

int on_headers_complete(llhttp_t* parser) {
  static_cast<FieldCollector*>(parser->data)->ended = true;
  return HPE_PAUSED;  // what follows, framing included, is not llhttp's to judge
}

/// Of a start line that is not whole yet, only so many bytes are looked at: one that comes byte by byte must not be
/// looked at anew with each, and what is no HTTP shows itself in them.
constexpr std::size_t kStartLineLook = 128;

/// The line that begins at `begin`, as far as it has come.
struct Line {
  std::string_view text;  ///< without CRLF
  bool whole = false;     ///< CRLF has come
  bool sound = false;     ///< what follows text is CRLF, the beginning of it, or nothing yet
};

/// The line at `from` in the `bytes`. `seen`: so many of its bytes are known to be no control bytes.
Line line_at(std::string_view bytes, std::size_t from, std::size_t seen) noexcept {
  const char* const begin = bytes.data() + from;
  const char* const end = bytes.data() + bytes.size();
  const char* const stop = find_control(begin + seen, end, bytes.data());
  const bool cr = stop != end && *stop == '\r';
  Line line{{begin, static_cast<std::size_t>(stop - begin)}};
  line.whole = cr && end - stop >= 2 && stop[1] == '\n';
  line.sound = line.whole || stop == end || (cr && end - stop == 1);
  return line;
}

}  // namespace

struct HeadParser::Llhttp {
  llhttp_settings_t settings{};
  llhttp_t after_request_line{};
  llhttp_t after_status_line{};
  FieldCollector collector;
  std::string repaired;  ///< the last field section that llhttp took only when it was repaired

  Llhttp() {
    llhttp_settings_init(&settings);
    collect_fields(settings);
    settings.on_headers_complete = on_headers_complete;
    prepare(after_request_line, HTTP_REQUEST, "POST / HTTP/1.1\r\n");
    prepare(after_status_line, HTTP_RESPONSE, "HTTP/1.1 200 OK\r\n");
  }

  /// Checks every line that has not been seen whole. Complete: the empty line is the one at scan.line_start. `full`:
  /// these are as many bytes as a head may have.
  template <typename Head>
  HeadProgress guard(std::string_view bytes, HeadScan& scan, bool full, const HeadLimits& limits, Head& head,
                     Fault& fault) {
    while (scan.line_start < bytes.size()) {
      const Line line = line_at(bytes, scan.line_start, scan.seen);
      if (scan.lines == 0) {
        if (std::is_same_v<Head, RequestHead> && line.whole && line.text.empty() && !scan.skipped_empty_line) {
          scan.skipped_empty_line = true;
          begin_line(scan, 2);
          continue;
        }
        const bool goes_on = !line.whole && line.sound && !full;
        const std::string_view text = goes_on ? line.text.substr(0, kStartLineLook) : line.text;
        if (!goes_on || scan.seen < kStartLineLook) {
          if (const auto wrong = parse_start_line(text, line.whole, head)) return broken(fault, *wrong);
        }
      } else if (line.text.empty()) {
        if (line.whole) return HeadProgress::Complete;
      } else if (is_blank(line.text.front())) {
        return broken(fault, Fault::FoldedLine);
      }
      if (!line.sound) {
        const bool first = std::is_same_v<Head, RequestHead> && scan.lines == 0 && line.text.empty();
        const char c = line.text.data()[line.text.size()];
        return broken(fault, first ? fault_of_first_byte(c) : fault_of_control(c));
      }
      if (!line.whole) {
        scan.seen = static_cast<std::uint32_t>(line.text.size());
        return HeadProgress::Incomplete;
      }
      if (scan.lines++ > limits.max_fields) return broken(fault, Fault::TooManyFields);
      begin_line(scan, line.text.size() + 2);
      if (scan.fields_start == 0) scan.fields_start = scan.line_start;
    }
    return HeadProgress::Incomplete;
  }

  template <typename Head>
  HeadProgress parse(std::string_view bytes, HeadScan& scan, const HeadLimits& limits, Head& head, bool answers_connect,
                     Fault& fault) {
    constexpr bool is_request = std::is_same_v<Head, RequestHead>;
    const bool full = bytes.size() >= limits.max_size;
    const bool resumed = scan.lines > 0;
    const HeadProgress progress = guard(bytes.substr(0, limits.max_size), scan, full, limits, head, fault);
    if (progress == HeadProgress::Broken) return progress;
    if (progress == HeadProgress::Incomplete) {
      if (!full) return progress;
      return broken(fault, is_request && scan.lines == 0 ? Fault::TargetTooLong : Fault::HeadTooLarge);
    }
    if (resumed) {  // the bytes may have moved since the start line was parsed
      const std::size_t start = scan.skipped_empty_line ? 2 : 0;
      const auto wrong = parse_start_line(bytes.substr(start, scan.fields_start - 2 - start), true, head);
      if (wrong) return broken(fault, *wrong);
    }
    head.size = scan.line_start + 2;
    const std::string_view section = bytes.substr(scan.fields_start, head.size - scan.fields_start);
    const llhttp_t& prepared = is_request ? after_request_line : after_status_line;
    if (const llhttp_errno_t error = take_section(prepared, section, collector); error != HPE_OK) {
      const SectionOf what = section_of(head, answers_connect);
      const auto wrong = take_repaired(prepared, section, what, error, collector, repaired);
      if (wrong) return broken(fault, *wrong);
    }
    head.fields = Fields(collector.fields, collector.ids);
    return HeadProgress::Complete;
  }

 private:
  static SectionOf section_of(const RequestHead&, bool) noexcept { return SectionOf::Request; }
  static SectionOf section_of(const ResponseHead& head, bool answers_connect) noexcept {
    const bool opens_tunnel = answers_connect && head.status >= 200 && head.status < 300;
    return opens_tunnel ? SectionOf::ConnectAnswer : SectionOf::Response;
  }

  /// The line that began at scan.line_start has `size` bytes, its end included.
  static void begin_line(HeadScan& scan, std::size_t size) noexcept {
    scan.line_start += static_cast<std::uint32_t>(size);
    scan.seen = 0;
  }

  static HeadProgress broken(Fault& fault, Fault why) noexcept {
    fault = why;
    return HeadProgress::Broken;
  }

  void prepare(llhttp_t& parser, llhttp_type_t type, std::string_view start_line) {
    llhttp_init(&parser, type, &settings);
    parser.data = &collector;
    llhttp_execute(&parser, start_line.data(), start_line.size());
  }
};

HeadParser::HeadParser() : llhttp_(std::make_unique<Llhttp>()) {}
HeadParser::~HeadParser() = default;

HeadProgress HeadParser::parse_request(std::string_view bytes, HeadScan& scan, const HeadLimits& limits,
                                       RequestHead& head) {
  return llhttp_->parse(bytes, scan, limits, head, false, fault_);
}

HeadProgress HeadParser::parse_response(std::string_view bytes, HeadScan& scan, const HeadLimits& limits,
                                        ResponseHead& head, AnswerTo what) {
  return llhttp_->parse(bytes, scan, limits, head, what == AnswerTo::Connect, fault_);
}

}  // namespace keepwarm::http
