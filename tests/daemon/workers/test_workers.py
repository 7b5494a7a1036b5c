"""workers = N: event loops on threads of their own, which to clients and operators are one daemon."""

import re
import signal
import subprocess
from pathlib import Path

import pytest
from helpers_pool import every_host
from helpers_workers import ASSIGNED, ask, assigned, one_on_each, settle, workers
from support.stalls import real_time
from support.stream import Cut
from support.waiting import eventually


@pytest.mark.parametrize("count", [2, 3])
def test_clients_are_spread_evenly(keepwarm, http_origin, count):
    daemon, server = keepwarm(workers(count)), http_origin()
    clients = [daemon.client() for _ in range(10 * count)]
    for client in clients:
        ask(client, server.url())
    daemon.wait_log(ASSIGNED, count=10 * count)
    assert [assigned(daemon).count(worker) for worker in range(count)] == [10] * count


def test_the_worker_that_has_lost_its_clients_gets_the_next_ones(keepwarm):
    daemon = keepwarm(workers(2))
    clients = [client for _ in range(4) for client in one_on_each(daemon)]
    before = daemon.fd_count()
    for client, worker in zip(clients, assigned(daemon)):
        if worker == 0:
            client.close()
    eventually(lambda: daemon.fd_count() == before - 4, message="four clients are gone")
    for client in [daemon.client() for _ in range(4)]:
        settle(client)
    daemon.wait_log(ASSIGNED, count=12)
    assert assigned(daemon)[8:] == [0] * 4


def test_each_worker_has_a_thread_that_says_so(keepwarm):
    daemon = keepwarm(workers(3))
    names = [(task / "comm").read_text().strip() for task in Path(f"/proc/{daemon.pid}/task").iterdir()]
    assert sorted(name for name in names if name.startswith("worker")) == ["worker 1", "worker 2"]


def test_one_worker_needs_no_thread(keepwarm):
    daemon = keepwarm(workers(1))
    names = [(task / "comm").read_text().strip() for task in Path(f"/proc/{daemon.pid}/task").iterdir()]
    assert not [name for name in names if name.startswith("worker")]


@pytest.mark.parametrize("count", [0, 65, -1])
def test_the_range_is_told(keepwarm, count):
    daemon = keepwarm(workers(count), wait=False)
    assert daemon.wait_exit() == 1
    assert "1" in daemon.log_text() and "64" in daemon.log_text() and "workers" in daemon.log_text()
    daemon.expected_trouble = True


def test_max_clients_is_the_process_s(keepwarm):
    daemon = keepwarm(workers(2, {"proxy": {"max_clients": 3}}))
    clients = [daemon.client() for _ in range(3)]
    for client in clients:
        settle(client)
    refused = daemon.client().read_response()
    assert refused.status == 503
    clients[0].close()
    eventually(lambda: _is_let_in(daemon), message="there is room again")


def _is_let_in(daemon) -> bool:
    client = daemon.client()
    try:
        settle(client)
        return True
    except (Cut, AssertionError):
        return False
    finally:
        client.close()


def test_a_request_that_came_from_any_worker_is_a_loop(keepwarm, http_origin):
    daemon, server = keepwarm(workers(3)), http_origin()
    clients = one_on_each(daemon, 3)
    names = set()
    for client in clients:
        ask(client, server.url())
        names.add(server.requests[-1].get("via"))
    assert len(names) == 1
    for client in clients:
        assert client.get(server.url(), f"Via: {names.copy().pop()}").status == 508


def test_every_worker_knows_where_the_process_listens(keepwarm):
    daemon = keepwarm(workers(2, {"proxy": {"listen": ["127.0.0.1:0", "127.0.0.1:0"]}}))
    for client in one_on_each(daemon):
        for address in daemon.addresses:
            assert client.get(f"http://{address}/").status == 400
    since = len(daemon.log)
    daemon.reload(workers(2, {"proxy": {"listen": [*daemon.addresses, "127.0.0.2:0"]}}))
    daemon.wait_log("configuration reloaded", since=since)
    added = daemon.wait_log(r"listening on (\S+)", since=since)[1]
    for client in one_on_each(daemon):
        assert client.get(f"http://{added}/").status == 400


def test_a_reload_reaches_all_workers(keepwarm, http_origin):
    daemon, server = keepwarm(workers(2)), http_origin()
    clients = one_on_each(daemon)
    for client in clients:
        ask(client, server.url())
    since = len(daemon.log)
    daemon.reload(workers(2, {"proxy": {"via": False}}))
    daemon.wait_log("configuration reloaded", since=since)
    for client in clients:
        ask(client, server.url())
        assert not server.requests[-1].has("via")
    assert len(server.connections) == 1


