"""Proof of non-delivery (core/doc/design.md §6.5): an end that crosses a request on its way, and one that comes when the origin had
it. On loopback nothing crosses anything by itself: the origin's socket is deafened before the request, so that its kernel
has closed without having seen it."""

import pytest
from helpers_deaf import deafen, hear_again, wait_sent
from helpers_parent import HTTPS, UnixOrigin, open_secure, through, trusting_through
from helpers_parent import ask as ask_url
from helpers_pool import KEEP, begin, every_host, exchange, finish, pooled, serve
from helpers_tls import both_versions, together
from helpers_workers import one_on_each, settle, workers
from support.stalls import real_time
from support.tls import trusting
from support.tls_server import ServerTls
from support.wire import chunked
from support.wiring import check_own_answer

pytestmark = real_time

RESENT = {"retry_undelivered": True}
UNDELIVERED, POSSIBLE = "not delivered, safe to retry", "may have been executed"
TIMEOUT = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 4\r\n\r\nslow"
FIN = {"FIN": lambda upstream: upstream.close(), "half a FIN": lambda upstream: upstream.shutdown_write()}
ENDS = {**FIN, "RST": lambda upstream: upstream.reset()}
fins = pytest.mark.parametrize("end", FIN.values(), ids=FIN.keys())
ends = pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())


def crossed(daemon, server, end=FIN["FIN"], method="POST", *fields, body=b"once", upstream=None):
    """A request on a reused connection that the origin ends before it could get it; the client."""
    upstream = upstream or exchange(daemon, server)
    seen = len(upstream.received)
    deafen(upstream)
    client = begin(daemon, server, method, "/crossed", *fields, body=body)
    wait_sent(upstream)
    end(upstream)
    assert len(upstream.received) == seen
    return client


def read_first(daemon, server, end, method="POST", body=b"once"):
    """A request that the origin reads and then ends without an answer; the client."""
    upstream = exchange(daemon, server)
    client = begin(daemon, server, method, "/read", body=body)
    assert upstream.read_request().target == "/read"
    end(upstream)
    return client


def expect_failure(client, server, verdict: str, host="127.0.0.1") -> None:
    """502 that says so, and nothing was sent again."""
    response = client.read_response()
    check_own_answer(response, 502, "connection_terminated", host)
    assert response.body.decode().endswith(f"; {verdict}\n"), response.body
    assert response.get("proxy-status").endswith(f'; details="{verdict}"'), response.raw
    server.expect_no_connection()


def send_408(upstream):
    upstream.send(TIMEOUT)
    upstream.close()


# What is said by default


@fins
def test_a_post_that_a_fin_crossed_is_said_to_be_undelivered(keepwarm, origin, end):
    daemon, server = keepwarm(), origin()
    expect_failure(crossed(daemon, server, end), server, UNDELIVERED)
    daemon.wait_log(r"upstream \S+ closed: stale failure")


@ends
def test_a_post_that_was_read_may_have_been_executed(keepwarm, origin, end):
    daemon, server = keepwarm(), origin()
    expect_failure(read_first(daemon, server, end), server, POSSIBLE)


