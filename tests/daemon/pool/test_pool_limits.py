"""How long and how many: idle_timeout, max_idle, max_requests, max_lifetime (core/doc/design.md §4, §6.9)."""

import time

from helpers_pool import KEEP, begin, every_host, exchange, finish, pooled, serve
from support.background import Background
from support.stalls import real_time
from support.waiting import scaled

pytestmark = real_time


def test_an_idle_connection_is_closed_at_idle_timeout(keepwarm, origin):
    daemon, server = keepwarm(every_host(idle_timeout="300ms")), origin()
    client = begin(daemon, server)
    upstream = server.accept()
    upstream.read_request()
    began = time.monotonic()
    upstream.answer("ok")
    finish(client)
    assert upstream.wait_for_end() == "fin"
    assert 0.25 < time.monotonic() - began < scaled(1.5)
    daemon.wait_log(r"upstream \S+ closed: idle timeout")


def test_idle_timeout_is_short_of_a_longer_hint(keepwarm, origin):
    daemon, server = keepwarm(every_host(idle_timeout="300ms")), origin()
    assert exchange(daemon, server, answer=(KEEP,)).wait_for_end(limit=1.5) == "fin"


def test_each_use_begins_the_idle_time_anew(keepwarm, origin):
    daemon, server = keepwarm(every_host(idle_timeout="1s")), origin()
    began = time.monotonic()
    upstream = exchange(daemon, server)
    while time.monotonic() - began < 1.3:
        time.sleep(0.25)
        exchange(daemon, server, upstream)
    server.expect_no_connection()


def test_idle_time_does_not_run_while_a_request_is_under_way(keepwarm, origin):
    daemon, server = keepwarm(every_host(idle_timeout="800ms")), origin()
    upstream = exchange(daemon, server)
    client = begin(daemon, server)
    upstream.read_request()
    upstream.expect_silence(1.2)
    upstream.answer("late")
    finish(client, "late")


def test_one_host_has_its_own_idle_timeout(keepwarm, origin):
    server, other = origin(), origin()
    daemon = keepwarm({"host": {"*": {"idle_timeout": "30s"}, f"127.0.0.1:{server.port}": {"idle_timeout": "200ms"}}})
    stays = exchange(daemon, other)
    assert exchange(daemon, server).wait_for_end() == "fin"
    exchange(daemon, other, stays)


def test_the_idle_connections_beyond_max_idle_are_closed_the_oldest_first(keepwarm, origin):
    daemon, server = keepwarm(every_host(max_idle=2)), origin()
    oldest, second, newest = pooled(daemon, server, 3)
    assert oldest.wait_for_end() == "fin"
    daemon.wait_log(r"upstream \S+ closed: pool full")
    one = begin(daemon, server, path="/one")
    assert newest.read_request().target == "/one"
    other = begin(daemon, server, path="/other")
    assert serve(second).target == "/other"
    finish(other)
    newest.answer("ok")
    finish(one)


def test_max_idle_of_none_keeps_none(keepwarm, origin):
    daemon, server = keepwarm(every_host(max_idle=0)), origin()
    for _ in range(2):
        assert exchange(daemon, server).wait_for_end() == "fin"


def test_max_idle_is_for_each_host(keepwarm, origin):
    daemon, server, other = keepwarm(every_host(max_idle=1)), origin(), origin()
    one, another = exchange(daemon, server), exchange(daemon, other)
    exchange(daemon, server, one)
    exchange(daemon, other, another)


def test_a_connection_serves_max_requests_and_no_more(keepwarm, origin):
    daemon, server = keepwarm(every_host(max_requests=2)), origin()
    for _ in range(2):
        upstream = exchange(daemon, server)
        exchange(daemon, server, upstream)
        assert upstream.wait_for_end() == "fin"
    daemon.wait_log(r"upstream \S+ closed: request limit", count=2)


def test_a_connection_is_closed_at_max_lifetime_while_idle(keepwarm, origin):
    daemon, server = keepwarm(every_host(max_lifetime="400ms")), origin()
    began = time.monotonic()
    upstream = exchange(daemon, server)
    assert upstream.wait_for_end() == "fin"
    assert 0.3 < time.monotonic() - began < scaled(1.5)
    daemon.wait_log(r"upstream \S+ closed: lifetime")


def test_max_lifetime_cuts_no_exchange(keepwarm, origin):
    daemon, server = keepwarm(every_host(max_lifetime="200ms")), origin()
    client = begin(daemon, server)
    upstream = server.accept()
    upstream.read_request()
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha")
    upstream.expect_silence(0.4)
    upstream.send("lf")
    finish(client, "half")
    assert upstream.wait_for_end() == "fin"
    daemon.wait_log(r"upstream \S+ closed: lifetime")


def test_a_connection_in_use_is_renewed_at_max_lifetime(keepwarm, origin):
    daemon, server = keepwarm(every_host(max_lifetime="1s")), origin()
    upstream = exchange(daemon, server)
    time.sleep(0.3)
    exchange(daemon, server, upstream)  # use does not lengthen its life
    ending = Background(upstream.wait_for_end)
    began = time.monotonic()
    assert ending.result() == "fin"
    assert time.monotonic() - began < scaled(2)
    exchange(daemon, server)


def test_no_max_lifetime_is_no_limit(keepwarm, origin):
    daemon, server = keepwarm(every_host(max_lifetime="0s")), origin()
    upstream = exchange(daemon, server)
    upstream.expect_silence(0.3)
    exchange(daemon, server, upstream)