def test_a_lower_limit_ends_idle_connections_of_all_workers(keepwarm, http_origin):
    daemon, server = keepwarm(workers(2)), http_origin()
    clients = [client for _ in range(3) for client in one_on_each(daemon)]
    server.hold()
    for number, client in enumerate(clients):
        client.send_request("GET", server.url())
        server.wait_requests(number + 1)
    server.release()
    for client in clients:
        client.read_response()
        settle(client)
    assert len(server.connections) == 6
    daemon.reload(workers(2, every_host(max_connections=2)))
    assert len(daemon.wait_closes(4)) == 4
    for client in clients:
        ask(client, server.url())
    assert len(server.connections) == 6


def test_another_number_of_workers_takes_a_restart(keepwarm, http_origin):
    daemon, server = keepwarm(workers(2)), http_origin()
    since = len(daemon.log)
    daemon.reload(workers(3, {"proxy": {"via": False}}))
    daemon.wait_log("configuration reloaded", since=since)
    assert re.search(r"\[warning\] .*workers = 3 .*restart", daemon.log_text(since))
    for client in one_on_each(daemon):
        ask(client, server.url())
        assert not server.requests[-1].has("via")


def test_exchanges_of_all_workers_end_before_the_daemon_does(keepwarm, http_origin):
    daemon, server = keepwarm(workers(2)), http_origin()
    idle, busy = one_on_each(daemon), one_on_each(daemon)
    server.hold()
    for client in busy:
        client.send_request("GET", server.url())
    server.wait_requests(2)
    daemon.terminate()
    for client in idle:
        client.expect_eof()
    server.release()
    for client in busy:
        response = client.read_response()
        assert response.status == 200 and "close" in response.tokens("connection")
    assert daemon.wait_exit() == 0


@pytest.mark.parametrize("worker", [0, 1])
def test_the_daemon_waits_for_the_one_worker_that_is_busy(keepwarm, http_origin, worker):
    daemon, server = keepwarm(workers(2, {"proxy": {"shutdown_grace": "1h"}})), http_origin()
    clients = one_on_each(daemon)
    busy = clients[assigned(daemon).index(worker)]
    server.hold()
    busy.send_request("GET", server.url())
    server.wait_requests(1)
    daemon.terminate()
    for client in clients:
        if client is not busy:
            client.expect_eof()
    with pytest.raises(subprocess.TimeoutExpired):
        daemon.process.wait(0.2)
    server.release()
    assert busy.read_response().status == 200
    assert daemon.wait_exit() == 0


@real_time
def test_shutdown_grace_holds_for_all_workers(keepwarm, http_origin):
    daemon, server = keepwarm(workers(2, {"proxy": {"shutdown_grace": "200ms"}})), http_origin()
    clients = one_on_each(daemon)
    server.hold()
    for client in clients:
        client.send_request("GET", server.url())
    server.wait_requests(2)
    daemon.terminate()
    assert daemon.wait_exit() == 0
    for client in clients:
        client.read_to_end()


def test_a_second_signal_ends_all_workers_at_once(keepwarm, http_origin):
    daemon, server = keepwarm(workers(3)), http_origin()
    clients = one_on_each(daemon, 3)
    server.hold()
    for client in clients:
        client.send_request("GET", server.url())
    server.wait_requests(3)
    daemon.terminate()
    daemon.wait_log("stopping")
    daemon.signal(signal.SIGTERM)
    assert daemon.wait_exit() == 0
    daemon.wait_log("stopped with exchanges under way")


def test_tunnels_pass_on_all_workers(keepwarm, origin):
    daemon, server = keepwarm(workers(2, {"proxy": {"connect_ports": ["1-65535"]}})), origin()
    for client in one_on_each(daemon):
        client.send(f"CONNECT {server.at} HTTP/1.1\r\nHost: {server.at}\r\n\r\n")
        assert client.read_response("CONNECT").status == 200
        upstream = server.accept()
        client.send("ping")
        assert upstream.read_exact(4) == b"ping"
        upstream.send("pong")
        assert client.read_exact(4) == b"pong"


@pytest.mark.parametrize("form", ["text", "json"])
def test_lines_of_several_workers_do_not_mix(keepwarm, http_origin, form):
    daemon, server = keepwarm(workers(2, {"log": {"access": form}})), http_origin()
    clients = [daemon.client() for _ in range(8)]
    for _ in range(25):
        for client in clients:
            client.send_request("GET", server.url("/" + "x" * 200))
        for client in clients:
            assert client.read_response().status == 200
    whole = re.compile(r"GET \S+/x{200} |\"/?\S*/x{200}\"")
    eventually(lambda: sum(bool(whole.search(line)) for line in list(daemon.log)) >= 200, message="200 whole lines")
