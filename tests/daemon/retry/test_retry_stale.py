"""A stale failure: a reused connection closed or reset before one byte of the response came (core/doc/design.md §6.5)."""

import pytest
from helpers_pool import KEEP, begin, every_host, exchange, finish, pooled, serve
from support.background import Background
from support.stream import Cut
from support.wire import chunked
from support.wiring import check_own_answer

ENDS = {"FIN": lambda upstream: upstream.close(), "half a FIN": lambda upstream: upstream.shutdown_write(),
        "RST": lambda upstream: upstream.reset()}
IDEMPOTENT = ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "PROPFIND", "REPORT", "SEARCH"]
NOT_IDEMPOTENT = ["POST", "PATCH", "LOCK", "QUERY", "get"]
ends = pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())


def stale(daemon, server, method="GET", *fields, body=None, end=ENDS["FIN"]):
    """A request whose reused connection ends after it was read whole; (the client, the request as it was read)."""
    upstream = exchange(daemon, server)
    client = begin(daemon, server, method, "/stale", *fields, body=body)
    request = upstream.read_request()
    assert request.target == "/stale"
    end(upstream)
    return client, request


def expect_one_attempt(daemon, server, client):
    """502, and the origin saw the request only once."""
    check_own_answer(client.read_response(), 502, "connection_terminated", "127.0.0.1")
    server.expect_no_connection()
    daemon.wait_log(r"upstream \S+ closed: stale failure")


@ends
def test_a_get_is_sent_again_on_a_fresh_connection_and_the_client_sees_nothing(keepwarm, origin, end):
    daemon, server = keepwarm(), origin()
    client, first = stale(daemon, server, end=end)
    fresh = server.accept()
    again = serve(fresh, "ok", KEEP)
    assert again.raw == first.raw
    response = finish(client)
    assert response.interim == [] and not response.has("proxy-status")
    exchange(daemon, server, fresh)
    daemon.wait_log(r"upstream \S+ closed: stale failure")


@pytest.mark.parametrize("method", IDEMPOTENT)
def test_idempotent_methods_are_sent_again(keepwarm, origin, method):
    daemon, server = keepwarm(), origin()
    client, _ = stale(daemon, server, method)
    fresh = server.accept()
    assert fresh.read_request().method == method
    fresh.send("HTTP/1.1 204 No Content\r\n\r\n")
    assert client.read_response(method).status == 204
    assert len(server.connections) == 2


@ends
def test_a_post_is_never_sent_twice(keepwarm, origin, end):
    daemon, server = keepwarm(), origin()
    client, request = stale(daemon, server, "POST", body=b"once", end=end)
    assert request.body == b"once"
    expect_one_attempt(daemon, server, client)


@pytest.mark.parametrize("method", NOT_IDEMPOTENT)
def test_methods_that_are_not_idempotent_are_never_sent_twice(keepwarm, origin, method):
    daemon, server = keepwarm(), origin()
    client, _ = stale(daemon, server, method)
    expect_one_attempt(daemon, server, client)


@pytest.mark.parametrize("size", [0, 1, 4 << 10, 64 << 10])
def test_a_put_whose_body_is_held_is_sent_again_byte_for_byte(keepwarm, origin, size):
    daemon, server = keepwarm(), origin()
    body = bytes(number * 7 % 251 for number in range(size))
    client, first = stale(daemon, server, "PUT", body=body)
    again = serve(server.accept())
    assert again.raw == first.raw and first.body == body and again.body == body
    finish(client)


def test_a_put_whose_body_comes_in_pieces_is_sent_again_whole(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server)
    client = begin(daemon, server, "PUT", "/stale", "Content-Length: 9", body=b"one")
    upstream.read_request_head()
    for part in (b"two", b"end"):
        client.send(part)
        assert upstream.read_exact(3)
    assert upstream.read_exact(3) == b"end"
    upstream.close()
    assert serve(server.accept()).body == b"onetwoend"
    finish(client)


