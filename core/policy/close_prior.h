#pragma once

#include <array>
#include <cstdint>

#include "core/base/clock.h"

/// What the servers of all hosts together tell of one of which nothing is known (DESIGN.md §6.3).
///
/// **Why.** Such a host is trusted as far as its own connections have proved. So each pause that is longer than all
/// before costs a request that is not replayable a new connection; over thousands of servers that is as many
/// connections again as were needed (idle_simulation_test.cpp). Yet most servers keep a connection for much longer than
/// most pauses last. Who has met hundreds of them knows at which ages they close, and at which they do not.
///
/// **What is counted** are hosts, not idle periods: one busy host must not vouch for all. Idle age is divided into
/// bins, eight for each doubling. For each bin: how many hosts have lived through it to its end, and how many had their
/// first close in it. A host that closed says nothing more; its own history decides from then on. Nor does one count
/// that gives hints: we close its connections shortly before its time, so it would be seen to live and never to close.
///
/// **What is asked.** A connection is open at some age; is it at the age plus a round trip, when a request would
/// arrive? Of the hosts that lived through all bins from the one to the other, or closed in them, n in number, k
/// closed. The estimate is Laplace's rule of succession, (k + 1) / (n + 2), and must be 1 % at most. It is the expected
/// value of the risk if each risk was equally likely before, and an expected value is what counts where the loss is a
/// share of requests; a confidence bound would ask for more hosts, and lose as many requests. It errs high: without
/// evidence it says one half, a host that left in the midst of the bins counts only if it closed, and bins count whole.
/// Without a close it takes 98 hosts that lived through all of the bins, with one 197, with three 395. Before, nothing
/// is trusted beyond what DESIGN.md says.
///
/// **Forgetting.** At 1,000 hosts all counts are halved, so the last thousand decide.
///
/// **Where it fails.**
/// * The next host is unlike those before: the first servers that close after 2 s, where hundreds keep for a minute.
/// One
///   request for each host may fail, as its first close is its own from then on; and each is counted: after ten in a
///   thousand, nobody trusts that age any more.
/// * Hosts that are one server (hundreds of names at one address) count as many.
/// * Closes that are no idle timeouts (a network that resets all connections at once) raise the risk at ages where
/// there
///   is none, until they are halved away: connections are opened that need not be. Hosts that had them do not ask
///   again.
/// * A host that was forgotten (Pool::kMaxUnusedHosts) counts again when it comes back.
namespace keepwarm::policy {

/// Of one engine; a plain value of half a KiB that owns nothing and reads no clock.
class ClosePrior {
 public:
  /// What one host has told so far: each keeps its own, so that nothing of it counts twice.
  struct Witness {
    std::uint8_t bins = 0;  ///< it lived through so many
    bool closed = false;    ///< it tells, and asks, nothing any more
  };

  /// Connections of the host were seen open at this idle age. No-op unless it is older than before by a bin.
  void lived(Witness& host, Duration age) noexcept;

  /// The host's server closed a connection, or was found to have, at this idle age. No-op but for the first time.
  void closed(Witness& host, Duration age) noexcept;

  /// Whether a connection of the host that is open at this idle age may be trusted to be open after another
  /// `round_trip`. Only for hosts whose timeout is neither announced nor learned.
  [[nodiscard]] bool may_trust(const Witness& host, Duration age, Duration round_trip) const noexcept;

 private:
  struct Bin {
    std::uint16_t lived = 0;   ///< never more than in the bin before
    std::uint16_t closed = 0;  ///< not in `lived`, unless the host's timeout was longer before
  };
  static constexpr std::size_t kBins = 112;  ///< 250 ms to 68 min

  void halve() noexcept;

  std::array<Bin, kBins> bins_{};
};

static_assert(sizeof(ClosePrior) <= 1024);

}  // namespace keepwarm::policy
