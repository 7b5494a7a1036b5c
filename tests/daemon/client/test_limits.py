"""Every limit has a size or a timer (core/doc/design.md §4 [proxy], §9)."""

import pytest
from support.background import Background
from support.stalls import real_time
from support.stream import Cut
from support.waiting import Deadline, eventually
from support.wiring import check_own_answer


def fields(count: int) -> str:
    return "".join(f"X-{number}: y\r\n" for number in range(count))


def test_a_head_of_60_kib_passes(wire):
    request = wire().forwarded(f"GET http://{{at}}/ HTTP/1.1\r\nHost: {{at}}\r\nX-Long: {'x' * 60_000}\r\n\r\n")
    assert len(request.get("x-long")) == 60_000


@pytest.mark.parametrize("size,config", [(70_000, ""), (5_000, '[proxy]\nmax_header_size = "4KiB"')])
def test_a_head_beyond_max_header_size_is_431(wire, size, config):
    response = wire(config).refused(f"GET http://{{at}}/ HTTP/1.1\r\nHost: {{at}}\r\nX-Long: {'x' * size}\r\n\r\n", 431)
    check_own_answer(response, 431)


def test_a_head_without_an_end_is_431_too(wire):
    w = wire()
    client = w.send("GET http://{at}/ HTTP/1.1\r\nHost: {at}\r\n")
    sending = Background(client.send, fields(990) + "X: " + "x" * 70_000)
    assert client.read_response().status == 431
    sending.result()


def test_a_larger_limit_lets_larger_heads_pass_both_ways(wire):
    w = wire('[proxy]\nmax_header_size = "1MiB"')
    value = "x" * 700_000
    w.new_client()
    sending = Background(w.ask, "GET", "/", f"X-Long: {value}")
    request = sending.result().read_request()
    assert request.get("x-long") == value
    answering = Background(w.upstream.send, f"HTTP/1.1 200 OK\r\nX-Long: {value}\r\nContent-Length: 0\r\n\r\n")
    assert w.client.read_response().get("x-long") == value
    answering.result()


@pytest.mark.parametrize("size,config", [(70_000, ""), (5_000, '[proxy]\nmax_header_size = "4KiB"')])
def test_a_target_beyond_max_header_size_is_414(wire, size, config):
    check_own_answer(wire(config).refused(f"GET http://{{at}}/{'x' * size} HTTP/1.1\r\nHost: {{at}}\r\n\r\n", 414), 414)


def test_1000_fields_pass(wire):
    request = wire().forwarded(f"GET http://{{at}}/ HTTP/1.1\r\nHost: {{at}}\r\n{fields(999)}\r\n")
    assert request.get("x-998") == "y"


def test_1001_fields_are_431(wire):
    wire().refused(f"GET http://{{at}}/ HTTP/1.1\r\nHost: {{at}}\r\n{fields(1000)}\r\n", 431)


@pytest.mark.parametrize("lines", [f"X-Long: {'x' * 70_000}\r\n", fields(1001)], ids=["size", "fields"])
def test_a_response_head_beyond_the_limits_is_502(wire, lines):
    w = wire()
    w.ask().read_request()
    sending = Background(w.upstream.send, "HTTP/1.1 200 OK\r\n" + lines + "Content-Length: 0\r\n\r\n")
    check_own_answer(w.client.read_response(), 502, host="127.0.0.1")
    try:
        sending.result()
    except Cut:
        pass  # closed before all was sent
    assert w.upstream.wait_for_end()


def test_a_response_head_of_60_kib_or_1000_fields_passes(wire):
    w = wire()
    response = w.answered(f"HTTP/1.1 200 OK\r\nX-Long: {'x' * 60_000}\r\nContent-Length: 0\r\n\r\n")
    assert len(response.get("x-long")) == 60_000
    w.drop_upstream()
    assert w.answered(f"HTTP/1.1 200 OK\r\n{fields(999)}Content-Length: 0\r\n\r\n").get("x-998") == "y"


CHUNKED = "POST http://{at}/ HTTP/1.1\r\nHost: {at}\r\nTransfer-Encoding: chunked\r\n\r\n"


def refused_midway(w, rest: str) -> int:
    """The status of the answer to a chunked request that goes wrong behind its first chunk."""
    w.send(CHUNKED + "5\r\nfirst\r\n")
    upstream = w.server.accept()
    upstream.read_until(b"first\r\n")
    w.client.send(rest)
    response = w.client.read_response()
    assert b"\r\n0\r\n\r\n" not in b"\r\n" + upstream.read_to_end()
    return response.status


def test_trailers_beyond_max_header_size_are_431(wire):
    assert refused_midway(wire(), f"0\r\nX-Long: {'x' * 70_000}\r\n\r\n") == 431


