"""CONNECT tunnels: byte for byte, with half-close and backpressure (RFC 9110 §9.3.6)."""

import hashlib
import random

import pytest
from support.background import Background
from support.stalls import real_time
from support.waiting import eventually

ANY_PORT = {"proxy": {"connect_ports": ["1-65535"]}}


def open_tunnel(w, early: bytes = b"", version: str = "1.1"):
    """(client, upstream), with the answer to CONNECT read."""
    client = w.send(w.text(f"CONNECT {{at}} HTTP/{version}\r\nHost: {{at}}\r\n\r\n") + early)
    upstream = w.server.accept()
    response = client.read_response("CONNECT")
    assert response.status == 200, response.raw + response.body
    assert not response.has("content-length") and not response.has("transfer-encoding")
    return client, upstream


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_bytes_pass_both_ways(wire, host, version):
    client, upstream = open_tunnel(wire(ANY_PORT, host=host), version=version)
    client.send(b"\x00up\xff")
    assert upstream.read_exact(4) == b"\x00up\xff"
    upstream.send(b"\xffdown\r\n\r\n")
    assert client.read_exact(9) == b"\xffdown\r\n\r\n"


def test_the_origin_sees_nothing_but_the_bytes_of_the_tunnel(wire):
    _, upstream = open_tunnel(wire(ANY_PORT))
    upstream.expect_silence()


def test_the_origin_may_speak_first(wire):
    client, upstream = open_tunnel(wire(ANY_PORT))
    upstream.send("220 hello\r\n")
    assert client.read_exact(11) == b"220 hello\r\n"


def test_bytes_that_came_with_the_connect_reach_the_origin(wire):
    early = random.Random(1).randbytes(10_000)
    _, upstream = open_tunnel(wire(ANY_PORT), early)
    assert upstream.read_exact(len(early)) == early


def test_a_name_is_resolved(wire):
    w = wire(ANY_PORT)
    w.send(f"CONNECT localhost:{w.server.port} HTTP/1.1\r\nHost: localhost:{w.server.port}\r\n\r\n")
    assert w.client.read_response("CONNECT").status == 200


def test_the_clients_half_close_leaves_the_other_way_open(wire):
    client, upstream = open_tunnel(wire(ANY_PORT))
    client.send("question")
    client.shutdown_write()
    assert upstream.read_to_eof() == b"question"
    upstream.send("answer")
    assert client.read_exact(6) == b"answer"
    upstream.close()
    client.expect_eof()


def test_the_origins_half_close_leaves_the_other_way_open(wire):
    client, upstream = open_tunnel(wire(ANY_PORT))
    upstream.send("all")
    upstream.shutdown_write()
    assert client.read_to_eof() == b"all"
    client.send("still here")
    assert upstream.read_exact(10) == b"still here"
    client.close()
    upstream.expect_eof()


def test_early_bytes_and_a_half_close_with_the_connect_arrive(wire):
    w = wire(ANY_PORT)
    client = w.send("CONNECT {at} HTTP/1.1\r\nHost: {at}\r\n\r\nearly")
    client.shutdown_write()
    upstream = w.server.accept()
    assert upstream.read_to_eof() == b"early"
    upstream.send("late")
    assert client.read_response("CONNECT").status == 200
    assert client.read_exact(4) == b"late"


@pytest.mark.parametrize("side", ["client", "origin"])
def test_a_reset_of_one_side_ends_the_other(wire, side):
    w = wire(ANY_PORT)
    client, upstream = open_tunnel(w)
    ends = {"client": (client, upstream), "origin": (upstream, client)}[side]
    ends[0].reset()
    ends[1].expect_end()


def test_both_ends_closed_leave_no_descriptor_behind(wire):
    w = wire(ANY_PORT)
    client, upstream = open_tunnel(w)
    client.close()
    upstream.expect_eof()
    upstream.close()
    w.daemon.client().close()
    w.client, w.upstream = None, None
    count = w.daemon.fd_count()
    for _ in range(5):
        client, upstream = open_tunnel(w)
        client.close()
        upstream.expect_eof()
        upstream.close()
    eventually(lambda: w.daemon.fd_count() <= count, message="the descriptors' return")


def test_8_mib_pass_each_way_at_once_unchanged(wire):
    client, upstream = open_tunnel(wire(ANY_PORT))
    size = 8 << 20
    up, down = random.Random(1).randbytes(size), random.Random(2).randbytes(size)

    def digest(stream):
        return hashlib.sha256(stream.read_exact(size, limit=20)).digest()

    work = [Background(client.send, up), Background(upstream.send, down), Background(digest, client),
            Background(digest, upstream)]
    results = [each.result(30) for each in work]
    assert results[2] == hashlib.sha256(down).digest() and results[3] == hashlib.sha256(up).digest()


@pytest.mark.parametrize("side", ["client", "origin"])
def test_a_side_that_does_not_read_stops_the_other(wire, side):
    w = wire(ANY_PORT)
    client, upstream = open_tunnel(w)
    sender, reader = (upstream, client) if side == "client" else (client, upstream)
    before = w.daemon.rss()
    sent = sender.send_until_blocked(bytes(1 << 20))
    assert sent < 64 << 20
    w.daemon.expect_growth_below(8 << 20, before)
    reader.send("the other way is open")
    assert sender.read_exact(21) == b"the other way is open"
    reader.discard(sent, limit=20)
    sender.send("and this one again")
    assert reader.read_exact(18) == b"and this one again"


@real_time
def test_a_silent_tunnel_ends_at_tunnel_timeout(wire):
    client, upstream = open_tunnel(wire({**ANY_PORT, "host": {"*": {"tunnel_timeout": "300ms"}}}))
    client.expect_end()
    upstream.expect_end()


@real_time
def test_bytes_in_one_direction_keep_a_tunnel_alive(wire):
    client, upstream = open_tunnel(wire({**ANY_PORT, "host": {"*": {"tunnel_timeout": "600ms"}}}))
    for _ in range(8):
        client.expect_silence(0.15)
        upstream.send("x")
        assert client.read_exact(1) == b"x"
    client.send("y")
    assert upstream.read_exact(1) == b"y"


@real_time
def test_a_tunnel_lives_until_shutdown_grace_and_no_longer(wire):
    w = wire({"proxy": {"connect_ports": ["1-65535"], "shutdown_grace": "500ms"}})
    client, upstream = open_tunnel(w)
    w.daemon.terminate()
    client.send("still")
    assert upstream.read_exact(5) == b"still"
    assert w.daemon.wait_exit() == 0
    client.expect_end()


def test_a_tunnel_is_closed_with_a_reason_in_the_log(wire):
    w = wire(ANY_PORT)
    client, upstream = open_tunnel(w)
    client.close()
    upstream.expect_eof()
    upstream.close()
    w.daemon.wait_log(r"upstream \S+ closed: \w+")
