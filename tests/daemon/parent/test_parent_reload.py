"""SIGHUP and parents: idle connections of the old way close, exchanges under way end well, new requests take the new way."""

import threading

import pytest
from helpers_parent import (ESTABLISHED, HTTPS, NAME, ask, asked_for_tunnel, basic, connect, established, open_secure,
                            open_tunnel, through, trusting_through)
from helpers_pool import KEEP, close_reasons, every_host, finish, serve
from helpers_tls import together
from support.background import Background
from support.tls import trusting
from support.tls_server import ServerTls
from support.waiting import eventually

LOG = {"log": {"access": "text"}}


def reload(daemon, config) -> None:
    since = daemon.reload(together(config, LOG))
    daemon.wait_log(r"(?i)reload|configuration", since=since)


def exchange(daemon, upstream, url: str):
    """On `upstream`, or on what it returns if it is called; (connection, request)."""
    client = ask(daemon, url)
    upstream = upstream() if callable(upstream) else upstream
    request = serve(upstream, "ok", KEEP)
    finish(client)
    return upstream, request


def test_set_changed_and_removed_for_http(keepwarm, origin):
    server, one, other = origin(), origin(), origin()
    daemon = keepwarm()
    url = server.url("/path")
    upstream, request = exchange(daemon, server.accept, url)
    assert request.target == "/path"
    steps = ((through(one), one, url), (through(one, "user:secret@"), one, url), (through(other), other, url), ({}, server, "/path"))
    for config, place, target in steps:
        reload(daemon, config)
        assert upstream.wait_for_end() == "fin"
        upstream, request = exchange(daemon, place.accept, url)
        assert request.target == target
        assert request.has("proxy-authorization") == (config == through(one, "user:secret@"))
    assert close_reasons(daemon) == ["reconfigured"] * 4


def test_set_changed_and_removed_for_https(keepwarm, origin):
    tls = ServerTls()
    server, one, other = origin(tls=tls), origin(), origin()
    daemon = keepwarm(trusting())
    url = server.url("/path")
    upstream, _ = exchange(daemon, server.accept, url)
    for config, place in ((trusting_through(one), one), (trusting_through(one, "user:secret@"), one),
                          (trusting_through(other), other), (trusting(), server)):
        reload(daemon, config)
        assert upstream.wait_for_end() == "fin"
        opened = server.accept if place is server else lambda where=place: open_secure(where, server.at, tls)
        upstream, request = exchange(daemon, opened, url)
        assert request.target == "/path"
    assert close_reasons(daemon) == ["reconfigured"] * 4


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_reload_that_leaves_the_way_alone_keeps_the_connection(keepwarm, origin, scheme):
    parent = origin()
    daemon = keepwarm(trusting_through(parent, "user:secret@"))
    url = f"{scheme}://{NAME}/"
    upstream, _ = exchange(daemon, parent.accept if scheme == "http" else lambda: open_secure(parent), url)
    more = every_host(queue_timeout="3s"), {"proxy": {"max_clients": 50}}
    reload(daemon, together(trusting_through(parent, "user:secret@"), *more))
    exchange(daemon, upstream, url)
    assert close_reasons(daemon) == []


@pytest.mark.parametrize("method,body", [("GET", None), ("POST", b"data")])
def test_an_exchange_under_way_ends_well_and_its_connection_is_not_kept(keepwarm, origin, method, body):
    one, other = origin(), origin()
    url = f"http://{NAME}/"
    daemon = keepwarm(through(one, "user:secret@"))
    client = ask(daemon, url, method, body=body)
    upstream = one.accept()
    upstream.read_request()
    reload(daemon, through(other))
    exchange(daemon, other.accept, url)
    upstream.answer("old", "200 OK", KEEP)
    finish(client, "old")
    assert upstream.wait_for_end() == "fin"
    daemon.wait_log(rf"upstream={one.at} fresh")
    one.expect_no_connection()


