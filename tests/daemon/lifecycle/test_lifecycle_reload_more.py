"""SIGHUP at awkward moments: exchanges under way, connections that idle by other rules, clients that knock at a door that
closes, and descriptors that run out."""

import os
import signal

import pytest
from helpers_pool import KEEP, begin, every_host, exchange, finish, pooled, settle
from support.daemon import config_text
from support.waiting import scaled


def reload(daemon, config) -> None:
    """Returns when the new configuration is in force."""
    daemon.wait_log("configuration reloaded", since=daemon.reload(config))


# The access log


@pytest.mark.parametrize("access", ["text", "json"])
def test_a_log_that_is_switched_on_within_an_exchange_tells_nothing_of_earlier_ones(keepwarm, origin, access):
    daemon, server = keepwarm({"log": {"access": access}}), origin()
    upstream = exchange(daemon, server, path="/of-another-client")
    reload(daemon, {"log": {"access": "off"}})
    client = begin(daemon, server, path="/not-recorded")
    upstream.read_request()
    since = daemon.reload({"log": {"access": access}})
    daemon.wait_log("configuration reloaded", since=since)
    upstream.answer("ok", "200 OK", KEEP)
    finish(client)
    exchange(daemon, server, upstream, path="/later")
    daemon.wait_log("/later", since=since)
    assert "/of-another-client" not in daemon.log_text(since)


# Idle connections


def test_a_lower_max_connections_closes_the_oldest_idle_ones(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    oldest, older, newest = pooled(daemon, server, 3)
    reload(daemon, every_host(max_connections=1))
    assert oldest.wait_for_end() == older.wait_for_end() == "fin"
    exchange(daemon, server, newest)


def test_a_lower_max_connections_leaves_those_in_use_alone(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    idle, leased = pooled(daemon, server, 2)
    client = begin(daemon, server)
    leased.read_request()
    reload(daemon, every_host(max_connections=1))
    assert idle.wait_for_end() == "fin"
    leased.answer("ok", "200 OK", KEEP)
    finish(client)
    exchange(daemon, server, leased)


def test_hints_count_no_more_when_server_hint_is_switched_off(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server)  # its hint makes it trusted for a minute
    reload(daemon, every_host(server_hint=False))
    upstream.expect_silence(0.4)  # longer than what is trusted without proof
    exchange(daemon, server, None, "POST", body=b"x")
    exchange(daemon, server, server.connections[1])


# Listeners


def test_clients_that_wait_at_a_listener_that_closes_are_served(keepwarm, http_origin):
    daemon, server = keepwarm(), http_origin()
    # The file is a pipe: the daemon stands still between its decision to reload and the new configuration.
    daemon.config_file.unlink()
    os.mkfifo(daemon.config_file)
    daemon.signal(signal.SIGHUP)
    with open(daemon.config_file, "w") as pipe:
        clients = [daemon.client() for _ in range(5)]
        for client in clients:
            client.send_request("GET", server.url())
        pipe.write(config_text({"proxy": {"listen": ["127.0.0.2:0"]}}))
    daemon.wait_log("configuration reloaded")
    for client in clients:
        assert client.read_response().body == b"hello"


# Descriptors


FEW = 128


def test_tunnels_leave_descriptors_for_the_requests_of_those_who_are_in(keepwarm, origin, http_origin):
    server, other = origin(), http_origin()
    daemon = keepwarm({"proxy": {"connect_ports": ["1-65535"]}}, wrapper=("prlimit", f"--nofile={FEW}:{FEW}"))
    old = daemon.client()
    settle(daemon)
    for _ in range(FEW):
        client = daemon.client()
        client.send(f"CONNECT {server.at} HTTP/1.1\r\nHost: {server.at}\r\n\r\n")
        try:
            client.expect_silence(scaled(0.3))
            break  # it is not let in
        except AssertionError:
            assert client.read_response("CONNECT").status == 200
    else:
        pytest.fail("the daemon let in more than it has descriptors for")
    assert old.get(other.url()).body == b"hello"
    server.close_connections()
    assert client.read_response("CONNECT").status == 200  # there is room again
