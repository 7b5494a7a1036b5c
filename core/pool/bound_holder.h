#pragma once

#include "core/base/clock.h"
#include "core/base/intrusive_list.h"

/// Who has a connection that is bound to one client, while it lies idle between two requests of that client.
namespace keepwarm::pool {

/// Hangs in the list of its HostPool from HostPool::hold_bound() until its client asks again, or the connection ends.
/// Leaves the list on destruction.
class BoundHolder : public ListHook<BoundHolder> {
 public:
  explicit BoundHolder(bool with_credentials) noexcept : authenticated(with_credentials) {}
  /// Closes its connection, whose place another client needs. It is out of the list already.
  virtual void give_way() = 0;

  const bool authenticated;  ///< credentials were sent on the connection
  TimePoint held_since{};    ///< set by the list's owner

 protected:
  ~BoundHolder() = default;
};

}  // namespace keepwarm::pool
