"""Short ways to say what the tests of parents, connect_to and unix upstreams say over and over."""

import base64
import socket
from pathlib import Path

from helpers_pool import every_host
from helpers_tls import together
from support.connection import Connection
from support.daemon import Daemon
from support.http_origin import HttpOrigin
from support.origin import Origin
from support.tls import trusting
from support.tls_server import ServerTls, TlsConnection
from support.wire import Request, Response

ESTABLISHED = "HTTP/1.1 200 Connection established\r\n\r\n"
NAME = "www.example.test"  # resolved by nobody; in the tests' certificates
HTTPS = f"https://{NAME}/"


# Parents: scripted origins that are asked as proxies are


def through(parent: Origin, credentials: str = "", **keys) -> dict:
    """The configuration in which every host is reached through the parent, with these keys more."""
    return every_host(parent=f"http://{credentials}{parent.at}", **keys)


def trusting_through(parent: Origin, credentials: str = "", **keys) -> dict:
    return together(trusting(), through(parent, credentials, **keys))


def basic(credentials: str) -> str:
    return "Basic " + base64.b64encode(credentials.encode()).decode()


def asked_for_tunnel(parent: Origin) -> tuple[Connection, Request]:
    """The next connection at the parent, and the CONNECT that came on it."""
    connection = parent.accept()
    request = connection.read_request_head()
    assert request.method == "CONNECT", request.raw
    assert not connection.buffer, "bytes behind CONNECT before its answer"
    return connection, request


def open_tunnel(parent: Origin, target: str, answer: str | bytes = ESTABLISHED) -> Connection:
    """The parent answers the next CONNECT, which must be for `target`."""
    connection, request = asked_for_tunnel(parent)
    assert request.target == target, request.raw
    connection.send(answer)
    return connection


def open_secure(parent: Origin, target: str = f"{NAME}:443", tls: ServerTls | None = None) -> TlsConnection:
    """As open_tunnel(); then the origin behind the parent makes its handshake."""
    secured = parent.start_tls(open_tunnel(parent, target), tls or ServerTls())
    assert secured.handshake_done, secured.handshake_error
    return secured


def ask(daemon: Daemon, url: str, method: str = "GET", *fields: str, body=None):
    """A new client sends a request; nothing is waited for."""
    client = daemon.client()
    client.send_request(method, url, *fields, body=body)
    return client


def connect(daemon: Daemon, target: str, early: bytes = b""):
    """A new client asks for a tunnel; nothing is waited for."""
    client = daemon.client()
    client.send(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode() + early)
    return client


def established(client) -> Response:
    response = client.read_response("CONNECT")
    assert response.status == 200, response.raw + response.body
    return response


# Unix sockets


class AtPath:
    """Makes an origin listen on a unix socket; in URLs it is `name`."""

    def __init__(self, path: Path, *args, name: str = "app.test", **options):
        self.path = str(path)
        super().__init__(*args, host=name, **options)

    @property
    def at(self) -> str:
        return self.host

    @property
    def connect_to(self) -> str:
        return "unix:" + self.path

    def _bind(self) -> None:
        Path(self.path).unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self.path)


class UnixOrigin(AtPath, Origin):
    pass


class UnixHttpOrigin(AtPath, HttpOrigin):
    pass
