#pragma once

#include "core/base/deadline_wheel.h"
#include "core/base/log.h"
#include "core/pool/pool.h"
#include "core/proxy/access_record.h"
#include "core/proxy/host_watch.h"
#include "core/proxy/interception.h"
#include "core/proxy/own_answer.h"
#include "core/proxy/proxy_stats.h"
#include "core/proxy/scratch_buffers.h"
#include "core/proxy/service_mode.h"
#include "core/proxy/session_owner.h"

/// What every session and exchange of one engine works with.
namespace keepwarm::proxy {

/// Owned by the engine; each session holds one reference to it, and hands on to its parts what they need. Nothing in
/// it is global.
struct ProxyContext {
  // What they call; must outlive them.
  DeadlineWheel& deadlines;
  pool::Pool& pool;
  Log& log;
  AccessSink& access;
  SessionOwner& owner;
  Interception& interception;

  ServiceMode mode;
  ProxyStats stats{};
  HostWatch hosts{log};
  ScratchBuffers scratch{};
  OwnAnswerWriter own_answers{mode, stats, scratch};
};

}  // namespace keepwarm::proxy
