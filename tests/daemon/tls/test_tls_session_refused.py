"""Servers that break when they are shown a session that they do not know any more, instead of making a new one: the client
must not notice, since a connection without the session would have served it."""

import socket

import pytest
from helpers_pool import serve
from support.tls import trusting
from support.tls_server import ServerTls, TlsConnection
from support.waiting import DEFAULT_LIMIT
from support.wiring import check_own_answer

PRE_SHARED_KEY = b"\x00\x29"  # the extension that offers a session in TLS 1.3; the last one of a ClientHello


def offers_session(connection) -> bool:
    """Looks at the ClientHello that has come, or comes."""
    hello = connection.sock.recv(1 << 14, socket.MSG_PEEK)
    assert hello[0] == 22, "not a handshake"
    return PRE_SHARED_KEY in hello[-400:] and len(hello) > 400


def secured(connection, context) -> TlsConnection:
    secure = TlsConnection(connection.sock, 0, DEFAULT_LIMIT, context)
    assert secure.handshake(), secure.handshake_error
    return secure


def begin(daemon, server, method: str = "GET"):
    client = daemon.client()
    client.send_request(method, f"https://{server.at}/", body=b"" if method == "POST" else None)
    return client


def lapsed(daemon, server, context):
    """A whole exchange whose connection has lapsed; its session is kept."""
    client = begin(daemon, server)
    upstream = secured(server.accept(), context)
    serve(upstream)
    assert client.read_response().status == 200
    upstream.close()
    daemon.wait_log(r"upstream \S+ closed")


ENDS = {
    "close": lambda connection: connection.close(),
    "reset": lambda connection: connection.reset(),
    "alert": lambda connection: (connection.send(b"\x15\x03\x03\x00\x02\x02\x2f"), connection.close()),
    "garbage": lambda connection: (connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n"), connection.close()),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_handshake_is_made_again_without_the_session(keepwarm, origin, end, method):
    daemon, server = keepwarm(trusting()), origin()
    context = ServerTls().context()
    lapsed(daemon, server, context)
    client = begin(daemon, server, method)
    first = server.accept()
    assert offers_session(first)
    end(first)
    second = server.accept()
    assert not offers_session(second)
    serve(secured(second, context))
    assert client.read_response().status == 200


def test_a_handshake_that_fails_without_a_session_too_is_502(keepwarm, origin):
    daemon, server = keepwarm(trusting()), origin()
    lapsed(daemon, server, ServerTls().context())
    client = begin(daemon, server)
    for resumes in (True, False):
        connection = server.accept()
        assert offers_session(connection) == resumes
        connection.close()
    check_own_answer(client.read_response(), 502, "connection_terminated", server.host)
    server.expect_no_connection()
