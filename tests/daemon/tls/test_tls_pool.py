"""Pooling of TLS connections: reused, and never for what they were not made for (core/doc/design.md §1 pool key, §6)."""

import re
import socket

import pytest
from helpers_names import own_names
from helpers_pool import KEEP, begin, every_host, exchange, finish, pooled, serve, settle, standing_still
from helpers_tls import both_versions, secure_wire, tls_keys, together
from support.stalls import real_time
from support.tls import certificate, client_certificate, common_name, trusting
from support.tls_server import ServerTls
from support.waiting import eventually


@both_versions
def test_many_clients_need_one_handshake(keepwarm, http_origin, versions):
    daemon, server = keepwarm(trusting()), http_origin(tls=ServerTls(versions=versions))
    for _ in range(30):
        assert daemon.get(server.url()).status == 200
    assert server.used == [0] * 30 and len(server.connections) == 1


def test_clients_at_the_same_time_need_one_handshake_each(keepwarm, origin):
    daemon, server = keepwarm(trusting()), origin(tls=ServerTls())
    idle = pooled(daemon, server, 5)
    for expected in reversed(idle):  # the warmest first
        client = begin(daemon, server)
        serve(expected, "ok", "Connection: close")
        finish(client)
    server.expect_no_connection()


def test_the_limit_of_connections_is_for_tls_too(keepwarm, origin):
    daemon = keepwarm(together(trusting(), every_host(max_connections=1)))
    server = origin(tls=ServerTls())
    first, second = begin(daemon, server, path="/1"), begin(daemon, server, path="/2")
    upstream = server.accept()
    for client, path in ((first, "/1"), (second, "/2")):
        assert serve(upstream, path, KEEP).target == path
        finish(client, path)
    server.expect_no_connection()


class OnOnePort:
    """A port at which both plain connections and such with TLS arrive; `plain` is an origin without TLS."""

    def __init__(self, origin):
        self.plain = origin()
        self.at = self.plain.at

    def accept(self):
        """(whether it speaks TLS, the connection)"""
        connection = self.plain.accept()
        connection.sock.settimeout(connection.limit)
        handshake = connection.sock.recv(1, socket.MSG_PEEK) == b"\x16"
        return handshake, self.plain.start_tls(connection, ServerTls()) if handshake else connection


@pytest.mark.parametrize("first,second", [("http", "https"), ("https", "http")])
def test_a_request_never_goes_on_a_connection_of_the_other_scheme(keepwarm, origin, first, second):
    daemon, port = keepwarm(trusting()), OnOnePort(origin)
    made = {}
    for scheme in (first, second, first, second):
        client = daemon.client()
        client.send_request("GET", f"{scheme}://{port.at}/{scheme}")
        if scheme not in made:
            secured, made[scheme] = port.accept()
            assert secured == (scheme == "https")
        assert serve(made[scheme], "ok", KEEP).target == f"/{scheme}"
        finish(client)
    port.plain.expect_no_connection()
    for scheme, connection in made.items():
        assert set(re.findall(rb"GET /(\w+)", connection.received)) == {scheme.encode()}


def test_hosts_at_one_address_do_not_share(keepwarm, origin, tmp_path):
    daemon = keepwarm(trusting(), wrapper=own_names(tmp_path, "127.0.0.1 a.wild.test\n127.0.0.1 b.wild.test\n"))
    server = origin(tls=ServerTls())
    made = []
    for server.name in ("a.wild.test", "b.wild.test"):
        made.append(exchange(daemon, server))
        assert made[-1].name == server.name
    for server.name, upstream in zip(("a.wild.test", "b.wild.test"), made):
        exchange(daemon, server, upstream)


SETTINGS = {
    "nothing": dict,
    "verify": lambda: {"verify": False},
    "server_name": lambda: {"server_name": "www.example.test"},
    "client_certificate": client_certificate,
}


@pytest.mark.parametrize("keys", SETTINGS.values(), ids=SETTINGS.keys())
def test_hosts_with_other_names_or_settings_do_not_share(keepwarm, origin, keys):
    """127.0.0.1 and localhost are the same address and port."""
    daemon = keepwarm(together(trusting(), tls_keys("localhost", **keys())))
    server = origin(tls=ServerTls(client_certificate="optional"))
    made = []
    for server.name in ("localhost", "127.0.0.1"):
        made.append(exchange(daemon, server))
    for server.name, upstream in zip(("localhost", "127.0.0.1"), made):
        exchange(daemon, server, upstream)
    assert not made[1].resumed
    assert made[1].client_subject is None
    assert made[0].client_subject == (common_name("client") if keys is client_certificate else None)


