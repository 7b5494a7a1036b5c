"""Servers that close idle connections after 5 s, and clients that come back after 4 to 6: the very thing keepwarm is for. No
client may see a failure, and no server a POST twice."""

import random
import select
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.origin import Connection
from support.tier import amount
from support.waiting import Deadline

HOSTS = 30     # each is a pool of its own
REQUESTS = amount(3, 6)  # of each, with gaps between them
TIMEOUT = 5.0  # of the servers; real time, whatever the build

pytestmark = pytest.mark.slow


def visit(daemon, seed: int, host: int, port: int, path: str) -> list[tuple[str, str, int, bytes]]:
    """One host's requests; what was asked and what came. POSTs and GETs are mixed, the gaps are around the timeout."""
    choice = random.Random(seed * 1000 + host)
    seen = []
    for number in range(REQUESTS):
        if number > 0:
            time.sleep(choice.uniform(TIMEOUT - 1, TIMEOUT + 1))
        method = choice.choice(("GET", "POST"))
        name = f"h{host}n{number}"
        body = b"some body" if method == "POST" else None
        answer = daemon.request(method, f"http://127.0.0.{host + 1}:{port}{path}?{name}", body=body)
        seen.append((method, name, answer.status, answer.body))
    return seen


def visit_all(daemon, port: int, path: str = "/echo"):
    """All hosts at once; (what the clients saw). The seed is printed: a failed run can be had again."""
    seed = random.SystemRandom().randrange(10**6)
    print("seed", seed)
    with ThreadPoolExecutor(HOSTS) as pool:
        results = list(pool.map(lambda host: visit(daemon, seed, host, port, path), range(HOSTS)))
    return [one for result in results for one in result]


def check(daemon, seen, arrived: list[tuple[str, str]]) -> None:
    """`arrived`: (method, name) of every request that the server saw."""
    stale = sum("stale" in reason for reason in daemon.closes())
    print(len(seen), "requests,", len(arrived), "arrivals,", stale, "stale failures; closes:", sorted(set(daemon.closes())))
    failed = [one for one in seen if one[2] != 200]
    assert not failed, f"{len(failed)} of {len(seen)} failed: {failed[:5]}"
    for method, name, _, _ in seen:
        times = arrived.count((method, name))
        assert times == 1 if method == "POST" else times in (1, 2), f"the server saw {method} {name} {times} times"


def test_node_with_its_default_timeout(keepwarm, script):
    daemon, server = keepwarm(), script("origin.js")
    seen = visit_all(daemon, server.port)
    arrived = [(method, url.split("?")[1]) for method, url, _ in server.log_lines()]
    check(daemon, seen, arrived)


def test_apache_with_its_default_timeout(keepwarm, apache):
    daemon, server = keepwarm(), apache()
    seen = visit_all(daemon, server.port, "/cgi/echo")
    assert all(body == name.encode() for _, name, _, body in seen)
    arrived = [(method, url.split("?")[1]) for method, url, _, _ in server.log_lines()]
    check(daemon, seen, arrived)


class ImpatientOrigin:
    """Answers like a server without a hint, and calls `lapse` on a connection that has been idle for the timeout."""

    def __init__(self, lapse):
        self.lapse = lapse
        self.arrived: list[tuple[str, str]] = []
        self.lapsed = 0
        self._lock = threading.Lock()

    def __call__(self, connection: Connection) -> None:
        while connection.buffer or select.select([connection.sock], [], [], TIMEOUT)[0]:
            if not connection.buffer and not connection._receive(Deadline(TIMEOUT), "a request"):
                return
            request = connection.read_request()
            with self._lock:
                self.arrived.append((request.method, request.target.split("?")[1]))
            connection.answer("ok")
        with self._lock:
            self.lapsed += 1
        self.lapse(connection)


def send_408_and_close(connection: Connection) -> None:
    connection.send("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    connection.shutdown_write()
    connection.read_to_end(2)


@pytest.mark.parametrize("lapse", [Connection.close, Connection.reset, send_408_and_close], ids=["FIN", "RST", "408"])
def test_an_origin_that_gives_no_hint_and_lapses_by(lapse, keepwarm, origin):
    behaviour = ImpatientOrigin(lapse)
    daemon, server = keepwarm(), origin(behaviour, host="0.0.0.0")
    check(daemon, visit_all(daemon, server.port), behaviour.arrived)
    assert behaviour.lapsed > 0, "no connection was idle for long enough: the test shows nothing"
