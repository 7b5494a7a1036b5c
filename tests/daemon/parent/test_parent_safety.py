"""A parent opens no way around the rules of what may be reached (core/doc/design.md §5, §9), and its password is told to nobody."""

import pytest
from helpers_parent import HTTPS, NAME, ask, connect, established, open_secure, open_tunnel, through, trusting_through
from helpers_pool import KEEP, every_host, finish, serve
from helpers_tls import together
from support.wiring import check_own_answer
from test_admission_reach import ANYWHERE, from_elsewhere, own_address  # noqa: F401

ANY_PORT = {"proxy": {"connect_ports": ["1-65535"]}}
DENYING = {"proxy": {"connect_ports": ["1-65535"], "deny_destinations": ["192.0.2.0/24", "2001:db8::/32"]}}
DENIED = ["192.0.2.7", "[::ffff:192.0.2.7]", "[::ffff:c000:207]", "[2001:db8::7]"]


def refused(daemon, parent, client, status: int, error: str) -> None:
    check_own_answer(client.read_response(), status, error)
    parent.expect_no_connection()


# What may not be reached


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", DENIED)
def test_a_denied_address_in_a_url_is_403(keepwarm, origin, scheme, host):
    parent = origin()
    daemon = keepwarm(together(trusting_through(parent), DENYING))
    refused(daemon, parent, ask(daemon, f"{scheme}://{host}/"), 403, "destination_ip_prohibited")


@pytest.mark.parametrize("host", DENIED)
def test_a_tunnel_to_a_denied_address_is_403(keepwarm, origin, host):
    parent = origin()
    daemon = keepwarm(together(through(parent), DENYING))
    refused(daemon, parent, connect(daemon, f"{host}:443"), 403, "destination_ip_prohibited")


@pytest.mark.parametrize("host", ["192.0.2.7", "[2001:db8::7]"])
def test_with_upgrade_a_denied_address_is_403(keepwarm, origin, host):
    parent = origin()
    daemon = keepwarm(together(trusting_through(parent, upgrade=True), DENYING))
    refused(daemon, parent, ask(daemon, f"http://{host}/"), 403, "destination_ip_prohibited")


ODD = ["192.0.519", "192.519", "3221225991", "0xc0.0.2.7", "0300.0.2.7", "192.000.002.007", "0xC0000207", "192.0.2.7."]


@pytest.mark.parametrize("request_", ["GET http", "GET https", "CONNECT"])
@pytest.mark.parametrize("host", ODD)
def test_an_address_is_one_however_it_is_written(keepwarm, origin, host, request_):
    """Squid and tinyproxy, among others, take all of these for 192.0.2.7, as inet_aton() does."""
    parent = origin()
    daemon = keepwarm(together(trusting_through(parent), DENYING))
    client = connect(daemon, f"{host}:443") if request_ == "CONNECT" else ask(daemon, f"{request_[4:]}://{host}/")
    refused(daemon, parent, client, 403, "destination_ip_prohibited")


@pytest.mark.parametrize("host", ["1.2.3.4.5", "7.test", "0x7f.test", "192.0.2.7.test", "1e3", "0xg", "999.1.1.1.1"])
def test_a_name_with_digits_is_a_name(keepwarm, origin, host):
    parent = origin()
    daemon = keepwarm(together(through(parent), DENYING))
    client = ask(daemon, f"http://{host}/")
    assert serve(parent.accept(), "ok", "Connection: close").target == f"http://{host}/"
    finish(client)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "app.localhost"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_localhost_is_this_machine(keepwarm, origin, from_elsewhere, scheme, host):
    """RFC 6761 §6.3."""
    parent = origin()
    daemon = keepwarm(together(trusting_through(parent), {"proxy": ANYWHERE}))
    client = from_elsewhere(daemon)
    client.send_request("GET", f"{scheme}://{host}/")
    refused(daemon, parent, client, 403, "destination_ip_prohibited")


def test_other_addresses_and_names_go_to_the_parent(keepwarm, origin):
    parent = origin()
    daemon = keepwarm(together(through(parent), DENYING))
    for url in ("http://198.51.100.7/", "http://[2001:db9::7]/", f"http://{NAME}/"):
        client = ask(daemon, url)
        assert serve(parent.accept(), "ok", "Connection: close").target == url
        finish(client)


LOCAL = ["127.0.0.1", "127.1.2.3", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "169.254.1.1", "[fe80::1]"]


@pytest.mark.parametrize("host", LOCAL)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_client_from_elsewhere_names_no_address_of_this_machine(keepwarm, origin, from_elsewhere, scheme, host):
    parent = origin()
    daemon = keepwarm(together(trusting_through(parent), {"proxy": ANYWHERE}))
    client = from_elsewhere(daemon)
    client.send_request("GET", f"{scheme}://{host}/")
    refused(daemon, parent, client, 403, "destination_ip_prohibited")


