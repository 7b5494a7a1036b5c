"""https:// over a plain client connection: what plain http can do, TLS upstream can (core/doc/design.md §5)."""

import hashlib
import os
import socket

from helpers_pool import KEEP, begin, exchange, finish, serve
from helpers_tls import both_versions, secure_wire, together
from support.background import Background
from support.tls import trusting
from support.tls_server import TLS12, ServerTls
from support.wire import chunked

MIB = 1 << 20
BIG = 24 * MIB


@both_versions
def test_a_get_is_forwarded_over_tls(keepwarm, origin, versions):
    w = secure_wire(keepwarm, origin, versions=versions)
    request = w.forwarded("GET https://{at}/path?q=1 HTTP/1.1\r\nHost: {at}\r\n\r\n")
    assert (request.method, request.target, request.get("host")) == ("GET", "/path?q=1", w.server.at)
    assert w.upstream.version == ("TLSv1.2" if versions == (TLS12, TLS12) else "TLSv1.3")
    assert (w.upstream.name, w.upstream.resumed) == ("localhost", False)


@both_versions
def test_bodies_of_all_framings_pass(keepwarm, origin, versions):
    w = secure_wire(keepwarm, origin, versions=versions)
    assert w.ask("POST", "/", body=b"counted").read_request().body == b"counted"
    w.upstream.answer("counted")
    assert w.client.read_response().body == b"counted"
    parts = chunked(b"one", b"two", trailers="X-Sum: 6\r\n")
    request = w.ask("PUT", "/", "Transfer-Encoding: chunked", body=parts).read_request()
    assert request.body == b"onetwo" and request.trailers == [("X-Sum", "6")]
    w.upstream.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + parts)
    response = w.client.read_response()
    assert response.body == b"onetwo" and response.trailers == [("X-Sum", "6")]
    assert len(w.server.connections) == 1


def test_a_head_and_an_interim_response_pass(keepwarm, origin):
    w = secure_wire(keepwarm, origin)
    w.ask("HEAD").read_request()
    w.upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    assert w.client.read_response("HEAD").get("content-length") == "1000"
    w.ask("POST", "/", "Expect: 100-continue", "Content-Length: 4")
    w.upstream.read_request_head()
    w.upstream.send("HTTP/1.1 100 Continue\r\n\r\n")
    assert w.client.read_response_head().status == 100
    w.client.send("body")
    assert w.upstream.read_exact(4) == b"body"
    w.upstream.answer("ok")
    assert w.client.read_response().body == b"ok"


def test_https_without_a_port_is_443(keepwarm):
    daemon = keepwarm(together({"log": {"access": "json"}}, {"proxy": {"deny_destinations": ["127.0.0.77/32"]}}))
    assert daemon.get("https://127.0.0.77/x").status == 403
    daemon.wait_log(r'"url":"https://127\.0\.0\.77:443/x"')


