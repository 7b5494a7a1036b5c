"""Trailers, both ways (RFC 9110 §6.5)."""

import pytest

POST = "POST http://{at}/ HTTP/1.1\r\nHost: {at}\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
ANSWER = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"


def test_trailers_pass_both_ways(wire):
    w = wire()
    request = w.forwarded(POST + "3\r\nabc\r\n0\r\nX-Sum: 1\r\nx-other:  2 \r\nX-Sum: 3\r\n\r\n")
    assert request.trailers == [("X-Sum", "1"), ("x-other", "2"), ("X-Sum", "3")]
    assert request.get("trailer") == "X-Sum"
    w.drop_upstream()
    response = w.answered(ANSWER + "3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n", "GET", "TE: trailers", "Connection: TE")
    assert response.body == b"abc" and response.trailers == [("X-Sum", "1")]


def test_trailers_behind_an_empty_body_pass(wire):
    assert wire().forwarded(POST + "0\r\nX-Sum: 0\r\n\r\n").trailers == [("X-Sum", "0")]


FORBIDDEN = ["Content-Length: 3", "Host: evil", "Connection: close", "Proxy-Authorization: Basic eA=="]


@pytest.mark.parametrize("line", FORBIDDEN)
def test_a_trailer_that_would_frame_or_route_never_reaches_the_origin(wire, line):
    w = wire()
    client = w.send(POST + f"3\r\nabc\r\n0\r\nX-Sum: 1\r\n{line}\r\n\r\n")
    upstream = w.server.accept()
    request = upstream.read_request_head()
    end = upstream.read_until(b"X-Sum: 1\r\n") + upstream.read_until(b"\r\n")
    assert end.endswith(b"X-Sum: 1\r\n\r\n") and request.chunked
    upstream.answer("ok")
    assert client.read_response().body == b"ok"


@pytest.mark.parametrize("line", FORBIDDEN[:-1] + ["Proxy-Authenticate: Basic"])
def test_a_trailer_that_would_frame_or_route_never_reaches_the_client(wire, line):
    response = wire().answered(ANSWER + f"3\r\nabc\r\n0\r\nX-Sum: 1\r\n{line}\r\n\r\n", "GET", "TE: trailers",
                               "Connection: TE")
    assert response.trailers == [("X-Sum", "1")]


def test_transfer_encoding_in_a_trailer_is_dropped_or_refused(wire):
    w = wire()
    upstream = w.ask()
    upstream.read_request()
    upstream.send(ANSWER + "3\r\nabc\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n")
    w.client.read_response_head()
    w.client.read_until(b"abc\r\n")
    w.client.shutdown_write()
    assert b"ransfer" not in w.client.read_to_end()


@pytest.mark.parametrize("section", ["A : b\r\n", "A: b\n", " A: b\r\n", "A: b\r\n folded\r\n", "no colon\r\n",
                                     ": b\r\n", "A: b\x00\r\n", "A: b\rc\r\n"])
def test_a_broken_trailer_of_a_request_is_400_and_the_origin_sees_no_whole_body(wire, section):
    w = wire()
    w.send(POST + "3\r\nabc\r\n")
    upstream = w.server.accept()
    upstream.read_until(b"\r\n\r\n3\r\nabc\r\n")
    w.client.send("0\r\n" + section + "\r\n")
    assert w.client.read_response().status == 400
    w.client.expect_eof()
    assert not upstream.read_to_end().endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("section",
                         ["Content-Length : 3\r\n", "A: b\n", " A: b\r\n", "A: b\r\n folded\r\n", "no colon\r\n",
                          "A: b\x00\r\n"])
def test_a_broken_trailer_of_a_response_is_a_cut(wire, section):
    w = wire()
    w.ask().read_request()
    w.upstream.send(ANSWER + "3\r\nabc\r\n")
    assert w.client.read_response_head().status == 200 and w.client.read_chunk()[0] == b"abc"
    w.upstream.send("0\r\n" + section + "\r\n")
    assert b"0\r\n\r\n" not in w.client.read_to_end()
    assert w.upstream.wait_for_end()


def test_white_space_before_the_colon_of_a_responses_trailer_is_removed(wire):
    response = wire().answered(ANSWER + "3\r\nabc\r\n0\r\nX-Sum : 1\r\nConnection : close\r\n\r\n", "GET",
                               "TE: trailers", "Connection: TE")
    assert response.body == b"abc" and response.trailers == [("X-Sum", "1")]


def test_white_space_before_chunk_extensions_is_taken(wire):
    w = wire()
    assert w.forwarded(POST + "3 ;x=y\r\nabc\r\n0\t;z\r\n\r\n").body == b"abc"
    w.drop_upstream()
    assert w.answered(ANSWER + "2 ;x=y\r\nok\r\n0\r\n\r\n").body == b"ok"
