#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>

#include <uv.h>

#include "core/base/clock.h"
#include "core/net/address.h"
#include "core/net/loop.h"

struct ares_channeldata;

namespace keepwarm::net {

/// A channel of c-ares to one name server, by UDP or by TCP, with its socket made by us and watched by our loop. Owned
/// by a NameServer. c-ares fails all questions of a channel when one of its sockets fails, so that each way has a
/// channel of its own: a server that closes its TCP connection must end no question that went by UDP.
class Channel {
 public:
  enum class Way : std::uint8_t { Udp, Tcp };

  /// How long an answer is waited for: as long as glibc does in its two rounds.
  static constexpr Duration kPatience = std::chrono::seconds(10);
  /// A port that serves for long can be guessed, and answers forged.
  static constexpr Duration kPortLife = std::chrono::seconds(10);
  static constexpr std::uint32_t kPortQuestions = 200;

  Channel(Loop& loop, const SocketAddress& server, Way way);
  /// Not inside a callback of c-ares. Ends all questions with ARES_EDESTRUCTION.
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  [[nodiscard]] Way way() const noexcept { return way_; }
  [[nodiscard]] bool usable() const noexcept { return ares_ != nullptr; }  ///< false: no memory for it
  [[nodiscard]] bool worn(TimePoint now) const noexcept {
    return asked_ >= kPortQuestions || now - opened_at_ >= kPortLife;
  }
  [[nodiscard]] bool busy() const noexcept { return under_way_ > 0; }

  /// What is called with the answer, as ares_callback; possibly inside send().
  using OnMessage = void (*)(void* argument, int status, int timeouts, unsigned char* message, int size);
  void send(std::string_view message, OnMessage on_message, void* argument);
  /// To be called by `on_message`, once.
  void answered() noexcept { --under_way_; }
  /// Ends the questions that nobody has answered for kPatience.
  void end_late();

 private:
  struct Sockets;  // what c-ares calls instead of the system
  void watch(int fd, bool readable, bool writable);
  static void close_poll(uv_poll_t* poll);
  static void on_ready(uv_poll_t* poll, int status, int events);

  Loop& loop_;
  SocketAddress server_;
  Way way_;
  ares_channeldata* ares_ = nullptr;
  std::unordered_map<int, uv_poll_t*> polls_;
  TimePoint opened_at_;
  std::uint32_t asked_ = 0;
  std::uint32_t under_way_ = 0;
  std::uint32_t answers_read_ = 0;  // in this event
};

}  // namespace keepwarm::net