def test_a_connection_that_ends_in_the_middle_of_a_put_is_replaced(keepwarm, origin):
    """What has come of the body is held, and the rest is still to come."""
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server)
    client = begin(daemon, server, "PUT", "/stale", "Content-Length: 6", body=b"one")
    upstream.read_request_head()
    assert upstream.read_exact(3) == b"one"
    upstream.reset()
    fresh = server.accept()
    fresh.read_request_head()
    assert fresh.read_exact(3) == b"one"
    client.send(b"two")
    assert fresh.read_exact(3) == b"two"
    fresh.answer("ok")
    finish(client)


def test_a_put_larger_than_retry_body_size_is_not_sent_again(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    client, request = stale(daemon, server, "PUT", body=bytes((64 << 10) + 1))
    assert len(request.body) == (64 << 10) + 1
    expect_one_attempt(daemon, server, client)


def test_retry_body_size_is_as_set(keepwarm, origin):
    daemon, server = keepwarm(every_host(retry_body_size="8B")), origin()
    client, _ = stale(daemon, server, "PUT", body=b"12345678")
    assert serve(server.accept(), "ok", KEEP).body == b"12345678"
    finish(client)
    upstream = server.connections[-1]
    client = begin(daemon, server, "PUT", body=b"123456789")
    upstream.read_request()
    upstream.close()
    expect_one_attempt(daemon, server, client)


def test_a_large_put_that_is_being_streamed_is_not_sent_again(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server)
    client = begin(daemon, server, "PUT", "/stale", f"Content-Length: {1 << 20}", body=b"")
    upstream.read_request_head()
    sending = Background(client.send, bytes(1 << 19))
    upstream.discard(1 << 18)
    upstream.reset()
    response = client.read_response()
    assert response.status == 502
    server.expect_no_connection()
    try:
        sending.result()
    except Cut:
        pass  # it may or may not have been taken


@ends
@pytest.mark.parametrize("framing", [f"Content-Length: {1 << 20}", "Transfer-Encoding: chunked"])
def test_a_large_put_whose_body_was_not_asked_for_is_sent_again(keepwarm, origin, framing, end):
    """Its head is all that was sent: the client waits for "100 Continue" before it begins with the body."""
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server)
    client = begin(daemon, server, "PUT", "/stale", "Expect: 100-continue", framing, body=b"")
    first = upstream.read_request_head()
    end(upstream)
    fresh = server.accept()
    again = fresh.read_request_head()
    assert again.raw == first.raw
    client.expect_silence()
    fresh.send("HTTP/1.1 100 Continue\r\n\r\n")
    assert client.read_response_head().status == 100
    body = bytes(number * 7 % 251 for number in range(1 << 20))
    sending = Background(client.send, body if "Length" in framing else chunked(body))
    fresh.read_request_body(again)
    sending.result()
    assert again.body == body
    fresh.answer("ok")
    finish(client)


def test_a_large_put_whose_body_has_begun_is_not_sent_again(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server)
    client = begin(daemon, server, "PUT", "/stale", "Expect: 100-continue", f"Content-Length: {1 << 20}", body=b"")
    upstream.read_request_head()
    client.send("x")
    assert upstream.read_exact(1) == b"x"
    upstream.close()
    expect_one_attempt(daemon, server, client)


@ends
def test_a_post_whose_body_was_not_asked_for_is_never_sent_twice(keepwarm, origin, end):
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server)
    client = begin(daemon, server, "POST", "/stale", "Expect: 100-continue", "Content-Length: 4", body=b"")
    upstream.read_request_head()
    end(upstream)
    expect_one_attempt(daemon, server, client)


def test_after_100_continue_a_large_put_is_not_sent_again(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server)
    client = begin(daemon, server, "PUT", "/stale", "Expect: 100-continue", f"Content-Length: {1 << 20}", body=b"")
    upstream.read_request_head()
    upstream.send("HTTP/1.1 100 Continue\r\n\r\n")
    assert client.read_response_head().status == 100
    upstream.close()
    assert client.read_response().status == 502
    server.expect_no_connection()


