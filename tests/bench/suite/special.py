"""Scenarios that are no load on all peers in turn: memory, first visits, the stale race. The burst has a file of its own."""

import contextlib
import statistics
from concurrent.futures import ThreadPoolExecutor

from . import holding
from .burst import burst
from .compare import running
from .hosts import host_name, isolated
from .peers import ALL, Peer
from .report import number, table
from .tools import Measured, load

HOLDERS = ("keepwarm", "haproxy", "nginx", "trafficserver", "squid")
INTERCEPTORS = ("keepwarm", "haproxy", "squid")
VISITORS = ("keepwarm", "haproxy", "trafficserver", "squid", "tinyproxy")
RACERS = ("keepwarm", "keepwarm-defaults", "haproxy", "nginx", "trafficserver", "squid")


def able(names: tuple[str, ...], given, lacking: str | None = None) -> list[type[Peer]]:
    """Those of `names` (or of the wanted ones) that do not lack it, and the further builds of keepwarm."""
    kinds = [ALL[name] for name in given.peers or names if name != "relay"] + given.more
    return [kind for kind in kinds if lacking not in kind.lacks]


# Memory


def _memory_of(kind: type[Peer], number_of_clients: int, tls: bool) -> dict[str, float]:
    """Bytes for each idle connection: `client`, of clients that had an answer, and `upstream`, in addition."""
    with running(kind, tls=tls) as peer:
        scheme = "https" if tls and peer.absolute_https else "http"
        origin = (peer.setting.tls_origin if scheme == "https" else peer.setting.origin)
        where = f"{scheme}://{origin.replace('127.0.0.1', 'localhost')}"
        upstream = int((peer.setting.tls_origin or peer.setting.origin).rsplit(":", 1)[1])
        with holding.Clients(peer.port) as clients:
            clients.add(8)  # the first ones make buffers and caches
            clients.ask(where + "/", at_a_time=8)
            base, few = holding.settled_memory(peer), holding.connections_to(upstream)
            clients.add(number_of_clients)
            clients.ask(where + "/", at_a_time=8)
            with_clients = holding.settled_memory(peer)
            # All at once: a connection upstream for each. The clients stay, so that what they take is in both figures.
            clients.ask(f"{where}/gather/{len(clients)}", at_a_time=len(clients))
            with_both, many = holding.settled_memory(peer), holding.connections_to(upstream)
    return {"base": base, "client": (with_clients - base) / number_of_clients, "connections": many - few,
            "upstream": (with_both - with_clients) / (many - few) if many > few else float("nan")}


def _memory_of_hosts(kind: type[Peer], hosts: int) -> float:
    """Bytes for each idle connection upstream, of so many hosts. These are known before, each by a connection, and as many
    exchanges have been under way at a time: neither is in it."""
    number = 2 * hosts
    with running(kind) as peer, holding.Clients(peer.port) as clients:
        port = int(peer.setting.origin.rsplit(":", 1)[1])
        at = [f"http://{host_name(i)}:{port}" for i in range(hosts)]
        clients.add(number)
        clients.ask(*(f"{host}/" for host in at), at_a_time=8)
        clients.ask(f"{at[0]}/gather/{number}", at_a_time=number)
        before, few = holding.settled_memory(peer), holding.connections_to(port)
        clients.ask(*(f"{host}/gather/{number}" for host in at), at_a_time=number)
        after, many = holding.settled_memory(peer), holding.connections_to(port)
    return (after - before) / (many - few) if many > few else float("nan")


def _memory_of_intercepted(kind: type[Peer], number_of_clients: int) -> float:
    """Bytes for each idle client that the peer speaks TLS with."""
    with running(kind, tls=True, intercept=True) as peer:
        origin = peer.setting.tls_origin.replace("127.0.0.1", "localhost")
        with holding.Clients(peer.port, tls_to=origin, connect=peer.tls_after_connect) as clients:
            clients.add(8)
            clients.ask(f"https://{origin}/", at_a_time=8)
            base = holding.settled_memory(peer)
            clients.add(number_of_clients)
            clients.ask(f"https://{origin}/", at_a_time=8)
            return (holding.settled_memory(peer) - base) / number_of_clients


