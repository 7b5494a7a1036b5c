"""connect_to = "unix:/path": upstream connections over a unix socket (core/doc/design.md §4)."""

import hashlib
import os
import random
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from helpers_parent import HTTPS, NAME, UnixHttpOrigin, UnixOrigin, ask, connect, established
from helpers_pool import KEEP, end_connections, finish, serve, settle
from helpers_tls import together
from support.client import Client
from support.stalls import real_time
from support.tls import trusting
from support.tls_server import ServerTls
from support.waiting import eventually
from support.wire import chunked
from support.wiring import check_own_answer
from test_admission_reach import ANYWHERE, from_elsewhere, own_address  # noqa: F401

HTTP = f"http://{NAME}/"


def _closing(kind, tmp_path):
    made = []

    def start(*args, path="app.sock", **options):
        made.append(kind(tmp_path / path, *args, **options))
        return made[-1]

    yield start
    for each in made:
        each.close()
    assert not [failure for each in made for failure in each.failures]


@pytest.fixture
def unix_origin(_daemons, tmp_path):
    """unix_origin(handler=None, path="app.sock"): an Origin at a unix socket; .connect_to is its value of that key."""
    yield from _closing(UnixOrigin, tmp_path)


@pytest.fixture
def unix_http_origin(_daemons, tmp_path):
    yield from _closing(UnixHttpOrigin, tmp_path)


def to(place, host: str = NAME, **keys) -> dict:
    return {"host": {host: {"connect_to": getattr(place, "connect_to", place), **keys}}}


def exchange(daemon, server, url: str = HTTP, upstream=None, method: str = "GET", body=None):
    client = ask(daemon, url, method, body=body)
    upstream = upstream or server.accept()
    request = serve(upstream, "ok", KEEP)
    assert request.method == method
    finish(client)
    return upstream, request


# What is sent there


def test_a_request_goes_to_the_socket_with_the_urls_host(keepwarm, unix_origin):
    server = unix_origin()
    _, request = exchange(keepwarm(to(server)), server, f"http://{NAME}:8080/path?q")
    assert (request.target, request.get("host")) == ("/path?q", f"{NAME}:8080")
    assert request.tokens("connection") == ["keep-alive"]


def test_https_over_the_socket_verifies_the_name(keepwarm, unix_origin):
    server = unix_origin(tls=ServerTls())
    daemon = keepwarm(together(trusting(), to(server), to(server, "elsewhere.test")))
    upstream, _ = exchange(daemon, server, HTTPS)
    assert upstream.name == NAME
    exchange(daemon, server, HTTPS, upstream)
    check_own_answer(daemon.get("https://elsewhere.test/"), 502, "tls_certificate_error", "elsewhere.test")


def test_a_tunnel_over_the_socket(keepwarm, unix_origin):
    server = unix_origin()
    daemon = keepwarm(together(to(server), {"log": {"access": "text"}}))
    client = connect(daemon, f"{NAME}:443", b"early")
    upstream = server.accept()
    established(client)
    assert upstream.read_exact(5) == b"early"
    upstream.send("hello")
    assert client.read_exact(5) == b"hello"
    client.send("last")
    client.shutdown_write()
    assert upstream.read_to_eof() == b"last"
    upstream.send("bye")
    assert client.read_exact(3) == b"bye"
    upstream.close()
    client.expect_eof()
    line = daemon.wait_log(rf"CONNECT {NAME}:443 200 .*")[0]
    assert f"upstream={server.connect_to} fresh" in line


def test_upgrade_over_the_socket(keepwarm, unix_origin):
    server = unix_origin()
    client = ask(keepwarm(to(server)), HTTP, "GET", "Connection: upgrade", "Upgrade: websocket")
    upstream = server.accept()
    assert upstream.read_request().tokens("upgrade") == ["websocket"]
    upstream.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nfirst")
    assert client.read_response().status == 101
    assert client.read_exact(5) == b"first"
    client.send("second")
    assert upstream.read_exact(6) == b"second"
    client.close()
    upstream.expect_eof()


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_post_with_a_body(keepwarm, unix_origin, framing):
    server = unix_origin()
    body = random.Random(1).randbytes(50_000)
    fields = ["Transfer-Encoding: chunked"] if framing == "chunked" else []
    client = ask(keepwarm(to(server)), HTTP, "POST", *fields, body=chunked(body) if fields else body)
    assert serve(server.accept(), "ok", KEEP).body == body
    finish(client)