def test_a_chunked_put_that_is_held_whole_is_sent_again(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    client, first = stale(daemon, server, "PUT", "Transfer-Encoding: chunked", body=chunked(b"one", b"two"))
    assert first.body == b"onetwo"
    assert serve(server.accept()).body == b"onetwo"
    finish(client)


def test_a_chunked_put_beyond_retry_body_size_is_not_sent_again(keepwarm, origin):
    daemon, server = keepwarm(every_host(retry_body_size="16B")), origin()
    client, _ = stale(daemon, server, "PUT", "Transfer-Encoding: chunked", body=chunked(bytes(20), bytes(20)))
    expect_one_attempt(daemon, server, client)


def test_with_retry_off_nothing_is_sent_again(keepwarm, origin):
    daemon, server = keepwarm(every_host(retry=False)), origin()
    client, _ = stale(daemon, server)
    expect_one_attempt(daemon, server, client)


def test_retry_methods_are_as_set(keepwarm, origin):
    daemon, server = keepwarm(every_host(retry_methods=["PURGE"])), origin()
    client, _ = stale(daemon, server, "PURGE")
    assert serve(server.accept(), "ok", KEEP).method == "PURGE"
    finish(client)
    client = begin(daemon, server, "GET", "/stale")
    server.connections[-1].read_request()
    server.connections[-1].close()
    expect_one_attempt(daemon, server, client)


@pytest.mark.parametrize("setting", [True, False])
def test_a_request_with_an_idempotency_key_is_sent_again_where_the_host_says_so(keepwarm, origin, setting):
    daemon, server = keepwarm(every_host(retry_idempotency_key=setting)), origin()
    client, first = stale(daemon, server, "POST", "Idempotency-Key: abc", body=b"pay")
    if not setting:
        return expect_one_attempt(daemon, server, client)
    again = serve(server.accept())
    assert again.raw == first.raw and again.body == b"pay"
    finish(client)


def test_a_post_without_a_key_is_not_sent_again_though_keys_count(keepwarm, origin):
    daemon, server = keepwarm(every_host(retry_idempotency_key=True)), origin()
    client, _ = stale(daemon, server, "POST", body=b"pay")
    expect_one_attempt(daemon, server, client)


def test_six_stale_connections_cost_one_retry(keepwarm, origin):
    """The origin closes all of them exactly when the request has come: the retry takes none of the others."""
    daemon, server = keepwarm(), origin()
    idle = pooled(daemon, server, 6)
    client = begin(daemon, server, path="/stale")
    assert idle[-1].read_request().target == "/stale"
    for upstream in idle:
        upstream.reset()
    fresh = server.accept()
    assert serve(fresh).target == "/stale"
    finish(client)
    assert len(server.connections) == 7
    assert sum(b"/stale" in upstream.received for upstream in server.connections) == 2


def test_a_retry_takes_no_idle_connection_even_if_it_looks_good(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    idle = pooled(daemon, server, 3)
    client = begin(daemon, server, path="/stale")
    idle[-1].read_request()
    idle[-1].close()
    assert serve(server.accept()).target == "/stale"
    finish(client)
    assert all(b"/stale" not in upstream.received for upstream in idle[:-1])


@ends
def test_a_retry_is_never_retried(keepwarm, origin, end):
    daemon, server = keepwarm(), origin()
    client, _ = stale(daemon, server)
    fresh = server.accept()
    assert fresh.read_request().target == "/stale"
    end(fresh)
    check_own_answer(client.read_response(), 502, "connection_terminated")
    server.expect_no_connection()


def test_a_retry_that_cannot_connect_is_answered_502(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server)
    client = begin(daemon, server, path="/stale")
    upstream.read_request()
    server.stop_listening()
    upstream.close()
    check_own_answer(client.read_response(), 502, "connection_refused")


@ends
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_fresh_connection_that_is_closed_is_502_and_one_attempt(keepwarm, origin, method, end):
    daemon, server = keepwarm(), origin()
    client = begin(daemon, server, method, body=b"x" if method == "POST" else None)
    upstream = server.accept()
    upstream.read_request()
    end(upstream)
    check_own_answer(client.read_response(), 502, "connection_terminated", "127.0.0.1")
    server.expect_no_connection()


@ends
@pytest.mark.parametrize("part", ["H", "HTTP/1.1 2", "HTTP/1.1 200 OK\r\nContent-Le"])
def test_after_a_byte_of_the_response_nothing_is_tried_again(keepwarm, origin, part, end):
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server)
    client = begin(daemon, server)
    upstream.read_request()
    upstream.send(part)
    end(upstream)
    check_own_answer(client.read_response(), 502)
    server.expect_no_connection()


@ends
def test_after_an_interim_response_nothing_is_tried_again(keepwarm, origin, end):
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server)
    client = begin(daemon, server)
    upstream.read_request()
    upstream.send("HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n")
    assert client.read_response_head().status == 103
    end(upstream)
    assert client.read_response().status == 502
    server.expect_no_connection()