@both_versions
def test_a_large_answer_arrives_whole(keepwarm, origin, versions):
    w = secure_wire(keepwarm, origin, versions=versions)
    body = os.urandom(MIB) * (BIG // MIB)
    w.ask().read_request()
    sending = Background(w.upstream.answer, body)
    response = w.client.read_response(limit=30)
    sending.result()
    assert hashlib.sha256(response.body).digest() == hashlib.sha256(body).digest()


@both_versions
def test_a_large_request_arrives_whole(keepwarm, origin, versions):
    w = secure_wire(keepwarm, origin, versions=versions)
    body = os.urandom(MIB) * (BIG // MIB)
    client = w.new_client(limit=30)
    client.send_request("POST", w.url(), f"Content-Length: {len(body)}")
    sending = Background(client.send, body)
    upstream = w.server.accept()
    request = upstream.read_request(limit=30)
    sending.result()
    assert hashlib.sha256(request.body).digest() == hashlib.sha256(body).digest()
    upstream.answer("ok")
    assert client.read_response().body == b"ok"


def test_large_bodies_pass_both_ways_at_once(keepwarm, origin):
    """The origin sends back what comes, so that neither side ever stands still for the other for long."""
    size, piece = 8 * MIB, os.urandom(1 << 16)

    def echo(connection):
        connection.read_request_head()
        connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n")
        for _ in range(size // len(piece)):
            connection.send(connection.read_exact(len(piece)))

    daemon, server = keepwarm(trusting()), origin(echo, tls=ServerTls())
    client = daemon.client(limit=30)
    client.send_request("POST", server.url(), f"Content-Length: {size}")
    sending = Background(client.send, piece * (size // len(piece)))
    assert client.read_response(limit=30).body == piece * (size // len(piece))
    sending.result()


def test_an_origin_is_held_back_by_a_client_that_does_not_read(keepwarm, origin):
    w = secure_wire(keepwarm, origin)
    w.ask("GET", "/warm-up").read_request()
    w.upstream.answer(bytes(MIB))
    w.client.read_response()
    before = w.daemon.rss()
    w.ask().read_request()
    size = 512 * MIB
    w.upstream.send(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n")
    piece = bytes(range(256)) * 64
    sent = w.upstream.send_until_blocked(piece, at_most=size)
    assert sent < 64 * MIB
    w.daemon.expect_growth_below(2 * MIB, before)
    w.client.read_response_head()
    for _ in range(sent // len(piece)):
        assert w.client.read_exact(len(piece)) == piece


def test_a_client_is_held_back_by_an_origin_that_does_not_read(keepwarm, origin):
    w = secure_wire(keepwarm, origin)
    size = 512 * MIB
    upstream = w.ask("POST", "/", f"Content-Length: {size}")
    before = w.daemon.rss()
    piece = bytes(range(256)) * 64
    sent = w.client.send_until_blocked(piece, at_most=size)
    assert sent < 64 * MIB
    w.daemon.expect_growth_below(2 * MIB, before)
    upstream.read_request_head()
    for _ in range(sent // len(piece)):
        assert upstream.read_exact(len(piece)) == piece


def byte_by_byte(port: int):
    """A handler that connects to a port and passes on what comes from there in segments of one byte."""

    def relay(connection):
        with socket.create_connection(("127.0.0.1", port)) as server:
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

            def upwards():
                while data := connection.read_some(60):
                    server.sendall(data)
                server.shutdown(socket.SHUT_WR)

            sending = Background(upwards)
            while data := server.recv(1 << 16):
                connection.send_byte_by_byte(data, pause=0.0001)
            connection.shutdown_write()
            sending.result()

    return relay


@both_versions
def test_records_in_pieces_are_put_together(keepwarm, origin, http_origin, versions):
    server = http_origin({"/": b"answer " * 30}, tls=ServerTls(versions=versions))
    relay, daemon = origin(byte_by_byte(server.port)), keepwarm(trusting())
    for _ in range(2):
        assert daemon.get(f"https://{relay.at}/").body == b"answer " * 30
    assert server.used == [0, 0]


def test_a_head_and_a_body_of_many_small_records_are_put_together(keepwarm, origin):
    w = secure_wire(keepwarm, origin)
    w.ask().read_request()
    w.upstream.send_byte_by_byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nsmall", pause=0)
    assert w.client.read_response().body == b"small"


def test_several_records_in_one_segment_are_read_to_the_last(keepwarm, origin):
    """Nothing more comes from the socket, though OpenSSL still holds records: they must not wait for it."""
    w = secure_wire(keepwarm, origin)
    body = os.urandom(200_000)
    w.ask().read_request()
    w.upstream.answer(body)
    assert w.client.read_response().body == body
    exchange(w.daemon, w.server, w.upstream)


def test_pipelined_requests_are_answered_in_order(keepwarm, origin):
    w = secure_wire(keepwarm, origin)
    client = w.new_client()
    client.send("".join(f"GET {w.url(path)} HTTP/1.1\r\nHost: {w.server.at}\r\n\r\n" for path in ("/1", "/2", "/3")))
    upstream = w.server.accept()
    for number in (1, 2, 3):
        assert serve(upstream, str(number), KEEP).target == f"/{number}"
        assert client.read_response().body == str(number).encode()


def test_a_client_that_leaves_midway_costs_its_connection(keepwarm, origin):
    w = secure_wire(keepwarm, origin)
    client = begin(w.daemon, w.server)
    upstream = w.server.accept()
    upstream.read_request()
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    client.read_until(b"half")
    client.reset()
    assert upstream.wait_for_end()
    client = begin(w.daemon, w.server)
    serve(w.server.accept())
    finish(client)