def test_large_bodies_pass_both_ways_unchanged(keepwarm, unix_http_origin):
    up, down = random.Random(1).randbytes(8 << 20), random.Random(2).randbytes(8 << 20)
    server = unix_http_origin({"/": down})
    daemon = keepwarm(to(server))
    answer = daemon.request("POST", HTTP, body=up, limit=20)
    assert hashlib.sha256(answer.body).digest() == hashlib.sha256(down).digest()
    assert hashlib.sha256(server.requests[0].body).digest() == hashlib.sha256(up).digest()


def test_a_client_that_does_not_read_stops_the_server(keepwarm, unix_origin):
    server = unix_origin()
    daemon = keepwarm(to(server))
    client = daemon.client(receive_buffer=65536)
    client.send_request("GET", HTTP)
    upstream = server.accept()
    upstream.read_request()
    before = daemon.rss()
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    sent = upstream.send_until_blocked(bytes(1 << 18))
    assert sent < 32 << 20
    daemon.expect_growth_below(8 << 20, before)
    client.read_response_head()
    client.discard(sent, limit=20)
    upstream.send("goes on")
    assert client.read_exact(7) == b"goes on"


def test_a_server_that_does_not_read_stops_the_client(keepwarm, unix_origin):
    server = unix_origin()
    daemon = keepwarm(to(server))
    client = daemon.client()
    client.send(f"POST {HTTP} HTTP/1.1\r\nHost: {NAME}\r\nContent-Length: 1000000000\r\n\r\n")
    upstream = server.accept()
    before = daemon.rss()
    sent = client.send_until_blocked(bytes(1 << 18))
    assert sent < 32 << 20
    daemon.expect_growth_below(8 << 20, before)
    upstream.read_request_head()
    upstream.discard(sent, limit=20)
    client.send("goes on")
    assert upstream.read_exact(7) == b"goes on"


# The pool


def test_connections_are_reused(keepwarm, unix_origin):
    server = unix_origin()
    daemon = keepwarm(to(server))
    upstream, _ = exchange(daemon, server)
    for method, body in (("GET", None), ("POST", b"data"), ("GET", None)):
        exchange(daemon, server, HTTP, upstream, method, body)
    server.expect_no_connection()
    assert daemon.closes() == []


def test_hosts_at_one_socket_do_not_share(keepwarm, unix_http_origin):
    server = unix_http_origin()
    daemon = keepwarm(together(to(server, "a.test"), to(server, "b.test")))
    for host in ("a.test", "b.test", "a.test", "b.test"):
        assert daemon.get(f"http://{host}/").status == 200
    assert server.used == [0, 1, 0, 1]


