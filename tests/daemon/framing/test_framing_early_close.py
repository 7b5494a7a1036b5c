"""An answer that comes before the end of its request says truly whether the client's connection goes on (RFC 9112 §9.6):
only where the rest of the request can be bounded it is read and forgotten, and another request may follow."""

import pytest
from helpers_pool import serve
from support.wire import chunked

KNOWN = "Content-Length: 8"
CHUNKED = "Transfer-Encoding: chunked"


def early_answer(w, framing: str, begun: bytes):
    w.ask("POST", "/", framing, body=begun).read_request_head()
    w.upstream.answer("early")
    response = w.client.read_response()
    assert response.body == b"early"
    return response


@pytest.mark.parametrize("framing,begun", [(CHUNKED, b""), (CHUNKED, b"4\r\nhalf\r\n"), (f"Content-Length: {1 << 20}", b"half")],
                         ids=["chunked", "chunked and begun", "too long"])
def test_a_rest_that_cannot_be_bounded_closes_the_connection_and_the_answer_says_so(wire, framing, begun):
    w = wire()
    response = early_answer(w, framing, begun)
    assert response.tokens("connection") == ["close"] and not response.has("keep-alive")
    w.client.expect_eof()


def test_a_rest_that_is_short_is_read_and_the_next_request_served(wire):
    w = wire()
    response = early_answer(w, KNOWN, b"half")
    assert "close" not in response.tokens("connection")
    w.client.send("rest")
    w.client.send_request("GET", w.url("/next"))
    assert serve(w.server.accept()).target == "/next"
    assert w.client.read_response().body == b"ok"


def test_a_chunked_request_that_has_ended_keeps_the_connection(wire):
    w = wire()
    response = early_answer(w, CHUNKED, chunked(b"whole"))
    assert "close" not in response.tokens("connection")
    w.client.send_request("GET", w.url("/next"))
    w.server.connections[0].read_chunked_body(response)  # the POST's
    assert serve(w.server.connections[0]).target == "/next"
    assert w.client.read_response().body == b"ok"
