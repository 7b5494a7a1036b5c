"""max_connections: exchanges wait in order, and take whatever comes first (core/doc/design.md §4, §6; RFC 9112 §9.4)."""

import time

import pytest
from helpers_pool import KEEP, Bottleneck, begin, every_host, exchange, finish, pooled, serve, settle
from support.background import Background
from support.http_origin import Canned
from support.stalls import real_time
from support.waiting import eventually, scaled
from support.wiring import check_own_answer


@pytest.fixture
def bottleneck(_daemons):
    made = []

    def start(**options):
        made.append(Bottleneck(**options))
        return made[-1]

    yield start
    for each in made:
        each.close()


def queue_up(daemon, server, count):
    """Requests /0, /1, … that reach the daemon in this order."""
    clients = []
    for number in range(count):
        clients.append(begin(daemon, server, path=f"/{number}"))
        settle(daemon)
    return clients


def test_exchanges_beyond_max_connections_wait_in_order(keepwarm, origin):
    daemon, server = keepwarm(every_host(max_connections=1)), origin()
    clients = queue_up(daemon, server, 6)
    upstream = server.accept()
    for number, client in enumerate(clients):
        assert serve(upstream, f"{number}").target == f"/{number}"
        finish(client, f"{number}")
    server.expect_no_connection()


def test_no_more_than_max_connections_are_open_at_a_time(keepwarm, http_origin):
    daemon, server = keepwarm(every_host(max_connections=3)), http_origin()
    server.hold()
    clients = [begin(daemon, server, path=f"/{number}") for number in range(12)]
    server.wait_requests(3)
    settle(daemon)
    assert len(server.connections) == 3
    server.release()
    for client in clients:
        finish(client, "hello")
    assert len(server.connections) == 3
    assert len(server.requests) == 12


def test_the_limit_is_for_each_host(keepwarm, origin):
    daemon, server, other = keepwarm(every_host(max_connections=1)), origin(), origin()
    held = begin(daemon, server)
    upstream = server.accept()
    upstream.read_request()
    exchange(daemon, other)
    upstream.answer("ok")
    finish(held)


def test_one_host_has_its_own_limit(keepwarm, origin):
    server, other = origin(), origin()
    daemon = keepwarm({"host": {f"127.0.0.1:{server.port}": {"max_connections": 1}}})
    clients = queue_up(daemon, server, 2)
    upstream = server.accept()
    pooled(daemon, other, 3)
    for client in clients:
        serve(upstream)
        finish(client)


def test_a_waiter_is_served_by_a_new_connection_if_the_old_one_ends(keepwarm, origin):
    daemon, server = keepwarm(every_host(max_connections=1)), origin()
    clients = queue_up(daemon, server, 3)
    for number, client in enumerate(clients):
        assert serve(server.accept(), f"{number}", "Connection: close").target == f"/{number}"
        finish(client, f"{number}")


@real_time
def test_who_waits_longer_than_queue_timeout_gets_503(keepwarm, origin):
    daemon, server = keepwarm(every_host(max_connections=1, queue_timeout="300ms")), origin()
    held, waiting = queue_up(daemon, server, 2)
    upstream = server.accept()
    assert upstream.read_request().target == "/0"
    check_own_answer(waiting.read_response(), 503, "connection_limit_reached", "127.0.0.1")
    upstream.answer("ok", "200 OK", KEEP)
    finish(held)
    upstream.expect_silence()  # the request that was given up is not sent
    exchange(daemon, server, upstream)


@real_time
def test_queue_timeout_counts_for_each_waiter_from_its_own_start(keepwarm, origin):
    daemon, server = keepwarm(every_host(max_connections=1, queue_timeout="1s")), origin()
    held = begin(daemon, server, path="/held")
    upstream = server.accept()
    upstream.read_request()
    early = begin(daemon, server, path="/early")
    settle(daemon)
    time.sleep(0.6)
    late = begin(daemon, server, path="/late")
    assert early.read_response().status == 503
    upstream.answer("ok", "200 OK", KEEP)
    finish(held)
    assert serve(upstream).target == "/late"
    finish(late)


def test_a_waiter_that_leaves_is_not_sent_and_the_next_one_moves_up(keepwarm, origin):
    daemon, server = keepwarm(every_host(max_connections=1)), origin()
    held, leaving, staying = queue_up(daemon, server, 3)
    upstream = server.accept()
    upstream.read_request()
    leaving.reset()
    settle(daemon)
    upstream.answer("ok", "200 OK", KEEP)
    finish(held)
    assert serve(upstream).target == "/2"
    finish(staying)
    server.expect_no_connection()


def test_a_waiter_takes_a_returned_connection_while_its_own_is_still_being_opened(keepwarm, bottleneck):
    daemon, server = keepwarm(), bottleneck()
    held = begin(daemon, server, path="/held")
    upstream = server.accept()
    upstream.read_request()
    server.block()
    waiting = begin(daemon, server, path="/waiting")
    settle(daemon)
    upstream.answer("ok", "200 OK", KEEP)
    finish(held)
    assert serve(upstream, "ok", KEEP).target == "/waiting"
    finish(waiting)


