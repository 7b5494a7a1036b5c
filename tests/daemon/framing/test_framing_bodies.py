"""Bodies of every framing and many sizes, both ways, byte-exact (RFC 9112 §6, §7)."""

import random

import pytest
from support.background import Background
from support.stream import as_bytes
from support.wire import chunked

SIZES = [0, 1, 2, 16383, 16384, 16385, 65535, 65536, 65537, 1 << 20]
CHUNKED_POST = "POST http://{at}/ HTTP/1.1\r\nHost: {at}\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKS = [1, 7, 1024, 16384, 65536, 1 << 20]


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def in_chunks(body: bytes, size: int) -> bytes:
    return chunked(*[body[at: at + size] for at in range(0, len(body), size)])


def upload(w, head: str, coded: bytes):
    """Sends it all, in a thread because it may not fit into the sockets; the request as the origin sees it."""
    client = w.new_client()
    sending = Background(lambda: client.send(w.text(head) + coded))
    request = w.server.accept().read_request(limit=20)
    sending.result()
    w.server.connections[-1].answer("ok")
    assert client.read_response().body == b"ok"
    return request


def download(w, head: str, coded: bytes, close: bool = False):
    upstream = w.ask()
    upstream.read_request()

    def send():
        upstream.send(as_bytes(head) + coded)
        if close:
            upstream.close()

    sending = Background(send)
    response = w.client.read_response(limit=20)
    sending.result()
    return response


@pytest.mark.parametrize("size", SIZES)
def test_a_request_body_with_a_length_arrives_whole(wire, size):
    body = noise(size)
    request = upload(wire(), f"POST http://{{at}}/ HTTP/1.1\r\nHost: {{at}}\r\nContent-Length: {size}\r\n\r\n", body)
    assert request.body == body and request.length() == size


@pytest.mark.parametrize("size", SIZES)
def test_a_chunked_request_body_arrives_whole(wire, size):
    body = noise(size)
    request = upload(wire(), CHUNKED_POST, in_chunks(body, 16384))
    assert request.body == body and request.chunked


