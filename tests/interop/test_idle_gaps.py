"""Servers that close idle connections after 5 s, and clients that come back after 4 to 6: the very thing keepwarm is for. No
client may see a failure, and no server a POST twice."""

import json
import random
import select
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from support.origin import Connection
from support.tier import amount
from support.waiting import Deadline

HOSTS = 30     # each is a pool of its own
REQUESTS = amount(3, 6)  # of each, with gaps between them
TIMEOUT = 5.0  # of the servers; real time, whatever the build
LOG = {"log": {"access": "json"}}
# The daemon and a server of ours count the same idle time. They differ by so much only where the machine stood still.
STALL = 0.1

pytestmark = pytest.mark.slow


@dataclass
class Seen:
    """A request as its client saw it. Times are of time.monotonic()."""

    method: str
    name: str
    host: str
    began: float
    ended: float
    status: int
    body: bytes


@dataclass
class Lapse:
    """A server ended a connection after it had been idle for `age` seconds, by the server's clock."""

    host: str
    age: float
    at: float


def visit(daemon, seed: int, number: int, port: int, path: str) -> list[Seen]:
    """One host's requests. POSTs and GETs are mixed, the gaps are around the timeout."""
    choice = random.Random(seed * 1000 + number)
    host = f"127.0.0.{number + 1}"
    seen = []
    for turn in range(REQUESTS):
        if turn > 0:
            time.sleep(choice.uniform(TIMEOUT - 1, TIMEOUT + 1))
        method = choice.choice(("GET", "POST"))
        name = f"h{number}n{turn}"
        body = b"some body" if method == "POST" else None
        began = time.monotonic()
        answer = daemon.request(method, f"http://{host}:{port}{path}?{name}", body=body)
        seen.append(Seen(method, name, host, began, time.monotonic(), answer.status, answer.body))
    return seen


def visit_all(daemon, port: int, path: str = "/echo") -> list[Seen]:
    """All hosts at once. The seed is printed: a failed run can be had again."""
    seed = random.SystemRandom().randrange(10**6)
    print("seed", seed)
    with ThreadPoolExecutor(HOSTS) as pool:
        results = list(pool.map(lambda number: visit(daemon, seed, number, port, path), range(HOSTS)))
    return [one for result in results for one in result]


def stalled(request: Seen, idle: float, lapses: list[Lapse]) -> bool:
    """Whether a POST failed because the machine stood still: the server ended its connection meanwhile, and at an age that
    the daemon, which read the answer before late, could not know of."""
    return request.method == "POST" and any(
        lapse.host == request.host and request.began - STALL <= lapse.at <= request.ended and lapse.age - idle >= STALL
        for lapse in lapses)


def check(daemon, seen: list[Seen], arrived: list[tuple[str, str]], lapses: list[Lapse] | None = None) -> None:
    """`arrived`: (method, name) of every request that the server saw."""
    stale = sum("stale" in reason for reason in daemon.closes())
    print(len(seen), "requests,", len(arrived), "arrivals,", stale, "stale failures; closes:", sorted(set(daemon.closes())))
    records = [record for line in daemon.log if (record := json.loads(line))["kind"] == "access"]
    idle = {record["url"].split("?")[1]: record["idle_ms"] / 1000 for record in records}
    failed = [one for one in seen if one.status != 200]
    excused = [one for one in failed if stalled(one, idle[one.name], lapses or [])]
    print("failed:", [(one, idle[one.name]) for one in failed])
    assert len(failed) == len(excused), f"{len(failed)} of {len(seen)} failed, {len(excused)} while the machine stood still"
    for one in seen:
        times = arrived.count((one.method, one.name))
        right = (0, 1) if one in excused else (1,) if one.method == "POST" else (1, 2)
        assert times in right, f"the server saw {one.method} {one.name} {times} times"


def test_node_with_its_default_timeout(keepwarm, script):
    daemon, server = keepwarm(LOG), script("origin.js")
    seen = visit_all(daemon, server.port)
    arrived = [(method, url.split("?")[1]) for method, url, _ in server.log_lines()]
    check(daemon, seen, arrived)


def test_apache_with_its_default_timeout(keepwarm, apache):
    daemon, server = keepwarm(LOG), apache()
    seen = visit_all(daemon, server.port, "/cgi/echo")
    assert all(one.body == one.name.encode() for one in seen)
    arrived = [(method, url.split("?")[1]) for method, url, _, _ in server.log_lines()]
    check(daemon, seen, arrived)


class ImpatientOrigin:
    """Answers like a server without a hint, and calls `lapse` on a connection that has been idle for the timeout."""

    def __init__(self, lapse):
        self.lapse = lapse
        self.arrived: list[tuple[str, str]] = []
        self.lapses: list[Lapse] = []
        self._lock = threading.Lock()

    def __call__(self, connection: Connection) -> None:
        idle_since = time.monotonic()
        while connection.buffer or connection.has_input() or self._comes(connection):
            if not connection.buffer and not connection._receive(Deadline(TIMEOUT), "a request"):
                return
            request = connection.read_request()
            with self._lock:
                self.arrived.append((request.method, request.target.split("?")[1]))
            idle_since = time.monotonic()
            connection.answer("ok")
        now = time.monotonic()
        with self._lock:
            self.lapses.append(Lapse(connection.sock.getsockname()[0], now - idle_since, now))
        self.lapse(connection)

    @staticmethod
    def _comes(connection: Connection) -> bool:
        """Whether something comes before the timeout is over. On a busy machine it is over late, and what came until then is in
        time too."""
        return bool(select.select([connection.sock], [], [], TIMEOUT)[0]) or connection.has_input()


def send_408_and_close(connection: Connection) -> None:
    connection.send("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    connection.shutdown_write()
    connection.read_to_end(2)


@pytest.mark.parametrize("lapse", [Connection.close, Connection.reset, send_408_and_close], ids=["FIN", "RST", "408"])
def test_an_origin_that_gives_no_hint_and_lapses_by(lapse, keepwarm, origin):
    behaviour = ImpatientOrigin(lapse)
    daemon, server = keepwarm(LOG), origin(behaviour, host="0.0.0.0")
    check(daemon, visit_all(daemon, server.port), behaviour.arrived, behaviour.lapses)
    assert behaviour.lapses, "no connection was idle for long enough: the test shows nothing"
