#pragma once

#include <cstdint>

#include "core/pool/dialing.h"

/// What an exchange says when it asks a HostPool for a connection, and what it is answered.
namespace keepwarm::pool {

class Lease;

/// What an exchange needs of a connection.
struct CheckoutRequirements {
  bool replayable = false;   ///< may go on a connection that is not trusted
  bool fresh_only = false;   ///< a retry: only a connection that is opened for it
  bool local_client = true;  ///< else connections to loopback and the like are out of reach (core/doc/design.md §9)
};

/// What connections that are open, and so were verified, prove of a server.
enum class ServerProof : std::uint8_t {
  None,             ///< there is none
  Verified,         ///< it can be reached, and is who it should be
  WantsCertificate  ///< the same, and it has asked for a certificate of the client
};

struct CheckoutFailure {
  bool queue_timeout = false;  ///< waited `queue_timeout` in vain; else `dial` says what happened
  DialFailure dial{};
};

class CheckoutEvents {
 public:
  /// May come before checkout() returns.
  virtual void on_lease(Lease lease, const OpeningTimes& times) = 0;
  virtual void on_checkout_failed(const CheckoutFailure& failure) = 0;

 protected:
  ~CheckoutEvents() = default;
};

}  // namespace keepwarm::pool
