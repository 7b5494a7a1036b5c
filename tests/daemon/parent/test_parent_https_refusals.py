"""What a parent may answer to CONNECT, and what becomes of it: for https:// requests and for clients' tunnels alike."""

import time

import pytest
from helpers_parent import (ESTABLISHED, HTTPS, NAME, ask, asked_for_tunnel, connect, established, open_secure, open_tunnel,
                            trusting_through)
from helpers_pool import KEEP, finish, serve, settle
from support.stalls import real_time
from support.stream import Cut
from support.tls_server import ServerTls
from support.waiting import eventually
from support.wiring import check_own_answer

TARGET = f"{NAME}:443"
BEGINS = {"https": lambda daemon: ask(daemon, HTTPS), "CONNECT": lambda daemon: connect(daemon, TARGET)}
both = pytest.mark.parametrize("begin", BEGINS.values(), ids=BEGINS.keys())


def served(daemon, parent, client, begin, connection) -> None:
    """The tunnel stands and works."""
    if begin is BEGINS["https"]:
        serve(parent.start_tls(connection, ServerTls()), "ok", KEEP)
        return finish(client)
    established(client)
    client.send("up")
    assert connection.read_exact(2) == b"up"
    connection.send("down")
    assert client.read_exact(4) == b"down"


def refused(parent, client, error: str, status: int = 502) -> str:
    """The text of the daemon's own answer; nothing else is tried."""
    response = client.read_response()
    check_own_answer(response, status, error, TARGET)
    parent.expect_no_connection()
    return response.body.decode()


# Refusals


@both
@pytest.mark.parametrize("status", ["300 Choices", "302 Found", "400 Bad", "403 Forbidden", "404 Not Found", "408 Slow",
                                    "429 Many", "500 Oops", "502 Bad Gateway", "503 Busy", "504 Late", "999 Odd",
                                    "101 Switching Protocols"])
def test_what_is_not_2xx_is_502_with_the_parents_status(keepwarm, origin, begin, status):
    parent = origin()
    client = begin(keepwarm(trusting_through(parent)))
    connection = open_tunnel(parent, TARGET, f"HTTP/1.1 {status}\r\nContent-Length: 9\r\n\r\n<b>why</b")
    text = refused(parent, client, "destination_unavailable")
    assert status[:3] in text and "why" not in text
    assert connection.wait_for_end()


@both
def test_407_is_our_configuration(keepwarm, origin, begin):
    parent = origin()
    client = begin(keepwarm(trusting_through(parent, "user:s3cr3t@")))
    open_tunnel(parent, TARGET, "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=x\r\n"
                                "Content-Length: 0\r\n\r\n")
    response = client.read_response()
    check_own_answer(response, 502, "proxy_configuration_error", TARGET)
    assert not response.has("proxy-authenticate")
    assert "407" in response.body.decode() and "s3cr3t" not in response.body.decode()


GARBAGE = ["220 smtp.example.test ESMTP\r\n", "\x16\x03\x01\x02\x00\x01\x00", "HTTP/2 200\r\n\r\n",
           "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "ICY 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "\r\n\r\n\r\n\r\n",
           "HTTP/1.1 200 OK\nX: y\n\n", "HTTP/1.1 200 OK\r\nX: " + "y" * 70_000]


@both
@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda text: repr(text[:24]))
def test_what_is_no_http_is_502(keepwarm, origin, begin, garbage):
    parent = origin()
    client = begin(keepwarm(trusting_through(parent)))
    connection = open_tunnel(parent, TARGET, garbage)
    refused(parent, client, "destination_unavailable")
    assert connection.wait_for_end()


@both
@pytest.mark.parametrize("how", ["close", "reset", "shutdown_write"])
@pytest.mark.parametrize("before", ["", "HTTP/1.1 200 Connec", "HTTP/1.1 100 Continue\r\n\r\n"])
def test_a_parent_that_ends_the_connection_is_502(keepwarm, origin, begin, how, before):
    parent = origin()
    client = begin(keepwarm(trusting_through(parent)))
    connection, _ = asked_for_tunnel(parent)
    if before:
        connection.send(before)
    getattr(connection, how)()
    refused(parent, client, "destination_unavailable")


@real_time
@both
@pytest.mark.parametrize("said", ["", "HTTP/1.1 200 Conn", "HTTP/1.1 103 Early Hints\r\n\r\n"])
def test_a_parent_that_is_silent_is_504(keepwarm, origin, begin, said):
    parent = origin()
    client = begin(keepwarm(trusting_through(parent, connect_timeout="300ms")))
    connection, _ = asked_for_tunnel(parent)
    if said:
        connection.send(said)
    text = refused(parent, client, "connection_timeout", 504)
    assert "parent" in text
    assert connection.wait_for_end()


@real_time
@both
def test_the_time_limit_is_for_all_steps_together(keepwarm, origin, begin):
    """A parent that says something now and then does not prolong it."""
    parent = origin()
    client = begin(keepwarm(trusting_through(parent, connect_timeout="500ms")))
    connection, _ = asked_for_tunnel(parent)
    while not client.has_input():
        connection.send("HTTP/1.1 103 Early Hints\r\n\r\n")
        time.sleep(0.02)
    refused(parent, client, "connection_timeout", 504)


