"""Bodies over TLS that end too early: only close_notify ends what has no length (RFC 9112 §9.8; core/doc/design.md §6.6)."""

import pytest
from helpers_pool import exchange
from helpers_tls import both_versions, secure_wire
from support.stream import Cut

LENGTH = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nbegin"
CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n"
UNTIL_CLOSE = "HTTP/1.1 200 OK\r\n\r\nbegin"
CLEAN = {
    "close_notify and FIN": lambda upstream: upstream.close(),
    "close_notify and half a FIN": lambda upstream: upstream.shutdown_write(),
    "close_notify alone": lambda upstream: upstream.send_close_notify(),
}
CUT = {
    "FIN": lambda upstream: upstream.cut(),
    "RST": lambda upstream: upstream.reset(),
    "half a record and FIN": lambda upstream: (upstream.send_encrypted(b"\x17\x03\x03\x01\x00half"), upstream.cut()),
    "garbage": lambda upstream: upstream.send_encrypted(b"0\r\n\r\n0\r\n\r\n"),
    "a forged record": lambda upstream: upstream.send_encrypted(b"\x17\x03\x03\x00\x20" + bytes(32)),
    "a forged close_notify": lambda upstream: upstream.send_encrypted(b"\x15\x03\x03\x00\x02\x01\x00"),
}
clean = pytest.mark.parametrize("end", CLEAN.values(), ids=CLEAN.keys())
cut = pytest.mark.parametrize("end", CUT.values(), ids=CUT.keys())


def begun(w, answer: str, version: str = "1.1"):
    """A client that has read the beginning of `answer`."""
    w.ask(version=version).read_request()
    w.upstream.send(answer)
    head = w.client.read_response_head()
    if head.chunked:
        assert w.client.read_chunk()[0] == b"begin"
    else:
        assert w.client.read_exact(5) == b"begin"
    return head


@both_versions
@clean
def test_close_notify_ends_a_body_without_a_length(keepwarm, origin, versions, end):
    w = secure_wire(keepwarm, origin, versions=versions)
    head = begun(w, UNTIL_CLOSE)
    w.upstream.send(" and end")
    end(w.upstream)
    w.client.read_response_body(head)
    assert head.body == b" and end"


@clean
def test_close_notify_ends_it_for_a_1_0_client_too(keepwarm, origin, end):
    w = secure_wire(keepwarm, origin)
    begun(w, UNTIL_CLOSE, version="1.0")
    end(w.upstream)
    w.client.expect_eof()


@both_versions
@cut
def test_without_close_notify_a_body_without_a_length_is_cut(keepwarm, origin, versions, end):
    w = secure_wire(keepwarm, origin, versions=versions)
    begun(w, UNTIL_CLOSE)
    end(w.upstream)
    assert b"0\r\n" not in w.client.read_to_end()
    w.daemon.wait_log(r"upstream \S+ closed: (cut response|protocol error)")
    w.server.expect_no_connection()


@cut
def test_a_1_0_client_sees_the_cut_as_a_reset(keepwarm, origin, end):
    w = secure_wire(keepwarm, origin)
    begun(w, UNTIL_CLOSE, version="1.0")
    end(w.upstream)
    w.client.expect_reset()


@both_versions
@pytest.mark.parametrize("answer", [LENGTH, CHUNKED, CHUNKED + "0\r\n"], ids=["length", "chunked", "last chunk begun"])
@pytest.mark.parametrize("end", [*CLEAN.values(), *CUT.values()], ids=[*CLEAN.keys(), *CUT.keys()])
def test_a_body_with_a_length_is_cut_by_any_end(keepwarm, origin, versions, answer, end):
    w = secure_wire(keepwarm, origin, versions=versions)
    head = begun(w, answer)
    end(w.upstream)
    rest = w.client.read_to_end()
    assert b"0\r\n" not in rest and len(rest) < 5, rest
    assert w.client.ended and (head.chunked or head.get("content-length") == "10")


@cut
def test_a_body_that_is_whole_needs_no_close_notify(keepwarm, origin, end):
    w = secure_wire(keepwarm, origin)
    w.ask().read_request()
    w.upstream.answer("whole")
    assert w.client.read_response().body == b"whole"
    end(w.upstream)
    w.daemon.wait_log(r"upstream \S+ closed")
    exchange(w.daemon, w.server)


@pytest.mark.parametrize("end", [*CLEAN.values(), CUT["FIN"], CUT["RST"]], ids=[*CLEAN.keys(), "FIN", "RST"])
def test_a_cut_inside_the_head_is_502(keepwarm, origin, end):
    w = secure_wire(keepwarm, origin)
    w.ask().read_request()
    w.upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n")
    end(w.upstream)
    assert w.client.read_response().status == 502
    w.server.expect_no_connection()


def test_the_client_can_tell_a_cut_from_an_end(keepwarm, origin):
    w = secure_wire(keepwarm, origin)
    w.ask().read_request()
    w.upstream.send(UNTIL_CLOSE)
    w.client.read_until(b"begin")
    w.upstream.cut()
    with pytest.raises(Cut):
        w.client.read_until(b"0\r\n\r\n")


def test_the_last_bytes_before_a_cut_arrive(keepwarm, origin):
    w = secure_wire(keepwarm, origin)
    w.ask().read_request()
    w.upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + "x" * 50000)
    w.upstream.cut()
    w.client.read_response_head()
    assert w.client.read_to_end() == b"x" * 50000
