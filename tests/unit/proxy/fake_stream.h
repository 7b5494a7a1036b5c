#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "core/net/stream.h"

namespace keepwarm::proxy::test {

/// The far side of a FakeStream, and all that the stream was made to do. Outlives the stream, so that a test can look
/// at both ends after the stream has been destroyed.
struct FakeWire {
  // What the test decides.
  bool full = false;                            ///< the kernel takes nothing: writes are queued until drain()
  std::uint32_t fail_from = 0;                  ///< this write (the first is 1) and all after it fail; 0: none does
  std::function<std::size_t()> unacknowledged;  ///< unset: what is queued
  PeerState peer{.presence = PeerPresence::Present};

  // What the stream did.
  std::string sent;                              ///< what the kernel took, in order
  std::string queued;                            ///< what it did not take yet
  std::vector<std::vector<std::string>> writes;  ///< the pieces of each write
  bool reading = false;
  std::uint32_t pauses = 0;
  int checks = 0;          ///< how often the stream was asked for its peer_state()
  bool keepalive = false;  ///< enable_keepalive() was called
  bool finished = false;   ///< finish_writing() was called
  bool reset = false;      ///< closing sends RST
  bool destroyed = false;
  net::StreamEvents* events = nullptr;

  // What the peer does. A stream that is not read from hears of nothing that must be read.
  void bytes(std::string_view bytes) const {
    REQUIRE(listened_to());
    events->on_bytes(bytes);
  }
  void end() {
    REQUIRE(listened_to());
    peer.ended = true;
    events->on_end();
  }
  void broken(int error) const {
    REQUIRE(!destroyed);
    events->on_broken(error);
  }
  /// The kernel takes all that is queued, and whatever comes afterwards.
  void drain() {
    REQUIRE(!destroyed);
    full = false;
    sent += queued;
    queued.clear();
    events->on_drained();
  }
  /// FIN is behind all that was written.
  [[nodiscard]] bool fin_sent() const { return finished && queued.empty(); }

 private:
  [[nodiscard]] bool listened_to() const { return !destroyed && reading && events != nullptr; }
};

class FakePath final : public net::TcpPath {
 public:
  explicit FakePath(FakeWire& wire) noexcept : wire_(wire) {}
  [[nodiscard]] PeerState peer_state() noexcept override {
    ++wire_.checks;
    const bool heard = !wire_.peer.ended && wire_.reading && wire_.peer.presence == PeerPresence::Present;
    return heard ? PeerState{.presence = PeerPresence::Heard} : wire_.peer;
  }
  void enable_keepalive() noexcept override { wire_.keepalive = true; }

 private:
  FakeWire& wire_;
};

/// A stream without a socket: what it is told to write, it records in its FakeWire.
class FakeStream final : public net::Stream {
 public:
  explicit FakeStream(FakeWire& wire) noexcept : wire_(wire), path_(wire) {}
  ~FakeStream() override { wire_.destroyed = true; }
  FakeStream(const FakeStream&) = delete;
  FakeStream& operator=(const FakeStream&) = delete;

  void set_events(net::StreamEvents& events) noexcept override { wire_.events = &events; }

  [[nodiscard]] net::WriteResult write(std::span<const std::string_view> pieces) override {
    REQUIRE_FALSE(wire_.finished);
    auto& record = wire_.writes.emplace_back();
    for (const std::string_view piece : pieces) record.emplace_back(piece);
    if (wire_.fail_from != 0 && wire_.writes.size() >= wire_.fail_from) return net::WriteResult::Failed;
    const bool queues = wire_.full || !wire_.queued.empty();
    std::string& to = queues ? wire_.queued : wire_.sent;
    for (const std::string_view piece : pieces) to += piece;
    return queues ? net::WriteResult::Queued : net::WriteResult::Done;
  }
  [[nodiscard]] std::size_t queued_bytes() const noexcept override { return wire_.queued.size(); }
  [[nodiscard]] std::size_t unacknowledged_bytes() const noexcept override {
    return wire_.unacknowledged ? wire_.unacknowledged() : wire_.queued.size();
  }

  void pause_reading() noexcept override {
    if (wire_.reading) ++wire_.pauses;
    wire_.reading = false;
  }
  void resume_reading() noexcept override { wire_.reading = true; }
  void finish_writing() noexcept override { wire_.finished = true; }
  void reset_on_close() noexcept override { wire_.reset = true; }
  [[nodiscard]] bool check_idle_alive() noexcept override { return true; }
  [[nodiscard]] bool check_idle_alive_cached(TimePoint) noexcept override { return true; }
  [[nodiscard]] net::TcpPath& path() noexcept override { return path_; }

 private:
  FakeWire& wire_;
  FakePath path_;
};

}  // namespace keepwarm::proxy::test
