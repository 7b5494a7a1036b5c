#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

#include "core/net/heap_trimmer.h"
#include "core/net/timer.h"
#include "core/proxy/exchange.h"

/// Where exchanges are kept between two requests.
namespace keepwarm::proxy {

/// All exchanges of an engine, lent out or free. It keeps as many as were under way at the same time lately, so that
/// none is made under a steady load. Of those that were made for a burst it keeps kKept, and gives the memory of the
/// others back to the kernel.
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
    min_free_ = std::min(min_free_, free_.size());
    return exchange;
  }
  /// The exchange is over, but it may still be on the stack, and the bytes of its last event still be in use. After
  /// turn_ended() it is free.
  void retire(Exchange* exchange) { retired_.push_back(exchange); }
  void turn_ended();

  /// Free and lent ones.
  [[nodiscard]] std::size_t size() const noexcept { return exchanges_.size(); }

 private:
  [[nodiscard]] Exchange* make();
  void check_surplus();
  void release(std::size_t count);
  void destroy(const Exchange& exchange) noexcept;

  ProxyContext& context_;
  net::HeapTrimmer& trimmer_;
  net::Timer timer_;  ///< while there may be a surplus
  bool watching_ = false;
  std::size_t min_free_ = 0;  ///< since timer_ was armed
  std::vector<std::unique_ptr<Exchange>> exchanges_;
  std::vector<Exchange*> free_;
  std::vector<Exchange*> retired_;
};

}  // namespace keepwarm::proxy
