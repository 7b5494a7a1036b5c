"""What is ambiguous or malformed in a response is 502, and its connection closed (core/doc/design.md §9; RFC 9112 §6.3)."""

import pytest
from support.stream import Cut
from support.wiring import check_own_answer


def head(*lines: str, end: str = "\r\n\r\n", status: str = "HTTP/1.1 200 OK") -> str:
    return "\r\n".join([status, *lines]) + end


BODY = "0\r\n\r\n"
BAD = {
    "status 99": head(status="HTTP/1.1 99 X"),
    "status 099": head(status="HTTP/1.1 099 X"),
    "status 000": head(status="HTTP/1.1 000 X"),
    "status 20": head(status="HTTP/1.1 20 OK"),
    "status 1000": head(status="HTTP/1.1 1000 X"),
    "status 2x0": head(status="HTTP/1.1 2x0 X"),
    "status -200": head(status="HTTP/1.1 -200 X"),
    "no status": head(status="HTTP/1.1"),
    "a reason without a space": head(status="HTTP/1.1 200OK"),
    "two spaces before the status": head(status="HTTP/1.1  200 OK"),
    "no space before the status": head(status="HTTP/1.1200 OK"),
    "a tab before the status": head(status="HTTP/1.1\t200 OK"),
    "HTTP/2.0": head(status="HTTP/2.0 200 OK"),
    "HTTP/0.9": head(status="HTTP/0.9 200 OK"),
    "HTTP/1.2": head(status="HTTP/1.2 200 OK"),
    "http in lower case": head(status="http/1.1 200 OK"),
    "ICY": head(status="ICY 200 OK"),
    "ICE/1.0": head(status="ICE/1.0 200 OK"),
    "an SSH banner": "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
    "an SMTP banner": "220 mail.example ESMTP\r\n",
    "a page without a head": "<html>hello</html>\n",
    "binary garbage": "\x00\x01\x02\x03\x04\x05\x06\x07",
    "TLS": "\x15\x03\x01\x00\x02\x02\x46",
    "a request": "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "an empty line before it": "\r\n" + head("Content-Length: 0"),
    "bare LF everywhere": "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "bare LF behind a field": head("A: b\nC: d", "Content-Length: 0"),
    "bare LF as the empty line": head("Content-Length: 0", end="\r\n\n"),
    "bare CR in a value": head("A: b\rc", "Content-Length: 0"),
    "bare CR in the reason": head("Content-Length: 0", status="HTTP/1.1 200 O\rK"),
    "NUL in a value": head("A: b\x00c", "Content-Length: 0"),
    "NUL in the reason": head("Content-Length: 0", status="HTTP/1.1 200 \x00"),
    "a control byte in a value": head("A: b\x01c", "Content-Length: 0"),
    "a folded line": head("A: b", " folded", "Content-Length: 0"),
    "white space before the first field": head(" A: b", "Content-Length: 0"),
    "a space before the colon of Transfer-Encoding": head("Transfer-Encoding : chunked") + BODY,
    "a space before the colon of Content-Length": head("Content-Length : 0"),
    "a tab before the colon of Content-Length": head("A : b", "Content-Length\t: 0"),
    "a space in a name": head("A b: c", "Content-Length: 0"),
    "no colon": head("A b", "Content-Length: 0"),
    "no name": head(": b", "Content-Length: 0"),
    "length and chunked": head("Content-Length: 5", "Transfer-Encoding: chunked") + BODY,
    "chunked and length": head("Transfer-Encoding: chunked", "Content-Length: 5") + BODY,
    "two lengths that differ": head("Content-Length: 0", "Content-Length: 5"),
    "two equal lengths": head("Content-Length: 0", "Content-Length: 0"),
    "a list of lengths": head("Content-Length: 0, 0"),
    "an empty length": head("Content-Length:"),
    "a signed length": head("Content-Length: +0"),
    "a negative length": head("Content-Length: -1"),
    "a length with letters": head("Content-Length: 0a"),
    "an enormous length": head("Content-Length: " + "9" * 40),
    "an empty Transfer-Encoding": head("Transfer-Encoding:"),
    "gzip": head("Transfer-Encoding: gzip") + BODY,
    "gzip, chunked": head("Transfer-Encoding: gzip, chunked") + BODY,
    "chunked, gzip": head("Transfer-Encoding: chunked, gzip") + BODY,
    "chunked twice": head("Transfer-Encoding: chunked, chunked") + BODY,
    "chunked, then a second field": head("Transfer-Encoding: chunked", "Transfer-Encoding: gzip") + BODY,
    "chunked, then an empty second field": head("Transfer-Encoding: chunked", "Transfer-Encoding:") + BODY,
    "two chunked fields": head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + BODY,
    "identity": head("Transfer-Encoding: identity"),
    "chunked with a parameter": head("Transfer-Encoding: chunked;q=1") + BODY,
    "a broken interim response": head("A b: c", status="HTTP/1.1 103 Early Hints") + head("Content-Length: 0"),
}


