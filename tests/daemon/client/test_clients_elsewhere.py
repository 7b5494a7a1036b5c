"""Clients in another network namespace (a container, another machine): of such a one nobody can know whether its FIN is a
half-close, so that its exchange ends, unless the configuration says otherwise (core/doc/design.md §5)."""

import contextlib
import shutil
import subprocess

import pytest
from support.client import Client
from support.delayed_link import delayed_link  # noqa: F401

NEAR = "10.81.0.1"  # where the far side finds the daemon (support/delayed_link.py)
LEFT = r"upstream \S+ closed: client left midway"

pytestmark = pytest.mark.own_daemon


@pytest.fixture
def elsewhere(delayed_link, keepwarm, origin):  # noqa: F811
    """elsewhere(**keys of [proxy]): a daemon, an origin beside it, and a client on the far side that asks for something;
    with the upstream connection on which its request came."""
    with contextlib.ExitStack() as clients:

        def start(**keys):
            link = delayed_link(round_trip=0.001)
            proxy = {"listen": [f"{NEAR}:0"], "allow_clients": ["10.82.0.0/16"], "deny_destinations": []}
            daemon, server = keepwarm({"proxy": {**proxy, **keys}}), origin()
            with link.far():
                client = Client(daemon.address())
            clients.callback(client.close)
            client.send_request("GET", server.url())
            upstream = server.accept()
            upstream.read_request()
            return daemon, client, upstream

        yield start


@pytest.mark.parametrize("how", ["close", "shutdown_write", "reset"])
def test_a_client_elsewhere_that_ends_has_left(elsewhere, how):
    daemon, client, upstream = elsewhere()
    getattr(client, how)()
    assert upstream.read_to_end() == b""
    daemon.wait_log(LEFT)


def test_a_client_elsewhere_that_stays_is_served(elsewhere):
    _, client, upstream = elsewhere()
    upstream.expect_silence()
    upstream.answer("ok")
    assert client.read_response().body == b"ok"


def test_honour_takes_its_end_for_a_half_close(elsewhere):
    _, client, upstream = elsewhere(client_half_close="honour")
    client.shutdown_write()
    upstream.expect_silence(0.3)
    upstream.answer("ok")
    assert client.read_response().body == b"ok"
    client.expect_eof()


OURS_BY_ROUTE = "10.83.0.0/16"


@pytest.fixture
def routed(delayed_link, keepwarm):  # noqa: F811
    """routed(**keys of [proxy]): a daemon on a machine that has all of 10.83.0.0/16 by a route (AnyIP), with a function that
    sends a request from the far side."""
    clients = []

    def start(**keys):
        link = delayed_link(round_trip=0.001)
        ip = shutil.which("ip", path="/usr/sbin:/sbin:/usr/bin:/bin")
        subprocess.run([ip, "route", "add", "local", OURS_BY_ROUTE, "dev", "lo"], check=True)
        proxy = {"listen": ["0.0.0.0:0"], "allow_clients": ["10.82.0.0/16"], "connect_ports": ["1-65535"]}
        daemon = keepwarm({"proxy": {**proxy, **keys}})

        def ask(method: str, target: str):
            with link.far():
                client = Client((NEAR, daemon.port))
            clients.append(client)
            client.send_request(method, target)
            return client.read_response(method)

        return daemon, ask

    yield start
    for client in clients:
        client.close()


@pytest.mark.parametrize("method,scheme", [("CONNECT", ""), ("GET", "http://")])
def test_a_client_elsewhere_does_not_reach_addresses_that_are_ours_by_route(routed, origin, method, scheme):
    _, ask = routed()
    server = origin(host="0.0.0.0")
    answer = ask(method, f"{scheme}10.83.4.5:{server.port}")
    assert answer.status == 403 and "destination_ip_prohibited" in answer.get("proxy-status")
    assert not server.connections


@pytest.mark.parametrize("method,scheme,status", [("CONNECT", "", 400), ("GET", "http://", 400)])
def test_our_own_port_is_not_reached_by_an_address_that_is_ours_by_route(routed, method, scheme, status):
    daemon, ask = routed(deny_destinations=[])
    assert ask(method, f"{scheme}10.83.4.5:{daemon.port}").status == status
