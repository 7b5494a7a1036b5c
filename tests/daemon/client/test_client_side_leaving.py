"""Clients that half-close, abort, or stop in the middle; and how a client is closed (RFC 9112 §9.5, §9.6)."""

import time

import pytest
from support.background import Background
from support.stalls import real_time
from support.stream import Cut
from support.waiting import eventually, scaled


def test_a_half_close_behind_a_request_lets_the_exchange_end(wire):
    w = wire()
    w.ask().read_request()
    w.client.shutdown_write()
    w.upstream.expect_silence()
    w.upstream.answer("body")
    assert w.client.read_response().body == b"body"
    w.client.expect_eof()


def test_a_half_close_behind_a_request_body_lets_the_exchange_end(wire):
    w = wire()
    upstream = w.ask("POST", "/", body=b"body")
    w.client.shutdown_write()
    assert upstream.read_request().body == b"body"
    upstream.answer("answer")
    assert w.client.read_response().body == b"answer"
    w.client.expect_eof()


def test_the_upstream_of_a_half_closed_client_is_pooled(wire):
    w = wire()
    w.ask().read_request()
    w.client.shutdown_write()
    w.upstream.answer("body")
    w.client.read_response()
    w.client = None
    w.ask().read_request()
    w.upstream.answer("again")
    assert w.client.read_response().body == b"again"
    assert len(w.server.connections) == 1


@pytest.mark.parametrize("how", ["fin", "rst"])
@pytest.mark.parametrize("framing,part,last", [("Content-Length: 10", "half", b""),
                                               ("Transfer-Encoding: chunked", "4\r\nhalf\r\n", b"0\r\n\r\n"),
                                               ("Transfer-Encoding: chunked", "9\r\nhalf", b"0\r\n\r\n")])
def test_a_client_that_leaves_inside_its_request_takes_the_upstream_along(wire, how, framing, part, last):
    w = wire()
    upstream = w.ask("POST", "/", framing, body=part)
    upstream.read_until(b"half")
    w.client.reset() if how == "rst" else w.client.close()
    rest = upstream.read_to_end()
    assert not last or last not in rest
    w.daemon.wait_log(r"upstream \S+ closed: client left midway")


def test_a_half_close_inside_a_request_is_an_abort(wire):
    w = wire()
    upstream = w.ask("POST", "/", "Content-Length: 10", body="half")
    upstream.read_until(b"half")
    w.client.shutdown_write()
    assert upstream.read_to_end() == b""


def test_a_half_close_inside_a_head_ends_the_client(wire):
    w = wire()
    client = w.send("GET http://{at}/ HTTP/1.1\r\nHos")
    client.shutdown_write()
    answer = client.read_to_end()
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400")
    assert not w.server.connections


def test_a_reset_while_waiting_takes_the_upstream_along(wire):
    w = wire()
    upstream = w.ask()
    upstream.read_request()
    w.client.reset()
    assert upstream.read_to_end() == b""
    w.daemon.wait_log(r"upstream \S+ closed: client left midway")


@pytest.mark.parametrize("answer", ["Content-Length: 1000000\r\n\r\nbegin",
                                    "Transfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n", "\r\nbegin"])
def test_a_reset_inside_the_response_takes_the_upstream_along(wire, answer):
    w = wire()
    upstream = w.ask()
    upstream.read_request()
    upstream.send("HTTP/1.1 200 OK\r\n" + answer)
    w.client.read_until(b"begin")
    w.client.reset()
    assert upstream.wait_for_end()


def test_a_client_that_closes_without_reading_takes_the_upstream_along(wire):
    w = wire()
    upstream = w.ask()
    upstream.read_request()
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
    w.client.read_response_head()
    w.client.close()
    with pytest.raises(Cut):
        for _ in range(100):
            upstream.send(bytes(1 << 20))


def test_what_a_client_leaves_behind_touches_nobody_else(wire):
    w = wire()
    w.ask().read_request()
    w.client.reset()
    assert w.upstream.wait_for_end()
    w.client = w.upstream = None
    w.ask().read_request()
    w.upstream.answer("other")
    assert w.client.read_response().body == b"other"


def test_clients_that_come_and_go_leave_no_descriptor(wire):
    w = wire()
    w.ask().read_request()  # what is opened with the first use stays open
    w.upstream.answer("ok")
    w.client.read_response()
    count = w.daemon.fd_count()
    for number in range(20):
        client = w.new_client()
        if number % 2:
            client.send("GET http")
        client.reset() if number % 3 else client.close()
    eventually(lambda: w.daemon.fd_count() <= count, message="the descriptors' return")


# Lingering close


@pytest.mark.parametrize("behind", [0, 100_000, 250_000])
def test_a_client_that_still_sends_gets_the_whole_answer_and_no_reset(wire, behind):
    w = wire()
    client = w.send("GET http://{at}/ HTTP/1.1\r\nBad Field: x\r\n\r\n")
    client.send(bytes(behind))
    assert client.read_response().status == 400
    client.expect_eof()


def test_bytes_that_arrive_after_the_answer_do_not_destroy_it(wire):
    w = wire()
    client = w.send("GET http://{at}/ HTTP/1.1\r\nBad Field: x\r\n\r\n")
    eventually(client.has_input, message="the answer")
    for _ in range(10):
        client.send(bytes(10_000))
    assert client.read_response().status == 400
    client.expect_eof()


def test_a_client_that_sends_for_ever_is_closed_in_the_end(wire):
    w = wire()
    client = w.send("GET http://{at}/ HTTP/1.1\r\nBad Field: x\r\n\r\n")
    assert client.read_response().status == 400
    with pytest.raises(Cut):
        for _ in range(1000):
            client.send(bytes(100_000))


def test_a_client_that_neither_sends_nor_closes_is_closed_after_2_seconds(wire):
    w = wire()
    client = w.send("GET http://{at}/ HTTP/1.1\r\nBad Field: x\r\n\r\n")
    assert client.read_response().status == 400
    count = w.daemon.fd_count()
    client.expect_eof()
    eventually(lambda: w.daemon.fd_count() < count, message="the descriptor's return")


@real_time
def test_a_request_that_ended_by_its_framing_is_closed_at_once(wire):
    w = wire()
    w.ask("GET", "/", "Connection: close").read_request()
    count = w.daemon.fd_count()
    w.upstream.answer("last")
    start = time.monotonic()
    assert w.client.read_response().body == b"last"
    w.client.expect_eof()
    eventually(lambda: w.daemon.fd_count() < count, message="the descriptor's return")
    assert time.monotonic() - start < scaled(1)


def test_a_large_answer_to_a_client_that_still_sends_arrives_whole(wire):
    w = wire()
    upstream = w.ask("POST", "/", "Connection: close", "Content-Length: 1000000", body=b"begin")
    upstream.read_until(b"begin")
    body = b"x" * 500_000
    sending = Background(upstream.send,
                         f"HTTP/1.1 413 X\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    assert w.client.read_response_head().status == 413
    w.client.send(bytes(100_000))
    assert w.client.read_exact(len(body)) == body
    sending.result()
