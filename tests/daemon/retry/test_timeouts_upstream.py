"""response_timeout, stall_timeout, connect_timeout: 504 before the first byte, a visible cut after it (core/doc/design.md §4, §6.5)."""

import time

import pytest
from helpers_pool import KEEP, Bottleneck, begin, every_host, exchange, finish, serve
from support.background import Background
from support.stalls import real_time
from support.stream import Cut
from support.waiting import scaled
from support.wiring import check_own_answer

pytestmark = real_time


@pytest.fixture
def blocked(_daemons):
    """blocked(host, port): an origin that takes no connection."""
    made = []

    def start(host="127.0.0.1", port=0):
        made.append(Bottleneck(host, port))
        made[-1].block()
        return made[-1]

    yield start
    for each in made:
        each.close()


# response_timeout


@pytest.mark.parametrize("method,body", [("GET", None), ("POST", b"x")])
@pytest.mark.parametrize("reused", [False, True], ids=["fresh", "reused"])
def test_an_origin_that_does_not_answer_is_504_and_not_asked_again(keepwarm, origin, method, body, reused):
    daemon, server = keepwarm(every_host(response_timeout="500ms")), origin()
    upstream = exchange(daemon, server) if reused else None
    began = time.monotonic()
    client = begin(daemon, server, method, body=body)
    upstream = upstream or server.accept()
    upstream.read_request()
    check_own_answer(client.read_response(), 504, "http_response_timeout", "127.0.0.1")
    assert 0.45 < time.monotonic() - began < scaled(2.5)
    assert upstream.wait_for_end()
    server.expect_no_connection()
    daemon.wait_log(r"upstream \S+ closed: response timeout")


def test_response_timeout_counts_from_the_last_byte_of_the_request(keepwarm, origin):
    daemon, server = keepwarm(every_host(response_timeout="900ms")), origin()
    client = begin(daemon, server, "POST", "/", "Content-Length: 4", body=b"a")
    upstream = server.accept()
    upstream.read_request_head()
    for byte in (b"b", b"c", b"d"):
        time.sleep(0.4)
        client.send(byte)
    assert upstream.read_exact(4) == b"abcd"
    time.sleep(0.2)
    upstream.answer("ok")
    finish(client)


def test_response_timeout_ends_with_the_first_byte(keepwarm, origin):
    daemon, server = keepwarm(every_host(response_timeout="700ms")), origin()
    client = begin(daemon, server)
    upstream = server.accept()
    upstream.read_request()
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n")
    for part in ("a", "b", "c", "d", "e", "f"):
        time.sleep(0.15)
        upstream.send(part)
    finish(client, "abcdef")


def test_an_interim_response_begins_the_wait_anew(keepwarm, origin):
    daemon, server = keepwarm(every_host(response_timeout="1s")), origin()
    client = begin(daemon, server)
    upstream = server.accept()
    upstream.read_request()
    for _ in range(3):
        time.sleep(0.5)
        upstream.send("HTTP/1.1 102 Processing\r\n\r\n")
    upstream.answer("ok")
    assert len(finish(client).interim) == 3


def test_an_origin_that_stops_within_its_head_is_504_too(keepwarm, origin):
    daemon, server = keepwarm(every_host(response_timeout="300ms", stall_timeout="300ms")), origin()
    client = begin(daemon, server)
    upstream = server.accept()
    upstream.read_request()
    upstream.send("HTTP/1.1 200 OK\r\nX: ")
    assert client.read_response().status in (502, 504)
    assert upstream.wait_for_end()


def test_a_retry_has_its_own_response_timeout(keepwarm, origin):
    daemon, server = keepwarm(every_host(response_timeout="1s")), origin()
    upstream = exchange(daemon, server)
    client = begin(daemon, server)
    upstream.read_request()
    time.sleep(0.6)
    upstream.close()
    fresh = server.accept()
    fresh.read_request()
    time.sleep(0.6)
    fresh.answer("ok")
    finish(client)


def test_one_host_has_its_own_response_timeout(keepwarm, origin):
    server, other = origin(), origin()
    daemon = keepwarm({"host": {f"127.0.0.1:{server.port}": {"response_timeout": "200ms"}}})
    slow = begin(daemon, other)
    upstream = other.accept()
    upstream.read_request()
    client = begin(daemon, server)
    server.accept().read_request()
    assert client.read_response().status == 504
    upstream.answer("ok")
    finish(slow)


# stall_timeout


@pytest.mark.parametrize("framing", [
    "Content-Length: 10\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", "\r\nhalf"
], ids=["length", "chunked", "until close"])
def test_a_response_that_stalls_is_cut_for_the_client(keepwarm, origin, framing):
    daemon, server = keepwarm(every_host(stall_timeout="300ms")), origin()
    client = begin(daemon, server)
    upstream = server.accept()
    upstream.read_request()
    upstream.send(f"HTTP/1.1 200 OK\r\n{framing}")
    response = client.read_response_head()
    with pytest.raises(Cut):
        client.read_response_body(response)
    assert upstream.wait_for_end()
    server.expect_no_connection()


def test_a_stalled_close_delimited_response_is_reset_for_an_http10_client(keepwarm, origin):
    daemon, server = keepwarm(every_host(stall_timeout="300ms")), origin()
    client = daemon.client()
    client.send_request("GET", server.url(), version="1.0")
    upstream = server.accept()
    upstream.read_request()
    upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
    client.read_until(b"half")
    client.expect_reset()


