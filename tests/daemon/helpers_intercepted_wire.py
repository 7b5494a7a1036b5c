"""Tests that are written for plain clients of plain origins, played by clients that are intercepted: a module that imports such
tests has `keepwarm`, `origin`, `http_origin` and `wire` from here. A client sends CONNECT and speaks TLS when it first sends
something, for the origin of the test; what the test makes it send has the absolute form, which is served inside, too."""

import re
import tomllib

import pytest
from helpers_intercept import tls_context
from helpers_tls import together
from support.client import Client
from support.local_ca import LocalCa
from support.stream import as_bytes
from support.tls import trusting
from support.tls_server import ServerTls
from support.wiring import Wire

HOST = "127.0.0.1"
# Via, since tests look for it: intercepted requests have none by default.
INTERCEPT = {"proxy": {"connect_ports": ["1-65535"], "via": "always"}, "host": {"*": {"intercept": True}}}
# The connection that CONNECT has opened is to serve the request, a POST that comes slowly, too.
ANY_AGE = {"host": {"*": {"unsafe_reuse": "always"}}}


class InterceptedClient(Client):
    """`plain` makes it an ordinary client, where a test speaks with the proxy itself."""

    def __init__(self, address, origins: list, ca: LocalCa, **options):
        super().__init__(address, **options)
        self._origins = origins
        self._ca = ca
        self._secured = False

    def _secure(self, data: bytes) -> None:
        self._secured = True
        if b"/of-the-proxy-itself" in data:
            return
        named = re.search(rb"https://([^/? ]+)[/? ]", data.split(b"\r\n", 1)[0])
        target = named[1].decode() if named else self._origins[-1].at
        super().send(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n")
        response = self.read_response("CONNECT")
        assert response.status == 200, response.raw + response.body
        self.sock = tls_context(self._ca).wrap_socket(self.sock, server_hostname=target.rsplit(":", 1)[0],
                                                      suppress_ragged_eofs=False)
        self.received.clear()

    def send(self, data) -> None:
        if not self._secured:
            self._secure(as_bytes(data))
        super().send(data)

    def send_byte_by_byte(self, data, pause: float = 0.0003) -> None:
        if not self._secured:
            self._secure(as_bytes(data))
        super().send_byte_by_byte(data, pause)


class InterceptedWire(Wire):
    def text(self, data) -> bytes:
        return super().text(as_bytes(data).replace(b"http://{at}", b"https://{at}"))

    def expect_untouched(self) -> None:
        assert not any(connection.received for connection in self.server.connections), "the origin was reached"


@pytest.fixture(scope="session")
def wire_ca(tmp_path_factory) -> LocalCa:
    return LocalCa(tmp_path_factory.mktemp("wire-ca") / "ca").create(HOST)


@pytest.fixture
def _wire_origins():
    return []


def _over_tls(make, made: list):
    def start(*arguments, **options):
        made.append(make(*arguments, **{"tls": ServerTls(), **options}))
        return made[-1]

    return start


@pytest.fixture
def origin(origin, _wire_origins):
    return _over_tls(origin, _wire_origins)


@pytest.fixture
def http_origin(http_origin, _wire_origins):
    return _over_tls(http_origin, _wire_origins)


@pytest.fixture
def keepwarm(keepwarm, wire_ca, _wire_origins):
    def start(config="", *arguments, **options):
        given = tomllib.loads(config) if isinstance(config, str) else config
        daemon = keepwarm(together(trusting(), wire_ca.config, INTERCEPT, given), *arguments, **options)

        def client(index: int = 0, **more) -> Client:
            made = InterceptedClient(daemon.address(index), _wire_origins, wire_ca, **more)
            daemon.clients.append(made)
            return made

        daemon.client = client
        return daemon

    return start


@pytest.fixture
def wire(keepwarm, origin):
    def make(config="", host: str = "127.0.0.1", **options) -> Wire:
        given = tomllib.loads(config) if isinstance(config, str) else config
        return InterceptedWire(keepwarm(together(ANY_AGE, given), **options), origin(host=host))

    return make
