"""Short ways to say what the tests of pool, retries and time limits say over and over."""

import contextlib
import re
import signal
import socket
import struct
from pathlib import Path

from support.client import Client
from support.daemon import Daemon
from support.origin import Connection, Origin
from support.waiting import eventually
from support.wire import Request, Response

# With this hint a connection is trusted for a minute, so no pause of a slow machine changes what happens.
KEEP = "Keep-Alive: timeout=60"


def every_host(**keys) -> dict:
    """The configuration with these keys in [host."*"]."""
    return {"host": {"*": keys}}


def begin(daemon: Daemon, server: Origin, method: str = "GET", path: str = "/", *fields: str, body=None) -> Client:
    """A new client sends a request; nothing is waited for."""
    client = daemon.client()
    client.send_request(method, server.url(path), *fields, body=body)
    return client


def serve(upstream: Connection, body="ok", *fields: str, status: str = "200 OK") -> Request:
    """Reads the next request and answers it."""
    request = upstream.read_request()
    upstream.answer(body, status, *fields)
    return request


def finish(client: Client, body: str = "ok", method: str = "GET", status: int = 200) -> Response:
    """Reads the whole answer, which must be this one, and closes the client."""
    response = client.read_response(method)
    assert response.status == status, response.raw + response.body
    assert response.body == body.encode(), response.raw + response.body
    client.close()
    return response


def exchange(daemon: Daemon, server: Origin, upstream: Connection | None = None, method: str = "GET", path: str = "/",
             body=None, answer: tuple[str, ...] = (KEEP,)) -> Connection:
    """A whole exchange of a new client, on `upstream` or else on a new connection; which is returned."""
    client = begin(daemon, server, method, path, body=body)
    used = upstream or server.accept()
    request = serve(used, "ok", *answer)
    assert (request.method, request.target) == (method, path)
    finish(client)
    return used


def pooled(daemon: Daemon, server: Origin, count: int, *answer: str) -> list[Connection]:
    """`count` idle connections, in the order in which they were returned: the last one is the warmest."""
    clients, upstreams = [], []
    for number in range(count):
        clients.append(begin(daemon, server, path=f"/fill/{number}"))
        upstreams.append(server.accept())
        upstreams[-1].read_request()
    for client, upstream in zip(clients, upstreams):
        upstream.answer("ok", "200 OK", *(answer or (KEEP,)))
        finish(client)
    return upstreams


def settle(daemon: Daemon) -> None:
    """Returns when the daemon has handled all that had reached it before the call."""
    client = daemon.client()
    client.send("GET /of-the-proxy-itself HTTP/1.1\r\nHost: x\r\n\r\n")
    assert client.read_response().status == 400
    client.close()


def close_reasons(daemon: Daemon) -> list[str]:
    """Why upstream connections were closed so far, in order."""
    return [match[1] for line in list(daemon.log) if (match := re.search(r"upstream \S+ closed: ([^(]*[^( ])", line))]


@contextlib.contextmanager
def standing_still(daemon: Daemon):
    """The daemon stands still meanwhile; all that happens it finds at once afterwards, the oldest not always first."""
    daemon.signal(signal.SIGSTOP)
    eventually(lambda: Path(f"/proc/{daemon.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T")
    yield
    daemon.signal(signal.SIGCONT)


def end_connections(server: Origin, how: str) -> None:
    """Ends all connections of an origin with a handler, as a restart does: "fin" or "rst". The handlers, which wait in
    recv(), see their end and close; a close() beside them would take effect only afterwards."""
    for connection in server.connections:
        if connection.closed:
            continue
        if how == "rst":
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with contextlib.suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RD if how == "rst" else socket.SHUT_RDWR)


class Bottleneck:
    """An origin that takes connections one by one: while it is blocked, further ones hang in SYN_SENT."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0):
        self._listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._listener.bind((host, port))
        self._listener.listen(0)
        self._listener.settimeout(5)
        self._fillers: list[socket.socket] = []
        self._taken: list[Connection] = []
        self.port = self._listener.getsockname()[1]
        self.host = host
        self.at = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    def url(self, path: str = "/") -> str:
        return f"http://{self.at}{path}"

    def accept(self) -> Connection:
        """The next connection that is not one of our own."""
        while True:
            sock, peer = self._listener.accept()
            if not any(filler.getsockname() == peer for filler in self._fillers):
                break
            sock.close()
        self._taken.append(Connection(sock, len(self._taken), limit=5))
        return self._taken[-1]

    def block(self) -> None:
        for _ in range(16):
            filler = socket.socket(self._listener.family)
            filler.settimeout(0.1)
            self._fillers.append(filler)
            try:
                filler.connect((self.host, self.port))
            except TimeoutError:
                filler.close()
                self._fillers.pop()
                return
        raise AssertionError("the backlog did not fill")

    def close(self) -> None:
        for sock in [self._listener, *self._fillers, *(connection.sock for connection in self._taken)]:
            sock.close()
