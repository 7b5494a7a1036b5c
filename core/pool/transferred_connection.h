#pragma once

#include <memory>

#include "core/net/address.h"
#include "core/net/stream.h"
#include "core/policy/connection_facts.h"

namespace keepwarm::pool {

/// An idle connection on its way from one worker's pool to another's, with what is known of it. Belongs to no thread.
struct TransferredConnection {
  std::unique_ptr<net::DetachedStream> stream;
  net::SocketAddress address{};
  policy::ConnectionFacts facts{};
};

}  // namespace keepwarm::pool
