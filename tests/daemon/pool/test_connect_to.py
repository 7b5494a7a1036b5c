"""connect_to: connected elsewhere, while Host, SNI and verification keep the name (core/doc/design.md §4)."""

import pytest
from helpers_names import own_names
from helpers_parent import HTTPS, NAME, ask, connect, established
from helpers_pool import KEEP, finish, serve, settle
from helpers_tls import together
from support.tls import trusting
from support.tls_server import ServerTls
from support.waiting import eventually
from support.wiring import check_own_answer
from test_admission_reach import ANYWHERE, from_elsewhere, own_address  # noqa: F401

HTTP = f"http://{NAME}/"


def to(server, host: str = NAME, **keys) -> dict:
    """The configuration in which `host` is reached at the server."""
    at = server if isinstance(server, str) else server.at
    return {"host": {host: {"connect_to": at, **keys}}}


def exchange(daemon, server, url: str, upstream=None, *fields: str):
    """A whole exchange; (connection, request)."""
    client = ask(daemon, url, "GET", *fields)
    upstream = upstream or server.accept()
    request = serve(upstream, "ok", KEEP)
    finish(client)
    return upstream, request


# What is sent there


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_host_stays_the_urls(keepwarm, origin, host):
    server = origin(host=host)
    _, request = exchange(keepwarm(to(server)), server, f"http://{NAME}/path?q", None, "Host: other.test")
    assert (request.target, request.all("host")) == ("/path?q", [NAME])


def test_the_port_in_host_is_the_urls(keepwarm, origin):
    server = origin()
    _, request = exchange(keepwarm(to(server)), server, f"http://{NAME}:8080/")
    assert request.get("host") == f"{NAME}:8080"


def test_a_name_is_looked_up(keepwarm, origin, tmp_path):
    server = origin(host="127.0.0.2")
    names = own_names(tmp_path, "127.0.0.2 inside.test\n127.0.0.3 www.example.test\n")
    daemon = keepwarm(to(f"inside.test:{server.port}"), wrapper=names)
    _, request = exchange(daemon, server, HTTP)
    assert request.get("host") == NAME


def test_a_name_that_does_not_exist_is_told(keepwarm, tmp_path):
    response = keepwarm(to("inside.none.test:80"), wrapper=own_names(tmp_path)).get(HTTP)
    check_own_answer(response, 502, "dns_error", NAME)
    assert "connect_to" in response.body.decode() or "inside.none.test" in response.body.decode()


def test_sni_and_verification_keep_the_name(keepwarm, origin):
    server = origin(tls=ServerTls())
    upstream, request = exchange(keepwarm(together(trusting(), to(server))), server, HTTPS)
    assert upstream.name == NAME and request.get("host") == NAME


def test_a_certificate_for_where_it_leads_is_not_enough(keepwarm, origin):
    """The wrong one is for other names; the right one has 127.0.0.1 too, which is not what was asked for."""
    server = origin(tls=ServerTls())
    response = keepwarm(together(trusting(), to(server, "elsewhere.test"))).get("https://elsewhere.test/")
    check_own_answer(response, 502, "tls_certificate_error", "elsewhere.test")
    assert b"GET" not in server.accept_any().received


def test_server_name_of_tls_wins_over_the_host(keepwarm, origin):
    server = origin(tls=ServerTls())
    daemon = keepwarm(together(trusting(), to(server, "elsewhere.test", tls={"server_name": NAME})))
    upstream, request = exchange(daemon, server, "https://elsewhere.test/")
    assert upstream.name == NAME and request.get("host") == "elsewhere.test"


def test_upgrade_and_connect_to_go_together(keepwarm, origin):
    server = origin(tls=ServerTls())
    upstream, request = exchange(keepwarm(together(trusting(), to(server, upgrade=True))), server, HTTP)
    assert upstream.name == NAME and request.get("host") == NAME


def test_a_tunnel_leads_there(keepwarm, origin):
    server = origin()
    daemon = keepwarm(to(server))
    client = connect(daemon, f"{NAME}:443", b"early")
    upstream = server.accept()
    established(client)
    assert upstream.read_exact(5) == b"early"
    upstream.send("hello")
    assert client.read_exact(5) == b"hello"
    client.shutdown_write()
    upstream.expect_eof()
    upstream.send("bye")
    assert client.read_exact(3) == b"bye"