@both_versions
@pytest.mark.parametrize("order", [(False, True), (True, False)], ids=["verified second", "verified first"])
def test_what_one_host_accepts_unverified_another_does_not_get(keepwarm, origin, versions, order):
    """The certificate is wrong, one name of the server is not verified: neither its connection nor its session helps the
    other name."""
    daemon = keepwarm(together(trusting(), tls_keys("127.0.0.1", verify=False)))
    server = origin(tls=ServerTls(certificate=certificate("expired"), versions=versions))
    for verified in (*order, *order):
        server.name = "localhost" if verified else "127.0.0.1"
        client = begin(daemon, server)
        if verified:
            assert client.read_response().status == 502
            assert not server.accept_any().resumed
        else:
            serve(server.accept(), "ok", "Connection: close")
            finish(client)


@both_versions
def test_the_tickets_behind_the_handshake_do_not_end_an_idle_connection(keepwarm, origin, versions):
    daemon, server = keepwarm(trusting()), origin(tls=ServerTls(versions=versions, tickets=8))
    upstream = exchange(daemon, server)
    for _ in range(3):
        settle(daemon)
        exchange(daemon, server, upstream)


def test_tickets_that_come_while_idle_do_not_end_the_connection(keepwarm, origin):
    daemon, server = keepwarm(trusting()), origin(tls=ServerTls(tickets=0))
    upstream = exchange(daemon, server)
    for method in ("GET", "POST", "GET"):
        upstream.send_ticket()
        settle(daemon)
        exchange(daemon, server, upstream, method, body=b"x" if method == "POST" else None)
    assert daemon.closes() == []


def test_a_ticket_that_comes_just_before_a_request_does_not_end_the_connection(keepwarm, origin):
    """Found unread when the connection is looked at before its use: it is no stray byte."""
    daemon, server = keepwarm(trusting()), origin(tls=ServerTls(tickets=0))
    upstream = exchange(daemon, server)
    for method in ("GET", "POST") * 3:
        client = daemon.client()
        settle(daemon)
        with standing_still(daemon):
            client.send_request(method, server.url("/after"), body=b"x" if method == "POST" else None)
            upstream.send_ticket()
        assert serve(upstream, "ok", KEEP).target == "/after"
        finish(client)
    server.expect_no_connection()


@pytest.mark.parametrize("stray", ["x", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"])
def test_bytes_while_idle_end_the_connection_and_reach_nobody(keepwarm, origin, stray):
    w = secure_wire(keepwarm, origin)
    upstream = exchange(w.daemon, w.server)
    upstream.send(stray)
    assert upstream.wait_for_end()
    exchange(w.daemon, w.server)


def test_bytes_behind_a_response_end_the_connection(keepwarm, origin):
    w = secure_wire(keepwarm, origin)
    w.ask().read_request()
    w.upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
    assert w.client.read_response().body == b"ok"
    assert w.upstream.wait_for_end()
    exchange(w.daemon, w.server)


@pytest.mark.parametrize("garbage", [b"x", b"\x17\x03\x03\x00\x20" + bytes(32), b"\x15\x03\x03\x00\x02\x02\x28", b"GET /"])
def test_garbage_while_idle_ends_the_connection(keepwarm, origin, garbage):
    w = secure_wire(keepwarm, origin)
    upstream = exchange(w.daemon, w.server)
    upstream.send_encrypted(garbage + bytes(5))
    w.daemon.wait_log(r"upstream \S+ closed")
    exchange(w.daemon, w.server)


@real_time
def test_an_idle_connection_that_we_close_is_closed_cleanly(keepwarm, origin):
    daemon = keepwarm(together(trusting(), every_host(idle_timeout="200ms")))
    upstream = exchange(daemon, origin(tls=ServerTls()))
    assert upstream.wait_for_end() == "fin" and upstream.ended_cleanly


def test_descriptors_of_ended_connections_are_given_back(keepwarm, origin):
    daemon, server = keepwarm(trusting()), origin(tls=ServerTls())
    exchange(daemon, server).close()
    daemon.wait_log(r"upstream \S+ closed")
    baseline = daemon.fd_count()
    for upstream in pooled(daemon, server, 10):
        upstream.close()
    eventually(lambda: daemon.fd_count() <= baseline, message="as many descriptors as before")
