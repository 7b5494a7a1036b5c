"""Several workers share what upstream connections there are: idle ones are lent, and the limits are the process's."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from helpers_pool import KEEP, every_host, serve, standing_still
from helpers_tls import both_versions, together
from helpers_workers import ask, one_on_each, settle, workers
from support.http_origin import Canned
from support.stalls import real_time
from support.tls import trusting
from support.tls_server import ServerTls
from support.waiting import eventually
from test_unix_upstream import HTTP, to, unix_http_origin  # noqa: F401

WARM = {"*": Canned(b"hello", fields=[KEEP])}


# Lending


def take_turns(clients, url: str, rounds: int = 5, method: str = "GET", body=None) -> None:
    for _ in range(rounds):
        for client in clients:
            ask(client, url, method, body)


@pytest.mark.parametrize("count", [2, 3])
def test_a_connection_that_one_worker_left_idle_serves_the_others(keepwarm, http_origin, count):
    daemon, server = keepwarm(workers(count)), http_origin(WARM)
    take_turns(one_on_each(daemon, count), server.url())
    assert len(server.connections) == 1


@both_versions
def test_so_does_one_of_tls(keepwarm, http_origin, versions):
    daemon, server = keepwarm(workers(2, trusting())), http_origin(WARM, tls=ServerTls(versions=versions))
    take_turns(one_on_each(daemon), server.url(), rounds=20)
    assert len(server.connections) == 1


def test_so_does_one_of_a_unix_socket(keepwarm, unix_http_origin):  # noqa: F811
    server = unix_http_origin(WARM)
    daemon = keepwarm(workers(2, to(server)))
    take_turns(one_on_each(daemon), HTTP)
    assert len(server.connections) == 1


def test_requests_that_are_not_replayable_borrow_what_is_trusted(keepwarm, http_origin):
    daemon, server = keepwarm(workers(2)), http_origin(WARM)
    take_turns(one_on_each(daemon), server.url(), method="POST", body="x")
    assert len(server.connections) == 1


def test_they_borrow_nothing_where_they_never_reuse(keepwarm, http_origin):
    daemon, server = keepwarm(workers(2, every_host(unsafe_reuse="never"))), http_origin(WARM)
    one, other = one_on_each(daemon)
    ask(one, server.url())
    ask(other, server.url(), "POST", "x")
    assert server.used == [0, 1]


def test_what_is_known_of_a_connection_goes_with_it(keepwarm, http_origin):
    daemon, server = keepwarm(workers(2, every_host(max_requests=3))), http_origin(WARM)
    take_turns(one_on_each(daemon), server.url(), rounds=3)
    assert server.used == [0, 0, 0, 1, 1, 1]
    assert daemon.wait_closes(2)[0].startswith("request limit (requests=3")


def test_a_connection_that_ends_while_idle_is_not_lent(keepwarm, origin):
    daemon, server = keepwarm(workers(2)), origin()
    one, other = one_on_each(daemon)
    one.send_request("GET", server.url())
    upstream = server.accept()
    serve(upstream, "ok", KEEP)
    one.read_response()
    settle(one)
    upstream.close()
    daemon.wait_log("closed: server closed idle")
    other.send_request("GET", server.url())
    serve(server.accept(), "ok", KEEP)
    assert other.read_response().body == b"ok"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nor_is_one_whose_end_nobody_has_seen_yet(keepwarm, origin, method):
    daemon, server = keepwarm(workers(2)), origin()
    one, other = one_on_each(daemon)
    one.send_request("GET", server.url())
    upstream = server.accept()
    serve(upstream, "ok", KEEP)
    one.read_response()
    settle(one)
    with standing_still(daemon):
        upstream.close()
        other.send_request(method, server.url(), body="x" if method == "POST" else None)
    serve(server.accept(), "ok", KEEP)
    assert other.read_response().status == 200


def test_a_connection_authenticated_for_one_client_is_not_lent(keepwarm, http_origin):
    daemon, server = keepwarm(workers(2)), http_origin(WARM)
    one, other = one_on_each(daemon)
    assert one.get(server.url(), "Authorization: NTLM abc").status == 200
    settle(one)
    ask(other, server.url())
    assert server.used == [0, 1]


def test_a_stale_failure_ends_the_old_idle_connections_of_all_workers(keepwarm, origin):
    daemon, server = keepwarm(workers(2)), origin()
    one, other = one_on_each(daemon)
    upstreams = []
    for client in (one, other):  # both are in use at a time, so that each worker has one
        client.send_request("GET", server.url())
        upstreams.append(server.accept())
    for client, upstream in zip((one, other), upstreams):
        serve(upstream, "ok", KEEP)
        client.read_response()
        settle(client)
    other.send_request("GET", server.url())
    upstreams[1].read_request()
    upstreams[1].close()
    serve(server.accept(), "again", KEEP)
    assert other.read_response().body == b"again"
    daemon.wait_log("closed: suspected stale")
    upstreams[0].expect_eof()


# max_connections


class Gauged:
    """Routes of an origin that notes how many requests it serves at a time."""

    def __init__(self, **answer):
        self.most = self.now = 0
        self._lock = threading.Lock()
        self._answer = Canned(b"hello", fields=[KEEP], **answer)
        self.routes = {"*": self._serve}

    def _serve(self, _request, connection):
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        threading.Event().wait(0.001)  # others have the time to come
        with self._lock:
            self.now -= 1
        return self._answer


def ask_at_once(daemon, url: str, clients: int, requests: int, method: str = "GET") -> None:
    def ask_often():
        client = daemon.client()
        for _ in range(requests):
            response = client.request(method, url, body="x" if method == "POST" else None, limit=20)
            assert response.status == 200, response.raw + response.body

    with ThreadPoolExecutor(clients) as pool:
        for done in [pool.submit(ask_often) for _ in range(clients)]:
            done.result()


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("limit", [1, 2])
def test_max_connections_is_the_process_s(keepwarm, http_origin, count, limit):
    gauged = Gauged()
    daemon, server = keepwarm(workers(count, every_host(max_connections=limit))), http_origin(gauged.routes)
    ask_at_once(daemon, server.url(), clients=12, requests=25)
    assert gauged.most <= limit
    assert len(server.connections) == limit and len(server.requests) == 12 * 25


def test_max_connections_holds_without_reuse(keepwarm, http_origin):
    gauged = Gauged()
    daemon = keepwarm(workers(2, every_host(max_connections=2, reuse=False)))
    server = http_origin(gauged.routes)
    ask_at_once(daemon, server.url(), clients=12, requests=15)
    assert gauged.most <= 2
    assert len(server.connections) == len(server.requests) == 12 * 15


def test_max_connections_holds_where_no_connection_may_be_reused(keepwarm, http_origin):
    gauged = Gauged()
    daemon = keepwarm(workers(2, every_host(max_connections=2, unsafe_reuse="never")))
    server = http_origin(gauged.routes)
    ask_at_once(daemon, server.url(), clients=12, requests=15, method="POST")
    assert gauged.most <= 2 and len(server.requests) == 12 * 15


def test_who_waits_longest_is_served_first_on_whatever_worker(keepwarm, http_origin):
    daemon, server = keepwarm(workers(2, every_host(max_connections=1))), http_origin(WARM)
    server.hold()
    clients = [daemon.client() for _ in range(12)]
    for number, client in enumerate(clients):
        settle(client)
        client.send_request("GET", server.url(f"/{number}"))
        if number == 0:
            server.wait_requests(1)
        settle_by_other(daemon)
    server.release()
    for client in clients:
        assert client.read_response().status == 200
    order = [int(request.target[1:]) for request in server.requests]
    assert sorted(order) == list(range(12))
    assert max(abs(place - number) for place, number in enumerate(order)) <= 2, order


def settle_by_other(daemon) -> None:
    """Gives the workers the time to take what came before."""
    for _ in range(2):
        client = daemon.client()
        settle(client)
        client.close()


def test_a_full_limit_of_idle_connections_elsewhere_gives_way_to_a_fresh_one(keepwarm, http_origin):
    daemon = keepwarm(workers(2, every_host(max_connections=1, unsafe_reuse="never")))
    server = http_origin(WARM)
    clients = one_on_each(daemon)
    for turn in range(3):
        ask(clients[turn % 2], server.url())
        ask(clients[(turn + 1) % 2], server.url(), "POST", "x")
    assert server.used[:2] == [0, 1]
    assert all(reason.startswith("pool full") for reason in daemon.closes())


@real_time
def test_a_waiter_whose_time_is_over_is_told_on_whatever_worker(keepwarm, http_origin):
    config = every_host(max_connections=1, queue_timeout="100ms")
    daemon, server = keepwarm(workers(2, config)), http_origin(WARM)
    one, other = one_on_each(daemon)
    server.hold()
    one.send_request("GET", server.url("/first"))
    server.wait_requests(1)
    assert other.get(server.url("/late")).status == 503
    server.release()
    assert one.read_response().status == 200
    ask(other, server.url())
    assert len(server.connections) == 1


def test_a_waiter_that_leaves_is_waited_for_no_more(keepwarm, http_origin):
    daemon, server = keepwarm(workers(2, every_host(max_connections=1))), http_origin(WARM)
    one, other = one_on_each(daemon)
    server.hold()
    one.send_request("GET", server.url("/first"))
    server.wait_requests(1)
    other.send_request("GET", server.url("/never"))
    settle_by_other(daemon)
    before = daemon.fd_count()
    other.reset()  # a FIN would leave it waiting for its answer
    eventually(lambda: daemon.fd_count() < before, message="the daemon has seen its end")
    server.release()
    assert one.read_response().status == 200
    ask(one, server.url())
    assert "/never" not in [request.target for request in server.requests]


# max_idle


@pytest.mark.parametrize("limit", [1, 3])
def test_max_idle_is_the_process_s(keepwarm, http_origin, limit):
    daemon, server = keepwarm(workers(2, every_host(max_idle=limit))), http_origin(WARM)
    clients = [daemon.client() for _ in range(8)]
    server.hold()
    for number, client in enumerate(clients):
        client.send_request("GET", server.url())
        server.wait_requests(number + 1)
    server.release()
    for client in clients:
        client.read_response()
        settle(client)
    closed = daemon.wait_closes(8 - limit)
    assert all(reason.startswith("pool full") for reason in closed)
    before = len(server.connections)
    server.hold()
    for number, client in enumerate(clients[:limit]):
        client.send_request("GET", server.url())
        server.wait_requests(8 + number + 1)
    server.release()
    for client in clients[:limit]:
        assert client.read_response().status == 200
    assert len(closed) == 8 - limit and len(server.connections) <= before + limit - 1


# All together


@pytest.mark.parametrize("count", [1, 2, 4])
def test_reuse_does_not_drop_as_workers_grow(keepwarm, http_origin, count):
    daemon, server = keepwarm(workers(count)), http_origin(WARM)
    clients = [daemon.client() for _ in range(64)]
    for _ in range(20):
        for client in clients:
            client.send_request("GET", server.url())
        for client in clients:
            assert client.read_response().status == 200
    assert len(server.requests) == 64 * 20 and len(server.connections) <= 64


def test_clients_of_one_request_each_reuse_as_well(keepwarm, http_origin):
    daemon, server = keepwarm(workers(2)), http_origin(WARM)
    for _ in range(50):
        assert daemon.get(server.url()).status == 200
    assert len(server.connections) <= 2  # a client may come before its forerunner's connection is idle


@pytest.mark.parametrize("tls", [False, True])
def test_nothing_is_lost_while_settings_change_and_workers_lend(keepwarm, http_origin, tls):
    config = trusting() if tls else {}
    daemon = keepwarm(workers(2, together(config, every_host(max_connections=3))))
    server = http_origin(Gauged().routes, **({"tls": ServerTls()} if tls else {}))
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask_at_once, daemon, server.url(), 8, 60)
        for number in range(12):
            since = len(daemon.log)
            settings = every_host(max_connections=2 + number % 3, max_idle=1 + number % 3,
                                  idle_timeout=f"{10 + number // 4}s")
            daemon.reload(workers(2, together(config, settings)))
            daemon.wait_log("configuration reloaded", since=since)
        asking.result()
    assert len(server.requests) == 8 * 60
    eventually(lambda: daemon.get(server.url()).status == 200)
