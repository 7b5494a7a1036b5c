"""When a connection goes back to the pool, and when it does not (core/doc/design.md §6.7, §6.9)."""

import pytest
from helpers_pool import KEEP, begin, close_reasons, every_host, exchange, finish, serve, settle

POOLED = {
    "a length": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "trailers": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\n",
    "keep-alive said": "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.0 with keep-alive": "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok",
    "an error of the origin": "HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\nok",
    "interim responses first": "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
}
CLOSED = {
    "close said": "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
    "Close among others": "HTTP/1.1 200 OK\r\nConnection: X-Y, Close\r\nContent-Length: 2\r\n\r\nok",
    "close beside keep-alive": "HTTP/1.1 200 OK\r\nConnection: keep-alive, close\r\nContent-Length: 2\r\n\r\nok",
    "close beside a hint": f"HTTP/1.1 200 OK\r\nConnection: close\r\n{KEEP}\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.0": "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.0 with both": "HTTP/1.0 200 OK\r\nConnection: keep-alive, close\r\nContent-Length: 2\r\n\r\nok",
    "surplus": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok!",
    "surplus after chunks": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n\r\n",
}


@pytest.mark.parametrize("answer", POOLED.values(), ids=POOLED.keys())
def test_an_answer_that_ends_by_its_framing_leaves_its_connection_in_the_pool(keepwarm, origin, answer):
    daemon, server = keepwarm(), origin()
    client = begin(daemon, server)
    upstream = server.accept()
    upstream.read_request()
    upstream.send(answer)
    assert client.read_response().body == b"ok"
    exchange(daemon, server, upstream)


@pytest.mark.parametrize("answer", CLOSED.values(), ids=CLOSED.keys())
def test_an_answer_that_says_close_or_leaves_bytes_ends_its_connection(keepwarm, origin, answer):
    daemon, server = keepwarm(), origin()
    client = begin(daemon, server)
    upstream = server.accept()
    upstream.read_request()
    upstream.send(answer)
    assert client.read_response().body == b"ok"
    assert upstream.wait_for_end()
    exchange(daemon, server)


def test_a_close_delimited_answer_ends_its_connection(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    client = begin(daemon, server)
    upstream = server.accept()
    upstream.read_request()
    upstream.send("HTTP/1.1 200 OK\r\n\r\nok")
    upstream.close()
    assert client.read_response().body == b"ok"
    exchange(daemon, server)


def test_the_answer_of_the_origin_is_not_the_clients_close(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    client = daemon.client()
    for _ in range(2):
        client.send_request("GET", server.url())
        serve(server.accept(), "ok", "Connection: close")
        response = client.read_response()
        assert response.body == b"ok" and "close" not in response.tokens("connection")


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_answers_without_a_body_are_pooled(keepwarm, origin, method):
    daemon, server = keepwarm(), origin()
    client = begin(daemon, server, method)
    upstream = server.accept()
    upstream.read_request()
    status = "200 OK\r\nContent-Length: 7" if method == "HEAD" else "304 Not Modified"
    upstream.send(f"HTTP/1.1 {status}\r\n\r\n")
    assert client.read_response(method).body == b""
    exchange(daemon, server, upstream)


def test_a_connection_that_still_owes_a_request_body_is_not_pooled(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    client = begin(daemon, server, "POST", "/", "Content-Length: 100", body=b"half")
    upstream = server.accept()
    upstream.read_request_head()
    upstream.answer("ok", "200 OK", KEEP)
    assert client.read_response().body == b"ok"
    client.close()
    assert upstream.wait_for_end()
    exchange(daemon, server)


def test_a_final_answer_to_an_expectation_costs_the_connection_unless_the_body_came(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    client = begin(daemon, server, "POST", "/", "Content-Length: 100", "Expect: 100-continue", body=b"")
    upstream = server.accept()
    upstream.read_request_head()
    upstream.answer("no", "417 Expectation Failed", KEEP)
    assert client.read_response().status == 417
    client.close()
    assert upstream.wait_for_end()
    exchange(daemon, server)


@pytest.mark.parametrize("how", ["fin", "rst"])
@pytest.mark.parametrize("when", ["before the answer", "in the answer", "in the request"])
def test_a_client_that_leaves_midway_costs_that_connection_and_nothing_else(keepwarm, origin, when, how):
    daemon, server = keepwarm(), origin()
    idle = exchange(daemon, server)
    other = begin(daemon, server, path="/other")
    assert idle.read_request().target == "/other"
    if when == "in the request":
        client = begin(daemon, server, "POST", "/", "Content-Length: 100", body=b"half")
    else:
        client = begin(daemon, server)
    upstream = server.accept()
    upstream.read_request_head()
    if when == "in the answer":
        upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 90000000\r\n\r\nhalf")
        client.read_until(b"half")
    client.reset() if how == "rst" else client.close()
    assert upstream.wait_for_end()
    daemon.wait_log(r"upstream \S+ closed: client left midway")
    idle.answer("ok", "200 OK", KEEP)
    finish(other)
    exchange(daemon, server, idle)


def test_every_upstream_close_is_in_the_log_with_one_reason(keepwarm, origin):
    daemon, server = keepwarm(every_host(max_requests=3)), origin()
    exchange(daemon, server, answer=("Connection: close",))
    daemon.wait_log(r"upstream \S+ closed: server said close")
    exchange(daemon, server).close()
    daemon.wait_log(r"upstream \S+ closed: server closed idle")
    exchange(daemon, server).send("?")
    daemon.wait_log(r"upstream \S+ closed: stray bytes")
    exchange(daemon, server, answer=("Keep-Alive: max=0",))
    daemon.wait_log(r"upstream \S+ closed: hint max")
    upstream = exchange(daemon, server)
    for _ in range(2):
        exchange(daemon, server, upstream)
    daemon.wait_log(r"upstream \S+ closed: request limit")
    exchange(daemon, server)
    daemon.terminate()
    assert daemon.wait_exit() == 0
    assert close_reasons(daemon) == ["server said close", "server closed idle", "stray bytes", "hint max", "request limit",
                               "shutdown"]
    assert len(server.connections) == 6


def test_a_connection_is_watched_again_though_its_client_was_slow_to_take_the_answer(keepwarm, origin):
    """The client's socket fills somewhere in the interim responses, and the final one stands right behind them."""
    daemon, server = keepwarm(), origin()
    interim = b"HTTP/1.1 103 Early Hints\r\nX: " + b"x" * 30000 + b"\r\n\r\n"
    for count in range(80, 98, 2):  # the kernel takes 2.8 MB for a client that reads nothing
        client = daemon.client(receive_buffer=4096)
        client.send_request("GET", server.url())
        upstream = server.accept()
        upstream.read_request()
        for _ in range(count):
            upstream.send(interim)
        settle(daemon)
        upstream.send(interim + interim + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        settle(daemon)
        response = client.read_response()
        assert response.body == b"ok" and len(response.interim) == count + 2
        client.close()
        upstream.send("?")
        assert upstream.wait_for_end(), f"after {count} interim responses nobody watches the connection"
