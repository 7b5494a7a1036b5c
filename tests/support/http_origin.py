"""An origin that answers by routes and remembers what it was asked."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from .connection import Connection
from .origin import Origin
from .stream import as_bytes
from .waiting import DEFAULT_LIMIT, Deadline, TooLong
from .wire import Request, chunked


@dataclass
class Canned:
    """An answer. `raw` is sent as it is, in place of all the rest; framing: "length", "chunked" or "close"."""

    body: bytes = b""
    status: str = "200 OK"
    fields: list[str] = field(default_factory=list)
    framing: str = "length"
    close: bool = False
    raw: bytes | None = None

    def wire(self, method: str) -> bytes:
        if self.raw is not None:
            return self.raw
        lines = [f"HTTP/1.1 {self.status}", *self.fields]
        body = self.body
        if self.framing == "length" and not self.status.startswith(("1", "204", "304")):
            lines.append(f"Content-Length: {len(body)}")
        elif self.framing == "chunked":
            lines.append("Transfer-Encoding: chunked")
            body = chunked(body)
        if self.close or self.framing == "close":
            lines.append("Connection: close")
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        return head + (b"" if method == "HEAD" else body)


Route = Canned | bytes | str | Callable[[Request, Connection], "Canned | bytes | str | None"]


class HttpOrigin(Origin):
    """`routes` maps a path (without the query) to what answers it: a Canned, a body, or a function of the request and
    the connection that returns one of these, or None if it has answered by itself. "*" answers the rest; without it an
    unknown path gets 200 with the body "hello". A connection that has been idle for `idle_timeout` seconds is closed."""

    def __init__(self, routes: dict[str, Route] | None = None, idle_timeout: float | None = None, **listener):
        self.idle_timeout = idle_timeout
        self.routes: dict[str, Route] = {"*": b"hello", **(routes or {})}
        self.requests: list[Request] = []
        self._gate = threading.Event()
        self._gate.set()
        super().__init__(self._handle, **listener)

    def hold(self) -> None:
        """From here on requests are read and recorded, and answered only after release()."""
        self._gate.clear()

    def release(self) -> None:
        self._gate.set()

    def wait_requests(self, count: int, limit: float = DEFAULT_LIMIT) -> list[Request]:
        deadline = Deadline(limit)
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.requests) >= count, deadline.left()):
                raise TooLong(f"{len(self.requests)} requests came, not {count}")
            return list(self.requests)

    @property
    def used(self) -> list[int]:
        """For each request, in order, the index of the connection that it came on."""
        return [request.connection for request in self.requests]

    def _handle(self, connection: Connection) -> None:
        while True:
            if not connection.buffer and not self._more_comes(connection):
                return
            request = connection.read_request_head()
            if "100-continue" in request.tokens("expect"):
                connection.send("HTTP/1.1 100 Continue\r\n\r\n")
            connection.read_request_body(request)
            request.connection = connection.index
            with self._changed:
                self.requests.append(request)
                self._changed.notify_all()
            self._gate.wait(connection.limit)
            if self._closing or not self._respond(request, connection):
                return

    def _more_comes(self, connection: Connection) -> bool:
        if self.idle_timeout is None:
            return connection._receive(Deadline(connection.limit), "a request")
        try:
            return connection._receive(Deadline(self.idle_timeout, exact=True), "a request")
        except TooLong:
            return False

    def _respond(self, request: Request, connection: Connection) -> bool:
        """Whether the connection goes on."""
        route = self.routes.get(request.target.split("?", 1)[0], self.routes["*"])
        answer = route(request, connection) if callable(route) else route
        if answer is None:
            return not connection.closed
        canned = answer if isinstance(answer, Canned) else Canned(as_bytes(answer))
        connection.send(canned.wire(request.method))
        return not canned.close and canned.framing != "close" and "close" not in request.tokens("connection")

    def close(self) -> None:
        self._gate.set()
        super().close()
