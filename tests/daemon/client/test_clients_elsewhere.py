"""Clients in another network namespace (a container, another machine): of such a one nobody can know whether its FIN is a
half-close, so that its exchange ends, unless the configuration says otherwise (core/doc/design.md §5)."""

import contextlib

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