def test_a_tunnels_port_is_that_of_the_request(keepwarm, origin):
    """connect_ports is about what the client asks for; where connect_to leads is the operator's affair."""
    server = origin()
    daemon = keepwarm(to(server))
    check_own_answer(connect(daemon, f"{NAME}:{server.port}").read_response(), 403, "http_request_denied")
    server.expect_no_connection()
    established(connect(daemon, f"{NAME}:443"))


def test_the_table_with_the_port_decides(keepwarm, origin):
    plain, special = origin(), origin()
    daemon = keepwarm(together(to(plain), to(special, f"{NAME}:8080")))
    exchange(daemon, plain, HTTP)
    exchange(daemon, special, f"http://{NAME}:8080/")


# The pool


def test_a_connection_is_reused(keepwarm, origin):
    server = origin()
    daemon = keepwarm(to(server))
    upstream, _ = exchange(daemon, server, HTTP)
    exchange(daemon, server, HTTP, upstream)
    server.expect_no_connection()


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_hosts_that_lead_to_one_place_do_not_share(keepwarm, origin, tls):
    server = origin(tls=ServerTls() if tls else None)
    daemon = keepwarm(together(trusting(), to(server, "*.wild.test")))
    scheme = "https" if tls else "http"
    first, _ = exchange(daemon, server, f"{scheme}://a.wild.test/")
    second, _ = exchange(daemon, server, f"{scheme}://b.wild.test/")
    _, request = exchange(daemon, server, f"{scheme}://a.wild.test/", first)
    assert request.get("host") == "a.wild.test"
    exchange(daemon, server, f"{scheme}://b.wild.test/", second)
    server.expect_no_connection()


@pytest.mark.parametrize("access,told", [("text", "upstream={at} fresh"), ("json", '"upstream":"{at}"')])
def test_the_access_log_has_the_address(keepwarm, origin, access, told):
    server = origin()
    daemon = keepwarm(together(to(server), {"log": {"access": access}}))
    exchange(daemon, server, HTTP)
    line = daemon.wait_log(rf"GET.*{NAME}.*200.*|.*\"url\":\"http://{NAME}.*")[0]
    assert told.format(at=server.at) in line


# Failures


def test_nobody_there_is_502(keepwarm, closed_port):
    response = keepwarm(to(f"127.0.0.1:{closed_port()}")).get(HTTP)
    check_own_answer(response, 502, "connection_refused", f"{NAME}:80")


def test_a_stale_failure_is_repeated_there(keepwarm, origin):
    server = origin()
    daemon = keepwarm(to(server))
    upstream, _ = exchange(daemon, server, HTTP)
    client = ask(daemon, HTTP)
    upstream.read_request()
    upstream.close()
    serve(server.accept(), "ok", KEEP)
    finish(client)


# What may be reached


@pytest.mark.parametrize("denied", ["127.0.0.0/8", "::ffff:127.0.0.0/104"])
def test_deny_destinations_concerns_it(keepwarm, origin, denied):
    server = origin()
    daemon = keepwarm(together(to(server), {"proxy": {"deny_destinations": [denied]}}))
    check_own_answer(daemon.get(HTTP), 403, "destination_ip_prohibited", NAME)
    check_own_answer(connect(daemon, f"{NAME}:443").read_response(), 403, "destination_ip_prohibited", NAME)
    server.expect_no_connection()


def test_an_address_that_is_not_connected_to_is_not_denied(keepwarm, origin):
    """192.0.2.7 is never reached: what counts is where the connection leads."""
    server = origin()
    daemon = keepwarm(together(to(server, "192.0.2.7"), {"proxy": {"deny_destinations": ["192.0.2.0/24"]}}))
    _, request = exchange(daemon, server, "http://192.0.2.7/")
    assert request.get("host") == "192.0.2.7"


