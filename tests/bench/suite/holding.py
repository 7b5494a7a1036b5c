"""Client connections by the thousand that ask now and then, and what they cost."""

import itertools
import selectors
import socket
import time
from pathlib import Path

from .peers import Peer

LIMIT = 60.0  # seconds, of one round of requests
ESTABLISHED = "01"


def _request(url: str) -> bytes:
    host = url.split("/")[2]
    return f"GET {url} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: hold/1.0\r\nAccept: */*\r\n\r\n".encode()


class Clients:
    """Persistent connections to a proxy on loopback."""

    def __init__(self, port: int):
        self._port = port
        self._sockets: list[socket.socket] = []

    def __len__(self) -> int:
        return len(self._sockets)

    def add(self, number: int) -> None:
        for _ in range(number):
            self._sockets.append(socket.create_connection(("127.0.0.1", self._port), 10))

    def ask(self, *urls: str, at_a_time: int) -> None:
        """One GET by each, of the URLs in turn, `at_a_time` of them in flight; all must get a 200."""
        requests = itertools.cycle([_request(url) for url in urls])
        waiting = list(self._sockets)
        end = time.monotonic() + LIMIT
        with selectors.DefaultSelector() as selector:
            pending = 0
            while waiting or pending:
                while waiting and pending < at_a_time:
                    sock = waiting.pop()
                    sock.sendall(next(requests))
                    selector.register(sock, selectors.EVENT_READ, bytearray())
                    pending += 1
                for key, _ in selector.select(1):
                    if self._answered(key):
                        selector.unregister(key.fileobj)
                        pending -= 1
                if time.monotonic() > end:
                    raise TimeoutError(f"{pending} answers to {urls[0]} are missing")

    @staticmethod
    def _answered(key: selectors.SelectorKey) -> bool:
        got = key.fileobj.recv(65536)
        if not got:
            raise ConnectionError("closed in place of an answer")
        key.data.extend(got)
        head, separator, body = bytes(key.data).partition(b"\r\n\r\n")
        if not separator:
            return False
        if not head.startswith(b"HTTP/1.1 200"):
            raise ConnectionError(f"not a 200: {head!r}")
        for field in head.split(b"\r\n"):
            name, _, value = field.partition(b":")
            if name.lower() == b"content-length":
                return len(body) >= int(value)
        raise ConnectionError(f"no Content-Length: {head!r}")

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        for sock in self._sockets:
            sock.close()


def settled_memory(peer: Peer) -> int:
    """The peer's memory a second from now: by then it has given back what it gives back."""
    time.sleep(1)
    return peer.memory()


def connections_to(port: int) -> int:
    """Established connections that `port` here has accepted."""
    found = 0
    for table in ("tcp", "tcp6"):
        file = Path(f"/proc/net/{table}")
        if not file.exists():
            continue
        for line in file.read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            found += state == ESTABLISHED and int(local.rsplit(":", 1)[1], 16) == port
    return found
