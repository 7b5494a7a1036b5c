"""A burst: thousands of clients ask at once for a host with which a few requests are under way.

They are connected by then: listen queues hold some thousands at most, and a client that finds one full comes again a second
later, so that it would be no burst, and the seconds would be the kernel's.

What it costs is held against the same clients when they are settled: they came one after the other, to a process of the
same peer that was started for them. A later window of the burst's own run shows whether the peer has got over it.
"""

import statistics
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from .compare import running
from .peers import ALL, Peer
from .process import DESCRIPTORS
from .report import number, table
from .tools import Measured, load, load_windows

CLIENTS = 9000
EARLY = 64             # of them, at it before the others come
MAX_CONNECTIONS = 18000
WINDOW = 4.0           # seconds
WARM_UP = 2.5          # as clients-9000 has it
GOALS = {"cost_ratio": 1.3, "p99_ratio": 1.5, "opened_ratio": 1.1}  # at most, of keepwarm
PEERS = ("keepwarm", "haproxy", "nginx")


@dataclass
class Run:
    """One peer in one repetition."""

    burst: Measured
    later: Measured        # the same run, some time after
    settled: Measured
    opened: int            # connections that the origin accepted in the run with the burst
    opened_settled: int
    overflows: int         # packets of new clients that met a full listen queue; their kernel sends them again later

    @property
    def cost_ratio(self) -> float:
        return cost(self.burst) / cost(self.settled)

    @property
    def later_cost_ratio(self) -> float:
        return cost(self.later) / cost(self.settled)

    @property
    def p99_ratio(self) -> float:
        return self.burst.p99 / self.settled.p99

    @property
    def opened_ratio(self) -> float:
        return self.opened / CLIENTS


def cost(measured: Measured) -> float:
    """CPU seconds for 100,000 exchanges."""
    return measured.cpu / measured.exchanges * 1e5 if measured.exchanges else float("nan")


def _listen_overflows() -> int:
    """Of all sockets in this network since it is there: connections that came and found the listen queue full."""
    lines = Path("/proc/net/netstat").read_text().splitlines()
    names, values = (line.split() for line in lines if line.startswith("TcpExt:"))
    return int(dict(zip(names, values))["ListenOverflows"])


def _options(peer: Peer) -> dict:
    return {"target": peer.at, "origin": peer.setting.origin.replace("127.0.0.1", "localhost"), "watch": peer.pids(),
            "clients": CLIENTS, "warm_up": WARM_UP, "window": WINDOW}


def _run(kind: type[Peer]) -> Run:
    overflows = _listen_overflows()
    with running(kind, max_connections=MAX_CONNECTIONS) as peer:
        burst, later = load_windows(**_options(peer), burst=CLIENTS - EARLY, windows=2, between=1)
        opened = peer.setting.process.counters()["connections"]
    overflows = _listen_overflows() - overflows
    with running(kind, max_connections=MAX_CONNECTIONS) as peer:
        settled = load(**_options(peer))
        opened_settled = peer.setting.process.counters()["connections"]
    return Run(burst, later, settled, opened, opened_settled, overflows)


def _median_and_range(runs: list[Run], what) -> str:
    values = sorted(what(run) for run in runs)
    return f"{number(statistics.median(values))} ({number(values[0])}–{number(values[-1])})"


def _row(name: str, runs: list[Run]) -> list[str]:
    def median(what, digits=2):
        return number(statistics.median(what(run) for run in runs), digits)

    return [name,
            median(lambda run: cost(run.burst)), median(lambda run: cost(run.settled)),
            _median_and_range(runs, lambda run: run.cost_ratio), median(lambda run: run.later_cost_ratio),
            median(lambda run: run.burst.p99 / 1000, 0), median(lambda run: run.settled.p99 / 1000, 0),
            _median_and_range(runs, lambda run: run.p99_ratio), _median_and_range(runs, lambda run: run.opened_ratio),
            median(lambda run: run.opened_settled / CLIENTS), median(lambda run: run.burst.unserved, 0),
            median(lambda run: run.overflows, 0),
            str(sum(window.failed for run in runs for window in (run.burst, run.later, run.settled)))]


HEADER = ["peer", "burst CPU s/100k", "settled", "÷", "later ÷ settled", "burst p99 ms", "settled", "÷",
          "opened ÷ clients", "settled", "unserved", "overflows", "failed"]


def burst(given) -> tuple[str, dict]:
    kinds = [ALL[name] for name in given.peers or PEERS if name != "relay"] + given.more
    runs: dict[str, list[Run]] = {kind.name: [] for kind in kinds}
    for repetition in range(given.repetitions):
        for kind in kinds:
            runs[kind.name].append(_run(kind))
        print(f"\r    burst: {repetition + 1} repetitions", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    wanted = CLIENTS + MAX_CONNECTIONS
    few = "" if DESCRIPTORS > wanted else f" {DESCRIPTORS:,} descriptors were all that a process could have, not {wanted:,}."
    text = f"""### {EARLY} keep-alive clients are at it, then {CLIENTS - EARLY:,} more ask at once: the first {WINDOW:.0f} s

{given.repetitions} repetitions: medians, and in brackets the least and the greatest. settled: the same clients, come one \
after the other.{few}

{table(HEADER, [_row(*item) for item in runs.items()])}

opened: connections that the origin accepted in the whole run. unserved: clients without an answer when the window ended.
overflows: packets of new clients that met a full listen queue; their kernel sends them again a second later, or more.
keepwarm's goals: CPU {GOALS["cost_ratio"]} ×, p99 {GOALS["p99_ratio"]} ×, opened {GOALS["opened_ratio"]} ×, on a machine \
that does nothing else.
"""
    return text, {name: {**{ratio: statistics.median(getattr(run, ratio) for run in done) for ratio in GOALS},
                         "repetitions": [asdict(run) for run in done]} for name, done in runs.items()}
