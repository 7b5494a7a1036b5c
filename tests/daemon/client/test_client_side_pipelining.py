"""Pipelined requests are answered in order (RFC 9112 §9.3.2)."""

import pytest
from support.background import Background


def get(at: str, path: str, *lines: str) -> str:
    return "\r\n".join([f"GET http://{at}{path} HTTP/1.1", f"Host: {at}", *lines]) + "\r\n\r\n"


def test_three_requests_in_one_write_are_answered_in_order(keepwarm, http_origin):
    daemon, server = keepwarm(), http_origin({"/1": b"one", "/2": b"two", "/3": b"three"})
    client = daemon.client()
    client.send(get(server.at, "/1") + get(server.at, "/2") + get(server.at, "/3"))
    assert [client.read_response().body for _ in range(3)] == [b"one", b"two", b"three"]
    assert [request.target for request in server.requests] == ["/1", "/2", "/3"]


def test_a_slow_first_answer_comes_first_though_other_hosts_are_quick(keepwarm, http_origin):
    daemon, slow, quick = keepwarm(), http_origin({"*": b"slow"}), http_origin({"*": b"quick"})
    slow.hold()
    client = daemon.client()
    client.send(get(slow.at, "/") + get(quick.at, "/") + get(slow.at, "/") + get(quick.at, "/"))
    slow.wait_requests(1)
    client.expect_silence()
    slow.release()
    assert [client.read_response().body for _ in range(4)] == [b"slow", b"quick", b"slow", b"quick"]


def test_a_hundred_requests_in_one_write_are_answered_in_order(keepwarm, http_origin):
    daemon, server = keepwarm(), http_origin({"*": lambda request, connection: request.target})
    client = daemon.client()
    sending = Background(client.send, "".join(get(server.at, f"/{number}") for number in range(100)))
    assert [client.read_response().body.decode() for _ in range(100)] == [f"/{number}" for number in range(100)]
    sending.result()
    assert len(server.connections) == 1


@pytest.mark.parametrize("framing,body", [("Content-Length: 35", b"GET http://evil/ HTTP/1.1\r\nX: y\r\n\r\n"),
                                          ("Transfer-Encoding: chunked", b"4\r\nbody\r\n0\r\nT: v\r\n\r\n")])
def test_a_request_behind_a_body_begins_where_the_body_ends(keepwarm, http_origin, framing, body):
    daemon, server = keepwarm(), http_origin()
    client = daemon.client()
    head = f"POST http://{server.at}/post HTTP/1.1\r\nHost: {server.at}\r\n{framing}\r\n\r\n"
    client.send(head.encode() + body + get(server.at, "/next").encode())
    assert client.read_response().status == client.read_response().status == 200
    assert [request.target for request in server.requests] == ["/post", "/next"]
    assert server.requests[0].body == (body if framing.startswith("Content") else b"body")


def test_pipelined_requests_byte_by_byte_are_answered_in_order(keepwarm, http_origin):
    daemon, server = keepwarm(), http_origin({"/1": b"one", "/2": b"two"})
    client = daemon.client()
    client.send_byte_by_byte(get(server.at, "/1") + get(server.at, "/2"))
    assert [client.read_response().body for _ in range(2)] == [b"one", b"two"]


def test_own_answers_keep_their_place_in_the_order(keepwarm, http_origin, closed_port):
    daemon, server = keepwarm(), http_origin()
    server.hold()
    client = daemon.client()
    client.send(get(server.at, "/") + get(f"127.0.0.1:{closed_port()}", "/") + get(server.at, "/"))
    server.wait_requests(1)
    client.expect_silence()
    server.release()
    assert [client.read_response().status for _ in range(3)] == [200, 502, 200]


def test_nothing_behind_connection_close_is_answered(keepwarm, http_origin):
    daemon, server = keepwarm(), http_origin()
    client = daemon.client()
    client.send(get(server.at, "/1", "Connection: close") + get(server.at, "/2"))
    response = client.read_response()
    assert response.status == 200 and "close" in response.tokens("connection")
    client.expect_eof()
    assert [request.target for request in server.requests] == ["/1"]


def test_a_half_close_behind_three_requests_leaves_three_answers(keepwarm, http_origin):
    daemon, server = keepwarm(), http_origin()
    server.hold()
    client = daemon.client()
    client.send(get(server.at, "/1") + get(server.at, "/2") + get(server.at, "/3"))
    client.shutdown_write()
    server.wait_requests(1)
    server.release()
    assert [client.read_response().body for _ in range(3)] == [b"hello"] * 3
    client.expect_eof()


def test_a_client_that_pipelines_and_never_reads_is_not_read_for_ever(keepwarm, http_origin):
    daemon, server = keepwarm(), http_origin({"*": bytes(64 << 10)})
    client = daemon.client(receive_buffer=4096)
    before = daemon.rss()
    sent = client.send_until_blocked((get(server.at, "/") * 100).encode())
    assert sent < 64 << 20
    daemon.expect_growth_below(16 << 20, before)


@pytest.mark.parametrize("first", [60_000, 65_536, 200_000])
def test_a_post_behind_an_answer_that_waits_is_read_whole(keepwarm, http_origin, first):
    """What came with its head is here when its turn comes, and may have filled the buffer: the rest must be read, too."""
    size = 400_000
    daemon = keepwarm()
    server = http_origin({"/big": bytes(8 << 20), "/post": lambda request, _: str(len(request.body))})
    client = daemon.client(receive_buffer=4096)
    head = f"POST http://{server.at}/post HTTP/1.1\r\nHost: {server.at}\r\nContent-Length: {size}\r\n\r\n"
    client.send(get(server.at, "/big"))
    client.read_response_head()
    client.send(head + "b" * (first - len(head)))  # behind an answer that does not fit into the sockets' buffers
    rest = Background(client.send, "b" * (size - first + len(head)))
    assert len(client.read_exact(8 << 20)) == 8 << 20
    assert client.read_response().body == str(size).encode()
    rest.result()


def test_a_half_close_within_a_pipelined_post_leaves_the_answer_before_it_and_nothing_behind(keepwarm, http_origin):
    daemon, server = keepwarm(), http_origin()
    server.hold()
    client = daemon.client()
    client.send(get(server.at, "/first"))
    server.wait_requests(1)
    client.send(f"POST http://{server.at}/ HTTP/1.1\r\nHost: {server.at}\r\nContent-Length: 10\r\n\r\nhalf")
    client.shutdown_write()
    server.release()
    assert client.read_response().body == b"hello"
    client.expect_eof()
    assert [request.target for request in server.requests] == ["/first"]


def test_head_get_head_stay_in_step(keepwarm, http_origin):
    daemon, server = keepwarm(), http_origin()
    client = daemon.client()
    head = get(server.at, "/").replace("GET", "HEAD", 1)
    client.send(head + get(server.at, "/") + head)
    assert [client.read_response(method).body for method in ("HEAD", "GET", "HEAD")] == [b"", b"hello", b""]
