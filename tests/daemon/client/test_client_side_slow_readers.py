"""Whoever reads late still gets every byte, though the sender is long gone."""

import random

import pytest
from support.background import Background
from support.client import request_bytes
from support.stalls import real_time
from support.stream import Cut

SIZE = 6 << 20
BODY = random.Random(6).randbytes(SIZE)
ANSWERS = {
    "length": (f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {SIZE}\r\n\r\n".encode(), BODY),
    "chunked": (b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n",
                b"%x\r\n%b\r\n0\r\n\r\n" % (SIZE, BODY)),
    "until close": (b"HTTP/1.1 200 OK\r\n\r\n", BODY),
}


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("head,body", ANSWERS.values(), ids=ANSWERS.keys())
def test_a_client_that_reads_late_gets_all_of_an_answer_whose_origin_has_left(wire, head, body, version):
    w = wire()
    w.new_client(receive_buffer=4096)
    w.ask(version=version).read_request()

    def send():
        w.upstream.send(head + body)
        w.upstream.close()

    sending = Background(send)
    first = w.client.read_response_head()
    w.client.read_response_body(first, limit=20)
    sending.result()
    assert first.body == BODY


@pytest.mark.parametrize("side", ["client", "origin"])
def test_a_tunnel_delivers_all_that_was_sent_before_the_end(wire, side):
    w = wire({"proxy": {"connect_ports": ["1-65535"]}})
    w.new_client(receive_buffer=4096)
    w.client.send(w.text("CONNECT {at} HTTP/1.1\r\nHost: {at}\r\n\r\n"))
    upstream = w.server.accept()
    assert w.client.read_response("CONNECT").status == 200
    sender, reader = (w.client, upstream) if side == "client" else (upstream, w.client)

    def send():
        sender.send(BODY)
        sender.close()

    sending = Background(send)
    assert reader.read_to_eof(limit=20) == BODY
    sending.result()


def test_a_request_body_of_a_client_that_half_closes_arrives_whole_at_an_origin_that_reads_late(wire):
    w = wire()
    upstream = w.ask("PUT", "/", f"Content-Length: {SIZE}", body=b"")

    def send():
        w.client.send(BODY)
        w.client.shutdown_write()

    sending = Background(send)
    assert upstream.read_request(limit=20).body == BODY
    sending.result()
    upstream.answer("ok")
    assert w.client.read_response().body == b"ok"


@real_time
def test_a_body_that_comes_while_no_connection_stands_yet_is_bounded_and_ends_with_the_504(wire, origin):
    hanging = origin(accepting=False)
    hanging.fill_backlog()
    w = wire({"host": {"*": {"connect_timeout": "1500ms"}}})
    client = w.new_client()
    before = w.daemon.rss()
    client.send(f"PUT {hanging.url()} HTTP/1.1\r\nHost: {hanging.at}\r\nContent-Length: {1 << 30}\r\n\r\n")
    assert client.send_until_blocked(bytes(1 << 20), quiet=0.2) < 64 << 20
    w.daemon.expect_growth_below(8 << 20, before)
    assert client.read_response().status == 504


def test_an_answer_behind_a_connection_that_was_reset_under_the_request_is_delivered(wire):
    w = wire()
    upstream = w.ask("PUT", "/", f"Content-Length: {1 << 30}", body=b"")
    upstream.read_request_head()
    sending = Background(w.client.send_until_blocked, bytes(1 << 16))
    upstream.read_exact(1)
    upstream.send("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
    w.client.read_response_head()
    upstream.close()  # with bytes unread: RST
    assert w.client.read_exact(3) == b"big"
    try:
        sending.result()
    except (Cut, OSError):
        pass


def test_many_large_pipelined_posts_are_answered_in_order(keepwarm, http_origin):
    daemon, server = keepwarm(), http_origin({"*": lambda request, _: b"%d" % len(request.body)})
    client = daemon.client()
    sizes = [100_000 + number for number in range(20)]
    data = b"".join(request_bytes("POST", server.url(), body=bytes(size)) for size in sizes)
    sending = Background(client.send, data)
    assert [int(client.read_response().body) for _ in sizes] == sizes
    sending.result()


def test_early_answers_to_chunked_requests_leave_the_client_in_step(wire):
    w = wire()
    for number in range(3):
        upstream = w.ask("POST", "/", "Transfer-Encoding: chunked", body=b"5\r\nfirst\r\n")
        upstream.read_until(b"first\r\n")
        upstream.answer(f"early {number}")
        response = w.client.read_response()
        assert response.body == b"early %d" % number
        w.client.send("4\r\nrest\r\n0\r\n\r\n")
        if "close" in response.tokens("connection"):
            w.client = None
        w.upstream = None
    w.ask().read_request()
    w.upstream.answer("in step")
    assert w.client.read_response().body == b"in step"


def test_a_request_behind_the_rest_of_an_early_answered_body_is_served(wire):
    w = wire()
    upstream = w.ask("POST", "/", "Content-Length: 10", body=b"begin")
    upstream.read_until(b"begin")
    upstream.answer("early")
    response = w.client.read_response()
    assert response.body == b"early"
    w.client.send(b"-rest" + w.text("GET http://{at}/next HTTP/1.1\r\nHost: {at}\r\n\r\n"))
    if "close" in response.tokens("connection"):
        w.client.expect_eof()
        return
    second = w.server.accept()
    assert second.read_request().target == "/next"
    second.answer("next")
    assert w.client.read_response().body == b"next"


def test_a_half_close_inside_a_pipelined_head_leaves_the_first_answer(wire):
    w = wire()
    w.send("GET http://{at}/ HTTP/1.1\r\nHost: {at}\r\n\r\nGET http://{at}/ HTT")
    w.client.shutdown_write()
    upstream = w.server.accept()
    upstream.read_request()
    upstream.answer("first")
    assert w.client.read_response().body == b"first"
    rest = w.client.read_to_end()
    assert rest == b"" or rest.startswith(b"HTTP/1.1 400")
