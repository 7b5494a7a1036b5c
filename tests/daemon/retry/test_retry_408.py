"""A 408 as the answer: the server gave up waiting just when the request was sent (core/doc/design.md §6.5; RFC 9110 §15.5.9)."""

import pytest
from helpers_pool import KEEP, begin, every_host, exchange, finish, pooled, serve

TIMEOUT = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 4\r\n\r\nslow"


def answered_408(daemon, server, method="GET", body=None, upstream=None):
    """A request on a reused connection that gets a 408; the client."""
    upstream = upstream or exchange(daemon, server)
    client = begin(daemon, server, method, "/408", body=body)
    assert upstream.read_request().target == "/408"
    upstream.send(TIMEOUT)
    upstream.close()
    return client


def test_a_408_is_discarded_and_the_request_sent_again_on_a_fresh_connection(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    client = answered_408(daemon, server)
    fresh = server.accept()
    assert serve(fresh, "ok", KEEP).target == "/408"
    finish(client)
    exchange(daemon, server, fresh)


def test_a_408_that_keeps_its_connection_open_ends_it_all_the_same(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server)
    client = begin(daemon, server)
    upstream.read_request()
    upstream.send("HTTP/1.1 408 Request Timeout\r\nContent-Length: 100000\r\n\r\nthe beginning of a long")
    assert upstream.wait_for_end()
    serve(server.accept())
    finish(client)
    daemon.wait_log(r"upstream \S+ closed: answered 408")


def test_a_408_in_pieces_is_discarded_too(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server)
    client = begin(daemon, server)
    upstream.read_request()
    upstream.send_byte_by_byte(TIMEOUT[:60])
    upstream.send(TIMEOUT[60:])
    serve(server.accept())
    finish(client)


def test_a_408_to_a_large_put_whose_body_was_not_asked_for_is_discarded(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server)
    client = begin(daemon, server, "PUT", "/408", "Expect: 100-continue", f"Content-Length: {1 << 20}", body=b"")
    first = upstream.read_request_head()
    upstream.send(TIMEOUT)
    upstream.close()
    fresh = server.accept()
    assert fresh.read_request_head().raw == first.raw
    fresh.answer("no", "417 Expectation Failed")
    finish(client, "no", "PUT", 417)


def test_a_408_on_a_fresh_connection_is_discarded_once(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    client = begin(daemon, server)
    upstream = server.accept()
    upstream.read_request()
    upstream.send(TIMEOUT)
    serve(server.accept())
    finish(client)


def test_a_second_408_is_passed_on(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    client = answered_408(daemon, server)
    fresh = server.accept()
    fresh.read_request()
    fresh.send(TIMEOUT)
    response = client.read_response()
    assert (response.status, response.body) == (408, b"slow")
    server.expect_no_connection()


def test_a_408_to_a_put_that_is_held_is_discarded(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    client = answered_408(daemon, server, "PUT", b"body")
    assert serve(server.accept()).body == b"body"
    finish(client)


@pytest.mark.parametrize("method,body", [("POST", b"once"), ("PUT", bytes((64 << 10) + 1))], ids=["POST", "large PUT"])
def test_a_408_to_what_is_not_replayable_is_passed_on(keepwarm, origin, method, body):
    daemon, server = keepwarm(), origin()
    response = answered_408(daemon, server, method, body).read_response()
    assert (response.status, response.body) == (408, b"slow")
    server.expect_no_connection()


def test_with_retry_off_a_408_is_passed_on(keepwarm, origin):
    daemon, server = keepwarm(every_host(retry=False)), origin()
    response = answered_408(daemon, server).read_response()
    assert (response.status, response.body) == (408, b"slow")
    server.expect_no_connection()


@pytest.mark.parametrize("interim", ["100 Continue", "103 Early Hints"])
def test_a_408_behind_an_interim_response_is_passed_on(keepwarm, origin, interim):
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server)
    client = begin(daemon, server)
    upstream.read_request()
    upstream.send(f"HTTP/1.1 {interim}\r\n\r\n{TIMEOUT}")
    response = client.read_response()
    assert [each.status for each in response.interim] == [int(interim[:3])]
    assert (response.status, response.body) == (408, b"slow")
    server.expect_no_connection()


def test_after_a_408_the_retry_is_not_retried_when_it_is_closed(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    client = answered_408(daemon, server)
    fresh = server.accept()
    fresh.read_request()
    fresh.close()
    assert client.read_response().status == 502
    server.expect_no_connection()


def test_after_a_stale_failure_a_408_is_passed_on(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server)
    client = begin(daemon, server)
    upstream.read_request()
    upstream.close()
    fresh = server.accept()
    fresh.read_request()
    fresh.send(TIMEOUT)
    assert client.read_response().status == 408
    server.expect_no_connection()


def test_a_408_closes_the_older_idle_connections(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    first, second = pooled(daemon, server, 2)
    client = answered_408(daemon, server, upstream=second)
    serve(server.accept())
    finish(client)
    assert first.wait_for_end() == "fin"


@pytest.mark.parametrize("status", ["400 Bad Request", "409 Conflict", "500 Oops", "503 Unavailable", "425 Too Early"])
def test_no_other_status_is_tried_again(keepwarm, origin, status):
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server)
    client = begin(daemon, server)
    serve(upstream, "as it is", "Retry-After: 0", status=status)
    response = client.read_response()
    assert (response.status, response.body) == (int(status[:3]), b"as it is")
    server.expect_no_connection()


def test_a_408_that_is_passed_on_closes_the_older_idle_connections_too(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    first, second = pooled(daemon, server, 2)
    client = answered_408(daemon, server, "POST", b"once", upstream=second)
    assert client.read_response().status == 408
    assert first.wait_for_end() == "fin"
