"""The server's own hint, Keep-Alive: timeout= and max= (core/doc/design.md §6.3): known terms, so keepwarm closes first."""

import pytest
from helpers_pool import begin, close_reasons, every_host, exchange, finish, serve
from support.stalls import real_time
from support.waiting import scaled

pytestmark = real_time

TWO_SECONDS = ["timeout=2", "timeout=2, max=100", "max=100, timeout=2", "TimeOut=2", "timeout=2, timeout=9",
               "x, timeout=2, =, y=z, timeout", "max=zero, timeout=2", " ,, timeout=2 ,"]
NOTHING = ["timeout=two", "timeout=-1", "timeout=+1", "timeout=0x1", "timeout", "timeouts=0", "5", "", "timeout=1.0",
           "timeout=99999999999999999999999999"]


def idle_age(daemon, count: int = 1) -> float:
    """The idle age, in seconds, at which the daemon closed its connection; of the `count`th that it closed."""
    return int(daemon.wait_log(r"upstream \S+ closed: idle timeout \(.*\bidle=(\d+)ms", count=count)[1]) / 1000


def test_a_connection_is_closed_by_us_a_margin_before_the_server_would(keepwarm, origin):
    """timeout=2: the margin of a second is at most half of it, so one second, in whatever way the hint is written."""
    daemon = keepwarm()
    upstreams = [exchange(daemon, origin(), answer=(f"Keep-Alive: {hint}",)) for hint in TWO_SECONDS]
    for number, upstream in enumerate(upstreams):
        assert upstream.wait_for_end() == "fin"
        assert 1.0 <= idle_age(daemon, number + 1) < scaled(1.8)
    assert close_reasons(daemon) == ["idle timeout"] * len(TWO_SECONDS)


def test_the_margin_is_never_more_than_half_of_the_hint(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    assert exchange(daemon, server, answer=("Keep-Alive: timeout=1",)).wait_for_end() == "fin"
    assert 0.5 <= idle_age(daemon) < scaled(0.9)


def test_the_margin_is_as_set(keepwarm, origin):
    daemon, server = keepwarm(every_host(idle_margin="100ms")), origin()
    assert exchange(daemon, server, answer=("Keep-Alive: timeout=1",)).wait_for_end() == "fin"
    assert 0.9 <= idle_age(daemon)


def test_the_hint_of_the_last_response_counts(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server, answer=("Keep-Alive: timeout=60",))
    exchange(daemon, server, upstream, answer=("Keep-Alive: timeout=1",))
    assert upstream.wait_for_end() == "fin"
    assert 0.5 <= idle_age(daemon) < scaled(0.9)


def test_a_hint_over_two_lines_is_one_hint(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    assert exchange(daemon, server, answer=("Keep-Alive: max=5", "Keep-Alive: timeout=1")).wait_for_end() == "fin"
    assert 0.5 <= idle_age(daemon) < scaled(0.9)


@pytest.mark.parametrize("hint", NOTHING)
def test_junk_is_no_hint(keepwarm, origin, hint):
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server, answer=(f"Keep-Alive: {hint}",))
    exchange(daemon, server, upstream)


@pytest.mark.parametrize("hint", ["timeout=0", "max=0", "timeout=60, max=0", "timeout=0, max=100", "MAX=0"])
def test_a_hint_of_nothing_is_not_pooled(keepwarm, origin, hint):
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server, answer=(f"Keep-Alive: {hint}",))
    assert upstream.wait_for_end() == "fin"
    daemon.wait_log(r"upstream \S+ closed: hint max")
    exchange(daemon, server)


def test_the_last_request_that_max_allows_is_sent(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server, answer=("Keep-Alive: timeout=60, max=1",))
    exchange(daemon, server, upstream, answer=("Keep-Alive: timeout=60, max=0",))
    assert upstream.wait_for_end() == "fin"


@pytest.mark.parametrize("hint", ["timeout=0", "max=0"])
def test_without_server_hint_it_is_ignored(keepwarm, origin, hint):
    daemon, server = keepwarm(every_host(server_hint=False)), origin()
    upstream = exchange(daemon, server, answer=(f"Keep-Alive: {hint}",))
    exchange(daemon, server, upstream)


def test_without_server_hint_a_connection_is_held_for_idle_timeout(keepwarm, origin):
    daemon, server = keepwarm(every_host(server_hint=False, idle_timeout="1200ms")), origin()
    assert exchange(daemon, server, answer=("Keep-Alive: timeout=1",)).wait_for_end() == "fin"
    assert 1.2 <= idle_age(daemon)


def test_a_connection_past_its_trust_serves_nobody(keepwarm, origin):
    """The request that comes when the hint is over goes on a new connection, even if the old one was still open."""
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server, answer=("Keep-Alive: timeout=1",))
    assert upstream.wait_for_end() == "fin"
    client = begin(daemon, server, "POST", body=b"x")
    assert serve(server.accept()).method == "POST"
    finish(client)


def test_the_hint_is_not_passed_on(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    client = begin(daemon, server)
    serve(server.accept(), "ok", "Keep-Alive: timeout=7, max=3")
    response = client.read_response()
    assert response.all("keep-alive") in ([], ["timeout=60"]), response.raw
