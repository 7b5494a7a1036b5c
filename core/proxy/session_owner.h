#pragma once

/// The engine, as its sessions and exchanges see it.
namespace keepwarm::proxy {

class ClientSession;
class Exchange;

/// Owns all sessions and exchanges, lends exchanges out, and destroys what is over.
class SessionOwner {
 public:
  /// Lends an exchange out, until retire_exchange().
  [[nodiscard]] virtual Exchange* take_exchange() = 0;
  virtual void retire_exchange(Exchange* exchange) noexcept = 0;
  /// The session is over: it is destroyed at the end of this turn of the loop.
  virtual void retire_session(ClientSession& session) noexcept = 0;

 protected:
  ~SessionOwner() = default;
};

}  // namespace keepwarm::proxy