@pytest.mark.parametrize("how", ["fin", "rst"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_stale_failure(keepwarm, unix_origin, how, method):
    """A unix socket has no reset, but a connection that is closed with bytes unread in it fails as one does."""
    server = unix_origin()
    daemon = keepwarm(to(server))
    upstream, _ = exchange(daemon, server)
    client = ask(daemon, HTTP, method, body=b"x" if method == "POST" else None)
    if how == "fin":
        upstream.read_request()
    else:
        eventually(upstream.has_input)
    upstream.close()
    if method == "GET":
        serve(server.accept(), "ok", KEEP)
        finish(client)
    else:
        check_own_answer(client.read_response(), 502, "connection_terminated", NAME)
        server.expect_no_connection()


def test_a_408_is_repeated_on_a_fresh_connection(keepwarm, unix_origin):
    server = unix_origin()
    daemon = keepwarm(to(server))
    upstream, _ = exchange(daemon, server)
    client = ask(daemon, HTTP)
    upstream.read_request()
    upstream.send("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    serve(server.accept(), "ok", KEEP)
    finish(client)


@pytest.mark.parametrize("what", ["end", "bytes"])
def test_what_comes_while_idle_takes_it_out_of_the_pool(keepwarm, unix_origin, what):
    server = unix_origin()
    daemon = keepwarm(to(server))
    upstream, _ = exchange(daemon, server)
    upstream.close() if what == "end" else upstream.send("HTTP/1.1 200 OK\r\n\r\n")
    daemon.wait_log(r"upstream \S+ closed: " + ("server closed idle" if what == "end" else "stray bytes"))
    exchange(daemon, server, HTTP, None, "POST", b"x")


def test_a_cut_answer_is_cut_for_the_client(keepwarm, unix_origin):
    server = unix_origin()
    client = ask(keepwarm(to(server)), HTTP)
    upstream = server.accept()
    upstream.read_request()
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    upstream.close()
    with pytest.raises(Exception, match="cut by"):
        client.read_response()


def test_a_restart_of_the_server_is_not_seen(keepwarm, unix_http_origin):
    old = unix_http_origin()
    daemon = keepwarm(to(old))
    assert daemon.get(HTTP).status == 200
    end_connections(old, "fin")
    old.close()
    new = unix_http_origin({"/": b"new"})
    assert daemon.get(HTTP).body == b"new"
    assert new.used == [0]


def test_100_requests_at_a_time(keepwarm, unix_http_origin):
    server = unix_http_origin({"/": lambda request, _: request.body})
    daemon = keepwarm(to(server))
    settle(daemon)
    baseline = daemon.fd_count()
    bodies = [f"{number} ".encode() * 500 for number in range(100)]
    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(lambda body: daemon.request("POST", HTTP, body=body, limit=20), bodies))
    assert [answer.body for answer in answers] == bodies
    assert len(server.connections) <= 64  # max_connections
    end_connections(server, "fin")
    eventually(lambda: daemon.fd_count() <= baseline, message="as many descriptors as before")


@pytest.mark.parametrize("access,told", [("text", "upstream={to} {how} requests={n}"),
                                         ("json", '"upstream":"{to}","connection":"{how}","requests_on_connection":{n}')])
def test_the_access_log_has_the_path(keepwarm, unix_origin, access, told):
    server = unix_origin()
    daemon = keepwarm(together(to(server), {"log": {"access": access}}))
    upstream, _ = exchange(daemon, server)
    exchange(daemon, server, HTTP, upstream)
    for count, how in ((1, "fresh"), (2, "reused")):
        line = daemon.wait_log(rf".*http://{NAME}(:80)?/.*", count=count)[0]
        assert told.format(to=server.connect_to, how=how, n=count) in line


def test_a_short_backlog_is_waited_for(keepwarm, unix_origin):
    """Where TCP's connect would take its time, a unix socket refuses at once."""
    server = unix_origin(accepting=False)
    server._listener.listen(0)
    daemon = keepwarm(to(server, connect_timeout="3s"))
    filler = Client(server.path)
    clients = [ask(daemon, HTTP) for _ in range(3)]
    settle(daemon)
    server._listener.accept()[0].close()
    filler.close()
    server._listen()
    for _ in clients:
        serve(server.accept(), "ok", "Connection: close")
    for client in clients:
        finish(client)


# Failures


def closed_socket(tmp_path) -> str:
    path = str(tmp_path / "closed.sock")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path)
    return path


def some_file(tmp_path) -> str:
    (tmp_path / "file").write_text("x")
    return str(tmp_path / "file")


PLACES = {
    "no such file": (lambda folder: str(folder / "none.sock"), "no such file"),
    "no such folder": (lambda folder: str(folder / "none" / "x.sock"), "no such file"),
    "nobody listens": (closed_socket, "connection refused"),
    "no socket": (some_file, "connection refused"),
    "a folder": (lambda folder: str(folder), "connection refused"),
}


@pytest.mark.parametrize("how", ["GET", "CONNECT"])
@pytest.mark.parametrize("place,reason", PLACES.values(), ids=PLACES.keys())
def test_a_path_that_cannot_be_connected_to_is_502_with_the_reason(keepwarm, tmp_path, place, reason, how):
    daemon = keepwarm(to("unix:" + place(tmp_path)))
    client = ask(daemon, HTTP) if how == "GET" else connect(daemon, f"{NAME}:443")
    response = client.read_response()
    check_own_answer(response, 502, "connection_refused", NAME)
    assert reason in response.body.decode().lower()


def test_a_socket_of_datagrams_is_502(keepwarm, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "datagrams.sock"))
        response = keepwarm(to(f"unix:{tmp_path}/datagrams.sock")).get(HTTP)
    check_own_answer(response, 502, None, NAME)


