"""A client of the daemon."""

import socket

from .stream import as_bytes
from .waiting import DEFAULT_LIMIT, scaled
from .wire import HttpStream, Response


class Client(HttpStream):
    """A raw connection to the daemon, with helpers for plain requests."""

    def __init__(self, address, limit: float = DEFAULT_LIMIT, receive_buffer: int | None = None):
        """`address`: (host, port), or a path for a unix socket."""
        if isinstance(address, (str, bytes)):
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        else:
            sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer is not None:  # must be small before the handshake to make the window small
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(scaled(limit))
        sock.connect(address)
        super().__init__(sock, limit)

    def send_request(self, method: str, url: str, *fields: str, body=None, version: str = "1.1") -> None:
        """`fields` are whole lines ("Accept: x"). Host comes from the URL unless a field gives it; Content-Length is
        added for a body unless a field says how the body is framed."""
        self.send(request_bytes(method, url, *fields, body=body, version=version))

    def request(self, method: str, url: str, *fields: str, body=None, version: str = "1.1", limit=None) -> Response:
        """Sends it and reads the whole answer."""
        self.send_request(method, url, *fields, body=body, version=version)
        return self.read_response(method, limit)

    def get(self, url: str, *fields: str, limit: float | None = None) -> Response:
        return self.request("GET", url, *fields, limit=limit)


def authority_of(url: str) -> str:
    if "://" not in url:
        return url
    rest = url.split("://", 1)[1]
    for mark in "/?#":
        rest = rest.split(mark, 1)[0]
    return rest


def request_bytes(method: str, url: str, *fields: str, body=None, version: str = "1.1") -> bytes:
    names = [line.split(":", 1)[0].lower() for line in fields]
    lines = [f"{method} {url} HTTP/{version}"]
    if "host" not in names:
        lines.append(f"Host: {authority_of(url)}")
    lines += fields
    data = b"" if body is None else as_bytes(body)
    if body is not None and "content-length" not in names and "transfer-encoding" not in names:
        lines.append(f"Content-Length: {len(data)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + data
