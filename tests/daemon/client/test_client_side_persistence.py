"""How long a client's connection lives, and what it is told of it (RFC 9112 §9.3)."""

import pytest
from support.wiring import check_own_answer


def test_persistent_clients_are_told_our_idle_timeout(wire):
    response = wire().answered("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert response.get("keep-alive") == "timeout=60" and "close" not in response.tokens("connection")


def test_the_hint_follows_the_setting(wire):
    w = wire('[proxy]\nclient_idle_timeout = "7s"')
    response = w.answered("HTTP/1.1 200 OK\r\nKeep-Alive: timeout=99\r\nContent-Length: 0\r\n\r\n")
    assert response.get("keep-alive") == "timeout=7"


@pytest.mark.parametrize("line",
                         ["Connection: close", "Connection: CLOSE", "Connection: x, close", "Proxy-Connection: close"])
def test_a_client_that_says_close_is_closed(wire, line):
    w = wire()
    response = w.answered("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody", "GET", line)
    assert response.body == b"body" and "close" in response.tokens("connection") and not response.has("keep-alive")
    w.client.expect_eof()


def test_an_origin_that_says_close_does_not_cost_the_client_its_connection(wire):
    w = wire()
    response = w.answered("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody")
    assert "close" not in response.tokens("connection")
    assert w.upstream.wait_for_end()
    w.expect_in_step(response)


def test_one_client_connection_serves_many_hosts(keepwarm, http_origin):
    daemon = keepwarm()
    servers = [http_origin({"*": b"%d" % number}) for number in range(4)]
    client = daemon.client()
    for _ in range(3):
        for number, server in enumerate(servers):
            assert client.get(server.url()).body == b"%d" % number
    assert [len(server.connections) for server in servers] == [1] * 4


def test_many_clients_share_one_upstream_connection(keepwarm, http_origin):
    daemon, server = keepwarm(), http_origin()
    for _ in range(20):
        assert daemon.get(server.url()).body == b"hello"
    assert len(server.connections) == 1


def test_ipv6_clients_are_served(keepwarm, http_origin):
    server = http_origin()
    daemon = keepwarm({"proxy": {"listen": ["[::1]:0"]}})
    assert daemon.client().get(server.url()).body == b"hello"


def test_a_response_until_close_does_not_cost_the_client_its_connection(wire):
    w = wire()
    upstream = w.ask()
    upstream.read_request()
    upstream.send("HTTP/1.1 200 OK\r\n\r\nbody")
    upstream.close()
    response = w.client.read_response()
    assert response.chunked and "close" not in response.tokens("connection")
    w.expect_in_step(response)


def test_another_client_is_served_while_one_does_not_read(wire):
    w = wire()
    upstream = w.ask()
    upstream.read_request()
    upstream.send(f"HTTP/1.1 200 OK\r\nContent-Length: {1 << 30}\r\n\r\n")
    upstream.send_until_blocked(bytes(1 << 20))
    w.client = w.upstream = None
    w.ask().read_request()
    w.upstream.answer("served")
    assert w.client.read_response(limit=1).body == b"served"


def test_a_bad_request_is_told_and_closed(wire):
    response = wire().refused("GET /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400)
    check_own_answer(response, 400, "http_request_error")
    assert "close" in response.tokens("connection") and not response.has("keep-alive")
