"""Clients that stop reading cost the daemon next to nothing: it stops reading from their origins."""

import threading
import time

import pytest

from support.origin import Connection
from support.stalls import real_time
from support.waiting import Deadline, eventually, sanitized, scaled

MIB = 1024 * 1024
STILL = 0.5  # seconds without a byte sent: the origin is blocked


class LargeAnswers:
    """Answers /SIZE with that many bytes, as fast as they are taken; anything else with a few."""

    def __init__(self):
        self.sent = 0
        self._lock = threading.Lock()
        self._piece = bytes(range(256)) * 1024

    def __call__(self, connection: Connection) -> None:
        connection.limit = scaled(60)
        while True:
            if not connection.buffer and not connection._receive(Deadline(60), "a request"):
                return
            size = connection.read_request_head().target.strip("/")
            left = int(size) if size.isdecimal() else 5
            connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {left}\r\n\r\n")
            while left > 0:
                piece = self._piece[:left]
                connection.send(piece)
                left -= len(piece)
                with self._lock:
                    self.sent += len(piece)

    def wait_until_blocked(self) -> int:
        """Waits until nothing more is taken; how much was."""
        last, since = self.sent, time.monotonic()

        def blocked() -> bool:
            nonlocal last, since
            if self.sent != last:
                last, since = self.sent, time.monotonic()
            return time.monotonic() - since > STILL

        eventually(blocked, limit=30)
        return last


@pytest.fixture
def answers():
    return LargeAnswers()


@pytest.fixture
def large(origin, answers):
    return origin(answers)


def warm_up(daemon, server, clients: int) -> int:
    """Does once what the test will do, to the end; the memory after it."""
    for client in [daemon.client() for _ in range(clients)]:
        client.send_request("GET", server.url(f"/{MIB}"))
        client.read_response_head()
        client.discard(MIB)
        client.close()
    return daemon.rss()


def stop_reading(daemon, server, size: int):
    """A client that asks for `size` bytes, reads the head of the answer and no more."""
    client = daemon.client(limit=30)
    client.send_request("GET", server.url(f"/{size}"))
    client.read_response_head()
    return client


def test_a_client_that_stops_reading_a_gibibyte_costs_under_a_mebibyte(keepwarm, large, answers):
    daemon = keepwarm()
    before = warm_up(daemon, large, clients=3)
    client = stop_reading(daemon, large, 1024 * MIB)
    taken = answers.wait_until_blocked()
    grown = daemon.rss() - before
    print(f"memory grew by {grown / 1024:.0f} KiB; the origin got rid of {taken / MIB:.1f} MiB into socket buffers")
    assert taken < 64 * MIB, "the origin is held back"
    assert sanitized() or grown < MIB
    client.reset()
    eventually(lambda: large.connections[-1].ended or large.connections[-1].closed)


@real_time
def test_fifty_clients_that_stop_reading_leave_room_for_another(keepwarm, large, answers):
    daemon = keepwarm()
    before = warm_up(daemon, large, clients=3)
    clients = [stop_reading(daemon, large, 100 * MIB) for _ in range(50)]
    answers.wait_until_blocked()
    start = time.monotonic()
    assert daemon.get(large.url("/small")).status == 200
    took = time.monotonic() - start
    grown = daemon.rss() - before
    print(f"memory grew by {grown / MIB:.2f} MiB; another client was answered in {took * 1000:.1f} ms")
    assert took < scaled(1.0)
    assert sanitized() or grown < 16 * MIB
    for client in clients:
        client.reset()


def test_what_was_held_back_arrives_whole_when_the_client_reads_on(keepwarm, large, answers):
    daemon = keepwarm()
    client = stop_reading(daemon, large, 200 * MIB)
    answers.wait_until_blocked()
    whole, position = bytes(range(256)) * 4096, 0
    while position < 200 * MIB:
        piece = client.read_some()
        offset = position % 256
        assert piece == whole[offset:offset + len(piece)], f"wrong bytes after {position}"
        position += len(piece)
