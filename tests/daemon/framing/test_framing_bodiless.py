"""HEAD, 204 and 304: no body, whatever the fields say; statuses and reasons (RFC 9112 §6.3, §4)."""

import pytest


BODILESS = [("HEAD", 200), ("HEAD", 404), ("GET", 304), ("GET", 204)]
FRAMINGS = ["", "Content-Length: 12345\r\n", "Transfer-Encoding: chunked\r\n", "Content-Length: 0\r\n"]
# A server must not announce chunks with a 204: that is a test of its own.
IN_STEP = [(*answer, fields) for answer in BODILESS for fields in FRAMINGS if (answer[1], fields) != (204, FRAMINGS[2])]


@pytest.mark.parametrize("method,status,fields", IN_STEP)
def test_an_answer_without_a_body_leaves_both_connections_in_step(wire, method, status, fields):
    w = wire()
    w.ask(method).read_request()
    w.upstream.send(f"HTTP/1.1 {status} X\r\nX-A: b\r\n{fields}\r\n")
    response = w.client.read_response(method)
    assert response.status == status and response.get("x-a") == "b"
    w.ask().read_request()
    w.upstream.answer("next")
    assert w.client.read_response().body == b"next"
    assert len(w.server.connections) == 1


def test_a_204_that_announces_chunks_is_not_pooled_as_its_last_chunk_may_come_late(wire):
    w = wire()
    w.ask().read_request()
    first = w.upstream
    first.send("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n")
    response = w.client.read_response()
    assert response.status == 204 and not response.has("transfer-encoding")
    w.daemon.wait_log(r"upstream \S+ closed: protocol error")
    assert first.wait_for_end()
    w.upstream = None
    w.ask().read_request()
    w.upstream.answer("next")
    assert w.client.read_response().body == b"next"


@pytest.mark.parametrize("method,status", [("HEAD", 200), ("GET", 304)])
def test_the_length_that_a_body_would_have_had_is_passed_on(wire, method, status):
    assert wire().answered(f"HTTP/1.1 {status} X\r\nContent-Length: 12345\r\n\r\n", method).length() == 12345


def test_a_204_is_passed_on_without_framing_fields(wire):
    response = wire().answered("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")
    assert not response.has("transfer-encoding") and response.length() in (None, 0)


@pytest.mark.parametrize("status", [200, 201, 207, 299, 302, 399, 404, 418, 499, 500, 599, 600, 999])
def test_any_status_of_three_digits_passes(wire, status):
    response = wire().answered(f"HTTP/1.1 {status} Some Reason\r\nContent-Length: 2\r\n\r\nok")
    assert (response.status, response.reason, response.body) == (status, "Some Reason", b"ok")


@pytest.mark.parametrize("end", ["", " "])
def test_a_status_needs_no_reason(wire, end):
    response = wire().answered(f"HTTP/1.1 200{end}\r\nContent-Length: 2\r\n\r\nok")
    assert response.status == 200 and response.body == b"ok"


def test_a_reason_passes_byte_for_byte(wire):
    assert wire().answered("HTTP/1.1 200 \xe9 \t<x>\r\nContent-Length: 0\r\n\r\n").reason == "\xe9 \t<x>"