@real_time
def test_a_handshake_that_hangs_behind_the_tunnel_is_504(keepwarm, origin):
    parent = origin()
    client = ask(keepwarm(trusting_through(parent, connect_timeout="300ms")), HTTPS)
    connection = open_tunnel(parent, TARGET)
    assert "TLS" in refused(parent, client, "connection_timeout", 504)
    assert connection.read_to_end()[:1] == b"\x16"


@pytest.mark.parametrize("how", ["close", "reset"])
def test_an_end_behind_the_tunnels_200_is_a_failed_handshake(keepwarm, origin, how):
    parent = origin()
    client = ask(keepwarm(trusting_through(parent)), HTTPS)
    connection = open_tunnel(parent, TARGET)
    connection.read_exact(1)
    getattr(connection, how)()
    refused(parent, client, "connection_terminated")


def test_a_refusal_is_not_repeated_and_the_next_request_asks_anew(keepwarm, origin):
    parent = origin()
    daemon = keepwarm(trusting_through(parent))
    client = ask(daemon, HTTPS)
    open_tunnel(parent, TARGET, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
    refused(parent, client, "destination_unavailable")
    client.send_request("GET", HTTPS)  # its connection goes on
    serve(open_secure(parent), "ok", KEEP)
    finish(client)


def test_a_failed_connect_closes_the_client_and_its_early_bytes_are_no_request(keepwarm, origin):
    parent = origin()
    early = f"GET http://{NAME}/evil HTTP/1.1\r\nHost: {NAME}\r\n\r\n"
    client = connect(keepwarm(trusting_through(parent)), TARGET, early.encode())
    open_tunnel(parent, TARGET, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    assert "close" in client.read_response().tokens("connection")
    client.expect_eof()
    parent.expect_no_connection()


# Odd ways to say yes


YES = {
    "another 2xx": "HTTP/1.1 204 Fine\r\n\r\n",
    "HTTP/1.0": "HTTP/1.0 200 Connection established\r\nProxy-Agent: tinyproxy/1.11.1\r\n\r\n",
    "no reason": "HTTP/1.1 200 \r\n\r\n",
    "a length that means nothing": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
    "chunks that mean nothing": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "both, and two lengths": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n"
                             "Content-Length: 6\r\n\r\n",
    "white space before colons": "HTTP/1.1 200 OK\r\nContent-Length : x\r\nProxy-Agent : x\r\n\r\n",
    "Connection: close": "HTTP/1.1 200 OK\r\nConnection: close\r\nProxy-Connection: close\r\n\r\n",
    "1xx first": "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ESTABLISHED,
}


@both
@pytest.mark.parametrize("answer", YES.values(), ids=YES.keys())
def test_it_is_a_tunnel_all_the_same(keepwarm, origin, begin, answer):
    parent = origin()
    daemon = keepwarm(trusting_through(parent))
    client = begin(daemon)
    served(daemon, parent, client, begin, open_tunnel(parent, TARGET, answer))


@both
@pytest.mark.parametrize("answer", [YES["HTTP/1.0"], YES["1xx first"]], ids=["one head", "three heads"])
def test_an_answer_in_pieces(keepwarm, origin, begin, answer):
    parent = origin()
    daemon = keepwarm(trusting_through(parent))
    client = begin(daemon)
    connection, _ = asked_for_tunnel(parent)
    connection.send_byte_by_byte(answer)
    served(daemon, parent, client, begin, connection)


def test_bytes_behind_the_200_are_no_handshake(keepwarm, origin):
    """In TLS the client speaks first: what comes before that is not from who it should be."""
    parent = origin()
    client = ask(keepwarm(trusting_through(parent)), HTTPS)
    connection = open_tunnel(parent, TARGET, ESTABLISHED + "early")
    refused(parent, client, "destination_unavailable")
    assert connection.wait_for_end()


@both
def test_very_many_interim_responses_are_too_many(keepwarm, origin, begin):
    parent = origin()
    client = begin(keepwarm(trusting_through(parent)))
    try:
        open_tunnel(parent, TARGET, "HTTP/1.1 103 Early Hints\r\n\r\n" * 5000 + ESTABLISHED)
    except Cut:  # closed by the daemon before the last one: as it should be
        pass
    refused(parent, client, "destination_unavailable")


@both
def test_no_descriptor_is_left_behind(keepwarm, origin, begin):
    parent = origin()
    daemon = keepwarm(trusting_through(parent))
    settle(daemon)
    baseline = daemon.fd_count()
    for answer in ("HTTP/1.1 403 No\r\n\r\n", "garbage\r\n\r\n", "HTTP/1.1 407 No\r\n\r\n"):
        client = begin(daemon)
        connection = open_tunnel(parent, TARGET, answer)
        assert client.read_response().status == 502
        client.close()
        connection.wait_for_end()
    eventually(lambda: daemon.fd_count() <= baseline, message="as many descriptors as before")
