"""What the log says about what keepwarm was good for: when it stops, and once a day (packaging/doc/logs.md)."""

import signal

from helpers_parent import connect, established
from helpers_pool import KEEP, begin, every_host, exchange, finish, serve, settle
from helpers_workers import one_on_each, workers
from support.clocks import Clocks

DAY = 24 * 3600.0


def stopped(daemon, number=signal.SIGTERM) -> str:
    """The line that it ends with."""
    daemon.signal(number)
    assert daemon.wait_exit() == 0
    return daemon.wait_log(r"\[info\] in \d.* since the start: .*")[0]


def saved_by_a_retry(daemon, server):
    """A request on a warm connection that turns out to be stale; the connection that it was answered on."""
    upstream = exchange(daemon, server)
    client = begin(daemon, server)
    upstream.read_request()
    upstream.close()
    fresh = server.accept()
    serve(fresh, "ok", KEEP)
    finish(client)
    return fresh


def test_what_was_saved_is_told_at_the_end(keepwarm, origin):
    daemon, server = keepwarm({"proxy": {"connect_ports": ["1-65535"]}}), origin()
    upstream = saved_by_a_retry(daemon, server)
    exchange(daemon, server, upstream)
    exchange(daemon, server, upstream)
    client = connect(daemon, server.at)
    server.accept()
    established(client)
    client.close()
    line = stopped(daemon)
    assert "since the start: 4 requests, 50.0 % of them on connections that were open already: 2 handshakes avoided, " in line
    assert line.endswith("; 1 failure that clients never saw; 1 tunnel, in which nothing is reused"), line


def test_what_failed_saved_nothing(keepwarm, origin):
    daemon, server = keepwarm(every_host(retry=False)), origin()
    upstream = exchange(daemon, server)
    client = begin(daemon, server)
    upstream.read_request()
    upstream.close()
    assert client.read_response().status == 502
    assert stopped(daemon).endswith("since the start: 2 requests")


def test_without_a_request_the_end_says_so(keepwarm):
    assert stopped(keepwarm()).endswith("since the start: 0 requests")


def test_all_workers_count_together(keepwarm, http_origin):
    daemon, server = keepwarm(workers(3)), http_origin()
    for client in one_on_each(daemon, 3):
        for _ in range(2):
            assert client.get(server.url()).body == b"hello"
    assert "since the start: 6 requests" in stopped(daemon)


def test_a_day_has_a_line_of_its_own_and_the_end_counts_all(keepwarm, origin, tmp_path):
    clocks = Clocks(tmp_path)
    daemon, server = keepwarm(env=clocks.env), origin()
    exchange(daemon, server, exchange(daemon, server))
    clocks.run_on(DAY + 1)
    settle(daemon)
    daemon.wait_log(r"\[info\] in the last 24 h: 2 requests, 50.0 % of them")
    exchange(daemon, server)
    line = stopped(daemon)
    assert "in 1 d 0 h since the start: 3 requests, 33.3 % of them" in line
    assert len([each for each in daemon.log if "in the last 24 h" in each]) == 1
