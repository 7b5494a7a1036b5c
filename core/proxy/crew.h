#pragma once

#include <cstdint>
#include <string>

#include "core/base/message_queue.h"
#include "core/net/address.h"
#include "core/net/descriptor.h"
#include "core/pool/shared_pool.h"

namespace keepwarm::proxy {

/// The other engines of the process, as an engine sees them. The first engine accepts for all.
class Crew {
 public:
  /// Client connections of all engines. Only the one that accepts may ask.
  [[nodiscard]] virtual std::uint64_t clients() const noexcept = 0;
  /// Descriptors that all engines have in use, roughly. Only the one that accepts may ask.
  [[nodiscard]] virtual std::uint64_t descriptors() const noexcept = 0;
  /// Gives a client to the engine with the fewest, which may be the caller. Only the one that accepts may ask.
  /// `clients`: how many the process has without it.
  virtual void assign(net::Descriptor client, const net::SocketAddress& peer, std::uint64_t clients) = 0;
  /// The engine that accepts had to pause for want of descriptors.
  virtual void want_room() noexcept = 0;
  /// From any engine: clients have left.
  virtual void room_returned() = 0;

 protected:
  ~Crew() = default;
};

/// What distinguishes one engine of a process from the others; all of it must outlive the engine.
struct Membership {
  Crew* crew = nullptr;                     ///< nullptr: it is the only one
  pool::SharedPool* shared_pool = nullptr;  ///< as `crew`
  MessageQueue* mailbox = nullptr;          ///< as `crew`
  std::uint32_t worker = 0;                 ///< its number; 0 accepts
};

}  // namespace keepwarm::proxy
