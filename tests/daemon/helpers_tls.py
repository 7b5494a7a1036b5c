"""Short ways to say what the tests of TLS say over and over."""

import pytest
from support.daemon import Daemon, merged
from support.origin import Origin
from support.tls import trusting
from support.tls_server import TLS12, TLS13, ServerTls, TlsConnection
from support.wire import Response
from support.wiring import Wire, check_own_answer

VERSIONS = {"TLSv1.2": (TLS12, TLS12), "TLSv1.3": (TLS13, TLS13)}
both_versions = pytest.mark.parametrize("versions", VERSIONS.values(), ids=VERSIONS.keys())


def tls_keys(host: str = "*", **keys) -> dict:
    """The configuration with these keys in [host.HOST.tls]."""
    return {"host": {host: {"tls": keys}}}


def together(*configs: dict) -> dict:
    result: dict = {}
    for config in configs:
        result = merged(result, config)
    return result


def secure_wire(keepwarm, origin, *configs: dict, **options) -> Wire:
    """A daemon that trusts, and an origin at https://localhost; options of ServerTls, and config more for the daemon."""
    return Wire(keepwarm(together(trusting(), *configs)), origin(tls=ServerTls(**options), name="localhost"))


def refused(daemon: Daemon, server: Origin, error: str, *words: str, method: str = "GET") -> Response:
    """A request that must be answered 502 by keepwarm itself, with these words in its text; the answer."""
    response = daemon.request(method, server.url(), body=b"body" if method == "POST" else None)
    check_own_answer(response, 502, error, server.name or server.host)
    text = response.body.decode()
    assert all(word in text for word in words), text
    return response


def sent_nothing_behind(connection: TlsConnection) -> bool:
    """Of a connection whose handshake failed at our side: whether the daemon sent nothing behind its own part of it. In TLS
    1.3 one record that looks like data may be its Finished."""
    return connection.records_behind_error.count("data") <= 1 and not connection.received
