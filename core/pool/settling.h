#pragma once

#include <cstdint>

#include "core/base/clock.h"

/// When an object that others enter by many methods brings itself in order: once, at the end of the outermost of them.
namespace keepwarm::pool {

/// Base of such an object. SettleScope calls it.
class Settling {
 protected:
  ~Settling() = default;

  /// Something has happened, and nothing is under way any more.
  virtual void settle(TimePoint now) = 0;
  /// It is settled, and nobody is inside.
  virtual void settled() noexcept = 0;
  /// A scope is open.
  [[nodiscard]] bool entered() const noexcept { return depth_ > 0; }

 private:
  friend class SettleScope;
  std::uint32_t depth_ = 0;
};

/// The scope of one thing that happens to the object: each of its methods by which something enters has one on its
/// stack. Only the outermost settles the object when it ends; what others do meanwhile, in their own events, enters by
/// further scopes and leaves that to it. The object must live as long.
class SettleScope {
 public:
  SettleScope(Settling& object, TimePoint now) noexcept : object_(object), now_(now) { ++object_.depth_; }
  ~SettleScope() {
    if (object_.depth_ == 1) object_.settle(now_);
    if (--object_.depth_ == 0) object_.settled();
  }
  SettleScope(const SettleScope&) = delete;
  SettleScope& operator=(const SettleScope&) = delete;

 private:
  Settling& object_;
  TimePoint now_;
};

}  // namespace keepwarm::pool
