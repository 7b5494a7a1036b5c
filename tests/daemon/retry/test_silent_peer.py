"""Upstream connections whose peer is gone without an end: a NAT that forgot them, a cable, a power cut (core/doc/design.md §6.5)."""

import time

import pytest
from helpers_deaf import deafen, hear_again, keepalive_due, wait_sent
from helpers_pool import KEEP, begin, close_reasons, every_host, exchange, finish, pooled, serve
from support.stalls import real_time
from support.tls import trusting
from support.tls_server import ServerTls
from support.waiting import eventually, scaled
from support.wiring import check_own_answer

pytestmark = real_time


def silent(daemon, server, method="GET", body=None, upstream=None, path="/silent"):
    """A request into the void, on a reused connection; (the client, the connection)."""
    upstream = upstream or exchange(daemon, server)
    deafen(upstream)
    client = begin(daemon, server, method, path, body=body)
    wait_sent(upstream)
    return client, upstream


@pytest.mark.parametrize("tls", [None, ServerTls()], ids=["plain", "TLS"])
def test_a_get_is_answered_from_a_fresh_connection_within_a_second(keepwarm, origin, tls):
    daemon, server = keepwarm(trusting()), origin(tls=tls)
    began = time.monotonic()
    client, _ = silent(daemon, server)
    fresh = server.accept()
    assert serve(fresh, "ok", KEEP).target == "/silent"
    finish(client)
    assert 0.25 <= time.monotonic() - began < scaled(1)
    daemon.wait_log(r"upstream \S+ closed: peer silent")
    exchange(daemon, server, fresh)


def test_a_put_is_sent_again_with_its_body(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    client, _ = silent(daemon, server, "PUT", b"body")
    assert serve(server.accept()).body == b"body"
    finish(client)


@pytest.mark.parametrize("size", [4, 1 << 20])
def test_a_put_that_waits_to_be_asked_for_its_body_is_sent_again(keepwarm, origin, size):
    """Nobody is there to say "100 Continue", and the client may wait for it."""
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server)
    deafen(upstream)
    began = time.monotonic()
    client = begin(daemon, server, "PUT", "/silent", "Expect: 100-continue", f"Content-Length: {size}", body=b"")
    wait_sent(upstream)
    fresh = server.accept()
    again = fresh.read_request_head()
    assert 0.25 <= time.monotonic() - began < scaled(1)
    fresh.send("HTTP/1.1 100 Continue\r\n\r\n")
    assert client.read_response_head().status == 100
    client.send(bytes(size))
    fresh.read_request_body(again)
    assert again.body == bytes(size)
    fresh.answer("ok")
    finish(client)


def test_a_body_that_is_waited_for_has_stall_timeout_from_a_server_that_is_there(keepwarm, origin):
    daemon, server = keepwarm(every_host(stall_timeout="1s")), origin()
    upstream = exchange(daemon, server)
    began = time.monotonic()
    client = begin(daemon, server, "PUT", "/", "Expect: 100-continue", "Content-Length: 4", body=b"")
    upstream.read_request_head()
    check_own_answer(client.read_response(), 408, "http_request_error")
    assert 0.9 < time.monotonic() - began < scaled(3)
    server.expect_no_connection()


def test_it_is_sent_again_once(keepwarm, origin):
    """The retry's connection has just been opened: whoever is silent there is slow, and response_timeout is for that."""
    daemon, server = keepwarm(every_host(response_timeout="1500ms")), origin()
    client, _ = silent(daemon, server)
    fresh = server.accept()
    assert fresh.read_request().target == "/silent"
    check_own_answer(client.read_response(), 504, "http_response_timeout")
    server.expect_no_connection()


def test_the_other_connections_that_are_as_old_are_closed(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    older, upstream = pooled(daemon, server, 2)
    client, _ = silent(daemon, server, upstream=upstream)
    serve(server.accept())
    finish(client)
    assert older.wait_for_end() == "fin"
    assert close_reasons(daemon) == ["peer silent", "suspected stale"]


def test_a_server_that_has_the_request_and_is_slow_is_not_asked_twice(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server)
    client = begin(daemon, server)
    upstream.read_request()
    server.expect_no_connection(1)
    upstream.answer("ok", "200 OK", KEEP)
    finish(client)
    exchange(daemon, server, upstream)


def test_nor_is_one_that_does_not_read_but_whose_kernel_does(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server)
    client = begin(daemon, server)
    server.expect_no_connection(1)
    serve(upstream)
    finish(client)


def test_response_timeout_goes_on_meanwhile(keepwarm, origin):
    daemon, server = keepwarm(every_host(response_timeout="700ms")), origin()
    upstream = exchange(daemon, server)
    began = time.monotonic()
    client = begin(daemon, server)
    upstream.read_request()
    check_own_answer(client.read_response(), 504, "http_response_timeout")
    assert 0.65 < time.monotonic() - began < scaled(2)
    server.expect_no_connection()


def test_an_answer_that_has_begun_is_waited_for(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    client, upstream = silent(daemon, server)
    upstream.send("HTTP/1.1 200 OK\r\n")
    server.expect_no_connection(1)
    hear_again(upstream)
    upstream.send("Content-Length: 2\r\n\r\nok")
    finish(client)


def test_with_retry_off_a_get_is_not_sent_again(keepwarm, origin):
    daemon, server = keepwarm(every_host(retry=False, response_timeout="1s")), origin()
    client, _ = silent(daemon, server)
    check_own_answer(client.read_response(), 504, "http_response_timeout")
    server.expect_no_connection()


@pytest.mark.parametrize("resend", [False, True])
def test_a_post_is_not_sent_again_and_ends_after_stall_timeout(keepwarm, origin, resend):
    """Its acknowledgement may be what was lost."""
    daemon, server = keepwarm(every_host(stall_timeout="1s", retry_undelivered=resend)), origin()
    began = time.monotonic()
    client, _ = silent(daemon, server, "POST", b"once")
    response = client.read_response()
    check_own_answer(response, 502, "connection_terminated")
    assert response.get("proxy-status").endswith('; details="may have been executed"')
    assert 0.9 < time.monotonic() - began < scaled(3.5)
    server.expect_no_connection()


def test_what_was_sent_elsewhere_is_not_delivered_when_the_peer_hears_again(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    client, upstream = silent(daemon, server)
    seen = len(upstream.received)
    serve(server.accept())
    finish(client)
    hear_again(upstream)
    upstream.expect_silence(1)  # TCP would have sent it again 0.6 s after the first time
    assert len(upstream.received) == seen


def test_idle_connections_are_probed(keepwarm, origin):
    """The first probe is due at an idle age of 15 s; the kernel's clock for it is all that is looked at."""
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server)
    assert 0 < eventually(lambda: keepalive_due(upstream)) <= 15
