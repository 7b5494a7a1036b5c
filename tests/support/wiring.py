"""One daemon between one client and one scripted origin: the short way to say most tests of forwarding."""

import pytest

from .client import Client, request_bytes
from .daemon import Daemon
from .origin import Connection, Origin
from .stream import as_bytes
from .wire import Request, Response

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Wire:
    """`client` is the newest client connection, `upstream` the newest connection at the origin. In texts "{at}" stands
    for the origin's host:port."""

    def __init__(self, daemon: Daemon, server: Origin):
        self.daemon = daemon
        self.server = server
        self.client: Client | None = None
        self.upstream: Connection | None = None

    def url(self, path: str = "/") -> str:
        return self.server.url(path)

    def text(self, data) -> bytes:
        return as_bytes(data).replace(b"{at}", self.server.at.encode())

    def new_client(self, **options) -> Client:
        self.client = self.daemon.client(**options)
        return self.client

    def send(self, data) -> Client:
        """On a new client connection."""
        self.new_client().send(self.text(data))
        return self.client

    def ask(self, method: str = "GET", path: str = "/", *fields: str, body=None, version: str = "1.1") -> Connection:
        """Sends a request on the client connection (opened if there is none) without waiting for anything, and returns
        the origin's connection: the one at hand, or the one that the daemon opens now."""
        if self.client is None:
            self.new_client()
        self.client.send(request_bytes(method, self.url(path), *fields, body=body, version=version))
        if self.upstream is None:
            self.upstream = self.server.accept()
        return self.upstream

    def forwarded(self, data) -> Request:
        """Sends `data` on a new client connection; the request as the origin sees it. Answered "ok", the client reads
        that, so that the exchange ends."""
        self.send(data)
        self.upstream = self.server.accept()
        request = self.upstream.read_request()
        self.upstream.send(OK[:-2] if request.method == "HEAD" else OK)
        response = self.client.read_response(request.method)
        assert response.status == 200, response.raw
        return request

    def answered(self, data, method: str = "GET", *fields: str) -> Response:
        """A new client's request is answered with `data`; the response as the client sees it."""
        self.client = self.upstream = None
        self.ask(method, "/", *fields).read_request()
        self.upstream.send(self.text(data))
        return self.client.read_response(method)

    def drop_upstream(self) -> None:
        """The origin closes the idle connection; returns once the daemon has seen it, so that the next is a new one."""
        since = len(self.daemon.log)
        self.upstream.close()
        self.daemon.wait_log(r"upstream \S+ closed", since=since)

    def refused(self, data, status: int) -> Response:
        """Sends `data`, which must be answered by the daemon itself with `status` and a close, the origin untouched."""
        response = self.send(data).read_response()
        assert response.status == status, response.raw + response.body
        self.client.expect_eof()
        self.expect_untouched()
        return response

    def expect_untouched(self) -> None:
        assert not self.server.connections, "the origin was reached"

    def answered_by_itself(self, data, status: int, method: str = "GET") -> Response:
        """As refused(), but the connection may go on; then it is still in step."""
        response = self.send(data).read_response(method)
        assert response.status == status, response.raw + response.body
        self.expect_untouched()
        self.expect_in_step(response)
        return response

    def expect_in_step(self, response: Response) -> None:
        """After `response` the client connection either ends or serves another request rightly."""
        if "close" in response.tokens("connection"):
            self.client.expect_eof()
            return
        self.client.send(request_bytes("GET", self.url("/in-step")))
        upstream = self.server.accept()
        assert upstream.read_request().target == "/in-step"
        upstream.send(OK)
        assert self.client.read_response().body == b"ok"


def check_own_answer(response: Response, status: int, error: str | None = None, host: str | None = None) -> None:
    """core/doc/design.md §7: what every answer of keepwarm's own looks like."""
    assert response.status == status, response.raw + response.body
    assert response.get("content-type").split(";")[0] == "text/plain"
    assert response.get("date")
    proxy_status = response.get("proxy-status")
    assert proxy_status and proxy_status.startswith("keepwarm; error="), proxy_status
    if error:
        assert proxy_status.removeprefix("keepwarm; error=").split(";")[0].strip() == error
    text = response.body.decode("ascii")
    assert 0 < len(text) < 500 and "<" not in text and ">" not in text, text
    if host:
        assert host in text, text


@pytest.fixture
def wire(keepwarm, origin):
    """wire(config="", host="127.0.0.1", **options of the daemon): a Wire."""

    def make(config="", host: str = "127.0.0.1", **options) -> Wire:
        return Wire(keepwarm(config, **options), origin(host=host))

    return make
