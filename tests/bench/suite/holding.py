"""Client connections by the thousand that ask now and then, and what they cost."""

import itertools
import selectors
import socket
import ssl
import time
from pathlib import Path

from .peers import Peer

LIMIT = 60.0  # seconds, of one round of requests
ESTABLISHED = "01"


def _request(url: str, origin_form: bool) -> bytes:
    host, path = url.split("/", 3)[2:]
    return f"GET {'/' + path if origin_form else url} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: hold/1.0\r\nAccept: */*\r\n\r\n".encode()


class Clients:
    """Persistent connections to a proxy on loopback. tls_to: HOST:PORT, for which they speak TLS with the proxy, as with one
    that answers for that host; connect: they send CONNECT before."""

    def __init__(self, port: int, tls_to: str | None = None, connect: bool = True):
        self._port = port
        self._tls_to = tls_to
        self._connect = connect
        self._context = ssl.create_default_context()
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE
        self._sockets: list[socket.socket] = []

    def __len__(self) -> int:
        return len(self._sockets)

    def add(self, number: int) -> None:
        for _ in range(number):
            sock = socket.create_connection(("127.0.0.1", self._port), 10)
            self._sockets.append(self._secured(sock) if self._tls_to else sock)

    def _secured(self, sock: socket.socket) -> ssl.SSLSocket:
        if self._connect:
            sock.sendall(f"CONNECT {self._tls_to} HTTP/1.1\r\nHost: {self._tls_to}\r\n\r\n".encode())
            answer = b""
            while not answer.endswith(b"\r\n\r\n"):
                got = sock.recv(4096)
                if not got:
                    raise ConnectionError(f"not an answer to CONNECT: {answer!r}")
                answer += got
            if not answer.startswith(b"HTTP/1.1 200"):
                raise ConnectionError(f"not a 200: {answer!r}")
        return self._context.wrap_socket(sock, server_hostname=self._tls_to.partition(":")[0])

    def ask(self, *urls: str, at_a_time: int) -> None:
        """One GET by each, of the URLs in turn, `at_a_time` of them in flight; all must get a 200."""
        requests = itertools.cycle([_request(url, bool(self._tls_to)) for url in urls])
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
