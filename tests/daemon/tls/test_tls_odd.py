"""What TLS allows a server to do beside serving, and other things that happen seldom."""

import contextlib
import socket

import pytest
from helpers_pool import KEEP, begin, every_host, exchange, finish, serve, settle
from helpers_tls import secure_wire, tls_keys, together
from support.background import Background
from support.stalls import real_time
from support.stream import Cut
from support.tls import trusting
from support.tls_server import TLS12, TLS13, ServerTls
from support.waiting import TooLong, eventually

asks = pytest.mark.parametrize("ask", [False, True], ids=["theirs", "both"])


@asks
def test_new_keys_while_idle_do_not_end_the_connection(keepwarm, origin, ask):
    w = secure_wire(keepwarm, origin)
    upstream = exchange(w.daemon, w.server)
    for _ in range(3):
        upstream.send_key_update(ask)
        settle(w.daemon)
        exchange(w.daemon, w.server, upstream, "POST", body=b"x")
    assert w.daemon.closes() == []


@asks
def test_new_keys_in_the_middle_of_bodies_do_not_break_them(keepwarm, origin, ask):
    w = secure_wire(keepwarm, origin)
    upstream = w.ask("POST", "/", "Content-Length: 6", body=b"one")
    upstream.read_request_head()
    assert upstream.read_exact(3) == b"one"
    upstream.send_key_update(ask)
    w.client.send("two")
    assert upstream.read_exact(3) == b"two"
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\none")
    upstream.send_key_update(ask)
    upstream.send("two")
    assert w.client.read_response().body == b"onetwo"
    exchange(w.daemon, w.server, upstream)


def test_new_keys_between_request_and_answer_are_no_answer(keepwarm, origin):
    """A stale failure may still follow: no byte of a response has come."""
    w = secure_wire(keepwarm, origin)
    upstream = exchange(w.daemon, w.server)
    client = begin(w.daemon, w.server)
    upstream.read_request()
    upstream.send_key_update(True)
    settle(w.daemon)
    upstream.close()
    serve(w.server.accept())
    finish(client)


@asks
def test_new_keys_without_end_on_an_idle_connection_end_it_and_teach_nothing(keepwarm, origin, ask):
    w = secure_wire(keepwarm, origin)
    upstream = exchange(w.daemon, w.server)
    with contextlib.suppress(Cut, OSError, AssertionError):
        for _ in range(40):
            upstream.send_key_update(ask)
    w.daemon.wait_log(r"upstream \S+ closed: protocol error")
    assert not [line for line in w.daemon.log if "learned" in line]
    exchange(w.daemon, w.server)


def outcome(client):
    try:
        return client.read_response().status
    except Cut:
        return "cut"


@pytest.mark.parametrize("moment", ["idle", "before the answer", "within the answer"])
def test_a_server_that_wants_to_renegotiate_hangs_nobody(keepwarm, origin, moment):
    """TLS 1.2 allows it, we need not: the exchange goes on or is cut, and the next one is served in any case."""
    w = secure_wire(keepwarm, origin, versions=(TLS12, TLS12))
    upstream = w.ask()
    upstream.read_request()
    if moment == "before the answer":
        upstream.ask_to_renegotiate()
    reading = Background(outcome, w.client)
    with contextlib.suppress(Cut, OSError, TooLong):  # OpenSSL waits for the new handshake in every call, as it pleases
        upstream.limit = 1
        upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nbegin")
        if moment == "within the answer":
            upstream.ask_to_renegotiate()
        upstream.send("- end")
        if moment == "idle":
            upstream.ask_to_renegotiate()
    upstream.cut()
    assert reading.result() in (200, 502, "cut")
    w.daemon.wait_log(r"upstream \S+ closed")
    client = begin(w.daemon, w.server)
    serve(w.server.accept())
    finish(client)


@pytest.mark.parametrize("name", ["x" * 63 + "." + "y" * 63 + "." + "z" * 63 + "." + "w" * 61, "a" * 300, "under_score.test",
                                  "xn--bcher-kva.test", "a..b"],
                         ids=["as long as a name may be", "too long", "underscore", "punycode", "empty label"])
def test_any_name_is_served_or_refused_in_order(keepwarm, origin, name):
    server = origin(tls=ServerTls())
    config = together(every_host(connect_to=server.at), tls_keys(verify=False))
    client = keepwarm(config).client()
    client.send_request("GET", f"https://{name}/")
    if client_was_answered(client, server):
        response = client.read_response()
        assert response.status in (400, 502) and response.get("proxy-status")
        return
    upstream = server.accept()
    assert upstream.name == name
    serve(upstream)
    finish(client)


