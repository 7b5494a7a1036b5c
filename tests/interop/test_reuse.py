"""The point of it all, as a server sees it: few connections, held as long as the configuration says."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.stalls import real_time
from support.tier import amount
from support.waiting import eventually, sanitized, scaled

RUNS = amount(200, 200 if sanitized() else 1000)
AT_A_TIME = 4


def test_a_thousand_runs_of_curl_need_a_handful_of_connections(keepwarm, nginx, command):
    server, at = nginx('location /hello { return 200 "hello"; }'), keepwarm().at
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        runs = [pool.submit(command, "curl", "-fsS", "-x", at, server.url("/hello")) for _ in range(RUNS)]
        assert all(run.result().stdout == b"hello" for run in runs)
    connections = {line[0] for line in server.log_lines(RUNS)}
    print(f"{RUNS} runs of curl, {len(connections)} connections to nginx")
    # nginx closes a connection after keepalive_requests (1000); each of those at a time needs one.
    assert len(connections) <= AT_A_TIME + 2


@real_time
@pytest.mark.slow
def test_idle_timeout_of_one_host_and_no_reuse_for_another(keepwarm, http_origin):
    held, unheld, other = http_origin(), http_origin(), http_origin()
    daemon = keepwarm(f"""
        [host."127.0.0.1:{held.port}"]
        idle_timeout = "10s"
        [host."127.0.0.1:{unheld.port}"]
        reuse = false
    """)
    for origin in (held, unheld, other):
        for _ in range(3):
            assert daemon.get(origin.url()).status == 200
    since = time.monotonic()
    assert held.used == [0, 0, 0]
    assert unheld.used == [0, 1, 2]
    assert other.used == [0, 0, 0]
    assert held.connections[0].ended is None
    eventually(lambda: held.connections[0].ended, limit=15)
    assert 9.5 < time.monotonic() - since < 10 + scaled(1.5), "held for 10 s"
    assert all(connection.ended or connection.closed for connection in unheld.connections)
    assert other.connections[0].ended is None, "the default is 60 s"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
def test_a_restart_of_nginx_with_ten_pooled_connections_is_not_seen(number, keepwarm, nginx, command):
    server, daemon = nginx("location /slow { limit_rate 100k; }"), keepwarm()
    (server.root / "slow").write_bytes(bytes(60_000))
    (server.root / "quick").write_bytes(b"quick")
    with ThreadPoolExecutor(40) as pool:
        list(pool.map(lambda _: daemon.get(server.url("/slow")), range(10)))
        assert len({line[0] for line in server.log_lines(10)}) == 10
        server.restart(number)
        answers = list(pool.map(lambda _: daemon.get(server.url("/quick")), range(40)))
    assert [(answer.status, answer.body) for answer in answers] == [(200, b"quick")] * 40


def test_six_stale_connections_in_the_pool_do_not_fail_a_get(keepwarm, http_origin):
    server, daemon = http_origin(), keepwarm()
    server.hold()
    with ThreadPoolExecutor(6) as pool:
        first = [pool.submit(daemon.get, server.url("/first")) for _ in range(6)]
        server.wait_requests(6)
        server.release()
        assert all(answer.result().status == 200 for answer in first)

    # From here on every old connection turns out to be dead as soon as it is used.
    server.routes["/second"] = lambda _, connection: connection.close() if connection.index < 6 else b"alive"
    answer = daemon.get(server.url("/second"))
    assert (answer.status, answer.body) == (200, b"alive")
    assert [request.connection < 6 for request in server.requests[6:]] == [True, False], "once stale, then fresh"
    # The other five met the same end, most likely: they are not tried at all.
    eventually(lambda: all(connection.ended or connection.closed for connection in server.connections[:6]))