def test_without_a_measurable_round_trip_a_reset_proves_nothing(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    expect_failure(crossed(daemon, server, ENDS["RST"]), server, POSSIBLE)


def test_a_post_of_which_a_part_was_taken_may_have_been_executed(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server)
    client = begin(daemon, server, "POST", "/", "Content-Length: 8", body=b"half")
    upstream.read_request_head()
    assert upstream.read_exact(4) == b"half"
    deafen(upstream)
    client.send("full")
    wait_sent(upstream)
    upstream.close()
    expect_failure(client, server, POSSIBLE)


def test_earlier_requests_do_not_count_as_this_one(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server)
    for size in (1, 5000, 100_000):
        exchange(daemon, server, upstream, "POST", body=bytes(size))
    expect_failure(crossed(daemon, server, upstream=upstream), server, UNDELIVERED)


def test_a_get_needs_no_proof(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    client = crossed(daemon, server, method="GET", body=None)
    assert serve(server.accept()).target == "/crossed"
    finish(client)


def test_a_fresh_connection_that_is_closed_proves_nothing(keepwarm, origin):
    daemon, server = keepwarm(every_host(**RESENT)), origin()
    client = begin(daemon, server, "POST", body=b"x")
    upstream = server.accept()
    upstream.read_request()
    upstream.close()
    response = client.read_response()
    check_own_answer(response, 502, "connection_terminated")
    assert "details" not in response.get("proxy-status")
    server.expect_no_connection()


def test_a_408_that_crossed_a_post_is_passed_on(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    client = crossed(daemon, server, send_408)
    assert client.read_response().status == 408
    server.expect_no_connection()


def test_what_was_said_to_be_undelivered_is_not_delivered_afterwards(keepwarm, origin):
    """The origin has closed one direction only, and hears again when the client has its answer."""
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server)
    seen = len(upstream.received)
    client = crossed(daemon, server, FIN["half a FIN"], upstream=upstream)
    expect_failure(client, server, UNDELIVERED)
    hear_again(upstream)
    upstream.expect_no_byte(1)  # TCP sends again what it still has 0.2 s and 0.6 s after the first time
    assert len(upstream.received) == seen


# Sent again, where the host says so


@fins
def test_an_undelivered_post_is_sent_again_once(keepwarm, origin, end):
    daemon, server = keepwarm(every_host(**RESENT)), origin()
    client = crossed(daemon, server, end)
    fresh = server.accept()
    request = serve(fresh, "ok", KEEP)
    assert (request.method, request.target, request.body) == ("POST", "/crossed", b"once")
    response = finish(client)
    assert response.interim == [] and not response.has("proxy-status")
    exchange(daemon, server, fresh)
    assert len(server.connections) == 2


@pytest.mark.parametrize("size", [0, 1, 64 << 10])
def test_with_its_body_byte_for_byte(keepwarm, origin, size):
    daemon, server = keepwarm(every_host(**RESENT)), origin()
    body = bytes(number * 7 % 251 for number in range(size))
    client = crossed(daemon, server, body=body)
    assert serve(server.accept()).body == body
    finish(client)


def test_with_a_chunked_body(keepwarm, origin):
    daemon, server = keepwarm(every_host(**RESENT)), origin()
    client = crossed(daemon, server, FIN["FIN"], "POST", "Transfer-Encoding: chunked", body=chunked(b"one", b"two"))
    assert serve(server.accept()).body == b"onetwo"
    finish(client)


def test_with_a_body_that_is_still_on_its_way(keepwarm, origin):
    daemon, server = keepwarm(every_host(**RESENT)), origin()
    client = crossed(daemon, server, FIN["FIN"], "POST", "Content-Length: 6", body=b"one")
    fresh = server.accept()
    fresh.read_request_head()
    assert fresh.read_exact(3) == b"one"
    client.send("two")
    assert fresh.read_exact(3) == b"two"
    fresh.answer("ok")
    finish(client)


def test_a_large_body_that_was_not_asked_for_need_not_be_held(keepwarm, origin):
    daemon, server = keepwarm(every_host(**RESENT)), origin()
    client = crossed(daemon, server, FIN["FIN"], "POST", "Expect: 100-continue", f"Content-Length: {1 << 20}", body=b"")
    fresh = server.accept()
    again = fresh.read_request_head()
    client.send(bytes(1 << 20))
    fresh.read_request_body(again)
    fresh.answer("ok")
    finish(client)


def test_a_body_that_is_not_held_is_not_sent_again(keepwarm, origin):
    daemon, server = keepwarm(every_host(retry_body_size="8B", **RESENT)), origin()
    expect_failure(crossed(daemon, server, body=b"123456789"), server, UNDELIVERED)


def test_whether_replayable_requests_are_retried_is_another_matter(keepwarm, origin):
    daemon, server = keepwarm(every_host(retry=False, **RESENT)), origin()
    client = crossed(daemon, server)
    assert serve(server.accept()).body == b"once"
    finish(client)


@ends
def test_what_may_have_been_executed_is_not_sent_again(keepwarm, origin, end):
    daemon, server = keepwarm(every_host(**RESENT)), origin()
    expect_failure(read_first(daemon, server, end), server, POSSIBLE)


def test_nor_is_what_a_reset_crossed_within_no_time(keepwarm, origin):
    daemon, server = keepwarm(every_host(**RESENT)), origin()
    expect_failure(crossed(daemon, server, ENDS["RST"]), server, POSSIBLE)


def test_a_post_is_not_sent_a_third_time(keepwarm, origin):
    daemon, server = keepwarm(every_host(**RESENT)), origin()
    client = crossed(daemon, server)
    fresh = server.accept()
    assert fresh.read_request().body == b"once"
    fresh.close()
    check_own_answer(client.read_response(), 502, "connection_terminated")
    server.expect_no_connection()


def test_a_408_that_crossed_a_post_is_discarded_and_the_post_sent_again(keepwarm, origin):
    daemon, server = keepwarm(every_host(**RESENT)), origin()
    client = crossed(daemon, server, send_408)
    assert serve(server.accept()).body == b"once"
    finish(client)


def test_a_408_to_a_post_that_came_is_passed_on(keepwarm, origin):
    daemon, server = keepwarm(every_host(**RESENT)), origin()
    client = read_first(daemon, server, send_408)
    assert client.read_response().status == 408
    server.expect_no_connection()


def test_a_408_that_does_not_close_is_passed_on(keepwarm, origin):
    """What arrives behind it may be read as a request."""
    daemon, server = keepwarm(every_host(**RESENT)), origin()
    client = crossed(daemon, server, lambda upstream: upstream.send(TIMEOUT.replace("Connection: close\r\n", "")))
    assert client.read_response().status == 408
    server.expect_no_connection()


def test_the_other_idle_connections_go_too(keepwarm, origin):
    daemon, server = keepwarm(every_host(**RESENT)), origin()
    older, upstream = pooled(daemon, server, 2)
    client = crossed(daemon, server, upstream=upstream)
    serve(server.accept())
    finish(client)
    assert older.wait_for_end() == "fin"


# Over TLS, through a parent, after a move to another worker, on a unix socket

TLS_ENDS = {"close_notify and FIN": lambda upstream: upstream.close(), "FIN alone": lambda upstream: upstream.cut()}


@both_versions
@pytest.mark.parametrize("end", TLS_ENDS.values(), ids=TLS_ENDS.keys())
def test_tls_bytes_are_counted_as_tcp_counts_them(keepwarm, origin, versions, end):
    daemon, server = keepwarm(together(trusting(), every_host(**RESENT))), origin(tls=ServerTls(versions=versions))
    client = crossed(daemon, server, end)
    fresh = server.accept()
    assert serve(fresh, "ok", KEEP).body == b"once"
    finish(client)
    client = begin(daemon, server, "POST", "/read", body=b"once")
    assert fresh.read_request().body == b"once"
    end(fresh)
    expect_failure(client, server, POSSIBLE)


@pytest.mark.parametrize("secure", [False, True], ids=["absolute-form", "tunnel"])
def test_a_parent_that_did_not_get_it_did_not_pass_it_on(keepwarm, origin, secure):
    parent = origin()
    config = trusting_through(parent, **RESENT) if secure else through(parent, **RESENT)
    daemon, url = keepwarm(config), HTTPS if secure else "http://www.example.test/"
    taken = (lambda: open_secure(parent)) if secure else parent.accept

    client = ask_url(daemon, url)
    upstream = taken()
    serve(upstream, "ok", KEEP)
    finish(client)
    deafen(upstream)
    client = ask_url(daemon, url, "POST", body=b"once")
    wait_sent(upstream)
    upstream.close()
    fresh = taken()
    assert serve(fresh, "ok", KEEP).body == b"once"
    finish(client)

    client = ask_url(daemon, url, "POST", body=b"once")
    assert fresh.read_request().body == b"once"
    fresh.close()
    expect_failure(client, parent, POSSIBLE, host="www.example.test")


@pytest.mark.parametrize("tls", [None, ServerTls()], ids=["plain", "TLS"])
def test_what_was_written_is_known_at_another_worker(keepwarm, origin, tls):
    daemon, server = keepwarm(workers(2, together(trusting(), every_host(**RESENT)))), origin(tls=tls)
    one, other = one_on_each(daemon)
    one.send_request("POST", server.url("/first"), body=bytes(1000))
    upstream = server.accept()
    serve(upstream, "ok", KEEP)
    assert one.read_response().body == b"ok"
    settle(one)
    deafen(upstream)
    other.send_request("POST", server.url("/crossed"), body=b"once")
    wait_sent(upstream)
    upstream.close()
    assert serve(server.accept()).body == b"once"
    assert other.read_response().body == b"ok"


def test_of_a_unix_socket_nothing_is_known(keepwarm, tmp_path):
    server = UnixOrigin(tmp_path / "app.sock")
    daemon = keepwarm({"host": {server.name or server.host: {"connect_to": server.connect_to, **RESENT}}})
    upstream = exchange(daemon, server)
    client = begin(daemon, server, "POST", body=b"once")
    upstream.read_request()
    upstream.close()
    expect_failure(client, server, POSSIBLE, host=server.host)
    server.close()
