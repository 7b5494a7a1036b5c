"""What is ambiguous or malformed in a request is refused, never repaired (core/doc/design.md §9; RFC 9112 §5.1, §6.3)."""

import pytest
from support.wiring import check_own_answer


def head(*lines: str, end: str = "\r\n\r\n") -> str:
    return "\r\n".join(["POST http://{at}/ HTTP/1.1", "Host: {at}", *lines]) + end


BAD = {
    "bare LF everywhere": "GET http://{at}/ HTTP/1.1\nHost: {at}\n\n",
    "bare LF behind the request line": "GET http://{at}/ HTTP/1.1\nHost: {at}\r\n\r\n",
    "bare LF behind a field": head("A: b\nC: d"),
    "bare LF as the empty line": head("A: b", end="\r\n\n"),
    "bare CR in a value": head("A: b\rc"),
    "bare CR before the line end": head("A: b\r"),
    "bare CR in the target": "GET http://{at}/a\rb HTTP/1.1\r\nHost: {at}\r\n\r\n",
    "NUL in a value": head("A: b\x00c"),
    "NUL in a name": head("A\x00: b"),
    "NUL in the target": "GET http://{at}/\x00 HTTP/1.1\r\nHost: {at}\r\n\r\n",
    "a control byte in a value": head("A: b\x01c"),
    "DEL in a value": head("A: b\x7fc"),
    "DEL in the target": "GET http://{at}/\x7f HTTP/1.1\r\nHost: {at}\r\n\r\n",
    "a folded line": head("A: b", " folded"),
    "a line folded by a tab": head("A: b", "\tfolded"),
    "a folded empty line": head("A: b", " "),
    "white space before the first field": "GET http://{at}/ HTTP/1.1\r\n Host: {at}\r\n\r\n",
    "a space before the colon": head("A : b"),
    "a tab before the colon": head("A\t: b"),
    "a space before the colon of Content-Length": head("Content-Length : 0"),
    "no colon": head("A b"),
    "no name": head(": b"),
    "a space in a name": head("A B: c"),
    "a bracket in a name": head("A(B: c"),
    "a byte beyond ASCII in a name": head("\xe9: c"),
    "length and chunked": head("Content-Length: 5", "Transfer-Encoding: chunked") + "0\r\n\r\n",
    "chunked and length": head("Transfer-Encoding: chunked", "Content-Length: 5") + "0\r\n\r\n",
    "two lengths that differ": head("Content-Length: 0", "Content-Length: 5"),
    "two equal lengths": head("Content-Length: 0", "Content-Length: 0"),
    "a list of lengths": head("Content-Length: 0, 0"),
    "an empty length": head("Content-Length:"),
    "a signed length": head("Content-Length: +0"),
    "a negative length": head("Content-Length: -1"),
    "a hexadecimal length": head("Content-Length: 0x0"),
    "a length with letters": head("Content-Length: 0a"),
    "a length with a space": head("Content-Length: 0 0"),
    "a length beyond 64 bits": head("Content-Length: 18446744073709551616"),
    "an enormous length": head("Content-Length: " + "9" * 40),
    "an empty Transfer-Encoding": head("Transfer-Encoding:"),
    "gzip": head("Transfer-Encoding: gzip") + "0\r\n\r\n",
    "gzip, chunked": head("Transfer-Encoding: gzip, chunked") + "0\r\n\r\n",
    "chunked, gzip": head("Transfer-Encoding: chunked, gzip") + "0\r\n\r\n",
    "chunked twice": head("Transfer-Encoding: chunked, chunked") + "0\r\n\r\n",
    "two Transfer-Encoding fields": head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + "0\r\n\r\n",
    "chunked, then an empty one": head("Transfer-Encoding: chunked", "Transfer-Encoding:") + "0\r\n\r\n",
    "chunked, then identity": head("Transfer-Encoding: chunked", "Transfer-Encoding: identity") + "0\r\n\r\n",
    "identity": head("Transfer-Encoding: identity"),
    "xchunked": head("Transfer-Encoding: xchunked") + "0\r\n\r\n",
    "chunked with a parameter": head("Transfer-Encoding: chunked;q=1") + "0\r\n\r\n",
    "chunked with a list comma": head("Transfer-Encoding: chunked,") + "0\r\n\r\n",
    "chunked with a vertical tab": head("Transfer-Encoding: \x0bchunked") + "0\r\n\r\n",
    "chunked in quotes": head('Transfer-Encoding: "chunked"') + "0\r\n\r\n",
    "two spaces in the request line": "GET  http://{at}/ HTTP/1.1\r\nHost: {at}\r\n\r\n",
    "a space in the target": "GET http://{at}/a b HTTP/1.1\r\nHost: {at}\r\n\r\n",
    "a tab in the request line": "GET\thttp://{at}/\tHTTP/1.1\r\nHost: {at}\r\n\r\n",
    "a space before the method": " GET http://{at}/ HTTP/1.1\r\nHost: {at}\r\n\r\n",
    "a space behind the version": "GET http://{at}/ HTTP/1.1 \r\nHost: {at}\r\n\r\n",
    "no version": "GET http://{at}/\r\nHost: {at}\r\n\r\n",
    "only a method": "GET\r\nHost: {at}\r\n\r\n",
    "ICE/1.0": "GET http://{at}/ ICE/1.0\r\nHost: {at}\r\n\r\n",
    "http in lower case": "GET http://{at}/ http/1.1\r\nHost: {at}\r\n\r\n",
    "HTTP/1": "GET http://{at}/ HTTP/1\r\nHost: {at}\r\n\r\n",
    "HTTP/1.10": "GET http://{at}/ HTTP/1.10\r\nHost: {at}\r\n\r\n",
    "HTTP/11": "GET http://{at}/ HTTP/11\r\nHost: {at}\r\n\r\n",
    "HTTP/1,1": "GET http://{at}/ HTTP/1,1\r\nHost: {at}\r\n\r\n",
    "HTTP/+1.1": "GET http://{at}/ HTTP/+1.1\r\nHost: {at}\r\n\r\n",
    "two empty lines before it": "\r\n\r\nGET http://{at}/ HTTP/1.1\r\nHost: {at}\r\n\r\n",
    "an empty line of a bare LF before it": "\nGET http://{at}/ HTTP/1.1\r\nHost: {at}\r\n\r\n",
    "garbage": "\x17\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "an SSH client": "SSH-2.0-OpenSSH_9.2\r\n",
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD.keys())
def test_a_bad_request_is_400_and_close(wire, data):
    check_own_answer(wire().refused(data, 400), 400, "http_request_error")


