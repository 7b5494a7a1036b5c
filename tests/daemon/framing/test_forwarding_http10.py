"""HTTP/1.0 on either side (RFC 9112 §2.3, §9.3, §C)."""

import pytest
from support.stream import Cut
from support.wire import chunked


@pytest.mark.parametrize("connection", ["", "Connection: keep-alive\r\n", "Proxy-Connection: keep-alive\r\n"])
def test_a_1_0_client_is_answered_and_closed_whatever_it_asks(wire, connection):
    w = wire()
    w.send(f"GET http://{{at}}/ HTTP/1.0\r\n{connection}\r\n")
    upstream = w.server.accept()
    assert upstream.read_request().version == "HTTP/1.1"
    upstream.answer("body")
    response = w.client.read_response()
    assert response.body == b"body"
    assert "keep-alive" not in response.tokens("connection") and not response.has("keep-alive")
    w.client.expect_eof()


def test_a_chunked_answer_reaches_a_1_0_client_plain_and_closed(wire):
    w = wire()
    w.send("GET http://{at}/ HTTP/1.0\r\n\r\n")
    upstream = w.server.accept()
    upstream.read_request()
    upstream.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n" + chunked(b"one", b"two",
                                                                                                   trailers="T: x\r\n"))
    response = w.client.read_response()
    assert response.until_close and response.body == b"onetwo" and not response.has("transfer-encoding")


def test_an_answer_until_close_reaches_a_1_0_client_plain_and_closed(wire):
    w = wire()
    w.send("GET http://{at}/ HTTP/1.0\r\n\r\n")
    upstream = w.server.accept()
    upstream.read_request()
    upstream.send("HTTP/1.1 200 OK\r\n\r\nbody")
    upstream.close()
    response = w.client.read_response()
    assert response.until_close and response.body == b"body"


def test_a_1_0_client_gets_no_interim_response(wire):
    w = wire()
    w.send("GET http://{at}/ HTTP/1.0\r\n\r\n")
    upstream = w.server.accept()
    upstream.read_request()
    upstream.send("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
    upstream.answer("body")
    response = w.client.read_response()
    assert response.status == 200 and response.interim == []


def test_the_body_of_a_1_0_request_is_forwarded(wire):
    request = wire().forwarded("POST http://{at}/ HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc")
    assert request.body == b"abc"


def test_transfer_encoding_in_a_1_0_request_is_400(wire):
    wire().refused("POST http://{at}/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400)


@pytest.mark.parametrize("how,tail", [("rst", b""), ("fin", b"5\r\nab")])
def test_a_cut_is_shown_to_a_1_0_client_by_rst(wire, how, tail):
    w = wire()
    w.send("GET http://{at}/ HTTP/1.0\r\n\r\n")
    upstream = w.server.accept()
    upstream.read_request()
    framing = b"" if how == "rst" else b"Transfer-Encoding: chunked\r\n"
    first = b"begin" if how == "rst" else b"5\r\nbegin\r\n"
    upstream.send(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n" + first)
    head = w.client.read_response_head()
    assert head.status == 200 and w.client.read_exact(5) == b"begin"
    upstream.send(tail)
    upstream.reset() if how == "rst" else upstream.close()
    with pytest.raises(Cut) as cut:
        w.client.read_to_eof()
    assert cut.value.how == "rst"


def test_a_1_0_origin_is_answered_for_in_1_1(wire):
    response = wire().answered("HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nbody")
    assert response.version == "HTTP/1.1" and response.body == b"body"


def test_a_1_0_answer_without_a_length_becomes_chunked_and_the_client_stays(wire):
    w = wire()
    upstream = w.ask()
    upstream.read_request()
    upstream.send("HTTP/1.0 200 OK\r\n\r\nbody")
    upstream.close()
    response = w.client.read_response()
    assert response.chunked and response.body == b"body"
    w.upstream = None
    w.ask().read_request()
    w.upstream.answer("second")
    assert w.client.read_response().body == b"second"


def test_a_1_0_origin_that_says_keep_alive_is_used_again(wire):
    w = wire()
    w.ask().read_request()
    w.upstream.send("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\nbody")
    assert w.client.read_response().body == b"body"
    w.ask().read_request()
    w.upstream.answer("second")
    assert w.client.read_response().body == b"second"
    assert len(w.server.connections) == 1


def test_a_1_0_origin_that_does_not_say_keep_alive_is_not_used_again(wire):
    w = wire()
    w.ask().read_request()
    w.upstream.send("HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nbody")
    assert w.client.read_response().body == b"body"
    assert w.upstream.wait_for_end()


def test_transfer_encoding_in_a_1_0_response_is_502(wire):
    assert wire().answered("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").status == 502