def test_more_than_1000_trailers_are_431(wire):
    assert refused_midway(wire(), f"0\r\n{fields(1001)}\r\n") == 431


@pytest.mark.parametrize("extensions", [f"1;{'x' * 17_000}\r\ny\r\n", f"1;{'x' * 1000}\r\ny\r\n" * 18],
                         ids=["one", "many"])
def test_more_than_16_kib_of_chunk_extensions_are_400(wire, extensions):
    assert refused_midway(wire(), extensions + "0\r\n\r\n") == 400


def test_chunk_extensions_below_the_limit_pass(wire):
    assert wire().forwarded(CHUNKED + f"1;{'x' * 1000}\r\ny\r\n" * 15 + "0\r\n\r\n").body == b"y" * 15


@pytest.mark.parametrize("rest", [f"1;{'x' * 17_000}\r\ny\r\n0\r\n\r\n", f"0\r\nX-Long: {'x' * 70_000}\r\n\r\n"],
                         ids=["extensions", "trailers"])
def test_a_chunked_response_beyond_the_limits_is_cut(wire, rest):
    w = wire()
    w.ask().read_request()
    w.upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
    w.client.read_until(b"first\r\n")
    try:
        w.upstream.send(rest)
    except Cut:
        pass
    assert b"0\r\n\r\n" not in w.client.read_to_end()
    assert w.upstream.wait_for_end()


# Timers


@real_time
def test_a_head_that_takes_too_long_is_408_and_close(wire):
    w = wire('[proxy]\nclient_header_timeout = "300ms"')
    client = w.send("GET http://{at}/ HTTP/1.1\r\nHost:")
    check_own_answer(client.read_response(), 408)
    client.expect_eof()
    assert not w.server.connections


@real_time
def test_progress_does_not_prolong_a_head(wire):
    w = wire('[proxy]\nclient_header_timeout = "500ms"')
    client = w.new_client()
    deadline = Deadline()
    while not client.has_input() and not deadline.passed():
        client.send_byte_by_byte(b"G", pause=0.01)
    assert client.read_response().status == 408


@real_time
def test_the_header_timeout_counts_for_later_requests_too_and_from_their_first_byte(wire):
    w = wire('[proxy]\nclient_header_timeout = "300ms"')
    w.ask().read_request()
    w.upstream.answer("ok")
    assert w.client.read_response().body == b"ok"
    w.client.expect_silence(0.6)
    w.client.send("GET ")
    assert w.client.read_response().status == 408


@real_time
def test_a_client_that_says_nothing_gets_no_408(wire):
    w = wire('[proxy]\nclient_header_timeout = "200ms"\nclient_idle_timeout = "600ms"')
    client = w.new_client()
    client.expect_silence(0.35)
    client.expect_eof()


@real_time
def test_an_idle_client_is_closed_silently(wire):
    w = wire('[proxy]\nclient_idle_timeout = "300ms"')
    w.ask().read_request()
    w.upstream.answer("ok")
    assert w.client.read_response().body == b"ok"
    w.client.expect_eof()


@real_time
def test_the_idle_timeout_does_not_count_while_an_exchange_is_under_way(wire):
    w = wire('[proxy]\nclient_idle_timeout = "200ms"')
    w.ask().read_request()
    w.client.expect_silence(0.6)
    w.upstream.answer("ok")
    assert w.client.read_response().body == b"ok"


@real_time
def test_a_request_body_that_stalls_ends_the_exchange(wire):
    w = wire({"host": {"*": {"stall_timeout": "300ms"}}})
    upstream = w.ask("POST", "/", "Content-Length: 10", body=b"half")
    assert upstream.read_until(b"half")
    assert upstream.wait_for_end()
    assert w.client.read_to_end()[:12] in (b"", b"HTTP/1.1 408", b"HTTP/1.1 504")


@real_time
def test_a_response_body_that_stalls_is_cut(wire):
    w = wire({"host": {"*": {"stall_timeout": "300ms"}}})
    w.ask().read_request()
    w.upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    w.client.read_until(b"half")
    assert w.client.read_to_end() == b""
    assert w.upstream.wait_for_end()


# Clients


def test_above_max_clients_it_is_503_and_close(wire):
    w = wire("[proxy]\nmax_clients = 2")
    first, second = w.new_client(), w.new_client()
    w.client = second
    w.ask().read_request()
    w.upstream.answer("ok")
    assert second.read_response().body == b"ok"
    third = w.new_client()
    check_own_answer(third.read_response(), 503)
    third.expect_eof()
    third.close()
    first.close()

    def served():
        w.client = None
        client = w.new_client()
        client.send_request("GET", w.url())
        try:
            if w.upstream.read_request(limit=1).target == "/":
                w.upstream.answer("again")
                return client.read_response().body == b"again"
        except (AssertionError, Cut):
            client.close()
        return False

    eventually(served, message="a place for another client")