def test_a_response_that_goes_on_slowly_is_not_cut(keepwarm, origin):
    daemon, server = keepwarm(every_host(stall_timeout="900ms")), origin()
    client = begin(daemon, server)
    upstream = server.accept()
    upstream.read_request()
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
    for byte in "abcde":
        time.sleep(0.3)
        upstream.send(byte)
    finish(client, "abcde")


def test_a_request_body_that_stalls_is_given_up(keepwarm, origin):
    daemon, server = keepwarm(every_host(stall_timeout="300ms")), origin()
    client = begin(daemon, server, "POST", "/", "Content-Length: 10", body=b"half")
    upstream = server.accept()
    upstream.read_request_head()
    assert upstream.read_exact(4) == b"half"
    assert client.read_response().status in (408, 504)
    client.expect_eof()
    assert upstream.wait_for_end()


def test_a_request_body_that_goes_on_slowly_is_not_given_up(keepwarm, origin):
    daemon, server = keepwarm(every_host(stall_timeout="900ms")), origin()
    client = begin(daemon, server, "POST", "/", "Content-Length: 5", body=b"")
    upstream = server.accept()
    upstream.read_request_head()
    for byte in b"abcde":
        time.sleep(0.3)
        client.send(bytes([byte]))
        assert upstream.read_exact(1) == bytes([byte])
    upstream.answer("ok")
    finish(client)


def test_a_client_that_stops_reading_is_cut_after_stall_timeout(keepwarm, origin):
    daemon, server = keepwarm(every_host(stall_timeout="500ms")), origin()
    client = daemon.client(receive_buffer=4096)
    client.send_request("GET", server.url())
    upstream = server.accept()
    upstream.read_request()

    def pour():
        upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 900000000\r\n\r\n")
        with pytest.raises(Cut):
            while True:
                upstream.send(bytes(1 << 18))

    Background(pour).result()


def test_a_client_that_reads_slowly_is_not_cut(keepwarm, origin):
    daemon, server = keepwarm(every_host(stall_timeout="1s")), origin()
    client = daemon.client(receive_buffer=16384)
    client.send_request("GET", server.url())
    upstream = server.accept()
    upstream.read_request()
    size = 24 << 20
    pouring = Background(upstream.answer, bytes(size))
    response = client.read_response_head()
    assert response.length() == size
    left = size
    for _ in range(5):
        time.sleep(0.4)
        wanted = min(left, 1 << 20)
        client.discard(wanted)
        left -= wanted
    client.discard(left)
    pouring.result()


def test_an_origin_that_stops_reading_is_given_up_after_stall_timeout(keepwarm, origin):
    daemon, server = keepwarm(every_host(stall_timeout="500ms")), origin()
    client = begin(daemon, server, "POST", "/", "Content-Length: 900000000", body=b"")
    upstream = server.accept()
    upstream.read_request_head()

    def pour():
        try:
            while True:
                client.send(bytes(1 << 18))
        except Cut:
            pass

    pouring = Background(pour)
    data = client.read_to_end()
    assert data == b"" or data.startswith((b"HTTP/1.1 504 ", b"HTTP/1.1 502 ", b"HTTP/1.1 408 ")), data
    pouring.result()


# connect_timeout


def test_a_connection_that_does_not_come_is_504_after_connect_timeout(keepwarm, blocked):
    daemon, server = keepwarm(every_host(connect_timeout="300ms")), blocked()
    began = time.monotonic()
    check_own_answer(daemon.get(server.url()), 504, "connection_timeout", "127.0.0.1")
    assert 0.25 < time.monotonic() - began < scaled(1.5)


def test_connect_timeout_is_no_limit_for_what_comes_after_it(keepwarm, origin):
    daemon, server = keepwarm(every_host(connect_timeout="200ms")), origin()
    client = begin(daemon, server)
    upstream = server.accept()
    upstream.read_request()
    upstream.expect_silence(0.5)
    upstream.answer("ok")
    finish(client)


def test_a_refused_connection_is_502(keepwarm, closed_port):
    daemon = keepwarm()
    check_own_answer(daemon.get(f"http://127.0.0.1:{closed_port()}/"), 502, "connection_refused", "127.0.0.1")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_where_one_address_refuses_the_next_one_is_tried(keepwarm, origin, method):
    """localhost is ::1 and 127.0.0.1; on ::1 nobody listens."""
    daemon, server = keepwarm(), origin()
    client = daemon.client()
    client.send_request(method, f"http://localhost:{server.port}/", body=b"x" if method == "POST" else None)
    assert serve(server.accept()).method == method
    finish(client)


def test_where_one_address_does_not_answer_the_next_one_is_tried_soon(keepwarm, origin, blocked):
    daemon, server = keepwarm(), origin()
    try:
        blocked("::1", server.port)
    except OSError:
        pytest.skip("this machine has no ::1")
    began = time.monotonic()
    client = daemon.client()
    client.send_request("GET", f"http://localhost:{server.port}/")
    serve(server.accept())
    finish(client)
    assert time.monotonic() - began < scaled(1.0)


def test_a_refused_retry_address_is_not_a_retry(keepwarm, closed_port):
    """Nothing was sent, so a POST may go to the next address; when none is left it is 502."""
    daemon = keepwarm()
    check_own_answer(daemon.request("POST", f"http://localhost:{closed_port()}/", body=b"x"), 502, "connection_refused")


def test_a_warm_connection_needs_no_listener(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server, answer=(KEEP,))
    server.stop_listening()
    exchange(daemon, server, upstream)
