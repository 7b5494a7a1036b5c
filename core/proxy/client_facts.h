#pragma once

#include "core/net/address.h"

/// Who sends the requests of one client connection.
namespace keepwarm::proxy {

struct ClientFacts {
  net::SocketAddress address;
  bool local = true;         ///< came over loopback or a unix socket
  bool ended = false;        ///< its FIN was read, or over TLS its close_notify
  bool intercepted = false;  ///< it speaks TLS, to us in the place of its server
};

}  // namespace keepwarm::proxy