def test_a_retry_after_a_reload_goes_the_way_it_began(keepwarm, origin):
    """Its head was written for that parent, credentials and all: it must not go to another."""
    one, other = origin(), origin()
    url = f"http://{NAME}/"
    daemon = keepwarm(through(one, "user:secret@"))
    upstream, _ = exchange(daemon, one.accept, url)
    client = ask(daemon, url)
    upstream.read_request()
    reload(daemon, through(other))
    upstream.close()
    again = one.accept()
    request = serve(again, "ok", KEEP)
    assert request.target == url and request.get("proxy-authorization") == basic("user:secret")
    finish(client)
    assert again.wait_for_end() == "fin"
    other.expect_no_connection()


def test_a_tunnel_that_the_parent_is_about_to_open(keepwarm, origin):
    one, other = origin(), origin()
    daemon = keepwarm(trusting_through(one))
    clients = ask(daemon, HTTPS), connect(daemon, f"{NAME}:443")
    (secured, _), (plain, _) = asked_for_tunnel(one), asked_for_tunnel(one)
    reload(daemon, trusting_through(other))
    for connection in (secured, plain):
        connection.send(ESTABLISHED)
    # Which of the two came first is not said: a handshake comes on one of them.
    eventually(lambda: secured.has_input() or plain.has_input())
    first, second = (secured, plain) if secured.has_input() else (plain, secured)
    upstream = one.start_tls(first, ServerTls())
    serve(upstream, "ok", KEEP)
    finish(clients[0])
    assert upstream.wait_for_end() == "fin"
    established(clients[1])
    second.send("hello")
    assert clients[1].read_exact(5) == b"hello"


def test_an_open_tunnel_goes_on(keepwarm, origin):
    one, other = origin(), origin()
    daemon = keepwarm(through(one))
    client = connect(daemon, f"{NAME}:443")
    connection = open_tunnel(one, f"{NAME}:443")
    established(client)
    reload(daemon, through(other))
    client.send("up")
    assert connection.read_exact(2) == b"up"
    connection.send("down")
    assert client.read_exact(4) == b"down"
    daemon.reload({})


def test_who_waits_for_a_connection_gets_one_of_the_old_way(keepwarm, origin):
    one, other = origin(), origin()
    daemon = keepwarm(through(one, max_connections=1))
    first = ask(daemon, "http://a.test/")
    upstream = one.accept()
    upstream.read_request()
    second = ask(daemon, "http://b.test/")
    one.expect_no_connection()
    reload(daemon, through(other, max_connections=1))
    upstream.answer("ok", "200 OK", KEEP)
    finish(first)
    assert serve(one.accept(), "ok", KEEP).target == "http://b.test/"
    finish(second)
    exchange(daemon, other.accept, "http://b.test/")


def test_many_reloads_under_load_drop_nothing(keepwarm, http_origin):
    """Between two parents and none, with exchanges and tunnels under way all the while."""
    server, one, other = http_origin(), http_origin(), http_origin()
    for parent in (one, other):
        parent.routes["*"] = lambda request, connection: relayed(request, connection)
    ports = {"proxy": {"connect_ports": [server.port]}}
    daemon = keepwarm(ports)
    stop = threading.Event()

    def ask_on():
        count = 0
        while not stop.is_set():
            if count % 3 == 0:
                client = connect(daemon, server.at)
                established(client)
                client.send(f"GET /{count} HTTP/1.1\r\nHost: x\r\n\r\n")
                answer = client.read_response()
                client.close()
            else:
                answer = daemon.get(server.url(f"/{count}"))
            assert (answer.status, answer.body) == (200, b"hello"), answer.raw + answer.body
            count += 1
        return count

    askers = [Background(ask_on) for _ in range(4)]
    for number in range(30):
        config = [through(one), through(other, "user:secret@"), {}][number % 3]
        since = daemon.reload(together(config, ports))
        daemon.wait_log(r"(?i)reload|configuration", since=since)
    stop.set()
    counts = [asker.result() for asker in askers]
    assert sum(counts) > 40 and one.requests and other.requests and server.requests
    eventually(lambda: all(connection.ended or connection.closed for connection in one.connections + other.connections))


def relayed(request, connection):
    """What these parents answer: of a tunnel they are the far end themselves."""
    if request.method != "CONNECT":
        return b"hello"
    connection.send(ESTABLISHED)
    connection.read_request()
    connection.answer("hello")
    return None
