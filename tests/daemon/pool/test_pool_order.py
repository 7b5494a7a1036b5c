"""Who gets a connection that comes back, and who does not: the queue is served in order, and never with what has ended."""

import socket

import pytest
from helpers_pool import KEEP, Bottleneck, begin, close_reasons, every_host, exchange, finish, serve, settle, standing_still
from support.client import Client
from support.wiring import OK


ONE_READ = 128 << 10  # what the daemon reads at a time


def queued(daemon, server, method="GET", path="/", *fields, body=None) -> Client:
    """A client whose request stands in the queue when this returns."""
    client = begin(daemon, server, method, path, *fields, body=body)
    settle(daemon)
    return client


# What comes back while somebody waits


def test_posts_in_the_queue_never_get_a_connection_that_was_closed_behind_its_last_answer(keepwarm, origin):
    daemon, server = keepwarm(every_host(max_connections=1)), origin()
    clients = [queued(daemon, server, "POST", f"/{number}", body=b"x") for number in range(4)]
    for number, client in enumerate(clients):
        upstream = server.accept()
        assert upstream.read_request().target == f"/{number}"
        with standing_still(daemon):  # so that answer and end are both there when it looks
            upstream.answer("ok", "200 OK", KEEP)
            upstream.close()
        finish(client)


def test_a_get_in_the_queue_costs_no_retry_when_the_connection_was_closed_behind_its_last_answer(keepwarm, origin):
    daemon, server = keepwarm(every_host(max_connections=1)), origin()
    first, second = queued(daemon, server, path="/1"), queued(daemon, server, path="/2")
    upstream = server.accept()
    upstream.read_request()
    with standing_still(daemon):
        upstream.answer("ok", "200 OK", KEEP)
        upstream.close()
    finish(first)
    assert serve(server.accept()).target == "/2"
    finish(second)
    daemon.wait_log(r"upstream \S+ closed: server closed idle")
    assert "stale failure" not in close_reasons(daemon)


def test_an_answer_that_nobody_asked_for_does_not_reach_who_waits(keepwarm, origin):
    daemon, server = keepwarm(every_host(max_connections=1)), origin()
    large = begin(daemon, server)
    upstream = server.accept()
    serve(upstream, "b" * (1 << 20), KEEP)  # opens the window of the connection
    finish(large, "b" * (1 << 20))
    first, second = queued(daemon, server, path="/1"), queued(daemon, server, path="/2")
    assert upstream.read_request().target == "/1"
    body = b"b" * (ONE_READ - 1000)
    head = f"HTTP/1.1 200 OK\r\n{KEEP}\r\nContent-Length: {len(body)}\r\nX: ".encode()
    head += b"x" * (ONE_READ - len(body) - len(head) - 4) + b"\r\n\r\n"
    with standing_still(daemon):  # so that all is there when it looks, the surplus right behind its first read
        upstream.send(head + body + OK.replace(b"ok", b"no"))
    finish(first, body.decode())
    assert serve(server.accept()).target == "/2"
    finish(second)


# The order of the queue


def test_who_may_not_use_a_returned_connection_is_not_passed_by_those_behind(keepwarm, origin):
    daemon, server = keepwarm(every_host(max_connections=1, unsafe_reuse="never")), origin()
    first = queued(daemon, server)
    post = queued(daemon, server, "POST", "/post", body=b"x")
    behind = [queued(daemon, server, path=f"/behind/{number}") for number in range(3)]
    returned = server.accept()
    serve(returned, "ok", KEEP)
    finish(first)
    fresh = server.accept()
    assert serve(fresh, "ok", KEEP).method == "POST"
    finish(post)
    for number, client in enumerate(behind):
        assert serve(fresh, "ok", KEEP).target == f"/behind/{number}"
        finish(client)
    assert returned.wait_for_end() == "fin"  # it gave way
    daemon.wait_log(r"upstream \S+ closed: pool full")


@pytest.fixture
def elsewhere():
    """elsewhere(daemon): a client that does not come over loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.200", 9))  # sends nothing
        except OSError:
            pytest.skip("this machine has only loopback")
        address = sock.getsockname()[0]
    if address.startswith("127."):
        pytest.skip("this machine has only loopback")
    made = []

    def connect(daemon) -> Client:
        made.append(Client((address, daemon.port)))
        return made[-1]

    yield connect
    for client in made:
        client.close()


@pytest.fixture
def bottleneck():
    made = Bottleneck()
    yield made
    made.close()


def test_a_fresh_connection_serves_who_may_use_it_though_one_that_may_not_is_first_in_line(keepwarm, bottleneck, elsewhere):
    daemon = keepwarm({"proxy": {"listen": ["0.0.0.0:0"], "allow_clients": ["0.0.0.0/0"]}, **every_host(max_connections=1)})
    from_elsewhere = elsewhere(daemon)
    daemon.addresses = [f"127.0.0.1:{daemon.port}"]
    bottleneck.block()
    leaves = queued(daemon, bottleneck, path="/leaves")  # a connection is being opened for it
    from_elsewhere.send_request("GET", bottleneck.url("/elsewhere"))
    settle(daemon)
    local = queued(daemon, bottleneck, path="/local")
    leaves.reset()
    settle(daemon)
    assert serve(bottleneck.accept(), "ok", KEEP).target == "/local"
    finish(local)
    assert from_elsewhere.read_response().status == 403


# Bound connections, and those that are suspected


def bound_connection(daemon, server):
    """(a client, the upstream connection that is bound to it and has served once)"""
    client = daemon.client()
    client.send_request("GET", server.url())
    upstream = server.accept()
    serve(upstream, "no", "WWW-Authenticate: Negotiate", KEEP, status="401 Unauthorized")
    assert client.read_response().status == 401
    return client, upstream


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_a_stale_failure_of_a_bound_connection_is_never_seen_by_the_client(keepwarm, origin, how):
    daemon, server = keepwarm(), origin()
    client, bound = bound_connection(daemon, server)
    client.send_request("GET", server.url("/again"))
    assert bound.read_request().target == "/again"
    bound.reset() if how == "rst" else bound.close()
    assert serve(server.accept()).target == "/again"
    assert client.read_response().body == b"ok"
    daemon.wait_log(r"upstream \S+ closed: stale failure")


def test_a_post_on_a_bound_connection_that_is_stale_is_502_and_not_sent_twice(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    client, bound = bound_connection(daemon, server)
    client.send_request("POST", server.url(), body=b"x")
    bound.read_request()
    bound.close()
    assert client.read_response().status == 502
    server.expect_no_connection()


def test_max_requests_holds_for_a_bound_connection(keepwarm, origin):
    daemon, server = keepwarm(every_host(max_requests=2)), origin()
    client, bound = bound_connection(daemon, server)
    client.send_request("GET", server.url())
    serve(bound, "ok", KEEP)
    assert client.read_response().body == b"ok"
    assert bound.wait_for_end() == "fin"
    daemon.wait_log(r"upstream \S+ closed: request limit")


def test_a_408_on_a_fresh_connection_says_nothing_about_the_others(keepwarm, origin):
    daemon, server = keepwarm(every_host(unsafe_reuse="never")), origin()
    warm = exchange(daemon, server)
    client = begin(daemon, server, "POST", "/", body=b"x")
    serve(server.accept(), "late", "Connection: close", status="408 Request Timeout")
    finish(client, "late", status=408)
    exchange(daemon, server, warm)
