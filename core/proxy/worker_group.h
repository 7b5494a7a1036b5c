#pragma once

#include <cstdint>
#include <string>

#include "core/base/message_queue.h"
#include "core/net/address.h"
#include "core/net/descriptor.h"
#include "core/pool/shared_pool.h"

/// How the engine of one worker reaches the others of the same process.
namespace keepwarm::proxy {

/// The engines of the process, as each of them sees them. The first one accepts clients for all.
class WorkerGroup {
 public:
  /// Client connections of all engines. Only the one that accepts may ask.
  [[nodiscard]] virtual std::uint64_t clients() const noexcept = 0;
  /// Descriptors that all engines have in use, roughly. Only the one that accepts may ask.
  [[nodiscard]] virtual std::uint64_t descriptors() const noexcept = 0;
  /// Gives a client to the engine with the fewest, which may be the caller. Only the one that accepts may ask.
  /// `clients`: how many the process has without it.
  virtual void assign(net::Descriptor client, const net::SocketAddress& peer, std::uint64_t clients) = 0;
  /// The engine that accepts had to pause since there are no descriptors left: it wants to hear of clients_left().
  virtual void await_descriptors() noexcept = 0;
  /// From any engine: clients have left, and with them their descriptors.
  virtual void clients_left() = 0;

 protected:
  ~WorkerGroup() = default;
};

/// What distinguishes one engine of a process from the others; all of it must outlive the engine.
struct WorkerSlot {
  WorkerGroup* group = nullptr;             ///< nullptr: it is the only one
  pool::SharedPool* shared_pool = nullptr;  ///< as `group`
  MessageQueue* mailbox = nullptr;          ///< as `group`
  std::uint32_t worker = 0;                 ///< its number; 0 accepts
};

}  // namespace keepwarm::proxy