@pytest.mark.parametrize("version", ["2.0", "0.9", "1.2", "3.0", "0.0", "9.9"])
def test_another_version_is_505(wire, version):
    wire().refused(f"GET http://{{at}}/ HTTP/{version}\r\nHost: {{at}}\r\n\r\n", 505)


def test_one_empty_line_before_a_request_is_skipped(wire):
    assert wire().forwarded("\r\nGET http://{at}/x HTTP/1.1\r\nHost: {at}\r\n\r\n").target == "/x"


@pytest.mark.parametrize("name", ["bare LF behind a field", "a folded line", "length and chunked",
                                  "two lengths that differ", "NUL in a value"])
def test_a_bad_request_byte_by_byte_is_400_too(wire, name):
    w = wire()
    client = w.new_client()
    client.send_byte_by_byte(w.text(BAD[name].removesuffix("0\r\n\r\n")))
    assert client.read_response().status == 400
    w.expect_untouched()


BAD_CHUNKS = ["g\r\n", "\r\n", "-1\r\n", "+1\r\na\r\n", "0x5\r\nabcde\r\n", "5 \r\nabcde\r\n", " 5\r\nabcde\r\n",
              "5\r\nabcdeX\r\n", "5\r\nabcde\n", "5\r\nabcde0\r\n", "5\nabcde\r\n", "5\rabcde\r\n",
              "10000000000000000\r\n", "FFFFFFFFFFFFFFFFF\r\n", "5;\rx\r\nabcde\r\n", "5;a\nb\r\nabcde\r\n",
              "5;a\x00b\r\nabcde\r\n", "5,\r\nabcde\r\n"]


@pytest.mark.parametrize("chunk", BAD_CHUNKS, ids=repr)
def test_a_bad_chunk_of_a_request_is_400_and_the_origin_sees_no_whole_body(wire, chunk):
    w = wire()
    w.send(head("Transfer-Encoding: chunked") + "5\r\nfirst\r\n")
    upstream = w.server.accept()
    upstream.read_until(b"5\r\nfirst\r\n")
    w.client.send(chunk + "0\r\n\r\n")
    response = w.client.read_response()
    check_own_answer(response, 400, "http_request_error")
    w.client.expect_eof()
    assert b"0\r\n\r\n" not in upstream.read_to_end()


def test_a_bad_chunk_in_the_same_packet_as_the_head_is_400(wire):
    w = wire()
    client = w.send(head("Transfer-Encoding: chunked") + "g\r\n0\r\n\r\n")
    assert client.read_response().status == 400
    client.expect_eof()


def test_a_bad_request_behind_a_good_one_does_not_spoil_that(wire):
    w = wire()
    w.send(head("Content-Length: 0") + head("A : b"))
    upstream = w.server.accept()
    upstream.read_request()
    upstream.answer("good")
    assert w.client.read_response().body == b"good"
    assert w.client.read_response().status == 400
    w.client.expect_eof()