@pytest.mark.parametrize("host", LOCAL)
def test_a_client_from_elsewhere_gets_no_tunnel_to_this_machine(keepwarm, origin, from_elsewhere, host):
    parent = origin()
    daemon = keepwarm(together(through(parent), {"proxy": ANYWHERE}))
    client = from_elsewhere(daemon)
    client.send(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n")
    refused(daemon, parent, client, 403, "destination_ip_prohibited")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_warm_connection_of_a_local_client_opens_no_way_either(keepwarm, origin, from_elsewhere, scheme):
    parent = origin()
    daemon = keepwarm(together(trusting_through(parent), {"proxy": ANYWHERE}))
    elsewhere = from_elsewhere(daemon)
    daemon.addresses = [f"127.0.0.1:{daemon.port}"]
    local = ask(daemon, f"{scheme}://127.0.0.2/")
    serve(parent.accept() if scheme == "http" else open_secure(parent, "127.0.0.2:443"), "ok", KEEP)
    finish(local)
    elsewhere.send_request("GET", f"{scheme}://127.0.0.2/")
    refused(daemon, parent, elsewhere, 403, "destination_ip_prohibited")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_what_a_reload_denies_is_not_reached_by_warm_connections(keepwarm, origin, scheme):
    parent = origin()
    config = together(trusting_through(parent), ANY_PORT)
    daemon = keepwarm(config)
    client = ask(daemon, f"{scheme}://127.0.0.2/")
    upstream = parent.accept() if scheme == "http" else open_secure(parent, "127.0.0.2:443")
    serve(upstream, "ok", KEEP)
    finish(client)
    since = daemon.reload(together(config, {"proxy": {"deny_destinations": ["127.0.0.2/32"]}}))
    daemon.wait_log(r"(?i)reload|configuration", since=since)
    if scheme == "https":  # the other one may serve other hosts
        assert upstream.wait_for_end() == "fin"
    refused(daemon, parent, ask(daemon, f"{scheme}://127.0.0.2/"), 403, "destination_ip_prohibited")


def test_a_parent_on_loopback_serves_clients_from_elsewhere(keepwarm, origin, from_elsewhere):
    parent = origin()
    daemon = keepwarm(together(trusting_through(parent), {"proxy": {**ANYWHERE, "connect_ports": [443]}}))
    clients = [from_elsewhere(daemon) for _ in range(3)]
    clients[0].send_request("GET", f"http://{NAME}/")
    serve(parent.accept(), "ok", KEEP)
    assert clients[0].read_response().body == b"ok"
    clients[1].send_request("GET", HTTPS)
    serve(open_secure(parent), "ok", KEEP)
    assert clients[1].read_response().body == b"ok"
    clients[2].send_request("CONNECT", f"{NAME}:443")
    open_tunnel(parent, f"{NAME}:443").send("hello")
    established(clients[2])
    assert clients[2].read_exact(5) == b"hello"


def test_deny_destinations_does_not_concern_the_parents_own_address(keepwarm, origin):
    parent = origin()
    daemon = keepwarm(together(through(parent), {"proxy": {"deny_destinations": ["127.0.0.0/8"]}}))
    client = ask(daemon, f"http://{NAME}/")
    serve(parent.accept(), "ok", KEEP)
    finish(client)


@pytest.mark.parametrize("request_", ["GET http", "GET https", "CONNECT"])
def test_ports_are_the_same_as_without_a_parent(keepwarm, origin, request_):
    parent = origin()
    daemon = keepwarm(trusting_through(parent))
    client = connect(daemon, f"{NAME}:8443") if request_ == "CONNECT" else ask(daemon, f"{request_[4:]}://{NAME}:25/")
    refused(daemon, parent, client, 403, "http_request_denied")


# Loops


def reload_with_parent(daemon, parent: str) -> None:
    since = daemon.reload(together(every_host(parent=f"http://{parent}"), {"proxy": {"listen": [daemon.at]}}))
    daemon.wait_log(r"(?i)reload|configuration", since=since)


def begin_any(daemon, request_: str):
    return connect(daemon, f"{NAME}:443") if request_ == "CONNECT" else ask(daemon, f"{request_[4:]}://{NAME}/")


@pytest.mark.parametrize("request_", ["GET http", "GET https", "CONNECT"])
@pytest.mark.parametrize("host", ["127.0.0.1", "[::ffff:127.0.0.1]"])
def test_keepwarm_itself_is_400_behind_a_parent_too(keepwarm, origin, request_, host):
    parent = origin()
    daemon = keepwarm(together(trusting_through(parent), ANY_PORT))
    target = f"{host}:{daemon.port}"
    client = connect(daemon, target) if request_ == "CONNECT" else ask(daemon, f"{request_[4:]}://{target}/")
    refused(daemon, parent, client, 400, "http_request_error")


@pytest.mark.parametrize("request_", ["GET http", "GET https", "CONNECT"])
@pytest.mark.parametrize("parent_host", ["127.0.0.1", "localhost"])
def test_keepwarm_as_its_own_parent_is_400(keepwarm, request_, parent_host):
    daemon = keepwarm()
    reload_with_parent(daemon, f"{parent_host}:{daemon.port}")
    check_own_answer(begin_any(daemon, request_).read_response(), 400, "http_request_error")


@pytest.mark.parametrize("request_", ["GET http", "GET https", "CONNECT"])
def test_two_that_are_each_others_parent_see_the_loop(keepwarm, request_):
    first = keepwarm()
    second = keepwarm(every_host(parent=f"http://{first.at}"))
    reload_with_parent(first, second.at)
    first.client()  # its descriptor is in the count
    baseline = first.fd_count()
    response = begin_any(first, request_).read_response()
    if request_ == "GET http":
        check_own_answer(response, 508, "proxy_loop_detected")
    else:
        check_own_answer(response, 502, "destination_unavailable")
    assert first.fd_count() < baseline + 20


@pytest.mark.parametrize("via", ['1.1 x "', "1.1 x (", "1.1 x (\\"], ids=["a quote", "a comment", "an escape"])
def test_a_via_that_never_ends_hides_no_loop(keepwarm, via):
    first = keepwarm()
    second = keepwarm(together(every_host(parent=f"http://{first.at}"), {"log": {"access": "text"}}))
    reload_with_parent(first, second.at)
    response = first.request("CONNECT", f"{NAME}:443", f"Host: {NAME}:443", f"Via: {via}")
    check_own_answer(response, 502, "destination_unavailable")
    second.terminate()
    assert second.wait_exit() == 0
    assert sum(" CONNECT " in line for line in second.log) == 1
