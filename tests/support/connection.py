"""What an origin accepts."""

import socket

from .wire import HttpStream


class Connection(HttpStream):
    """A connection that the daemon opened. `index` counts from 0 in the order of acceptance."""

    def __init__(self, sock: socket.socket, index: int, limit: float):
        super().__init__(sock, limit)
        self.index = index
        self.peer = sock.getpeername()

    def wait_for_end(self, limit: float | None = None) -> str:
        """Reads on until the daemon ends the connection: "fin" or "rst"."""
        self.read_to_end(limit)
        return self.ended

    def answer(self, body=b"", status: str = "200 OK", *fields: str) -> None:
        """A whole response with Content-Length."""
        data = body.encode() if isinstance(body, str) else body
        lines = [f"HTTP/1.1 {status}", *fields, f"Content-Length: {len(data)}"]
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + data)
