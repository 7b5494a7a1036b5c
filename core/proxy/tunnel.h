#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "core/base/deadline_wheel.h"
#include "core/base/gauge.h"
#include "core/net/stream.h"
#include "core/policy/tunnel_limits.h"
#include "core/proxy/access_record.h"

/// Two connections that are joined byte for byte.
namespace keepwarm::proxy {

class TunnelEvents {
 public:
  /// Both directions ended (Completed), one side failed (Client, Origin), or a time limit passed. The tunnel may be
  /// destroyed inside.
  virtual void on_tunnel_ended(ExchangeOutcome ended) = 0;

 protected:
  ~TunnelEvents() = default;
};

/// Two streams, byte for byte, with half-close and back-pressure in each direction: CONNECT after its 200, Upgrade
/// after its 101. Owns the upstream stream; the client's belongs to the session.
class Tunnel final : public Deadline {
 public:
  /// `open_tunnels` counts it while it lives. References must outlive the tunnel.
  Tunnel(DeadlineWheel& deadlines, net::Stream& client, std::unique_ptr<net::Stream> upstream,
         const policy::TunnelLimits& limits, Gauge& open_tunnels, TunnelEvents& events);
  ~Tunnel();
  Tunnel(const Tunnel&) = delete;
  Tunnel& operator=(const Tunnel&) = delete;

  /// To be called once, before anything else. It takes the bytes of either side that came before the tunnel was there,
  /// and may end the tunnel.
  void start(std::string_view from_client, std::string_view from_upstream, bool client_ended);

  [[nodiscard]] std::uint64_t bytes_from_client() const noexcept { return client_.received; }
  [[nodiscard]] std::uint64_t bytes_from_upstream() const noexcept { return upstream_.received; }

 private:
  /// One side of the tunnel: what comes from it goes to its peer.
  struct Side final : net::StreamEvents {
    Side(Tunnel& of, net::Stream& over) noexcept : tunnel(of), stream(&over) {}
    void on_bytes(std::string_view bytes) override { tunnel.forward(*this, bytes); }
    void on_end() override { tunnel.finish(*this); }
    void on_broken(int) override {
      tunnel.break_off(this == &tunnel.client_ ? ExchangeOutcome::Client : ExchangeOutcome::Origin);
    }
    void on_drained() override { tunnel.drained(*this); }

    Tunnel& tunnel;
    net::Stream* stream;
    Side* peer = nullptr;
    std::uint64_t received = 0;
    bool ended = false;     ///< nothing more is taken from it
    bool end_read = false;  ///< its end has come
  };

  void forward(Side& from, std::string_view bytes);
  void finish(Side& from);
  void drained(Side& to);
  void end_if_done();
  void break_off(ExchangeOutcome ended);
  void on_deadline(TimePoint now) override;
  void enable_keepalive();
  /// How long nothing may pass; nullopt: as long as it likes.
  [[nodiscard]] std::optional<Duration> limit() const noexcept;
  void touch();
  [[nodiscard]] std::size_t queued() const noexcept;

  DeadlineWheel& deadlines_;
  std::unique_ptr<net::Stream> upstream_stream_;
  Side client_;
  Side upstream_;
  policy::TunnelLimits limits_;
  bool starting_ = false;
  bool has_keepalive_ = false;
  std::size_t unsent_mark_ = 0;
  Gauge& open_tunnels_;
  TunnelEvents& events_;
};

}  // namespace keepwarm::proxy