def memory(given) -> tuple[str, dict]:
    plain_clients, tls_clients, intercepted_clients = (1000, 500, 1000) if given.quick else (4000, 2000, 5000)
    plain = {kind.name: _memory_of(kind, plain_clients, tls=False) for kind in able(HOLDERS, given)}
    many = {kind.name: _memory_of_hosts(kind, plain_clients // 2) for kind in able(HOLDERS, given, "any host")}
    secure = {kind.name: _memory_of(kind, tls_clients, tls=True) for kind in able(HOLDERS, given, "tls")}
    intercepted = {kind.name: _memory_of_intercepted(kind, intercepted_clients)
                   for kind in able(INTERCEPTORS, given, "interception")}
    rows = [[name, number(found["base"] / 2**20, 1), number(found["client"], 0), number(found["upstream"], 0),
             number(many[name], 0) if name in many else "–",
             number(secure[name]["upstream"], 0) if name in secure else "–",
             number(intercepted[name], 0) if name in intercepted else "–"] for name, found in plain.items()]
    text = table(["peer", "base MiB", "B / idle client", "B / idle upstream", "the same, many hosts",
                  "B / idle TLS upstream", "B / idle intercepted client"], rows)
    return (f"### Memory beyond the kernel's (PSS), {plain_clients:,} connections of each kind, {tls_clients:,} of TLS, "
            f"{intercepted_clients:,} intercepted clients\n\n"
            f"{text}\n\nUpstream figures hold what so many exchanges at a time left behind. Many hosts: the second "
            f"connection of each of {plain_clients // 2:,}, without what a host and such a crowd take by themselves. "
            "An intercepted client is to take at most 22 KiB (22,528 B) of keepwarm.\n",
            {"plain": plain, "hosts": many, "tls": secure, "intercepted": intercepted})


# First visits


def firstvisit(given) -> tuple[str, dict]:
    """Times of the first and the second request to hosts, one after the other."""
    hosts = 200 if given.quick else 500
    repetitions = given.repetitions
    visits: dict[str, list[tuple[Measured, Measured]]] = {}
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(running(kind)) for kind in able(VISITORS, given, "any host")]
        for repetition in range(repetitions):
            for peer in peers:
                def visit(peer=peer, first=repetition * hosts):
                    return load(target=peer.at, origin=peer.setting.origin, clients=1, hosts=hosts, names=int(isolated()),
                                first_host=first, total=hosts)

                visits.setdefault(peer.name, []).append((visit(), visit()))
    rows, figures = [], {}
    for name, pairs in visits.items():
        def median(which, what, pairs=pairs):
            return statistics.median(getattr(pair[which], what) for pair in pairs)

        figures[name] = {"first": median(0, "p50"), "first_p99": median(0, "p99"), "second": median(1, "p50"),
                         "second_p99": median(1, "p99"),
                         "failed": sum(visit.failed for pair in pairs for visit in pair)}
        rows.append([name, *(number(figures[name][key], 0) for key in ("first", "first_p99", "second", "second_p99")),
                     str(figures[name]["failed"])])
    text = table(["peer", "first p50 µs", "first p99 µs", "second p50 µs", "second p99 µs", "failed"], rows)
    kind = "names" if isolated() else "addresses"
    return f"### First and second request to {hosts} unseen hosts ({kind}), one at a time\n\n{text}\n", figures


# The stale race

IDLE_CLOSE_MS = 2000
ROUND_TRIP_MS = 20
RACING_CLIENTS = 200
CASES = {"GET": ("GET", None, ()), "POST": ("POST", 10, ()),
         "GET, hint": ("GET", None, ("--hint", str(IDLE_CLOSE_MS // 1000))),
         "POST, hint": ("POST", 10, ("--hint", str(IDLE_CLOSE_MS // 1000)))}


def _race(kind: type[Peer], method: str, body: int | None, origin: tuple[str, ...], seconds: float) -> Measured:
    far_away = ("--idle-close", str(IDLE_CLOSE_MS), "--rtt", str(ROUND_TRIP_MS), *origin)
    # A host for each client: the ages of its connection are then the client's pauses.
    with running(kind, origin=far_away, hosts=RACING_CLIENTS) as peer:
        return load(target=peer.at, origin=peer.setting.origin, method=method, body=body, clients=RACING_CLIENTS,
                    hosts=RACING_CLIENTS,
                    names=int(isolated()), pause_from=IDLE_CLOSE_MS - 2 * ROUND_TRIP_MS,
                    pause_to=IDLE_CLOSE_MS + ROUND_TRIP_MS, warm_up=3 * IDLE_CLOSE_MS / 1000, window=seconds)


def stale(given) -> tuple[str, dict]:
    """What clients see of an origin that closes idle connections at T, when they ask at about T."""
    kinds = able(RACERS, given)
    seconds = 6 if given.quick else 20
    figures: dict[str, dict] = {}
    for case, (method, body, origin) in CASES.items():
        with ThreadPoolExecutor(len(kinds)) as pool:  # they mostly wait
            runs = {kind.name: pool.submit(_race, kind, method, body, origin, seconds) for kind in kinds}
        for name, run in runs.items():
            done = run.result()
            figures.setdefault(name, {})[case] = {"exchanges": done.exchanges, "failures": done.failures}
    rows = []
    for name, by_case in figures.items():
        row = [name]
        for found in by_case.values():
            failed = sum(found["failures"].values())
            row.append(f"{failed} of {failed + found['exchanges']}")
        rows.append(row)
    text = table(["peer", *(f"{case}: failed" for case in CASES)], rows)
    return (f"### The stale race: the origin closes after {IDLE_CLOSE_MS} ms and is {ROUND_TRIP_MS} ms away; requests at "
            f"{IDLE_CLOSE_MS - 2 * ROUND_TRIP_MS} to {IDLE_CLOSE_MS + ROUND_TRIP_MS} ms\n\n{text}\n\n"
            "hint: the origin says Keep-Alive: timeout.\n", figures)


SPECIAL = {"burst": burst, "memory": memory, "firstvisit": firstvisit, "stale": stale}
