"""Messages that arrive in two pieces, cut at every byte: where a read ends must never matter."""

import time

from support.wire import chunked

PIPELINED = (b"\r\nPOST http://{at}/one?q HTTP/1.1\r\nHost: {at}\r\nConnection: x-hop\r\nX-Hop: gone\r\n"
             b"Transfer-Encoding: chunked\r\n\r\n"
             b"3;ext=1\r\nabc\r\n00000a\r\n0123456789\r\n0\r\nX-Sum: 7\r\n\r\n"
             b"PUT http://{at}/two HTTP/1.1\r\nHost: {at}\r\nContent-Length: 4\r\n\r\nbody"
             b"GET http://{at}/three HTTP/1.1\r\nHost: {at}\r\n\r\n")
ANSWER = (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
          b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n"
          b"3;ext=1\r\nabc\r\n00000a\r\n0123456789\r\n0\r\nX-Sum: 7\r\n\r\n")


def send_in_two(stream, data: bytes, at: int) -> None:
    stream.send(data[:at])
    time.sleep(0.001)  # so that the pieces are mostly read apart
    stream.send(data[at:])


def test_pipelined_requests_cut_anywhere_are_the_same_requests(keepwarm, http_origin):
    daemon, server = keepwarm(), http_origin({"*": lambda request, _: request.method + request.target})
    client = daemon.client()
    data = PIPELINED.replace(b"http://{at}", server.url("").encode()).replace(b"{at}", server.at.encode())
    for at in range(len(data)):
        send_in_two(client, data, at)
        assert [client.read_response().body for _ in range(3)] == [b"POST/one?q", b"PUT/two",
                                                                   b"GET/three"], f"cut at {at}"
    for number in range(0, len(server.requests), 3):
        one, two, three = server.requests[number: number + 3]
        assert (one.body, one.trailers,
                one.has("x-hop")) == (b"abc0123456789", [("X-Sum", "7")], False), f"cut at {number // 3}"
        assert two.body == b"body" and three.body == b""
    assert len(server.connections) == 1


def test_a_response_cut_anywhere_is_the_same_response(wire):
    w = wire()
    for at in range(len(ANSWER)):
        w.ask("GET", "/", "TE: trailers", "Connection: TE").read_request()
        send_in_two(w.upstream, ANSWER, at)
        response = w.client.read_response()
        assert (response.status, response.body,
                response.trailers) == (200, b"abc0123456789", [("X-Sum", "7")]), f"cut at {at}"
        assert [interim.status for interim in response.interim] == [103]
    assert len(w.server.connections) == 1


def test_a_response_that_ends_anywhere_is_never_a_whole_one(wire):
    w = wire()
    head_end = ANSWER.index(b"\r\n\r\n", ANSWER.index(b"200 OK")) + 4
    for at in range(1, len(ANSWER), 5):
        w.client = w.upstream = None
        w.ask().read_request()
        w.upstream.send(ANSWER[:at])
        w.upstream.close()
        answer = w.client.read_to_end() if at >= head_end else w.client.read_response()
        if at >= head_end:
            assert b"200 OK" in answer, f"cut at {at}"
            assert not answer.endswith(b"\r\n0\r\n\r\n") and b"X-Sum" not in answer, f"cut at {at}"
        else:
            assert answer.status == 502, f"cut at {at}"
        w.client.close()


def test_a_request_that_ends_anywhere_reaches_no_origin_whole(keepwarm, http_origin):
    daemon, server = keepwarm(), http_origin()
    data = f"POST {server.url('/cut')} HTTP/1.1\r\nHost: {server.at}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    data += chunked(b"abc", b"0123456789", trailers="X-Sum: 7\r\n")
    for at in range(1, len(data)):
        client = daemon.client()
        client.send(data[:at])
        client.shutdown_write()
        answer = client.read_to_end()
        assert answer == b"" or answer.startswith(b"HTTP/1.1 400"), f"cut at {at}"
        client.close()
    assert daemon.get(server.url("/whole")).body == b"hello"
    assert [request.target for request in server.requests] == ["/whole"]
