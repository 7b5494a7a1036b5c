"""One kind of load on all peers in turn, over and over: the machine's moods fall on all alike."""

import contextlib
import statistics
import sys
import time
from dataclasses import dataclass, field

from .hosts import isolated
from .local_ca import local_ca
from .peers import ALL, Peer, Relay, Setting
from .tools import Measured, Origin, TlsOrigin, load

GIB = 1 << 30
RELAY_LIMIT = 1.08  # a repetition counts only if the relay needed at most this much of its own best


@dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    load: dict
    peers: tuple[str, ...]
    needs: frozenset[str] = frozenset()
    bodies: bool = False      # CPU is counted for each GiB, else for each 100,000 exchanges
    tls: bool = False
    intercept: bool = False   # clients speak TLS with the peer, which has a certificate of ours for the origin
    fresh: bool = False       # the relay connects upstream for each client
    warm_up: float = 0.3
    window: float = 1.2
    threads: bool = False     # show how the threads shared the work
    counts: tuple[str, ...] = ()  # peers whose system calls and instructions are counted too
    note: str = ""            # stands below the table

    def surroundings(self) -> dict:
        """The arguments of running()."""
        return {"tls": self.tls, "intercept": self.intercept, "fresh": self.fresh}

    def unit(self) -> str:
        return "CPU s/GiB" if self.bodies else "CPU s/100k"


@dataclass
class Row:
    """What a peer did in one repetition."""

    measured: Measured
    cost: float               # CPU seconds for each unit
    reused: float             # share of requests on an upstream connection that had served one
    memory: int
    busiest: float            # share of the CPU time that the busiest thread had


@dataclass
class Comparison:
    scenario: Scenario
    rows: dict[str, list[Row]] = field(default_factory=dict)
    counting: dict[str, dict] = field(default_factory=dict)  # by peer: see counting.py

    def counted(self) -> list[int]:
        """The repetitions in which the machine was as quick as it can be, or nearly."""
        floor = self.rows.get(Relay.name)
        if not floor:
            return list(range(min(map(len, self.rows.values()))))
        best = min(row.cost for row in floor)
        return [i for i, row in enumerate(floor) if row.cost <= RELAY_LIMIT * best]

    def median(self, peer: str, what) -> float:
        """Of what(row) over the repetitions that count."""
        return statistics.median(what(self.rows[peer][i]) for i in self.counted())

    def ratio(self, peer: str, other: str, what=lambda row: row.cost) -> float | None:
        """The median of the ratios peer / other, paired by repetition."""
        found = self.ratios(peer, other, what)
        return statistics.median(found) if found else None

    def ratios(self, peer: str, other: str, what=lambda row: row.cost) -> list[float]:
        """One for each repetition that counts; none where one of the two was not measured, or found to be 0."""
        if not {peer, other} <= self.rows.keys():
            return []
        pairs = [(what(self.rows[peer][i]), what(self.rows[other][i])) for i in self.counted()]
        return [a / b for a, b in pairs] if all(b for _, b in pairs) else []


def settle(peers: list[Peer]) -> None:
    """Waits until no peer works off what the last load left behind; 5 s at most."""
    for _ in range(100):
        before = sum(peer.cpu_nanoseconds() for peer in peers)
        time.sleep(0.05)
        if sum(peer.cpu_nanoseconds() for peer in peers) - before < 5_000_000:
            return


def load_options(scenario: Scenario, peer: Peer) -> dict:
    options = dict(scenario.load)
    origin = peer.setting.origin
    if peer.setting.ca:
        options |= {"tls": 1, "form": "tunnel" if peer.tls_after_connect else "origin"}
        origin = peer.setting.tls_origin
    elif scenario.tls and peer.absolute_https:
        options["scheme"] = "https"
        origin = peer.setting.tls_origin
    elif peer.upgrade and scenario.tls:
        origin = peer.setting.tls_origin
    if "tunnels" in scenario.needs and isinstance(peer, Relay):
        options["form"] = "origin"
    if "hosts" in options:
        options["names"] = int(isolated())
    # A name, as in most URLs: who looks at names has that to do as well.
    return {"target": peer.at, "origin": origin.replace("127.0.0.1", "localhost"), **options}


def run_once(scenario: Scenario, peer: Peer, quick: bool) -> Row:
    origin = peer.setting.tls_process or peer.setting.process
    before, threads = origin.counters(), peer.thread_nanoseconds()
    measured = load(**load_options(scenario, peer), watch=peer.pids(), warm_up=scenario.warm_up,
                    window=scenario.window / 2 if quick else scenario.window)
    after = origin.counters()
    worked = [time - threads.get(thread, 0) for thread, time in peer.thread_nanoseconds().items()]
    requests = after["requests"] - before["requests"]
    connections = after["connections"] - before["connections"]
    units = (measured.bytes_in + measured.bytes_out) / GIB if scenario.bodies else measured.exchanges / 1e5
    return Row(measured=measured, cost=measured.cpu / units if units else float("nan"),
               reused=1 - connections / requests if requests else float("nan"), memory=peer.memory(),
               busiest=max(worked) / sum(worked) if sum(worked) else float("nan"))


@contextlib.contextmanager
def running(kind: type[Peer], *, tls: bool = False, intercept: bool = False, origin: tuple[str, ...] = (),
            wrapper: tuple[str, ...] = (), **setting):
    """A peer, and behind it an origin of its own, which takes the arguments `origin`. `setting` is more of a Setting."""
    with Origin(*origin) as process, contextlib.ExitStack() as stack:
        setting = Setting(origin=process.at, process=process, **setting)
        if tls and kind is not Relay:  # which shows the machine's mood, on http://
            secure = stack.enter_context(TlsOrigin(process))
            setting.tls_origin, setting.tls_process, setting.authority = secure.at, secure, secure.authority
            if intercept and not kind.upgrade:
                setting.ca = local_ca()
        yield stack.enter_context(kind(setting, wrapper))


def chosen_peers(scenario: Scenario, wanted: list[str] | None, more: list[type[Peer]]) -> list[type[Peer]]:
    """The scenario's, or those wanted of all that can do it, and the further builds of keepwarm. The relay is always in."""
    able = [ALL[name] for name in wanted or scenario.peers if name != Relay.name] + more
    return [Relay, *(kind for kind in able if not kind.lacks & scenario.needs)]


def prime(scenario: Scenario, peer: Peer) -> None:
    """Has the peer meet all hosts, so that what it does once for each is not in the figures."""
    for _ in range(3):
        if not load(**load_options(scenario, peer), total=scenario.load["hosts"]).failures:
            return


def compare(scenario: Scenario, peer_types: list[type[Peer]], repetitions: int, quick: bool) -> Comparison:
    result = Comparison(scenario)
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(running(kind, **scenario.surroundings())) for kind in peer_types]
        if "hosts" in scenario.load:
            for peer in peers:
                prime(scenario, peer)
        # Some more than wanted, since not all will count; but an end there must be.
        for done in range(2 * repetitions):
            for peer in peers:
                settle(peers)
                result.rows.setdefault(peer.name, []).append(run_once(scenario, peer, quick))
            print(f"\r    {scenario.name}: {done + 1} repetitions, {len(result.counted())} count", end="",
                  file=sys.stderr, flush=True)
            if len(result.counted()) >= repetitions:
                break
        print(file=sys.stderr)
    return result
