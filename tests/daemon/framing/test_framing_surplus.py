"""Bytes behind the framed end of a response belong to nobody: no client gets them; the connection ends."""

import pytest

EVIL = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
ENDED = {
    "204": ("GET", "HTTP/1.1 204 No Content\r\n\r\n"),
    "204 with a length": ("GET", "HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\n"),
    "304": ("GET", "HTTP/1.1 304 Not Modified\r\n\r\n"),
    "HEAD": ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"),
    "length 0": ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    "length": ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    "chunked": ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
}


@pytest.mark.parametrize("surplus", [EVIL, "x", "\r\n"], ids=["a response", "one byte", "an empty line"])
@pytest.mark.parametrize("method,answer", ENDED.values(), ids=ENDED.keys())
def test_surplus_in_the_same_packet_never_leaks_and_ends_the_connection(wire, method, answer, surplus):
    w = wire()
    upstream = w.ask(method)
    upstream.read_request()
    upstream.send(answer + surplus)
    w.client.read_response(method)
    assert upstream.wait_for_end()
    w.upstream = None
    w.ask().read_request()
    w.upstream.answer("good")
    assert w.client.read_response().body == b"good"
    w.daemon.wait_log(r"upstream \S+ closed: stray bytes")


@pytest.mark.parametrize("method,answer", ENDED.values(), ids=ENDED.keys())
def test_surplus_that_comes_later_never_leaks_and_ends_the_connection(wire, method, answer):
    w = wire()
    upstream = w.ask(method)
    upstream.read_request()
    upstream.send(answer)
    w.client.read_response(method)
    upstream.send(EVIL)
    assert upstream.wait_for_end()
    w.upstream = None
    w.ask().read_request()
    w.upstream.answer("good")
    assert w.client.read_response().body == b"good"


def test_an_answer_that_comes_before_its_request_is_not_taken_for_it(wire):
    w = wire()
    w.ask().read_request()
    w.upstream.answer("first")
    assert w.client.read_response().body == b"first"
    w.upstream.send(EVIL)
    w.daemon.wait_log(r"upstream \S+ closed: stray bytes")
    w.upstream = None
    w.ask("POST", "/", body=b"x").read_request()
    w.upstream.answer("second")
    assert w.client.read_response().body == b"second"
