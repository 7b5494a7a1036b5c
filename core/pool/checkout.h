#pragma once

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
