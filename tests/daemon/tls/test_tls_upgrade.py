"""upgrade = true: the client says http://, the origin hears TLS (core/doc/design.md §4); and Upgrade over TLS (§5)."""

import json
import os
import shutil
import subprocess

import pytest
from helpers_parent import NAME
from helpers_pool import KEEP, every_host, exchange, serve
from helpers_tls import both_versions, secure_wire, together
from support.background import Background
from support.tls import certificate, trusting
from support.tls_server import ServerTls
from support.waiting import eventually
from support.wiring import OK, Wire, check_own_answer
from test_upgrade import SWITCH, WEBSOCKET

UPGRADE = every_host(upgrade=True)
MIB = 1 << 20


@pytest.fixture
def upgrading(keepwarm, origin):
    """A Wire whose client says http:// to an origin that speaks TLS. Its url() is that of the client."""
    w = Wire(keepwarm(together(trusting(), UPGRADE)), origin(tls=ServerTls(), name="localhost"))
    w.url = lambda path="/": f"http://{w.server.at}{path}"
    return w


# upgrade = true


def test_a_request_for_http_goes_out_over_tls(upgrading):
    request = upgrading.forwarded("GET http://{at}/path?q HTTP/1.1\r\nHost: {at}\r\n\r\n")
    assert (request.method, request.target, request.get("host")) == ("GET", "/path?q", upgrading.server.at)
    assert upgrading.upstream.name == "localhost"


def test_only_the_hosts_that_say_so_are_upgraded(keepwarm, origin):
    plain, secured = origin(), origin(tls=ServerTls())
    config = {"host": {f"127.0.0.1:{secured.port}": {"upgrade": True}}}
    daemon = keepwarm(together(trusting(), config))
    exchange(daemon, plain)
    client = daemon.client()
    client.send_request("GET", f"http://{secured.at}/")
    serve(secured.accept())
    assert client.read_response().status == 200


def test_http_and_https_of_an_upgraded_host_share_connections(upgrading):
    w = upgrading
    w.ask("GET", "/http").read_request()
    w.upstream.answer("ok", "200 OK", KEEP)
    assert w.client.read_response().status == 200
    w.client.send_request("GET", w.server.url("/https"))
    assert serve(w.upstream, "ok", KEEP).target == "/https"
    assert w.client.read_response().status == 200
    assert len(w.server.connections) == 1


COOKIES = ["a=1; Secure; Path=/", "__Host-b=2; Path=/; Secure", "c=3; SameSite=None; Secure; HttpOnly", "d=4"]
STRIPPED = ["a=1; Path=/", "__Host-b=2; Path=/; Secure", "c=3; HttpOnly", "d=4"]


def cookies_of(daemon, url, server) -> list[str]:
    client = daemon.client()
    client.send_request("GET", url)
    serve(server.accept(), "ok", *(f"Set-Cookie: {each}" for each in COOKIES), "Connection: close")
    return client.read_response().all("set-cookie")


@pytest.mark.parametrize("keys,expected", [({}, COOKIES), ({"upgrade_cookies": "keep"}, COOKIES),
                                           ({"upgrade_cookies": "strip-secure"}, STRIPPED)])
def test_secure_cookies_are_for_http_clients_as_the_host_says(keepwarm, origin, keys, expected):
    daemon = keepwarm(together(trusting(), every_host(upgrade=True, **keys)))
    server = origin(tls=ServerTls(), name="localhost")
    assert cookies_of(daemon, f"http://{server.at}/", server) == expected
    assert cookies_of(daemon, server.url(), server) == COOKIES, "a client of https:// keeps them"


def test_cookies_that_did_not_come_over_an_upgraded_connection_stay(keepwarm, origin):
    daemon, server = keepwarm(every_host(upgrade_cookies="strip-secure")), origin()
    assert cookies_of(daemon, server.url(), server) == COOKIES


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
@pytest.mark.parametrize("mode,sent", [("keep", None), ("strip-secure", "a=1")])
def test_curl_sends_a_cookie_back_only_if_it_is_stripped(keepwarm, origin, mode, sent):
    server = origin(tls=ServerTls())
    daemon = keepwarm(together(trusting(), every_host(upgrade=True, upgrade_cookies=mode, connect_to=server.at)))
    url = f"http://{NAME}/"  # curl makes an exception of loopback
    command = ["curl", "-sS", "--noproxy", "", "-x", f"http://{daemon.at}", "-b", "", url, url]
    running = Background(lambda: subprocess.run(command, check=True, capture_output=True))
    upstream = server.accept()
    serve(upstream, "ok", "Set-Cookie: a=1; Secure; Path=/", KEEP)
    assert serve(upstream).get("cookie") == sent
    assert running.result().stdout == b"okok"


@pytest.mark.parametrize("status", ["301 Moved Permanently", "308 Permanent Redirect"])
def test_a_redirect_to_https_is_passed_on_and_leads_out_of_the_loop(upgrading, status):
    w = upgrading
    goal = f"https://{w.server.at}/there"
    w.ask("GET", "/here").read_request()
    w.upstream.answer("", status, f"Location: {goal}", KEEP)
    response = w.client.read_response()
    assert response.status == int(status[:3]) and response.get("location") == goal
    w.client.send_request("GET", response.get("location"))
    assert serve(w.upstream).target == "/there"
    assert w.client.read_response().status == 200


def test_a_wrong_certificate_is_refused_for_upgraded_requests_too(keepwarm, origin):
    server = origin(tls=ServerTls(certificate=certificate("expired")))
    response = keepwarm(together(trusting(), UPGRADE)).get(f"http://{server.at}/")
    check_own_answer(response, 502, "tls_certificate_error", "127.0.0.1")


