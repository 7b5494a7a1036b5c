"""A response that ends too early is cut for the client too, never a clean end (RFC 9112 §8)."""

import pytest
from support.stream import Cut
from support.wiring import check_own_answer

LENGTH = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nbegin"
CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n"
UNTIL_CLOSE = "HTTP/1.1 200 OK\r\n\r\nbegin"


def end(upstream, how: str) -> None:
    upstream.reset() if how == "rst" else upstream.close()


@pytest.mark.parametrize("answer,how", [(LENGTH, "fin"), (LENGTH, "rst"), (CHUNKED, "fin"), (CHUNKED, "rst"),
                                        (CHUNKED + "0\r\n", "fin"), (CHUNKED + "5\r\nab", "fin"), (UNTIL_CLOSE, "rst")])
def test_a_cut_is_seen_by_the_client(wire, answer, how):
    w = wire()
    w.ask().read_request()
    w.upstream.send(answer)
    head = w.client.read_response_head()
    before = b"" if not head.chunked else w.client.read_until(b"\r\n")
    assert w.client.read_exact(5) == b"begin"  # whatever the chunks are now
    end(w.upstream, how)
    rest = before + w.client.read_to_end()
    assert b"0\r\n" not in rest and len(rest) < 20


@pytest.mark.parametrize("how", ["fin", "rst"])
@pytest.mark.parametrize("part",
                         ["H", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"])
def test_a_cut_inside_the_head_is_502(wire, part, how):
    w = wire()
    w.ask().read_request()
    w.upstream.send(part)
    if how == "rst":
        w.upstream.expect_silence()  # so that the part is read before the RST drops it
    end(w.upstream, how)
    response = w.client.read_response()
    check_own_answer(response, 502, host="127.0.0.1")
    if how == "fin":
        check_own_answer(response, 502, "http_response_incomplete")


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_a_fresh_connection_that_closes_without_an_answer_is_502_and_not_tried_again(wire, how):
    w = wire()
    w.ask().read_request()
    end(w.upstream, how)
    check_own_answer(w.client.read_response(), 502, "connection_terminated", "127.0.0.1")
    w.server.expect_no_connection()


@pytest.mark.parametrize("chunk", ["g\r\n", "\r\n", "-1\r\n", "0x5\r\n", "5 \r\nabcde\r\n", "5\r\nabcdeX",
                                   "5\nabcde\r\n", "10000000000000000\r\n", "FFFFFFFFFFFFFFFFF\r\n",
                                   "5;\rx\r\nabcde\r\n", "5;a\nb\r\nabcde\r\n", " 5\r\nabcde\r\n"])
def test_a_broken_chunk_of_a_response_is_a_cut(wire, chunk):
    w = wire()
    w.ask().read_request()
    w.upstream.send(CHUNKED)
    assert w.client.read_response_head().chunked and w.client.read_chunk()[0] == b"begin"
    w.upstream.send(chunk + "0\r\n\r\n")
    assert b"0\r\n\r\n" not in w.client.read_to_end()
    assert w.upstream.wait_for_end()


def test_a_cut_answer_is_not_tried_again(wire):
    w = wire()
    w.ask().read_request()
    w.upstream.answer("warm")
    w.client.read_response()
    w.ask().read_request()
    w.upstream.send(LENGTH)
    w.client.read_until(b"begin")
    w.upstream.close()
    assert w.client.read_to_end() == b""
    w.server.expect_no_connection()
    w.daemon.wait_log(r"upstream \S+ closed: cut response")


def test_the_client_can_tell_a_cut_from_an_end(wire):
    w = wire()
    w.ask().read_request()
    w.upstream.send(LENGTH)
    w.client.read_until(b"\r\n\r\n")
    w.upstream.close()
    with pytest.raises(Cut):
        w.client.read_exact(10)
