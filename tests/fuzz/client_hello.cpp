#include "core/net/tls/client_hello.h"

#include <string>

#include "tests/fuzz/fuzz.h"

// The first bytes of a client behind CONNECT, in pieces. What is complete was so from its last byte on and not before;
// more bytes behind it change nothing; and in records of another size it is the same hello.
namespace {

using namespace keepwarm;
using fuzz::expect;
using net::ClientHello;
using Progress = net::HelloProgress;

/// Of an input of exactly this size, so that reading beyond it is seen.
Progress read(std::string_view bytes, ClientHello& hello) {
  const std::vector<char> buffer(bytes.begin(), bytes.end());
  return net::read_client_hello({buffer.data(), buffer.size()}, hello);
}

void check_facts(const ClientHello& hello, std::size_t size) {
  expect(hello.length > 9 && hello.length <= size && hello.length <= net::kLongestClientHello);
  expect(hello.has_server_name == !hello.server_name().empty());
  expect(!hello.server_name().ends_with('.') && hello.server_name().find("..") == std::string_view::npos);
  for (const char c : hello.server_name()) expect(c > ' ' && c < 0x7f && (c < 'A' || c > 'Z') && c != '/' && c != ':');
  expect(!hello.offers_usable_cipher || hello.offers_tls_1_2 || hello.offers_tls_1_3);
  expect(hello.has_alpn || (!hello.offers_h2 && !hello.offers_http_1_1));
}

void expect_equal(const ClientHello& a, const ClientHello& b) {
  expect(a.server_name() == b.server_name() && a.shape == b.shape && a.has_alpn == b.has_alpn);
  expect(a.offers_tls_1_2 == b.offers_tls_1_2 && a.offers_tls_1_3 == b.offers_tls_1_3);
  expect(a.offers_usable_cipher == b.offers_usable_cipher && a.accepts_ecdsa_p256 == b.accepts_ecdsa_p256);
  expect(a.early_data == b.early_data && a.pre_shared_key == b.pre_shared_key);
}

/// The content of the records, in records of another size.
std::string cut_anew(std::string_view records, std::size_t piece) {
  std::string message;
  while (!records.empty()) {
    const std::size_t size = static_cast<std::uint8_t>(records[3]) * 256U + static_cast<std::uint8_t>(records[4]);
    message += records.substr(5, size);
    records.remove_prefix(5 + size);
  }
  std::string again;
  for (std::size_t at = 0; at < message.size(); at += piece) {
    const std::string_view part = std::string_view(message).substr(at, piece);
    again += {'\x16', '\x03', '\x03', static_cast<char>(part.size() / 256), static_cast<char>(part.size() % 256)};
    again += part;
  }
  return again;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Input input(data, size);
  ClientHello hello;
  Progress progress = Progress::Incomplete;
  std::size_t given = 0;
  while (progress == Progress::Incomplete && given < input.bytes.size()) {
    given = std::min(given + input.piece, input.bytes.size());
    progress = read(input.bytes.substr(0, given), hello);
  }
  ClientHello whole;
  expect(read(input.bytes, whole) == progress);
  if (progress == Progress::Incomplete) expect(input.bytes.size() < net::kLongestClientHello);
  if (progress != Progress::Complete) return 0;
  check_facts(hello, given);
  expect(hello.length == whole.length && given - hello.length < input.piece);
  expect_equal(hello, whole);

  ClientHello other;
  expect(read(input.bytes.substr(0, hello.length - 1), other) == Progress::Incomplete);
  const std::string again = cut_anew(input.bytes.substr(0, hello.length), input.piece + 40);
  if (again.size() > net::kLongestClientHello) return 0;
  expect(read(again, other) == Progress::Complete);
  expect_equal(hello, other);
  return 0;
}
