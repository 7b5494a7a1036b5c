"""Machines that sleep, and snapshots that are restored: what was idle before is not used any more, and teaches nothing."""

import signal
import statistics
import time

import pytest
from helpers_deaf import deafen
from helpers_pool import KEEP, begin, every_host, exchange, finish, serve
from helpers_workers import one_on_each, workers
from support.clocks import Clocks
from support.tier import amount, long_run

HALF_AN_HOUR = 1800.0


@pytest.fixture
def clocks(tmp_path):
    return Clocks(tmp_path)


def reasons(daemon) -> list[str]:
    """Of all closes, without what the log says beside."""
    return [reason.split(" (")[0] for reason in daemon.closes()]


def vanish(upstream, how: str) -> None:
    """What has become of the connection while the machine slept."""
    if how == "silent":
        deafen(upstream)
    elif how == "reset":
        upstream.reset()
    elif how == "closed":
        upstream.close()


@pytest.mark.parametrize("how", ["silent", "reset", "closed", "open"])
@pytest.mark.parametrize("kind", ["sleep", "step"])
def test_what_was_idle_before_a_sleep_serves_nobody(keepwarm, origin, clocks, kind, how):
    server = origin()
    daemon = keepwarm(every_host(learn=True), env=clocks.env)
    pooled = exchange(daemon, server)
    daemon.process.send_signal(signal.SIGSTOP)  # so that the end and the request are found together
    getattr(clocks, kind)(HALF_AN_HOUR)
    vanish(pooled, how)
    client = begin(daemon, server, "POST", body=b"x")
    daemon.process.send_signal(signal.SIGCONT)
    fresh = server.accept()
    assert serve(fresh, "ok", KEEP).method == "POST"
    finish(client, method="POST")
    assert reasons(daemon) == ["machine slept" if kind == "sleep" else "clock set forward"]
    assert "learned" not in daemon.log_text()
    exchange(daemon, server, fresh, "POST", body=b"x")  # and from here on all is as it was


def test_an_exchange_that_lay_across_a_sleep_ends_well_and_its_connection_goes(keepwarm, origin, clocks):
    server = origin()
    daemon = keepwarm({}, env=clocks.env)
    client = begin(daemon, server, "POST", body=b"x")
    upstream = server.accept()
    upstream.read_request()
    clocks.sleep(HALF_AN_HOUR)
    upstream.answer("ok", "200 OK", KEEP)
    finish(client, method="POST")
    assert reasons(daemon) == ["machine slept"]
    exchange(daemon, server)


def test_a_clock_that_is_set_back_costs_nothing(keepwarm, origin, clocks):
    server = origin()
    daemon = keepwarm({}, env=clocks.env)
    pooled = exchange(daemon, server)
    clocks.step(-HALF_AN_HOUR)
    exchange(daemon, server, pooled, "POST", body=b"x")
    clocks.step(0.5)  # as ntpd does at times
    exchange(daemon, server, pooled, "POST", body=b"x")
    assert daemon.closes() == []


def test_keep_warm_opens_anew_after_a_sleep(keepwarm, origin, clocks):
    server = origin()
    daemon = keepwarm(every_host(keep_warm=2), env=clocks.env)
    exchange(daemon, server)
    daemon.wait_log("opened: .*kept warm")
    since = len(daemon.log)
    clocks.sleep(HALF_AN_HOUR)
    daemon.client()  # something happens
    daemon.wait_log("closed: machine slept", count=2, since=since)
    daemon.wait_log("opened: .*kept warm", count=2, since=since)


def test_each_worker_sees_for_itself_that_the_machine_slept(keepwarm, origin, clocks):
    server = origin()
    daemon = keepwarm(workers(2, every_host(max_idle=8)), env=clocks.env)
    clients = one_on_each(daemon)
    for _ in range(2):
        for client in clients:
            client.send_request("POST", server.url(), body=b"x")
        for upstream in [server.accept(), server.accept()]:
            serve(upstream, "ok", KEEP)
        for client in clients:
            assert client.read_response("POST").body == b"ok"
        clocks.sleep(HALF_AN_HOUR)
    daemon.wait_log("closed: machine slept", count=2)


@pytest.mark.parametrize("how", ["silent", "reset"])
def test_no_post_fails_after_a_sleep(keepwarm, origin, clocks, how):
    """A NAT that drops silently, and one that resets. Neither costs the next request more than a fresh connection."""
    server = origin()
    daemon = keepwarm({}, env=clocks.env)

    def post() -> tuple[float, object]:
        began = time.monotonic()
        client = begin(daemon, server, "POST", body=b"x")
        upstream = server.accept()
        serve(upstream, "ok", KEEP)
        finish(client, method="POST")
        return time.monotonic() - began, upstream

    fresh, after_sleep = [], []
    _, pooled = post()
    for _ in range(amount(10, 1000)):
        clocks.sleep(HALF_AN_HOUR)
        vanish(pooled, how)
        took, pooled = post()
        after_sleep.append(took)
        pooled.close()
        daemon.wait_log("closed: server closed idle", count=len(after_sleep))
        took, pooled = post()
        fresh.append(took)
    assert len(after_sleep) == amount(10, 1000)
    if long_run():
        assert statistics.median(after_sleep) < 1.2 * statistics.median(fresh)
