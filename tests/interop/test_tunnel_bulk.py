"""A great many bytes through a CONNECT tunnel, both ways at once, with checksums."""

import hashlib
import random
import socket
import threading
import time

from support.origin import Connection
from support.waiting import sanitized, scaled

MIB = 1024 * 1024
SIZE = (128 if sanitized() else 1024) * MIB
PIECE = 256 * 1024


def source(seed: int):
    """SIZE bytes in pieces that differ from each other: a lost, doubled or swapped one shows in the checksum."""
    noise = memoryview(random.Random(seed).randbytes(2 * PIECE))
    for number in range(SIZE // PIECE):
        start = number * 4099 % PIECE
        yield noise[start:start + PIECE]


def digest_of(seed: int) -> str:
    return digest(source(seed))


def digest(pieces) -> str:
    hash_ = hashlib.sha1(usedforsecurity=False)
    for piece in pieces:
        hash_.update(piece)
    return hash_.hexdigest()


def send_all(sock: socket.socket, seed: int) -> None:
    sock.settimeout(scaled(60))
    for piece in source(seed):
        sock.sendall(piece)
    sock.shutdown(socket.SHUT_WR)


def received(sock: socket.socket, already: bytes):
    yield already
    buffer = bytearray(PIECE)
    view = memoryview(buffer)
    while size := sock.recv_into(buffer):
        yield view[:size]


def both_ways(sock: socket.socket, already: bytes, send_seed: int) -> str:
    """Sends and receives at the same time; the checksum of what came, with what had come `already`."""
    sender = threading.Thread(target=send_all, args=(sock, send_seed))
    sock.settimeout(scaled(60))
    sender.start()
    result = digest(received(sock, already))
    sender.join()
    return result


def test_a_gibibyte_each_way_through_a_tunnel(keepwarm, origin):
    results = {}

    def far_end(connection: Connection) -> None:
        results["up"] = both_ways(connection.sock, b"", send_seed=2)

    server = origin(far_end)
    daemon = keepwarm(f"[proxy]\nconnect_ports = [{server.port}]")
    client = daemon.client(limit=30)
    client.send_request("CONNECT", server.at)
    assert client.read_response("CONNECT").status == 200
    before = daemon.cpu_seconds(), daemon.rss(), time.monotonic()
    results["down"] = both_ways(client.sock, client.take(len(client.buffer)), send_seed=1)
    took = time.monotonic() - before[2]
    print(f"{SIZE // MIB} MiB each way in {took:.1f} s, {daemon.cpu_seconds() - before[0]:.2f} s of the daemon's CPU time, "
          f"memory grew by {(daemon.rss() - before[1]) / 1024:.0f} KiB")
    assert results["down"] == digest_of(2)
    server._threads[-1].join(scaled(30))
    assert results["up"] == digest_of(1)
    assert sanitized() or daemon.rss() - before[1] < 4 * MIB
