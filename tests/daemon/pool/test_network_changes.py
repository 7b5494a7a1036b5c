"""The network of the machine changes under connections that are open: an address goes, packets take another way. Nobody tells the
connections; the kernel tells the daemon (core/doc/idle-time.md)."""

import re
import shutil
import subprocess
import time

import pytest
from helpers_pool import KEEP, close_reasons, serve, standing_still
from support.delayed_link import delayed_link  # noqa: F401
from support.tier import amount

ROUND_TRIP = 0.002
FIRST, SECOND = "10.81.0.1", "10.81.0.2"


def ip(*arguments: str) -> None:
    ip_batch([" ".join(arguments)])


def ip_batch(lines) -> None:
    program = shutil.which("ip", path="/usr/sbin:/sbin:/usr/bin:/bin")
    subprocess.run([program, "-batch", "-"], input="\n".join(lines) + "\n", check=True, capture_output=True, text=True)


class Machine:
    """A daemon on a machine with two addresses, and an origin that is reached over a link."""

    def __init__(self, link, keepwarm, origin):
        self.link = link
        ip("addr", "add", f"{SECOND}/32", "dev", "tun0")
        with link.far():
            ip("route", "add", f"{SECOND}/32", "dev", "tun0")
            self.origin = origin(host="0.0.0.0")
        self.daemon = keepwarm()

    def ask(self, host: int = 0, method: str = "GET", body=None):
        """Sends a request to one of the origin's addresses."""
        client = self.daemon.client()
        client.send_request(method, f"http://{self.link.host(host)}:{self.origin.port}/", body=body)
        return client

    def fetch(self, host: int = 0, upstream=None):
        """A whole exchange, on `upstream` or else on a new connection; which is returned."""
        client = self.ask(host)
        used = upstream or self.origin.accept()
        serve(used, "ok", KEEP)
        assert client.read_response().body == b"ok"
        client.close()
        return used

    def wait_changed(self, what: str, closed: int) -> None:
        self.daemon.wait_log(rf"network changed: .*{re.escape(what)}.*; idle connections closed: {closed}")


@pytest.fixture
def machine(delayed_link, keepwarm, origin):  # noqa: F811
    return Machine(delayed_link(ROUND_TRIP), keepwarm, origin)


def test_an_address_that_is_gone_takes_its_connections_along(machine):
    assert machine.fetch().peer[0] == FIRST
    ip("addr", "del", f"{FIRST}/32", "dev", "tun0")  # the route stays
    machine.wait_changed(f"addresses gone: {FIRST}", closed=1)
    assert machine.fetch().peer[0] == SECOND
    assert close_reasons(machine.daemon) == ["network changed"]


HOSTS = 10


def test_no_post_fails_whose_connection_lost_its_address(machine):
    for number in range(amount(3, 100)):
        if number > 2:
            time.sleep(0.25)  # more changes than five a second are not looked at one by one
        address = {machine.fetch(host).peer[0] for host in range(HOSTS)}.pop()
        ip("addr", "del", f"{address}/32", "dev", "tun0")
        clients = [machine.ask(host, "POST", body=b"once") for host in range(HOSTS)]  # they wait for nothing
        upstreams = [machine.origin.accept() for _ in clients]
        for upstream in upstreams:
            assert upstream.peer[0] != address
            serve(upstream, "ok")
        for client in clients:
            assert client.read_response().body == b"ok"
            client.close()
        for upstream in upstreams:
            upstream.close()
        ip("addr", "add", f"{address}/32", "dev", "tun0")


def test_no_post_goes_on_an_old_connection_while_changes_wait_to_be_looked_at(machine):
    machine.fetch()
    for number in range(30):  # more than are looked at one by one
        ip("addr", "add", f"10.99.0.{number}/32", "dev", "lo")
    client = machine.ask(0, "POST", body=b"once")
    serve(machine.origin.accept(), "ok", KEEP)
    assert client.read_response().body == b"ok"


def test_only_the_address_of_a_connection_counts(machine):
    upstream = machine.fetch()
    ip("addr", "del", f"{SECOND}/32", "dev", "tun0")
    machine.wait_changed(f"addresses gone: {SECOND}", closed=0)
    machine.fetch(upstream=upstream)


def test_a_new_route_takes_those_along_that_it_leads_to(machine):
    affected, other = machine.fetch(0), machine.fetch(250)
    ip("route", "add", "10.82.1.0/24", "dev", "tun0", "src", SECOND)
    machine.wait_changed("10.82.1.0/24", closed=1)
    assert affected.wait_for_end() == "fin"
    assert machine.fetch(0).peer[0] == SECOND
    machine.fetch(250, other)


def test_a_default_route_counts_where_there_is_no_nearer_one(machine):
    upstream = machine.fetch()
    ip("route", "add", "default", "dev", "tun0")
    machine.wait_changed("default", closed=0)
    machine.fetch(upstream=upstream)
    ip("route", "del", "10.82.0.0/16", "dev", "tun0")
    machine.wait_changed("10.82.0.0/16", closed=1)
    machine.fetch()


def test_other_rules_may_mean_another_way_for_everybody(machine):
    upstream = machine.fetch()
    ip("rule", "add", "to", "10.82.0.0/16", "lookup", "100")
    machine.wait_changed("other routing rules", closed=1)
    assert upstream.wait_for_end() == "fin"
    machine.fetch()


def test_a_connection_in_use_ends_with_its_exchange(machine):
    client = machine.ask()
    upstream = machine.origin.accept()
    upstream.read_request()
    ip("route", "add", "10.82.1.0/24", "dev", "tun0", "src", SECOND)
    machine.wait_changed("10.82.1.0/24", closed=0)
    upstream.answer("ok", "200 OK", KEEP)
    assert client.read_response().body == b"ok"
    assert upstream.wait_for_end() == "fin"
    assert close_reasons(machine.daemon) == ["network changed"]
    machine.fetch()


def test_more_changes_at_once_than_the_kernel_keeps_for_us_are_not_the_last_that_are_heard(machine):
    upstream = machine.fetch()
    with standing_still(machine.daemon):
        ip_batch(f"addr {what} 10.99.{number // 250}.{number % 250}/32 dev lo" for number in range(1500) for what in ("add", "del"))
    machine.fetch(upstream=upstream)
    ip("addr", "del", f"{FIRST}/32", "dev", "tun0")
    machine.wait_changed(f"addresses gone: {FIRST}", closed=1)
    machine.fetch()


def test_what_is_told_again_or_concerns_others_changes_nothing(machine):
    """A router's advertisement renews addresses and routes all the time, and each container brings some of its own."""
    upstream = machine.fetch()
    ip("addr", "change", f"{FIRST}/32", "dev", "tun0", "valid_lft", "1000", "preferred_lft", "1000")
    ip("route", "replace", "10.82.0.0/16", "dev", "tun0")
    ip("addr", "add", "172.17.0.1/16", "dev", "lo")
    ip("addr", "add", "fe80::1234/64", "dev", "lo")
    machine.wait_changed("172.17.0.1", closed=0)
    ip("addr", "del", "172.17.0.1/16", "dev", "lo")
    ip("addr", "add", "172.18.0.1/16", "dev", "lo")
    machine.wait_changed("172.18.0.1", closed=0)
    machine.fetch(upstream=upstream)
    assert close_reasons(machine.daemon) == []
