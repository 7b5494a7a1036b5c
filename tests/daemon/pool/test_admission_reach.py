"""Who may use the proxy, and what may be reached through it (core/doc/design.md §4 allow_clients, deny_destinations, §9)."""

import re
import socket

import pytest
from helpers_names import own_names
from helpers_pool import KEEP, Bottleneck, begin, exchange, finish, serve, settle
from support.client import Client
from support.wiring import check_own_answer

ANYWHERE = {"listen": ["0.0.0.0:0"], "allow_clients": ["0.0.0.0/0"]}


@pytest.fixture(scope="module")
def own_address() -> str:
    """An IPv4 address of this machine that is not loopback: a client that connects to it comes from it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.200", 9))  # sends nothing
        except OSError:
            pytest.skip("this machine has only loopback")
        address = sock.getsockname()[0]
    if address.startswith("127."):
        pytest.skip("this machine has only loopback")
    return address


@pytest.fixture
def from_elsewhere(own_address):
    """from_elsewhere(daemon): a client whose address is not loopback."""
    made = []

    def connect(daemon) -> Client:
        made.append(Client((own_address, daemon.port)))
        return made[-1]

    yield connect
    for client in made:
        client.close()


def refused(client, url, error="destination_ip_prohibited"):
    client.send_request("GET", url)
    check_own_answer(client.read_response(), 403, error)


# Clients


def test_a_client_in_allow_clients_is_let_in(keepwarm, from_elsewhere, own_address):
    daemon = keepwarm({"proxy": {"listen": ["0.0.0.0:0"], "allow_clients": [f"{own_address}/32"]}})
    client = from_elsewhere(daemon)
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert client.read_response().status == 400  # a proxy takes no such request, yet it talks to this client


def test_a_client_outside_of_allow_clients_gets_403_and_a_close(keepwarm, from_elsewhere):
    daemon = keepwarm({"proxy": {"listen": ["0.0.0.0:0"], "allow_clients": ["203.0.113.0/24"]}})
    client = from_elsewhere(daemon)
    refused(client, "http://127.0.0.1/", "http_request_denied")
    client.expect_eof()


def test_clients_over_loopback_need_no_leave(keepwarm, origin):
    daemon, server = keepwarm({"proxy": {"listen": ["0.0.0.0:0"], "allow_clients": ["203.0.113.0/24"]}}), origin()
    daemon.addresses = [f"127.0.0.1:{daemon.port}"]
    exchange(daemon, server)


# What clients from elsewhere may reach


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1.2.3", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]",
                                  "[::ffff:7f00:1]", "169.254.1.1", "[fe80::1]"])
def test_a_client_from_elsewhere_does_not_reach_this_machine(keepwarm, origin, from_elsewhere, host):
    daemon, server = keepwarm({"proxy": ANYWHERE}), origin()
    refused(from_elsewhere(daemon), f"http://{host}:{server.port}/")
    server.expect_no_connection()


def test_a_client_from_elsewhere_does_not_reach_our_own_addresses(keepwarm, origin, from_elsewhere, own_address):
    daemon, server = keepwarm({"proxy": ANYWHERE}), origin(host=own_address)
    refused(from_elsewhere(daemon), server.url())


def test_a_client_from_elsewhere_gets_no_tunnel_to_this_machine(keepwarm, origin, from_elsewhere):
    server = origin()
    daemon = keepwarm({"proxy": {**ANYWHERE, "connect_ports": [server.port]}})
    client = from_elsewhere(daemon)
    client.send(f"CONNECT {server.at} HTTP/1.1\r\nHost: {server.at}\r\n\r\n")
    assert client.read_response("CONNECT").status == 403
    server.expect_no_connection()


def test_a_warm_connection_of_a_local_client_is_not_for_one_from_elsewhere(keepwarm, origin, from_elsewhere):
    daemon, server = keepwarm({"proxy": ANYWHERE}), origin()
    elsewhere = from_elsewhere(daemon)
    daemon.addresses = [f"127.0.0.1:{daemon.port}"]
    upstream = exchange(daemon, server)
    refused(elsewhere, server.url())
    exchange(daemon, server, upstream)


def test_deny_destinations_set_explicitly_is_all_that_counts(keepwarm, origin, from_elsewhere):
    daemon, server = keepwarm({"proxy": {**ANYWHERE, "deny_destinations": []}}), origin()
    client = from_elsewhere(daemon)
    client.send_request("GET", server.url())
    serve(server.accept())
    assert client.read_response().body == b"ok"


# deny_destinations


@pytest.mark.parametrize("host", ["127.0.0.2", "[::ffff:127.0.0.2]"])
def test_a_denied_address_is_403_however_it_is_written(keepwarm, origin, host):
    daemon = keepwarm({"proxy": {"deny_destinations": ["127.0.0.2/32"]}})
    server = origin(host="127.0.0.2")
    check_own_answer(daemon.get(f"http://{host}:{server.port}/"), 403, "destination_ip_prohibited")
    server.expect_no_connection()
    exchange(daemon, origin())


def test_a_name_of_a_denied_address_is_403(keepwarm, origin, tmp_path):
    daemon = keepwarm({"proxy": {"deny_destinations": ["127.0.0.2/32"]}}, wrapper=own_names(tmp_path, "127.0.0.2 denied.test\n"))
    server = origin(host="127.0.0.2")
    check_own_answer(daemon.get(f"http://denied.test:{server.port}/"), 403, "destination_ip_prohibited", "denied.test")
    server.expect_no_connection()


def test_a_tunnel_to_a_denied_address_is_403(keepwarm, origin):
    server = origin(host="127.0.0.2")
    daemon = keepwarm({"proxy": {"deny_destinations": ["127.0.0.0/8"], "connect_ports": [server.port]}})
    client = daemon.client()
    client.send(f"CONNECT {server.at} HTTP/1.1\r\nHost: {server.at}\r\n\r\n")
    check_own_answer(client.read_response("CONNECT"), 403, "destination_ip_prohibited")
    client.expect_eof()
    server.expect_no_connection()


def test_a_connection_that_a_reload_denies_serves_no_more(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server)
    daemon.reload({"proxy": {"deny_destinations": ["127.0.0.0/8"]}})
    assert upstream.wait_for_end() == "fin"
    check_own_answer(daemon.get(server.url()), 403, "destination_ip_prohibited")


def test_a_connection_under_way_that_a_reload_denies_is_not_pooled(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    client = begin(daemon, server)
    upstream = server.accept()
    upstream.read_request()
    since = daemon.reload({"proxy": {"deny_destinations": ["127.0.0.0/8"]}})
    daemon.wait_log(r"(?i)reload|configuration", since=since)
    upstream.answer("ok", "200 OK", KEEP)
    finish(client)
    assert upstream.wait_for_end() == "fin"


def test_the_answer_does_not_tell_what_a_denied_name_resolves_to(keepwarm, tmp_path):
    daemon = keepwarm({"proxy": {"deny_destinations": ["127.0.0.2/32"]}}, wrapper=own_names(tmp_path, "127.0.0.2 denied.test\n"))
    assert not re.search(rb"127\.0\.0\.2", daemon.get("http://denied.test/").body)


@pytest.mark.parametrize("answer", [KEEP, "Connection: close"])
def test_one_from_elsewhere_in_the_queue_holds_no_local_client_up(keepwarm, origin, from_elsewhere, answer):
    """It is first in line, and may not use the connection that comes free."""
    daemon, server = keepwarm({"proxy": ANYWHERE, "host": {"*": {"max_connections": 1}}}), origin()
    elsewhere = from_elsewhere(daemon)
    daemon.addresses = [f"127.0.0.1:{daemon.port}"]
    held = begin(daemon, server)
    upstream = server.accept()
    upstream.read_request()
    elsewhere.send_request("GET", server.url())
    settle(daemon)
    behind = begin(daemon, server, path="/behind")
    settle(daemon)
    upstream.answer("ok", "200 OK", answer)
    finish(held)
    check_own_answer(elsewhere.read_response(limit=3), 403, "destination_ip_prohibited")
    assert serve(server.accept()).target == "/behind"
    finish(behind)


def test_a_connection_that_one_from_elsewhere_may_not_use_serves_the_next_in_line(keepwarm, from_elsewhere, _daemons):
    """The one that it was opened for has left; of those that wait the first may not use it."""
    server = Bottleneck()
    try:
        daemon = keepwarm({"proxy": ANYWHERE, "host": {"*": {"max_connections": 1}}})
        elsewhere = from_elsewhere(daemon)
        daemon.addresses = [f"127.0.0.1:{daemon.port}"]
        server.block()
        leaving = begin(daemon, server)
        settle(daemon)
        elsewhere.send_request("GET", server.url())
        settle(daemon)
        behind = begin(daemon, server, path="/behind")
        settle(daemon)
        leaving.reset()
        assert serve(server.accept(), "ok", "Connection: close").target == "/behind"
        finish(behind)
        check_own_answer(elsewhere.read_response(), 403, "destination_ip_prohibited")
    finally:
        server.close()