@pytest.mark.parametrize("end", [ENDS["FIN"], ENDS["RST"]], ids=["FIN", "RST"])
@pytest.mark.parametrize("framing", ["Content-Length: 10\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"])
def test_a_cut_response_is_cut_for_the_client_too(keepwarm, origin, framing, end):
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server)
    client = begin(daemon, server)
    upstream.read_request()
    upstream.send(f"HTTP/1.1 200 OK\r\n{framing}")
    assert client.read_response_head().status == 200
    client.read_until(b"half")
    end(upstream)
    rest = client.read_to_end()
    assert rest in (b"", b"\r\n")  # neither the missing bytes nor a last chunk
    server.expect_no_connection()
    daemon.wait_log(r"upstream \S+ closed: cut response")


def test_older_idle_connections_are_closed_with_the_stale_one(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    idle = pooled(daemon, server, 3)
    client = begin(daemon, server, path="/stale")
    idle[-1].read_request()
    idle[-1].close()
    serve(server.accept())
    finish(client)
    for upstream in idle[:-1]:
        assert upstream.wait_for_end() == "fin"
    daemon.wait_log(r"upstream \S+ closed: suspected stale", count=2)


def test_younger_idle_connections_stay(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    oldest, second, third = pooled(daemon, server, 3)
    client = begin(daemon, server, path="/stale")
    assert third.read_request().target == "/stale"
    exchange(daemon, server, second)  # returned after the third had been taken
    third.close()
    serve(server.accept(), "ok", "Connection: close")
    finish(client)
    assert oldest.wait_for_end() == "fin"
    exchange(daemon, server, second)


def test_a_stale_failure_of_a_post_closes_the_older_ones_too(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    first, second = pooled(daemon, server, 2)
    client = begin(daemon, server, "POST", "/stale", body=b"x")
    second.read_request()
    second.close()
    assert client.read_response().status == 502
    assert first.wait_for_end() == "fin"


def test_the_connections_of_other_hosts_stay(keepwarm, origin):
    daemon, server, other = keepwarm(), origin(), origin()
    stays = exchange(daemon, other)
    client, _ = stale(daemon, server)
    serve(server.accept())
    finish(client)
    exchange(daemon, other, stays)


def test_a_stale_failure_is_not_held_against_the_host(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    for _ in range(10):
        client, _ = stale(daemon, server)
        upstream = server.accept()
        serve(upstream, "ok", "Connection: close")
        finish(client)
    exchange(daemon, server)


def test_the_client_connection_survives_a_retry_and_a_502(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    client = daemon.client()
    client.send_request("GET", server.url("/a"))
    upstream = server.accept()
    serve(upstream, "a", KEEP)
    assert client.read_response().body == b"a"
    client.send_request("GET", server.url("/b"))
    upstream.read_request()
    upstream.close()
    upstream = server.accept()
    serve(upstream, "b", KEEP)
    assert client.read_response().body == b"b"
    client.send_request("POST", server.url("/c"), body=b"x")
    upstream.read_request()
    upstream.close()
    response = client.read_response()
    assert response.status == 502
    if "close" not in response.tokens("connection"):
        client.send_request("GET", server.url("/d"))
        serve(server.accept(), "d")
        assert client.read_response().body == b"d"


def test_pipelined_requests_are_answered_in_order_across_a_retry(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server)
    client = daemon.client()
    client.send("".join(f"GET {server.url(path)} HTTP/1.1\r\nHost: {server.at}\r\n\r\n" for path in ("/1", "/2", "/3")))
    assert upstream.read_request().target == "/1"
    upstream.close()
    fresh = server.accept()
    for number in (1, 2, 3):
        assert serve(fresh, f"{number}", KEEP).target == f"/{number}"
        assert client.read_response().body == f"{number}".encode()