@real_time
def test_a_server_that_never_accepts_is_504(keepwarm, unix_origin):
    server = unix_origin(accepting=False)
    server._listener.listen(0)
    filler = Client(server.path)
    response = keepwarm(to(server, connect_timeout="300ms")).get(HTTP)
    check_own_answer(response, 504, "connection_timeout", NAME)
    filler.close()


# Safety


@pytest.mark.parametrize("how", ["GET", "CONNECT"])
@pytest.mark.parametrize("name", ["own.sock", "./own.sock", "sub/../own.sock", "link.sock", "hard.sock"])
def test_keepwarms_own_socket_is_400(keepwarm, tmp_path, name, how):
    own = tmp_path / "own.sock"
    (tmp_path / "sub").mkdir()
    daemon = keepwarm(together(to(f"unix:{tmp_path}/{name}"), {"proxy": {"listen": ["127.0.0.1:0", f"unix:{own}"]}}))
    os.symlink(own, tmp_path / "link.sock")
    os.link(own, tmp_path / "hard.sock")
    client = ask(daemon, HTTP) if how == "GET" else connect(daemon, f"{NAME}:443")
    check_own_answer(client.read_response(), 400, "http_request_error")


def test_clients_from_elsewhere_reach_it(keepwarm, unix_origin, from_elsewhere):
    server = unix_origin()
    daemon = keepwarm(together(to(server), {"proxy": {**ANYWHERE, "deny_destinations": ["0.0.0.0/0", "::/0"]}}))
    client = from_elsewhere(daemon)
    for upstream in (None, 0):
        client.send_request("GET", HTTP)
        serve(server.accept() if upstream is None else server.connections[upstream], "ok", KEEP)
        assert client.read_response().body == b"ok"


# Reloads


def test_a_reload_to_and_from_a_socket(keepwarm, origin, unix_origin):
    tcp, one, other = origin(), unix_origin(path="one.sock"), unix_origin(path="other.sock")
    daemon = keepwarm(to(tcp.at))
    upstream, _ = exchange(daemon, tcp)
    for server in (one, other, tcp):
        daemon.reload(to(server if server is not tcp else tcp.at))
        assert upstream.wait_for_end() == "fin"
        upstream, _ = exchange(daemon, server)
    assert [reason.split(" (")[0] for reason in daemon.wait_closes(3)] == ["reconfigured"] * 3


def test_an_exchange_under_way_ends_well_after_a_reload_and_its_log_has_the_old_path(keepwarm, unix_origin):
    one, other = unix_origin(path="one.sock"), unix_origin(path="other.sock")
    log = {"log": {"access": "text"}}
    daemon = keepwarm(together(to(one), log))
    client = ask(daemon, HTTP)
    upstream = one.accept()
    upstream.read_request()
    since = daemon.reload(together(to(other), log))
    daemon.wait_log(r"(?i)reload|configuration", since=since)
    exchange(daemon, other)
    upstream.answer("old", "200 OK", KEEP)
    finish(client, "old")
    assert upstream.wait_for_end() == "fin"
    daemon.wait_log(rf"upstream={other.connect_to} ")
    daemon.wait_log(rf"upstream={one.connect_to} ")
