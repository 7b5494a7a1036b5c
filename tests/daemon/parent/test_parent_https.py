"""https:// requests through a parent: CONNECT there, then TLS with the origin, pooled per origin (core/doc/design.md §4, §5)."""

import random
import time

import pytest
from helpers_parent import (ESTABLISHED, HTTPS, NAME, ask, asked_for_tunnel, basic, connect, open_secure, open_tunnel,
                            trusting_through)
from helpers_pool import KEEP, every_host, finish, serve, settle
from helpers_tls import both_versions, tls_keys, together
from support.tls import certificate, client_certificate, common_name
from support.tls_server import ServerTls
from support.waiting import Deadline, eventually
from support.wiring import check_own_answer


def exchange(daemon, parent, url: str = HTTPS, upstream=None, target: str = f"{NAME}:443", method: str = "GET", body=None):
    """A whole exchange, on `upstream` or else through a new tunnel; the connection."""
    client = ask(daemon, url, method, body=body)
    upstream = upstream or open_secure(parent, target)
    request = serve(upstream, "ok", KEEP)
    assert request.method == method and request.target == "/" + url.split("/", 3)[3]
    finish(client)
    return upstream


# CONNECT at the parent


@pytest.mark.parametrize("credentials,field", [("", ""), ("user:p%40ss@", f"Proxy-Authorization: {basic('user:p@ss')}\r\n")])
@pytest.mark.parametrize("url,target", [(HTTPS, f"{NAME}:443"), (f"https://{NAME.upper()}:8443/", f"{NAME}:8443"),
                                        ("https://[2001:DB8:0::1]/", "[2001:db8::1]:443"),
                                        ("https://203.0.113.7/", "203.0.113.7:443")])
def test_the_request_for_a_tunnel(keepwarm, origin, credentials, field, url, target):
    parent = origin()
    ask(keepwarm(trusting_through(parent, credentials)), url, "GET", "Proxy-Authorization: Basic client", "X-Mine: 1")
    _, request = asked_for_tunnel(parent)
    assert request.target == target and request.version == "HTTP/1.1"
    assert request.all("host") == [target]
    assert request.all("proxy-authorization") == ([field.split(": ")[1].strip()] if field else [])
    assert request.get("via").startswith("1.1 keepwarm-") and "," not in request.get("via")
    assert set(request.names) <= {"host", "proxy-authorization", "via"}


def test_what_goes_through_the_tunnel_is_as_without_a_parent(keepwarm, origin):
    parent = origin()
    client = ask(keepwarm(trusting_through(parent, "user:secret@")), f"https://{NAME}/path?query", "GET", "X-Mine: 1",
                 "Proxy-Authorization: Basic client")
    upstream = open_secure(parent)
    assert upstream.name == NAME
    request = serve(upstream, "ok", KEEP)
    assert (request.target, request.get("host"), request.get("x-mine")) == ("/path?query", NAME, "1")
    assert not request.has("proxy-authorization")
    assert request.get("via").startswith("1.1 keepwarm-") and request.tokens("connection") == ["keep-alive"]
    finish(client)


@pytest.mark.parametrize("kind", ["wrong name", "unknown authority"])
def test_the_origin_is_verified_by_its_own_name(keepwarm, origin, kind):
    parent = origin()
    client = ask(keepwarm(trusting_through(parent)), HTTPS)
    secured = parent.start_tls(open_tunnel(parent, f"{NAME}:443"), ServerTls(certificate=certificate(kind)))
    check_own_answer(client.read_response(), 502, "tls_certificate_error", NAME)
    assert b"GET" not in secured.received
    parent.expect_no_connection()


def test_a_client_certificate_is_shown_to_the_origin(keepwarm, origin):
    parent = origin()
    client = ask(keepwarm(together(trusting_through(parent), tls_keys(**client_certificate()))), HTTPS)
    upstream = open_secure(parent, tls=ServerTls(client_certificate="required"))
    assert upstream.client_subject == common_name("client")
    serve(upstream)
    finish(client)


def test_upgrade_goes_through_a_tunnel_to_443(keepwarm, origin):
    parent = origin()
    daemon = keepwarm(trusting_through(parent, upgrade=True))
    upstream = exchange(daemon, parent, f"http://{NAME}/")
    exchange(daemon, parent, f"http://{NAME}/", upstream)
    exchange(daemon, parent, HTTPS, upstream)
    exchange(daemon, parent, f"http://{NAME}:8080/", target=f"{NAME}:8080")


def test_websocket_through_parent_and_tls(keepwarm, origin):
    parent = origin()
    client = ask(keepwarm(trusting_through(parent)), f"wss://{NAME}/chat", "GET", "Connection: upgrade", "Upgrade: websocket")
    upstream = open_secure(parent)
    assert upstream.read_request().target == "/chat"
    upstream.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nfirst")
    assert client.read_response().status == 101
    assert client.read_exact(5) == b"first"
    client.send(b"\x81second")
    assert upstream.read_exact(7) == b"\x81second"
    client.close()
    upstream.expect_eof()


# Pooled per origin