@pytest.mark.parametrize("answer", BAD.values(), ids=BAD.keys())
def test_a_bad_response_is_502_and_its_connection_closed(wire, answer):
    w = wire()
    w.ask().read_request()
    w.upstream.send(answer)
    response = w.client.read_response()
    check_own_answer(response, 502, host="127.0.0.1")
    assert w.upstream.wait_for_end()
    w.daemon.wait_log(r"upstream \S+ closed: protocol error")
    w.expect_in_step(response)


@pytest.mark.parametrize("method,status", [("HEAD", 200), ("GET", 204), ("GET", 304)])
@pytest.mark.parametrize("name", ["length and chunked", "two lengths that differ", "gzip, chunked"])
def test_odd_framing_is_502_even_where_there_is_no_body(wire, name, method, status):
    w = wire()
    w.ask(method).read_request()
    w.upstream.send(BAD[name].removesuffix(BODY).replace("200", str(status)))
    assert w.client.read_response(method).status == 502
    assert w.upstream.wait_for_end()


@pytest.mark.parametrize("name", ["status 2x0", "a folded line", "NUL in a value", "bare LF behind a field",
                                  "length and chunked"])
def test_a_bad_response_byte_by_byte_is_502_too(wire, name):
    w = wire()
    w.ask().read_request()
    try:
        w.upstream.send_byte_by_byte(BAD[name])
    except Cut:  # closed by the daemon before the last byte: as it should be
        pass
    assert w.client.read_response().status == 502


def test_garbage_that_ends_in_a_close_is_502_and_no_http_0_9(wire):
    w = wire()
    w.ask().read_request()
    w.upstream.send("just some text")
    w.upstream.close()
    assert w.client.read_response().status == 502


def test_a_bad_response_is_not_tried_again(wire):
    w = wire()
    w.ask().read_request()
    w.upstream.answer("warm")
    w.client.read_response()
    w.ask().read_request()
    w.upstream.send("garbage\r\n\r\n")
    assert w.client.read_response().status == 502
    w.server.expect_no_connection()


def test_white_space_before_a_colon_is_removed(wire):
    w = wire()
    w.ask().read_request()
    w.upstream.send("HTTP/1.1 103 Early Hints\r\nLink : </a>\r\n\r\n"
                    "HTTP/1.1 200 OK\r\nX-Foo : 1\r\nx-bar\t: 2\r\nContent-Length: 2\r\n\r\nok")
    response = w.client.read_response()
    assert response.interim[0].all("link") == ["</a>"]
    assert (response.get("x-foo"), response.get("x-bar"), response.body) == ("1", "2", b"ok")
    assert b" :" not in response.raw and b"\t:" not in response.raw
    w.ask().read_request()
    w.upstream.answer("next")
    assert w.client.read_response().body == b"next"
    assert len(w.server.connections) == 1


def test_a_field_with_white_space_before_its_colon_counts_as_that_field(wire):
    w = wire()
    response = w.answered("HTTP/1.1 200 OK\r\nConnection : close, X-Hop\r\nX-Hop : 1\r\nKeep-Alive : timeout=9\r\n"
                          "Proxy-Authenticate : Basic\r\nContent-Length: 2\r\n\r\nok")
    assert response.body == b"ok" and not response.has("x-hop") and not response.has("proxy-authenticate")
    assert "timeout=9" not in (response.get("keep-alive") or "")
    assert w.upstream.wait_for_end()
    w.daemon.wait_log(r"upstream \S+ closed: server said close")


def test_a_tab_behind_a_length_is_white_space_both_ways(wire):
    w = wire()
    request = w.forwarded("POST http://{at}/ HTTP/1.1\r\nHost: {at}\r\nContent-Length: 2\t\r\n\r\nok")
    assert request.body == b"ok" and request.get("content-length") == "2"
    w.drop_upstream()
    response = w.answered("HTTP/1.1 200 OK\r\nContent-Length: 2 \t\r\n\r\nok")
    assert response.body == b"ok" and response.get("content-length") == "2"
