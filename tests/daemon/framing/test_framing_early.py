"""Responses that begin while the request body is still coming (RFC 9112 §9.6, core/doc/design.md §5)."""

import pytest
from support.background import Background
from support.stream import Cut


def begin(w, length: int = 1 << 20):
    upstream = w.ask("POST", "/", f"Content-Length: {length}", body=b"")
    upstream.read_request_head()
    return upstream


@pytest.mark.parametrize("closing", ["Connection: close", "X-Stays: 1"])
def test_an_early_413_is_delivered_whole_and_its_connection_not_pooled(wire, closing):
    w = wire()
    upstream = begin(w)
    w.client.send(bytes(64 << 10))
    upstream.discard(64 << 10)
    upstream.answer("too large", "413 Content Too Large", closing)
    if closing == "Connection: close":
        upstream.close()
    response = w.client.read_response()
    assert response.status == 413 and response.body == b"too large"


def test_a_client_that_goes_on_sending_still_gets_the_early_answer_whole(wire):
    w = wire()
    upstream = begin(w)
    body = b"x" * 100_000
    w.client.send(bytes(64 << 10))
    upstream.discard(64 << 10)
    upstream.send(f"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    upstream.shutdown_write()
    assert w.client.read_response_head().status == 413
    sending = Background(lambda: w.client.send(bytes(128 << 10)))  # within what a lingering close drains
    assert w.client.read_exact(len(body)) == body
    try:
        sending.result()
    except Cut:
        pytest.fail("the client was reset though it had yet to read its answer")


def test_the_origin_that_answered_early_may_have_the_rest_of_the_body(wire):
    w = wire()
    upstream = begin(w, length=8)
    w.client.send("half")
    assert upstream.read_exact(4) == b"half"
    upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nearly\r\n")
    assert w.client.read_response_head().status == 200 and w.client.read_chunk()[0] == b"early"
    w.client.send("rest")
    assert upstream.read_exact(4) == b"rest"
    upstream.send("4\r\nlate\r\n0\r\n\r\n")
    assert w.client.read_chunk()[0] == b"late" and w.client.read_chunk()[0] == b""


def test_an_echo_goes_both_ways_at_once(wire):
    w = wire()
    upstream = w.ask("POST", "/", "Transfer-Encoding: chunked", body=b"")
    upstream.read_request_head()
    upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert w.client.read_response_head().chunked
    for number in range(50):
        part = b"part %d" % number
        w.client.send(b"%x\r\n%b\r\n" % (len(part), part))
        data, _ = upstream.read_chunk()
        assert data == part
        upstream.send(b"%x\r\n%b\r\n" % (len(data), data))
        assert w.client.read_chunk()[0] == part
    w.client.send("0\r\n\r\n")
    assert upstream.read_chunk()[0] == b"" and upstream.read_trailers() == []
    upstream.send("0\r\n\r\n")
    assert w.client.read_chunk()[0] == b"" and w.client.read_trailers() == []
    w.client = None
    w.ask().read_request()
    w.upstream.answer("pooled")
    assert w.client.read_response().body == b"pooled"
    assert len(w.server.connections) == 1


def test_the_body_that_comes_behind_an_early_answer_is_never_read_as_a_request(wire):
    w = wire()
    body = b"GET http://127.0.0.1/evil HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    upstream = begin(w, length=len(body))
    upstream.answer("early")
    assert w.client.read_response().body == b"early"
    w.client.send(body)
    w.client.expect_no_byte()
    w.server.expect_no_connection()


def test_a_connection_that_owes_a_request_body_serves_nobody_else(wire):
    w = wire()
    upstream = begin(w)
    upstream.answer("early")
    assert w.client.read_response().body == b"early"
    other = w.daemon.client()
    other.send_request("GET", w.url("/other"))
    second = w.server.accept()
    assert second.read_request().target == "/other"
    second.answer("other")
    assert other.read_response().body == b"other"