@pytest.mark.parametrize("size", SIZES)
def test_a_response_body_with_a_length_arrives_whole(wire, size):
    body = noise(size)
    response = download(wire(), f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n", body)
    assert response.body == body and response.length() == size


@pytest.mark.parametrize("size", SIZES)
def test_a_chunked_response_body_arrives_whole(wire, size):
    body = noise(size)
    response = download(wire(), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", in_chunks(body, 16384))
    assert response.body == body and response.chunked


@pytest.mark.parametrize("size", SIZES)
def test_a_response_body_until_close_arrives_whole_and_is_chunked_for_the_client(wire, size):
    body = noise(size)
    w = wire()
    response = download(w, "HTTP/1.1 200 OK\r\n\r\n", body, close=True)
    assert response.body == body and response.chunked
    w.expect_in_step(response)


@pytest.mark.parametrize("size", CHUNKS)
def test_chunks_of_any_size_pass_both_ways(wire, size):
    body = noise(min(1 << 20, size * 2000) + 3)
    w = wire()
    request = upload(w, CHUNKED_POST, in_chunks(body, size))
    assert request.body == body
    w.client, w.upstream = None, w.server.connections[-1]
    assert download(w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", in_chunks(body, size)).body == body


@pytest.mark.parametrize("coding", ["chunked", "Chunked", "CHUNKED", " chunked\t"])
def test_the_name_of_the_coding_has_no_case(wire, coding):
    w = wire()
    data = f"POST http://{{at}}/ HTTP/1.1\r\nHost: {{at}}\r\nTransfer-Encoding:{coding}\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    assert w.forwarded(data).body == b"abc"
    w.drop_upstream()
    assert w.answered(f"HTTP/1.1 200 OK\r\nTransfer-Encoding:{coding}\r\n\r\n3\r\nabc\r\n0\r\n\r\n").body == b"abc"


EXTENDED = "5;name\r\nfirst\r\n6;a=b;c=\"d;\\\"e\"\r\nsecond\r\n00;last=1\r\n\r\n"


def test_chunk_extensions_do_not_get_into_the_body(wire):
    w = wire()
    assert w.forwarded(CHUNKED_POST + EXTENDED).body == b"firstsecond"
    w.drop_upstream()
    assert w.answered(f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{EXTENDED}").body == b"firstsecond"


@pytest.mark.parametrize("size", ["0000000000000005", "5", "05"])
def test_leading_zeros_and_hex_digits_of_either_case_are_chunk_sizes(wire, size):
    w = wire()
    data = CHUNKED_POST + f"{size}\r\nfirst\r\nA\r\n0123456789\r\nb\r\n0123456789a\r\n0\r\n\r\n"
    assert w.forwarded(data).body == b"first01234567890123456789a"


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS", "HEAD"])
def test_a_body_passes_with_any_method(wire, method):
    request = wire().forwarded(f"{method} http://{{at}}/ HTTP/1.1\r\nHost: {{at}}\r\nContent-Length: 3\r\n\r\nabc")
    assert request.body == b"abc"


def test_a_request_without_a_length_has_no_body(wire):
    w = wire()
    request = w.forwarded("POST http://{at}/ HTTP/1.1\r\nHost: {at}\r\n\r\n")
    assert not request.chunked and not request.length()


def test_a_request_that_comes_byte_by_byte_is_the_same_request(wire):
    w = wire()
    client = w.new_client()
    head = "\r\nPOST http://{at}/x?y HTTP/1.1\r\nHost: {at}\r\nX-A: b\r\nConnection: x-gone\r\nX-Gone: 1\r\n"
    body = "Transfer-Encoding: chunked\r\n\r\n4;x=y\r\nbody\r\n0\r\nT: v\r\n\r\n"
    client.send_byte_by_byte(w.text(head + body))
    request = w.server.accept().read_request()
    assert (request.method, request.target, request.body, request.trailers) == ("POST", "/x?y", b"body", [("T", "v")])
    assert request.get("x-a") == "b" and not request.has("x-gone")


@pytest.mark.parametrize("answer", [
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 Fine\r\nX-A: b\r\nContent-Length: 4\r\n\r\nbody",
    "HTTP/1.1 200 Fine\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n1;e\r\nb\r\n3\r\nody\r\n0\r\nT: v\r\n\r\n"])
def test_a_response_that_comes_byte_by_byte_is_the_same_response(wire, answer):
    w = wire()
    w.ask().read_request()
    w.upstream.send_byte_by_byte(answer)
    response = w.client.read_response()
    assert (response.status, response.reason, response.get("x-a"), response.body) == (200, "Fine", "b", b"body")


def test_bytes_pass_while_a_body_is_still_coming(wire):
    w = wire()
    upstream = w.ask("POST", "/", "Content-Length: 9", body=b"one")
    upstream.read_request_head()
    for part in (b"one", b"two", b"six"):
        if part != b"one":
            w.client.send(part)
        assert upstream.read_exact(3) == part
    upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert w.client.read_response_head().status == 200
    for part in (b"one", b"two"):
        upstream.send(b"3\r\n" + part + b"\r\n")
        assert w.client.read_chunk()[0] == part
    upstream.send("0\r\n\r\n")
    assert w.client.read_chunk()[0] == b"" and w.client.read_trailers() == []


def test_an_origin_that_does_not_read_stops_the_client_from_being_read(wire):
    w = wire()
    upstream = w.ask("POST", "/", f"Content-Length: {1 << 30}", body=b"")
    upstream.read_request_head()
    before = w.daemon.rss()
    sent = w.client.send_until_blocked(bytes(1 << 20))
    assert sent < 64 << 20
    w.daemon.expect_growth_below(8 << 20, before)


def test_a_client_that_does_not_read_stops_the_origin_from_being_read(wire):
    w = wire()
    upstream = w.ask()
    upstream.read_request()
    upstream.send(f"HTTP/1.1 200 OK\r\nContent-Length: {1 << 30}\r\n\r\n")
    before = w.daemon.rss()
    sent = upstream.send_until_blocked(bytes(1 << 20))
    assert sent < 64 << 20
    w.daemon.expect_growth_below(8 << 20, before)
    w.client.read_response_head()
    w.client.discard(sent, limit=20)
    upstream.send(bytes(1 << 20))
    w.client.discard(1 << 20)
