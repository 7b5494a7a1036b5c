#pragma once

#include <array>
#include <cstdint>

#include "core/base/clock.h"

/// How likely an idle connection is to be closed at a host of which nothing is known, judged by all other hosts
/// (core/doc/design.md §6.3).
///
/// **Why.** Such a host is trusted as far as its own connections have proved: each pause that is longer than all before
/// costs a request that is not replayable a new connection. Over thousands of servers that doubles the number of
/// connections (idle_simulation_test.cpp). Yet most servers keep a connection for longer than most pauses last. A proxy
/// that has met hundreds of them knows at which ages they close, and at which they do not.
///
/// **What is counted** are hosts, not idle periods: one busy host must not stand for all. Idle age is divided into
/// bins, 32 for each doubling. For each: how many hosts have lived through it to its end, and how many had their first
/// close in it. A host that closed says nothing more; its own history decides from then on. Nor does one count that
/// gives hints: its connections are closed by us shortly before its time, so it would be seen to live and never to
/// close.
///
/// **What is asked.** A connection is open at some age; will it be after another round trip, when a request arrives? Of
/// the n hosts that lived through all bins in between, or closed in one of them, k closed. The estimate is Laplace's
/// rule of succession, (k + 1) / (n + 2): the expected risk if any risk was as likely as any other before. It must be
/// 1 % at most. An expectation is what counts where the loss is a share of requests; a bound of 95 % confidence would
/// ask for three times the hosts. It errs high: without evidence it says one half, a host that left between counts only
/// if it closed, and bins count whole. Narrow bins cost nothing, as all of them make one estimate.
///
/// It takes 98 hosts that lived through all of the bins; with one close 197, with three 395. Until so many are counted
/// no age is trusted that was not proved (core/doc/design.md §6.3).
///
/// **Forgetting.** Whenever a thousand hosts are counted, all counts are halved.
///
/// **Where it fails.**
/// * The next hosts are unlike those before: the first that close after 2 s, where hundreds keep for a minute. Each may
///   fail one request; then its own close is what counts. About ten do before that age is trusted no more.
/// * Hundreds of names of one server count as hundreds of hosts.
/// * Closes that are no idle timeouts (a network that resets all connections at once) raise the risk at ages that have
///   none, until they are halved away. Connections are opened that need not be.
/// * A host counts again when its HostPool was forgotten, or was replaced because of new settings.
namespace keepwarm::policy {

/// One for each engine; a plain value of less than 2 KiB that owns nothing and reads no clock.
class CloseRiskEstimator {
 public:
  /// What one host has contributed so far: each keeps its own, so that nothing of it counts twice.
  struct HostSample {
    std::uint16_t bins = 0;  ///< how many bins it has lived through
    bool closed = false;     ///< it had its first close: it contributes nothing more, and may_trust() says no
  };

  /// Connections of the host were seen open at this idle age. No-op unless it is older than before by a bin.
  void lived(HostSample& host, Duration age) noexcept;

  /// The host's server closed a connection, or was found to have, at this idle age. No-op but for the first time.
  void closed(HostSample& host, Duration age) noexcept;

  /// Whether a connection of the host that is open at this idle age may be trusted to be open after another
  /// `round_trip`. To be asked only of hosts whose timeout is neither announced nor learned.
  [[nodiscard]] bool may_trust(const HostSample& host, Duration age, Duration round_trip) const noexcept;

 private:
  struct Bin {
    std::uint16_t lived = 0;   ///< never more than in the bin before
    std::uint16_t closed = 0;  ///< not in `lived`, unless the host's timeout was longer before
  };
  static constexpr std::size_t kBins = 448;  ///< 250 ms to 68 min

  void halve() noexcept;

  std::array<Bin, kBins> bins_{};
};

static_assert(sizeof(CloseRiskEstimator) <= 2048);

}  // namespace keepwarm::policy