def test_the_connection_that_was_opened_in_vain_waits_for_the_next(keepwarm, bottleneck):
    daemon, server = keepwarm(), bottleneck()
    held = begin(daemon, server, path="/held")
    upstream = server.accept()
    upstream.read_request()
    server.block()
    waiting = begin(daemon, server, path="/waiting")
    settle(daemon)
    upstream.answer("ok", "200 OK", KEEP)
    finish(held)
    serve(upstream, "ok", KEEP)
    finish(waiting)
    second = server.accept()  # its SYN is sent again after a second
    one = begin(daemon, server, path="/one")
    other = begin(daemon, server, path="/other")
    targets = {serve(each).target for each in (upstream, second)}
    assert targets == {"/one", "/other"}
    finish(one)
    finish(other)


def test_a_new_connection_serves_the_first_in_line_whoever_it_was_opened_for(keepwarm, bottleneck):
    """/0 is served by the returned connection, the one opened for it serves /1."""
    daemon, server = keepwarm(every_host(max_connections=2)), bottleneck()
    held = begin(daemon, server, path="/held")
    upstream = server.accept()
    upstream.read_request()
    server.block()
    clients = queue_up(daemon, server, 2)
    upstream.answer("ok", "200 OK", KEEP)
    finish(held)
    assert upstream.read_request().target == "/0"
    second = server.accept()
    assert serve(second).target == "/1"
    finish(clients[1])
    upstream.answer("ok")
    finish(clients[0])


def test_a_waiter_whose_connection_is_refused_gets_502_and_the_others_go_on(keepwarm, origin):
    daemon, server = keepwarm(every_host(max_connections=2)), origin()
    held = begin(daemon, server, path="/held")
    upstream = server.accept()
    upstream.read_request()
    server.stop_listening()
    refused = begin(daemon, server, path="/refused")
    check_own_answer(refused.read_response(), 502, "connection_refused")
    upstream.answer("ok", "200 OK", KEEP)
    finish(held)
    exchange(daemon, server, upstream)


def test_an_idle_connection_that_a_post_may_not_use_gives_way_at_the_limit(keepwarm, origin):
    daemon, server = keepwarm(every_host(max_connections=1, unsafe_reuse="never")), origin()
    upstream = exchange(daemon, server)
    client = begin(daemon, server, "POST", body=b"x")
    assert upstream.wait_for_end() == "fin"
    assert serve(server.accept()).body == b"x"
    finish(client)
    daemon.wait_log(r"upstream \S+ closed: pool full")


def test_the_retry_of_a_stale_failure_finds_room_at_the_limit(keepwarm, origin):
    daemon, server = keepwarm(every_host(max_connections=1)), origin()
    upstream = exchange(daemon, server)
    client = begin(daemon, server, path="/again")
    assert upstream.read_request().target == "/again"
    upstream.close()
    assert serve(server.accept()).target == "/again"
    finish(client)


def test_a_retry_that_must_wait_waits_like_all_others(keepwarm, origin):
    daemon, server = keepwarm(every_host(max_connections=1)), origin()
    upstream = exchange(daemon, server)
    stale, waiting = queue_up(daemon, server, 2)
    assert upstream.read_request().target == "/0"
    upstream.close()
    second = server.accept()
    first_target = serve(second, "ok", KEEP).target
    if first_target == "/1":  # then the retry waited behind it, and takes no connection that has served
        assert serve(server.accept()).target == "/0"
    else:
        assert serve(second).target == "/1"
    finish(stale)
    finish(waiting)


def test_many_waiters_are_all_served_though_clients_leave_and_connections_close(keepwarm, http_origin):
    def sometimes_close(request, connection):
        return Canned(request.target.encode(), close=request.target.endswith("7"))

    daemon, server = keepwarm(every_host(max_connections=4)), http_origin({"*": sometimes_close})
    server.hold()
    clients = [begin(daemon, server, path=f"/{number}") for number in range(60)]
    server.wait_requests(4)
    for number in range(10, 60, 5):
        clients[number].reset()
    server.release()
    for number, client in enumerate(clients):
        if not client.closed:
            finish(client, f"/{number}")
    eventually(lambda: len(server.requests) >= 50)


@real_time
def test_waiting_costs_no_time_beyond_the_wait(keepwarm, origin):
    daemon, server = keepwarm(every_host(max_connections=1)), origin()
    held, waiting = queue_up(daemon, server, 2)
    upstream = server.accept()
    upstream.read_request()
    reading = Background(finish, waiting, "second")
    began = time.monotonic()
    upstream.answer("ok", "200 OK", KEEP)
    finish(held)
    serve(upstream, "second")
    reading.result()
    assert time.monotonic() - began < scaled(0.5)
