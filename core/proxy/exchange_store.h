#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

#include "core/net/heap_trimmer.h"
#include "core/net/timer.h"
#include "core/proxy/exchange.h"

namespace keepwarm::proxy {

/// All exchanges of an engine, lent out or free. As many are kept as were under way at a time lately, so that a steady
/// load makes none; what a burst leaves behind beyond kKept goes, and its memory back to the kernel.
class ExchangeStore {
 public:
  static constexpr std::size_t kKept = 64;  ///< free ones that always stay
  static constexpr Duration kLately = std::chrono::milliseconds(250);

  /// References must outlive the store.
  ExchangeStore(ProxyContext& context, net::Loop& loop, net::HeapTrimmer& trimmer);

  /// Lends one out.
  [[nodiscard]] Exchange* take() {
    if (free_.empty()) return make();
    Exchange* exchange = free_.back();
    free_.pop_back();
    least_free_ = std::min(least_free_, free_.size());
    return exchange;
  }
  /// It is over, but may still be on the stack, and the end of what it was told still to be read: it is free after
  /// turn_ended().
  void retire(Exchange* exchange) { retired_.push_back(exchange); }
  void turn_ended();

  /// Free and lent ones.
  [[nodiscard]] std::size_t size() const noexcept { return exchanges_.size(); }

 private:
  [[nodiscard]] Exchange* make();
  void look_for_surplus();
  void release(std::size_t count);
  void destroy(const Exchange& exchange) noexcept;

  ProxyContext& context_;
  net::HeapTrimmer& trimmer_;
  net::Timer timer_;  ///< while there may be a surplus
  bool watching_ = false;
  std::size_t least_free_ = 0;  ///< since timer_ was armed
  std::vector<std::unique_ptr<Exchange>> exchanges_;
  std::vector<Exchange*> free_;
  std::vector<Exchange*> retired_;
};

}  // namespace keepwarm::proxy