def client_was_answered(client, server) -> bool:
    """Whether the daemon answers by itself, before a request has come to the server."""
    def something() -> bool:
        return client.has_input() or any(connection.handshake_done for connection in server.connections)

    eventually(something)
    return client.has_input()


def test_settings_that_change_within_a_handshake_are_in_force_behind_it(keepwarm, origin):
    daemon, server = keepwarm(trusting()), origin()
    client = daemon.client()
    client.send_request("GET", f"https://{server.at}/before")
    opening = server.accept()
    since = daemon.reload(together(trusting(), tls_keys(server_name="www.example.test")))
    daemon.wait_log(r"(?i)reload|configuration", since=since)
    first = server.start_tls(opening, ServerTls())
    assert serve(first, "ok", KEEP).target == "/before"
    finish(client)
    client = daemon.client()
    client.send_request("GET", f"https://{server.at}/behind")
    second = server.start_tls(server.accept(), ServerTls())
    assert second.name == "www.example.test"
    assert serve(second).target == "/behind"
    finish(client)
    assert b"/behind" not in first.received


def test_sigterm_lets_an_exchange_end_and_closes_cleanly(keepwarm, origin):
    daemon, server = keepwarm(trusting()), origin(tls=ServerTls())
    upstream = exchange(daemon, server)
    busy = begin(daemon, server, path="/busy")
    assert upstream.read_request().target == "/busy"
    daemon.terminate()
    daemon.wait_log(r"(?i)signal|stopp|shutdown|SIGTERM")
    upstream.answer("last")
    response = busy.read_response()
    assert response.body == b"last" and "close" in response.tokens("connection")
    busy.close()
    assert upstream.wait_for_end() == "fin" and upstream.ended_cleanly
    assert daemon.wait_exit() == 0


def test_with_reuse_off_each_request_has_its_handshake(keepwarm, origin):
    daemon, server = keepwarm(together(trusting(), every_host(reuse=False))), origin(tls=ServerTls())
    for resumed in (False, True, True):
        upstream = exchange(daemon, server)
        assert upstream.resumed == resumed
        assert upstream.wait_for_end() == "fin" and upstream.ended_cleanly


@real_time
def test_an_origin_that_stops_reading_within_a_large_request_is_given_up(keepwarm, origin):
    w = secure_wire(keepwarm, origin, every_host(stall_timeout="1s"))
    upstream = w.ask("POST", "/", f"Content-Length: {1 << 30}")
    w.client.send_until_blocked(bytes(1 << 16), quiet=0.1, at_most=1 << 30)
    response = w.client.read_response()
    assert response.status in (502, 504)
    upstream.read_to_end()


def test_a_response_head_that_waits_for_its_end_in_the_tls_layer_is_not_lost(keepwarm, origin):
    """Two responses' worth of records arrive while the client's side stands still."""
    w = secure_wire(keepwarm, origin, versions=(TLS13, TLS13))
    client = w.new_client(receive_buffer=4096)
    client.send(f"GET {w.url('/1')} HTTP/1.1\r\nHost: {w.server.at}\r\n\r\n" * 2)
    upstream = w.server.accept()
    body = bytes(range(256)) * 8192
    for _ in range(2):
        upstream.read_request()
        sending = Background(upstream.answer, body, "200 OK", KEEP)
        assert client.read_response(limit=20).body == body
        sending.result()


def test_a_segment_with_the_end_of_one_record_and_the_next_is_read_whole(keepwarm, origin):
    w = secure_wire(keepwarm, origin)
    w.ask().read_request()
    w.upstream.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    for piece in ("HTTP/1.1 200 OK\r\nContent-Length: 26\r\n\r\n", "abcdefghijklm", "nopqrstuvwxyz"):
        w.upstream.send(piece)
    w.upstream.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
    assert w.client.read_response().body == b"abcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize("size", [1, 16383, 16384, 16385, 32768, 65535, 65536, 65537])
def test_requests_of_any_size_about_that_of_a_record_arrive(keepwarm, origin, size):
    w = secure_wire(keepwarm, origin)
    body = bytes(number * 7 % 251 for number in range(size))
    for method in ("PUT", "POST"):
        upstream = w.ask(method, "/", body=body)
        assert upstream.read_request().body == body
        upstream.answer(body)
        assert w.client.read_response().body == body
