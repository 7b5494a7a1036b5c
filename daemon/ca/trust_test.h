#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/net/descriptor.h"
#include "core/net/tls/trust_probe.h"
#include "daemon/ca/trust_clients.h"

namespace keepwarm::daemon {

/// Has programs make a request to a listener on loopback that answers CONNECT as a proxy does, and then speaks TLS in
/// the place of the server. Nothing leaves the machine. Blocks.
class TrustTest {
 public:
  struct Verdict {
    enum class Kind : std::uint8_t { Trusts, Refuses, NotTried };
    Kind kind = Kind::NotTried;
    std::string text = {};  ///< Refuses: how; NotTried: the last line that the program has said
  };

  /// nullptr: there can be no listener.
  [[nodiscard]] static std::unique_ptr<TrustTest> make(std::unique_ptr<net::TrustProbe> probe);
  ~TrustTest();
  TrustTest(const TrustTest&) = delete;
  TrustTest& operator=(const TrustTest&) = delete;

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  /// Runs the program in a folder of its own, for at most 30 s.
  [[nodiscard]] Verdict run(const TrustClient& client);

 private:
  TrustTest(std::unique_ptr<net::TrustProbe> probe, net::Descriptor listener, std::uint16_t port, std::string folder)
      : probe_(std::move(probe)), listener_(std::move(listener)), port_(port), folder_(std::move(folder)) {}
  [[nodiscard]] net::TrustProbe::Outcome serve_one();

  std::unique_ptr<net::TrustProbe> probe_;
  net::Descriptor listener_;
  std::uint16_t port_;
  std::string folder_;
};

}  // namespace keepwarm::daemon