def test_clients_from_elsewhere_reach_it_on_loopback(keepwarm, origin, from_elsewhere):
    server = origin()
    daemon = keepwarm(together(to(server), {"proxy": ANYWHERE}))
    for upstream in (None, 0):
        client = from_elsewhere(daemon)
        client.send_request("GET", HTTP)
        serve(server.connections[0] if upstream == 0 else server.accept(), "ok", KEEP)
        assert client.read_response().body == b"ok"
    client = from_elsewhere(daemon)
    client.send_request("CONNECT", f"{NAME}:443")
    server.accept()
    established(client)
    client = from_elsewhere(daemon)
    client.send_request("GET", server.url())
    check_own_answer(client.read_response(), 403, "destination_ip_prohibited")


@pytest.mark.parametrize("how", ["GET", "CONNECT"])
def test_keepwarm_itself_is_400(keepwarm, how):
    daemon = keepwarm()
    since = daemon.reload(together(to(daemon.at), {"proxy": {"listen": [daemon.at]}}))
    daemon.wait_log(r"(?i)reload|configuration", since=since)
    client = ask(daemon, HTTP) if how == "GET" else connect(daemon, f"{NAME}:443")
    check_own_answer(client.read_response(), 400, "http_request_error")


# Reloads


def test_a_reload_that_sets_changes_and_removes_it(keepwarm, origin):
    """The idle connection closes, the next request takes the new way."""
    servers = [origin(), origin(), origin()]
    direct = servers[0]
    name = "127.0.0.1"
    daemon = keepwarm()
    configs = [to(servers[1], name), to(servers[2], name), {}]
    upstream, _ = exchange(daemon, direct, direct.url())
    for config, server in zip(configs, [servers[1], servers[2], direct]):
        daemon.reload(config)
        assert upstream.wait_for_end() == "fin"
        upstream, request = exchange(daemon, server, direct.url())
        assert request.get("host") == direct.at
    assert [reason.split(" (")[0] for reason in daemon.wait_closes(3)] == ["reconfigured"] * 3


def test_an_exchange_under_way_ends_well_and_its_connection_is_not_kept(keepwarm, origin):
    old, new = origin(), origin()
    daemon = keepwarm(to(old))
    client = ask(daemon, HTTP)
    upstream = old.accept()
    upstream.read_request()
    since = daemon.reload(to(new))
    daemon.wait_log(r"(?i)reload|configuration", since=since)
    second, _ = exchange(daemon, new, HTTP)
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nKeep-Alive: timeout=60\r\n\r\nok")
    client.read_until(b"ok")
    upstream.send("ok")
    assert client.read_exact(2) == b"ok"
    assert upstream.wait_for_end() == "fin"
    exchange(daemon, new, HTTP, second)
    old.expect_no_connection()


def test_a_reload_that_leaves_it_alone_keeps_the_connection(keepwarm, origin):
    server = origin()
    daemon = keepwarm(to(server))
    upstream, _ = exchange(daemon, server, HTTP)
    since = daemon.reload(together(to(server, queue_timeout="3s"), {"proxy": {"max_clients": 50}}))
    daemon.wait_log(r"(?i)reload|configuration", since=since)
    exchange(daemon, server, HTTP, upstream)


def test_a_connection_under_way_whose_place_a_reload_denies_is_not_kept(keepwarm, origin):
    server = origin()
    daemon = keepwarm(to(server))
    client = ask(daemon, HTTP)
    upstream = server.accept()
    upstream.read_request()
    since = daemon.reload(together(to(server), {"proxy": {"deny_destinations": ["127.0.0.0/8"]}}))
    daemon.wait_log(r"(?i)reload|configuration", since=since)
    upstream.answer("ok", "200 OK", KEEP)
    finish(client)
    assert upstream.wait_for_end() == "fin"
    check_own_answer(daemon.get(HTTP), 403, "destination_ip_prohibited", NAME)


def test_no_descriptor_is_left_behind(keepwarm, origin):
    server = origin()
    daemon = keepwarm(to(server))
    settle(daemon)
    baseline = daemon.fd_count()
    for _ in range(5):
        upstream, _ = exchange(daemon, server, HTTP)
        upstream.close()
        daemon.wait_log(r"upstream \S+ closed")
    eventually(lambda: daemon.fd_count() <= baseline, message="as many descriptors as before")
