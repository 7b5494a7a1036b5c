#pragma once

#include <string>

#include "core/base/deadline_wheel.h"
#include "core/http/head_parser.h"
#include "core/net/connector.h"
#include "core/net/dns/resolver.h"
#include "core/net/loop.h"
#include "core/net/tls/tls_client.h"

namespace keepwarm::pool {

/// What it takes to open a connection over the network. All references must outlive the dialers.
struct DialContext {
  net::Loop& loop;
  DeadlineWheel& deadlines;
  net::Resolver& resolver;
  net::TlsClient& tls;
  const net::AddressFilter& local_filter;   ///< for clients over loopback or a unix socket
  const net::AddressFilter& remote_filter;  ///< for all others
  std::string via{};                        ///< our name in Via; empty: none is sent
  http::HeadLimits head_limits{};           ///< of a parent's answer to CONNECT
};

}  // namespace keepwarm::pool