def test_a_plain_server_is_not_fallen_back_to(keepwarm, origin):
    daemon, server = keepwarm(together(trusting(), UPGRADE)), origin()
    client = daemon.client()
    client.send_request("GET", server.url())
    upstream = server.accept()
    assert upstream.read_some()[:1] == b"\x16"
    upstream.send("HTTP/1.1 400 Bad Request\r\n\r\n")
    check_own_answer(client.read_response(), 502, "tls_protocol_error", "127.0.0.1")
    server.expect_no_connection()


def test_upgrade_can_be_switched_by_a_reload(keepwarm, origin):
    daemon, server = keepwarm(trusting()), origin()
    plain = exchange(daemon, server)
    since = daemon.reload(together(trusting(), UPGRADE))
    daemon.wait_log(r"(?i)reload|configuration", since=since)
    client = daemon.client()
    client.send_request("GET", server.url())
    upstream = server.start_tls(server.accept(), ServerTls())
    assert upstream.handshake_done
    serve(upstream)
    assert client.read_response().status == 200
    assert plain.wait_for_end() == "fin"


def test_the_log_shows_what_the_client_asked_and_the_time_of_tls(keepwarm, origin):
    daemon = keepwarm(together(trusting(), UPGRADE, {"log": {"access": "json"}}))
    server = origin(tls=ServerTls())
    client = daemon.client()
    client.send_request("GET", f"http://{server.at}/x")
    serve(server.accept())
    client.read_response()
    record = json.loads(daemon.wait_log(r'^{.*"kind":"access".*}$')[0])
    assert record["url"] == f"http://{server.at}/x" and record["tls_ms"] > 0


# Upgrade over TLS


def ask_switch(w, url: str):
    w.new_client(limit=30).send_request("GET", url, *WEBSOCKET)
    w.upstream = w.server.accept()
    request = w.upstream.read_request()
    assert request.tokens("upgrade") == ["websocket"] and request.get("host") == w.server.at
    return w.upstream


@pytest.fixture(params=["upgrade", "https", "wss"])
def switched(request, keepwarm, origin):
    """A Wire behind a 101 that the origin has sent over TLS."""
    w = secure_wire(keepwarm, origin, UPGRADE if request.param == "upgrade" else {})
    scheme = {"upgrade": "http"}.get(request.param, request.param)
    ask_switch(w, f"{scheme}://{w.server.at}/chat").send(SWITCH)
    assert w.client.read_response().status == 101
    return w


def test_bytes_pass_both_ways_behind_the_101(switched):
    switched.client.send(b"\x81\x00up\r\n\r\n")
    assert switched.upstream.read_exact(8) == b"\x81\x00up\r\n\r\n"
    switched.upstream.send(b"HTTP/1.1 no head any more\n")
    assert switched.client.read_exact(26) == b"HTTP/1.1 no head any more\n"


def test_ws_of_an_upgraded_host_goes_over_tls(keepwarm, origin):
    w = secure_wire(keepwarm, origin, UPGRADE)
    ask_switch(w, f"ws://{w.server.at}/chat").send(SWITCH + "first frame")
    assert w.client.read_response().status == 101
    assert w.client.read_exact(11) == b"first frame"


@both_versions
def test_large_streams_pass_both_ways(keepwarm, origin, versions):
    w = secure_wire(keepwarm, origin, versions=versions)
    upstream = ask_switch(w, w.url())
    upstream.send(SWITCH)
    assert w.client.read_response().status == 101
    data = os.urandom(MIB) * 8
    sending = Background(w.client.send, data)
    assert upstream.read_exact(len(data), limit=30) == data
    sending.result()
    sending = Background(upstream.send, data)
    assert w.client.read_exact(len(data), limit=30) == data
    sending.result()


def test_the_end_of_the_client_reaches_the_origin(switched):
    switched.client.send("last")
    switched.client.shutdown_write()
    assert switched.upstream.read_exact(4) == b"last"
    assert switched.upstream.wait_for_end() == "fin" and switched.upstream.ended_cleanly


@pytest.mark.parametrize("how", ["close", "shutdown_write", "send_close_notify"])
def test_the_end_of_the_origin_reaches_the_client(switched, how):
    switched.upstream.send("last")
    getattr(switched.upstream, how)()
    assert switched.client.read_exact(4) == b"last"
    switched.client.expect_eof()


def test_one_direction_goes_on_when_the_other_has_ended(switched):
    switched.client.shutdown_write()
    assert switched.upstream.wait_for_end() == "fin"
    switched.upstream.send("more")
    assert switched.client.read_exact(4) == b"more"


@pytest.mark.parametrize("how", ["cut", "reset"])
def test_a_cut_tunnel_is_no_clean_end(switched, how):
    getattr(switched.upstream, how)()
    switched.client.expect_reset()


def test_a_tunnel_is_never_pooled(switched):
    w = switched
    w.client.close()
    assert w.upstream.wait_for_end()
    client = w.daemon.client()
    client.send_request("GET", w.server.url("/after"))
    assert serve(w.server.accept()).target == "/after"
    assert client.read_response().status == 200


def test_a_101_that_nobody_asked_for_is_502(keepwarm, origin):
    w = secure_wire(keepwarm, origin)
    w.ask().read_request()
    w.upstream.send(SWITCH)
    assert w.client.read_response().status == 502
    assert w.upstream.wait_for_end()


def test_an_upgrade_that_is_not_granted_is_a_plain_exchange(keepwarm, origin):
    w = secure_wire(keepwarm, origin)
    w.ask("GET", "/", *WEBSOCKET).read_request()
    w.upstream.send(OK)
    assert w.client.read_response().body == b"ok"
    w.ask().read_request()
    w.upstream.send(OK)
    assert w.client.read_response().body == b"ok"
    assert len(w.server.connections) == 1
