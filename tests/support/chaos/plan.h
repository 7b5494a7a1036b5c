#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

/// What happens to every request of a run, derived from (seed, request id) alone, so that client and origin know it
/// without telling each other over the wire that is under test.
namespace chaos {

inline constexpr std::size_t kMaxBody = 1024UL * 1024;
/// Bodies up to here are replayable with the proxy's default retry_body_size (64 KiB), even if it counts chunk framing.
inline constexpr std::size_t kSurelyReplayableBody = 32UL * 1024;

enum class Method : std::uint8_t { Get, Head, Post, Put };
enum class Framing : std::uint8_t { Length, Chunked, Close };

/// What the origin does wrong in the middle of an exchange.
enum class OriginFault : std::uint8_t { None, AfterHead, BeforeByte, MidHead, MidBody, EarlyAnswer };

/// What the origin does after a response that it ended properly.
enum class Afterwards : std::uint8_t { Keep, SayClose, IdleFin, IdleReset, Idle408 };

/// Where the client goes away.
enum class ClientFault : std::uint8_t { None, InHead, InBody, BeforeAnswer, InAnswer };

struct Plan {
  Method method = Method::Get;
  std::size_t host = 0;     ///< index of the origin port
  std::size_t up_size = 0;  ///< bytes of the request body
  std::size_t down_size = 0;
  bool up_chunked = false;
  Framing down_framing = Framing::Length;
  std::size_t chunk_size = 1;
  bool old_origin = false;  ///< the origin answers as HTTP/1.0
  OriginFault origin_fault = OriginFault::None;
  Afterwards afterwards = Afterwards::Keep;
  int idle_ms = 0;  ///< the origin closes when it has been idle for so long
  ClientFault client_fault = ClientFault::None;
  bool reset = false;       ///< the fault is an RST, else a FIN
  double where = 0;         ///< [0, 1): how far into the head or body the fault comes
  bool old_client = false;  ///< HTTP/1.0
  bool one_shot = false;    ///< the client asks for the connection to be closed
  bool pipelined = false;   ///< sent together with the requests that follow it

  [[nodiscard]] bool idempotent() const noexcept;         ///< may be sent twice
  [[nodiscard]] bool surely_replayable() const noexcept;  ///< must survive a stale failure
};

/// What the origin saw of a request. Written before the origin acts on it, so that a client that sees the effect sees
/// this.
struct Record {
  std::atomic<int> arrivals{0};
  std::atomic<OriginFault> fault{OriginFault::None};
  std::atomic<bool> fault_on_fresh{false};  ///< the connection had served nothing before
};

/// The state that both sides share. One for a run; outlives all threads.
struct World {
  World(std::uint64_t seed, std::size_t requests, std::size_t hosts);

  [[nodiscard]] Plan plan(std::size_t id) const noexcept;
  /// The body of request `id` in one direction: a slice of random bytes that is different for each, so that a body of
  /// another exchange and a lost or doubled piece show.
  [[nodiscard]] std::string_view up_body(std::size_t id) const noexcept;
  [[nodiscard]] std::string_view down_body(std::size_t id) const noexcept;

  /// Reports a broken promise of the proxy; the first few are printed.
  void error(std::size_t id, std::string_view what);

  std::uint64_t seed;
  std::size_t hosts;
  std::vector<std::uint16_t> ports;  ///< of the origins, by host index
  std::vector<Record> records;
  std::atomic<std::size_t> errors{0};
  std::atomic<bool> stop{false};

 private:
  [[nodiscard]] std::string_view slice(std::size_t id, std::uint64_t salt, std::size_t size) const noexcept;

  std::vector<char> noise_;
};

[[nodiscard]] std::string_view name_of(Method method) noexcept;

}  // namespace chaos
