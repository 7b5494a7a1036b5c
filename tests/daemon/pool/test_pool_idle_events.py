"""What happens to a connection while it is idle (core/doc/design.md §6.2): it leaves the pool at once, and no byte reaches a client."""

import time

import pytest
from helpers_pool import KEEP, begin, exchange, finish, pooled, serve, standing_still
from support.waiting import eventually

STRAY = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
UNSOLICITED_408 = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
BYTES = {"a byte": "x", "an empty line": "\r\n", "a response": STRAY, "a 408": UNSOLICITED_408, "part of a 408": "HTTP/1.1 4"}
ENDS = {
    "FIN": lambda upstream: upstream.close(),
    "half a FIN": lambda upstream: upstream.shutdown_write(),
    "RST": lambda upstream: upstream.reset(),
}
REQUESTS = {"GET": ("GET", None), "POST": ("POST", b"once")}


@pytest.mark.parametrize("stray", BYTES.values(), ids=BYTES.keys())
def test_bytes_while_idle_end_the_connection_and_reach_nobody(keepwarm, origin, stray):
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server)
    upstream.send(stray)
    assert upstream.wait_for_end()
    exchange(daemon, server)


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
def test_a_close_while_idle_takes_the_connection_out_at_once(keepwarm, origin, end):
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server)
    end(upstream)
    daemon.wait_log(r"upstream \S+ closed: server closed idle")
    client = begin(daemon, server, "POST", body=b"once")
    assert serve(server.accept()).body == b"once"
    finish(client)


def test_a_half_closed_idle_connection_is_closed_by_us_too(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server)
    upstream.shutdown_write()
    upstream.expect_eof()


def test_a_408_and_a_close_while_idle_count_as_the_servers_idle_close(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server)
    upstream.send(UNSOLICITED_408)
    upstream.close()
    daemon.wait_log(r"upstream \S+ closed: server closed idle")
    exchange(daemon, server)


@pytest.mark.parametrize("method,body", REQUESTS.values(), ids=REQUESTS.keys())
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
def test_a_close_that_has_come_is_seen_before_a_request_is_sent(keepwarm, origin, end, method, body):
    """The request and the close are found in one turn of the loop: whichever is handled first, the request is safe."""
    daemon, server = keepwarm(), origin()
    for _ in range(3):
        client = daemon.client()
        upstream = exchange(daemon, server)
        with standing_still(daemon):
            client.send_request(method, server.url("/after"), body=body)
            end(upstream)
            time.sleep(0.005)  # below an idle age of 1 ms nobody looks
        assert serve(server.accept(), "ok", "Connection: close").target == "/after"
        finish(client)


@pytest.mark.parametrize("method,body", REQUESTS.values(), ids=REQUESTS.keys())
@pytest.mark.parametrize("stray", [STRAY, UNSOLICITED_408], ids=["a response", "a 408"])
def test_bytes_that_have_come_are_seen_before_a_request_is_sent(keepwarm, origin, stray, method, body):
    daemon, server = keepwarm(), origin()
    for _ in range(3):
        client = daemon.client()
        upstream = exchange(daemon, server)
        with standing_still(daemon):
            client.send_request(method, server.url("/after"), body=body)
            upstream.send(stray)
            time.sleep(0.005)
        assert serve(server.accept(), "good", "Connection: close").target == "/after"
        finish(client, "good")
        assert upstream.wait_for_end()
        assert b"/after" not in upstream.received


def test_only_the_connection_that_ended_leaves_the_pool(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    first, second, third = pooled(daemon, server, 3)
    second.close()
    daemon.wait_log(r"upstream \S+ closed: server closed idle")
    exchange(daemon, server, third)
    one = begin(daemon, server, path="/one")
    third.read_request()
    other = begin(daemon, server, path="/other")
    assert serve(first).target == "/other"
    third.answer("ok")
    finish(one)
    finish(other)
    server.expect_no_connection()


def test_descriptors_of_ended_connections_are_given_back(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    exchange(daemon, server).close()
    daemon.wait_log(r"upstream \S+ closed: server closed idle")
    baseline = daemon.fd_count()
    for upstream in pooled(daemon, server, 10, KEEP):
        upstream.close()
    eventually(lambda: daemon.fd_count() <= baseline, message="as many descriptors as before")
