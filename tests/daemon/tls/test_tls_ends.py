"""All the ways in which an origin ends a TLS connection, at every point of an exchange (core/doc/design.md §6.2, §6.5)."""

import time

import pytest
from helpers_pool import KEEP, begin, exchange, finish, serve, standing_still
from helpers_tls import VERSIONS
from support.tls import trusting
from support.tls_server import ServerTls
from support.wiring import check_own_answer

ENDS = {
    "close_notify and FIN": lambda upstream: upstream.close(),
    "close_notify and half a FIN": lambda upstream: upstream.shutdown_write(),
    "close_notify alone": lambda upstream: upstream.send_close_notify(),
    "FIN without close_notify": lambda upstream: upstream.cut(),
    "RST": lambda upstream: upstream.reset(),
}
TIMEOUT = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 4\r\n\r\nslow"
ends = pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
methods = pytest.mark.parametrize("method,body", [("GET", None), ("POST", b"once")], ids=["GET", "POST"])


@pytest.fixture(params=VERSIONS.values(), ids=VERSIONS.keys())
def pair(request, keepwarm, origin):
    """(daemon, origin)"""
    return keepwarm(trusting()), origin(tls=ServerTls(versions=request.param))


def expect_one_attempt(client, server):
    check_own_answer(client.read_response(), 502, "connection_terminated", "127.0.0.1")
    server.expect_no_connection()


@ends
def test_an_end_while_idle_takes_the_connection_out_at_once(pair, end):
    daemon, server = pair
    upstream = exchange(daemon, server)
    end(upstream)
    daemon.wait_log(r"upstream \S+ closed: server closed idle")
    exchange(daemon, server, method="POST", body=b"once")


@ends
@methods
def test_an_end_that_has_come_is_seen_before_a_request_is_sent(pair, end, method, body):
    daemon, server = pair
    client = daemon.client()
    upstream = exchange(daemon, server)
    with standing_still(daemon):
        client.send_request(method, server.url("/after"), body=body)
        end(upstream)
        time.sleep(0.005)  # below an idle age of 1 ms nobody looks
    assert serve(server.accept()).target == "/after"
    finish(client)


@ends
def test_a_get_on_a_reused_connection_that_ends_is_sent_again(pair, end):
    daemon, server = pair
    upstream = exchange(daemon, server)
    client = begin(daemon, server, path="/stale")
    first = upstream.read_request()
    end(upstream)
    fresh = server.accept()
    assert serve(fresh, "ok", KEEP).raw == first.raw
    assert not finish(client).has("proxy-status")
    exchange(daemon, server, fresh)
    daemon.wait_log(r"upstream \S+ closed: stale failure")


@ends
def test_a_post_on_a_reused_connection_that_ends_is_never_sent_twice(pair, end):
    daemon, server = pair
    upstream = exchange(daemon, server)
    client = begin(daemon, server, "POST", "/stale", body=b"once")
    assert upstream.read_request().body == b"once"
    end(upstream)
    expect_one_attempt(client, server)
    daemon.wait_log(r"upstream \S+ closed: stale failure")


@ends
@methods
def test_a_fresh_connection_that_ends_is_502_and_one_attempt(pair, end, method, body):
    daemon, server = pair
    client = begin(daemon, server, method, body=body)
    upstream = server.accept()
    upstream.read_request()
    end(upstream)
    expect_one_attempt(client, server)


@ends
def test_a_retry_that_ends_is_not_retried(pair, end):
    daemon, server = pair
    upstream = exchange(daemon, server)
    client = begin(daemon, server)
    upstream.read_request()
    end(upstream)
    fresh = server.accept()
    fresh.read_request()
    end(fresh)
    expect_one_attempt(client, server)


@ends
@pytest.mark.parametrize("part", ["H", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 103 Early Hints\r\n\r\n"])
def test_after_a_byte_of_the_response_nothing_is_tried_again(pair, end, part):
    daemon, server = pair
    upstream = exchange(daemon, server)
    client = begin(daemon, server)
    upstream.read_request()
    upstream.send(part)
    end(upstream)
    assert client.read_response().status == 502
    server.expect_no_connection()


@ends
def test_a_408_is_discarded_however_the_connection_ends(pair, end):
    daemon, server = pair
    upstream = exchange(daemon, server)
    client = begin(daemon, server, path="/408")
    upstream.read_request()
    upstream.send(TIMEOUT)
    if end is ENDS["RST"]:
        upstream.expect_no_byte()  # so that the answer is read before the RST drops it
    end(upstream)
    assert serve(server.accept(), "ok", KEEP).target == "/408"
    finish(client)


@ends
def test_a_408_to_a_post_is_passed_on_however_the_connection_ends(pair, end):
    daemon, server = pair
    upstream = exchange(daemon, server)
    client = begin(daemon, server, "POST", body=b"once")
    upstream.read_request()
    upstream.send(TIMEOUT)
    if end is ENDS["RST"]:
        upstream.expect_no_byte()
    end(upstream)
    response = client.read_response()
    assert (response.status, response.body) == (408, b"slow")
    server.expect_no_connection()


@ends
def test_a_408_while_idle_is_never_an_answer(pair, end):
    daemon, server = pair
    upstream = exchange(daemon, server)
    upstream.send(TIMEOUT)
    end(upstream)
    daemon.wait_log(r"upstream \S+ closed")
    exchange(daemon, server)


@pytest.mark.parametrize("garbage", [b"HTTP/1.1 200 OK\r\n\r\n", b"\x17\x03\x03\x00\x20" + bytes(32),
                                     b"\x15\x03\x03\x00\x02\x02\x28"], ids=["plain text", "a forged record", "a forged alert"])
@methods
def test_a_broken_record_in_place_of_a_response_is_502(pair, garbage, method, body):
    daemon, server = pair
    client = begin(daemon, server, method, body=body)
    upstream = server.accept()
    upstream.read_request()
    upstream.send_encrypted(garbage + bytes(5))
    response = client.read_response()
    check_own_answer(response, 502, host="127.0.0.1")
    assert upstream.wait_for_end()
    server.expect_no_connection()


@ends
def test_a_response_that_is_whole_stays_so_however_the_connection_ends(pair, end):
    daemon, server = pair
    client = begin(daemon, server)
    upstream = server.accept()
    upstream.read_request()
    upstream.answer("whole", "200 OK", "Connection: close")
    if end is ENDS["RST"]:
        upstream.wait_for_end()
    end(upstream)
    finish(client, "whole")
