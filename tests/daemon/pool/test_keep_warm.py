"""keep_warm = N (core/doc/design.md §4): N connections of a host in use are open and trusted before anybody asks for them."""

import time

import pytest
from helpers_pool import KEEP, end_connections, every_host, settle
from helpers_tls import together
from helpers_workers import ask, one_on_each, workers
from support.http_origin import Canned
from support.stalls import real_time
from support.tls import trusting
from support.tls_server import ServerTls
from support.waiting import eventually, scaled
from test_access_log import json_config, records

pytestmark = real_time

WARM = {"*": Canned(b"hello", fields=[KEEP])}


def keep(count: int, **keys) -> dict:
    return every_host(keep_warm=count, **keys)


def open_connections(server) -> int:
    return sum(not connection.closed for connection in server.connections)


def no_more_than(server, count: int, seconds: float = 0.4) -> None:
    """No connection comes for a while, nor are there more than `count` so far."""
    time.sleep(seconds)
    assert len(server.connections) <= count


@pytest.mark.parametrize("tls,hint", [(True, False), (False, True)], ids=["TLS, no hint", "plain, a hint"])
def test_each_request_finds_a_trusted_connection_though_the_server_closes_early(keepwarm, http_origin, tls, hint):
    server = http_origin({"*": Canned(b"hello", fields=["Keep-Alive: timeout=2"] if hint else [])}, idle_timeout=2,
                         **({"tls": ServerTls()} if tls else {}))
    daemon = keepwarm(together(trusting(), keep(2), json_config()))
    assert daemon.get(server.url()).status == 200
    if hint:
        server.wait_connections(2)
    else:
        daemon.wait_log("learned: closes when idle")
        eventually(lambda: len(server.connections) >= 4, message="both are replaced")
    settle(daemon)
    before, began, requests = len(server.connections), time.monotonic(), 8
    for number in range(requests):
        time.sleep(0.7)
        assert daemon.request("POST" if number % 2 else "GET", server.url(), body=b"x" if number % 2 else None).status == 200
    took, opened = time.monotonic() - began, len(server.connections) - before
    told = [record for record in records(daemon, requests + 2) if record["url"] == server.url()][1:]
    assert len(told) == requests
    for record in told:
        assert (record["connection"], record["trust"], record["tls_ms"]) == ("reused", "trusted", 0), told
        assert record["expected_idle_timeout_ms"] < 2500
        assert record["expected_idle_timeout_source"] == ("hint" if hint else "learned")
    # Trusted for a second, each is replaced 0.1 s before; a request renews what it uses. Each worker's clock ticks 20 times
    # a second.
    assert opened <= 2 * took / 0.85 + 2, f"{opened} connections in {took:.1f} s"
    assert opened >= took / 1.2 - 1, f"{opened} connections in {took:.1f} s"


def test_two_are_open_and_idle_after_the_first_request(keepwarm, http_origin):
    daemon, server = keepwarm(keep(2)), http_origin(WARM)
    assert daemon.get(server.url()).status == 200
    daemon.wait_log(r"upstream \S+ opened: .* \(kept warm\)")
    server.wait_connections(2)
    no_more_than(server, 2)
    assert open_connections(server) == 2


def test_nothing_is_opened_for_nobody_by_default(keepwarm, http_origin):
    daemon, server = keepwarm(), http_origin(WARM)
    assert daemon.get(server.url()).status == 200
    no_more_than(server, 1)


def test_a_server_that_refuses_is_asked_less_and_less(keepwarm, http_origin):
    daemon, server = keepwarm(keep(2)), http_origin(WARM)
    assert daemon.get(server.url()).status == 200
    server.wait_connections(2)
    well = server.handler
    server.handler = lambda connection: None  # closes what it has accepted
    end_connections(server, "fin")
    eventually(lambda: len(server.connections) > 2, message="an attempt")
    time.sleep(4.5)  # attempts at 0, 1 and 3 s, of two connections each
    assert 4 <= len(server.connections) <= 2 + 8
    server.handler = well
    began = time.monotonic()
    assert daemon.get(server.url()).status == 200  # no pause is a client's
    assert time.monotonic() - began < scaled(1)
    eventually(lambda: open_connections(server) == 2, limit=2, message="two are open again, at once")


def test_a_host_that_nobody_uses_lets_go_of_all(keepwarm, http_origin):
    daemon, server = keepwarm(keep(2, keep_warm_for="800ms")), http_origin(WARM)
    assert daemon.get(server.url()).status == 200
    server.wait_connections(2)
    closed = daemon.wait_closes(2)
    assert all(reason.startswith("host not in use") for reason in closed), closed
    no_more_than(server, 2)
    assert daemon.get(server.url()).status == 200  # it begins anew
    server.wait_connections(4)


def test_max_connections_holds(keepwarm, http_origin):
    daemon, server = keepwarm(keep(3, max_connections=1)), http_origin(WARM)
    for _ in range(3):
        assert daemon.get(server.url()).status == 200
    no_more_than(server, 1)


def test_a_reload_changes_it(keepwarm, http_origin):
    daemon, server = keepwarm(), http_origin(WARM)
    assert daemon.get(server.url()).status == 200
    daemon.reload(keep(3))
    server.wait_connections(3)
    daemon.reload(keep(0))
    daemon.wait_log("configuration reloaded", count=2)
    end_connections(server, "fin")
    daemon.wait_closes(3)
    no_more_than(server, 3)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_two_workers_keep_no_more_warm_than_one(keepwarm, http_origin, tls):
    server = http_origin(WARM, **({"tls": ServerTls()} if tls else {}))
    daemon = keepwarm(workers(2, together(trusting(), keep(2))))
    clients = one_on_each(daemon)
    ask(clients[0], server.url())
    server.wait_connections(2)
    time.sleep(0.2)  # the workers' clocks tick
    for _ in range(5):
        for client in clients:
            ask(client, server.url())
        time.sleep(0.1)
    assert len(server.connections) == 2


def test_whatever_a_worker_has_is_replaced_in_time(keepwarm, http_origin):
    server = http_origin({"*": Canned(b"hello", fields=["Keep-Alive: timeout=2"])}, idle_timeout=2)
    daemon = keepwarm(workers(2, together(keep(2), json_config())))
    clients = one_on_each(daemon)
    for client in clients:
        ask(client, server.url())
    began = time.monotonic()
    for number in range(8):
        time.sleep(0.6)
        ask(clients[number % 2], server.url())
    told = [record for record in records(daemon, 22) if record["url"] == server.url()]  # with those of 12 times settle()
    assert [record["connection"] for record in told[2:]] == ["reused"] * 8
    assert len(server.connections) <= 2 * (time.monotonic() - began) / 0.85 + 4
