"""client_idle_timeout and client_header_timeout (core/doc/design.md §4, §5), tunnel_timeout."""

import time

import pytest
from helpers_pool import exchange, serve
from support.background import Background
from support.stalls import real_time
from support.waiting import scaled
from support.wiring import check_own_answer

pytestmark = real_time


def test_a_client_that_asks_nothing_is_closed_silently(keepwarm):
    daemon = keepwarm({"proxy": {"client_idle_timeout": "300ms"}})
    began = time.monotonic()
    daemon.client().expect_eof()
    assert 0.25 < time.monotonic() - began < scaled(1.5)


def test_a_client_that_asks_nothing_more_is_closed_silently(keepwarm, origin):
    daemon, server = keepwarm({"proxy": {"client_idle_timeout": "400ms"}}), origin()
    client = daemon.client()
    client.send_request("GET", server.url())
    upstream = server.accept()
    upstream.read_request()
    time.sleep(0.6)  # the time of an exchange does not count
    upstream.answer("ok")
    assert client.read_response().body == b"ok"
    client.expect_eof()
    exchange(daemon, server, upstream)


def test_a_client_that_comes_in_time_is_served(keepwarm, origin):
    daemon, server = keepwarm({"proxy": {"client_idle_timeout": "1200ms"}}), origin()
    client = daemon.client()
    upstream = None
    for _ in range(3):
        time.sleep(0.5)
        client.send_request("GET", server.url())
        upstream = upstream or server.accept()
        serve(upstream, "ok", "Keep-Alive: timeout=60")
        assert client.read_response().body == b"ok"


def test_persistent_answers_tell_the_client_its_idle_timeout(keepwarm, origin):
    daemon, server = keepwarm({"proxy": {"client_idle_timeout": "33s"}}), origin()
    client = daemon.client()
    client.send_request("GET", server.url())
    serve(server.accept())
    response = client.read_response()
    assert response.get("keep-alive") == "timeout=33"


def test_a_head_that_does_not_end_in_time_is_408(keepwarm):
    daemon = keepwarm({"proxy": {"client_header_timeout": "300ms", "client_idle_timeout": "30s"}})
    client = daemon.client()
    began = time.monotonic()
    client.send("GET http://127.0.0.1/ HT")
    check_own_answer(client.read_response(), 408, "http_request_error")
    client.expect_eof()
    assert 0.25 < time.monotonic() - began < scaled(1.5)


def test_a_head_that_trickles_is_408_all_the_same(keepwarm):
    daemon = keepwarm({"proxy": {"client_header_timeout": "500ms"}})
    client = daemon.client()
    client.send("GET http://127.0.0.1/ HTTP/1.1\r\n")
    reading = Background(client.read_response)
    for number in range(4):
        time.sleep(0.2)
        client.sock.send(b"X-%d: y\r\n" % number)
    assert reading.result().status == 408


def test_the_time_of_a_head_begins_with_its_first_byte(keepwarm, origin):
    daemon, server = keepwarm({"proxy": {"client_header_timeout": "300ms"}}), origin()
    client = daemon.client()
    time.sleep(0.5)
    client.send_request("GET", server.url())
    serve(server.accept())
    assert client.read_response().body == b"ok"


def tunnel(keepwarm, origin, **keys):
    server = origin()
    daemon = keepwarm({"proxy": {"connect_ports": [server.port]}, "host": {"*": keys}})
    client = daemon.client()
    client.send(f"CONNECT {server.at} HTTP/1.1\r\nHost: {server.at}\r\n\r\n")
    upstream = server.accept()
    assert client.read_response("CONNECT").status == 200
    return client, upstream


def test_a_tunnel_in_which_nothing_moves_ends_at_tunnel_timeout(keepwarm, origin):
    client, upstream = tunnel(keepwarm, origin, tunnel_timeout="800ms")
    began = time.monotonic()
    assert client.expect_end() and upstream.expect_end()
    assert 0.5 < time.monotonic() - began < scaled(3)


@pytest.mark.parametrize("direction", ["to the origin", "to the client"])
def test_a_byte_in_either_direction_keeps_a_tunnel(keepwarm, origin, direction):
    client, upstream = tunnel(keepwarm, origin, tunnel_timeout="1s")
    sender, receiver = (client, upstream) if direction == "to the origin" else (upstream, client)
    for _ in range(3):
        time.sleep(0.5)
        sender.send("x")
        assert receiver.read_exact(1) == b"x"
    client.send("there")
    assert upstream.read_exact(5) == b"there"


def test_no_tunnel_timeout_is_no_limit(keepwarm, origin):
    client, upstream = tunnel(keepwarm, origin, tunnel_timeout="0s", stall_timeout="100ms", response_timeout="100ms")
    client.expect_silence(0.6)
    client.send("x")
    assert upstream.read_exact(1) == b"x"


def test_a_half_closed_tunnel_has_the_timeout_too(keepwarm, origin):
    client, upstream = tunnel(keepwarm, origin, tunnel_timeout="800ms")
    client.shutdown_write()
    upstream.expect_eof()
    assert client.expect_end()


def test_an_upgraded_connection_has_the_tunnel_timeout(keepwarm, origin):
    daemon = keepwarm({"host": {"*": {"tunnel_timeout": "800ms", "stall_timeout": "100ms", "response_timeout": "5s"}}})
    server = origin()
    client = daemon.client()
    client.send_request("GET", server.url(), "Connection: Upgrade", "Upgrade: websocket")
    upstream = server.accept()
    upstream.read_request()
    upstream.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    assert client.read_response().status == 101
    began = time.monotonic()
    assert client.expect_end() and upstream.expect_end()
    assert time.monotonic() - began > 0.5


def test_an_empty_line_behind_a_request_is_not_the_beginning_of_a_head(keepwarm, origin):
    daemon, server = keepwarm({"proxy": {"client_header_timeout": "300ms"}}), origin()
    client = daemon.client()
    client.send_request("POST", server.url(), body=b"x")
    client.send("\r\n")  # as some old clients do (RFC 9112 §2.2)
    upstream = server.accept()
    serve(upstream, "ok", "Keep-Alive: timeout=60")
    assert client.read_response().body == b"ok"
    client.expect_silence(0.7)
    client.send_request("GET", server.url())
    serve(upstream)
    assert client.read_response().body == b"ok"