@both_versions
def test_two_requests_to_one_origin_need_one_tunnel(keepwarm, origin, versions):
    parent = origin()
    daemon = keepwarm(trusting_through(parent))
    client = ask(daemon, HTTPS)
    upstream = open_secure(parent, tls=ServerTls(versions=versions))
    serve(upstream, "ok", KEEP)
    finish(client)
    for method, body in (("GET", None), ("POST", b"data"), ("GET", None)):
        exchange(daemon, parent, HTTPS, upstream, method=method, body=body)
    parent.expect_no_connection()
    assert daemon.closes() == []


def test_two_origins_need_two_tunnels(keepwarm, origin):
    parent = origin()
    daemon = keepwarm(trusting_through(parent))
    urls = {HTTPS: f"{NAME}:443", "https://a.wild.test/": "a.wild.test:443", f"https://{NAME}:8443/": f"{NAME}:8443"}
    made = {url: exchange(daemon, parent, url, target=target) for url, target in urls.items()}
    for url, upstream in made.items():
        exchange(daemon, parent, url, upstream)
    parent.expect_no_connection()


def test_http_and_https_of_one_host_and_port_never_share(keepwarm, origin):
    parent = origin()
    daemon = keepwarm(trusting_through(parent))
    secure = exchange(daemon, parent)
    client = ask(daemon, f"http://{NAME}:443/")
    plain = parent.accept()
    assert serve(plain, "ok", KEEP).target == f"http://{NAME}:443/"
    finish(client)
    exchange(daemon, parent, HTTPS, secure)


def test_a_session_is_resumed_through_the_next_tunnel(keepwarm, origin):
    parent = origin()
    daemon = keepwarm(trusting_through(parent))
    tls = ServerTls()
    first = exchange(daemon, parent)
    settle(daemon)  # it has the tickets
    first.close()
    daemon.wait_log(r"upstream \S+ closed")
    client = ask(daemon, HTTPS)
    second = open_secure(parent, tls=tls)
    assert second.resumed
    serve(second)
    finish(client)


@pytest.mark.parametrize("how", ["close", "cut", "reset"])
def test_a_stale_failure_is_repeated_through_a_new_tunnel(keepwarm, origin, how):
    parent = origin()
    daemon = keepwarm(trusting_through(parent))
    upstream = exchange(daemon, parent)
    client = ask(daemon, HTTPS)
    upstream.read_request()
    getattr(upstream, how)()
    serve(open_secure(parent), "ok", KEEP)
    finish(client)


def test_an_idle_one_that_the_parent_closes_leaves_the_pool(keepwarm, origin):
    parent = origin()
    daemon = keepwarm(trusting_through(parent))
    exchange(daemon, parent).close()
    daemon.wait_log(r"upstream \S+ closed: server closed idle")
    exchange(daemon, parent, method="POST", body=b"x")


def test_the_times_and_the_address_in_the_access_log(keepwarm, origin):
    parent = origin()
    daemon = keepwarm(together(trusting_through(parent), {"log": {"access": "text"}}))
    exchange(daemon, parent)
    line = daemon.wait_log(rf"GET https://{NAME}:443/ 200 .*")[0]
    assert f"upstream={parent.at} fresh" in line
    times = dict(part.split("=") for part in line.split() if part.startswith(("connect=", "tls=", "total=")))
    assert float(times["connect"]) > 0 and float(times["tls"]) > 0
    assert float(times["connect"]) + float(times["tls"]) <= float(times["total"]) + 0.2


def test_a_client_that_leaves_before_the_tunnel_stands_leaves_a_warm_connection(keepwarm, origin):
    parent = origin()
    daemon = keepwarm(trusting_through(parent))
    leaving = ask(daemon, HTTPS)
    connection, _ = asked_for_tunnel(parent)
    leaving.reset()
    settle(daemon)
    connection.send(ESTABLISHED)
    upstream = parent.start_tls(connection, ServerTls())
    daemon.wait_log(r"upstream \S+ opened")
    exchange(daemon, parent, HTTPS, upstream)


def test_without_reuse_each_request_has_a_tunnel_of_its_own(keepwarm, origin):
    parent = origin()
    daemon = keepwarm(together(trusting_through(parent), every_host(reuse=False)))
    for _ in range(2):
        assert exchange(daemon, parent).wait_for_end() == "fin"


def test_clients_that_leave_at_any_moment_leave_nothing_behind(keepwarm, origin):
    tls, chance = ServerTls(), random.Random(7)

    def serve_through_tunnel(connection):
        connection.read_request_head()
        connection.send(ESTABLISHED)
        try:
            secured = parent.start_tls(connection, tls)
        except OSError:
            return  # the daemon has left
        while secured.handshake_done and (secured.buffer or secured._receive(Deadline(60), "a request")):
            secured.read_request()
            secured.answer(bytes(20_000), "200 OK", KEEP)

    parent = origin(serve_through_tunnel)
    daemon = keepwarm(trusting_through(parent, idle_timeout="300ms"))
    settle(daemon)
    baseline = daemon.fd_count()
    for _ in range(60):
        clients = [ask(daemon, HTTPS) if chance.random() < 0.7 else connect(daemon, f"{NAME}:443") for _ in range(3)]
        time.sleep(chance.random() * 0.006)
        for client in clients:
            client.reset() if chance.random() < 0.5 else client.close()
    answer = daemon.get(HTTPS)
    assert (answer.status, len(answer.body)) == (200, 20_000)
    eventually(lambda: daemon.fd_count() <= baseline, message="as many descriptors as before")
