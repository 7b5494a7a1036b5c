"""Which connection serves a request: one pool for each origin, shared by all clients, last in first out (core/doc/design.md §6.1)."""

import pytest
from helpers_pool import KEEP, begin, every_host, exchange, finish, pooled, serve


def test_a_second_client_is_served_on_the_first_ones_connection(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server)
    exchange(daemon, server, upstream)
    server.expect_no_connection()


def test_fifty_clients_of_one_request_each_cost_one_connection(keepwarm, http_origin):
    daemon, server = keepwarm(), http_origin()
    for number in range(50):
        assert daemon.get(server.url(f"/{number}"), "Connection: close").body == b"hello"
    assert server.used == [0] * 50


def test_a_client_that_stays_shares_its_connection_between_its_requests(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    first = daemon.client()
    first.send_request("GET", server.url("/first"))
    upstream = server.accept()
    serve(upstream, "1")
    assert first.read_response().body == b"1"
    exchange(daemon, server, upstream)  # another client, while the first one is still there
    first.send_request("GET", server.url("/again"))
    assert serve(upstream, "2").target == "/again"
    assert first.read_response().body == b"2"
    server.expect_no_connection()


def test_the_connection_that_was_returned_last_serves_first(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    first, second, third = pooled(daemon, server, 3)
    exchange(daemon, server, third)
    exchange(daemon, server, third)
    one, other = begin(daemon, server, path="/one"), None
    assert third.read_request().target == "/one"
    other = begin(daemon, server, path="/other")
    assert second.read_request().target == "/other"
    third.answer("one")
    finish(one, "one")
    second.answer("other", "200 OK", KEEP)
    finish(other, "other")
    exchange(daemon, server, second)  # returned after the third
    first.expect_silence()


def test_two_addresses_are_two_origins(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    other = origin(host="127.0.0.2", port=server.port)
    exchange(daemon, server)
    exchange(daemon, other)  # on a connection of its own: accept() would fail else
    server.expect_no_connection()


def test_two_ports_are_two_origins(keepwarm, origin):
    daemon, server, other = keepwarm(), origin(), origin()
    upstream = exchange(daemon, server)
    exchange(daemon, other)
    exchange(daemon, server, upstream)


def test_a_name_and_its_address_are_two_origins(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    exchange(daemon, server)
    client = daemon.client()
    client.send_request("GET", f"http://localhost:{server.port}/")
    serve(server.accept())
    finish(client)


@pytest.mark.parametrize("spelling", ["LocalHost", "LOCALHOST", "localhost."])
def test_spellings_of_one_name_are_one_origin(keepwarm, origin, spelling):
    daemon, server = keepwarm(), origin()
    client = daemon.client()
    client.send_request("GET", f"http://localhost:{server.port}/")
    upstream = server.accept()
    serve(upstream)
    finish(client)
    client = daemon.client()
    client.send_request("GET", f"http://{spelling}:{server.port}/other")
    assert serve(upstream).target == "/other"
    finish(client)


def test_every_request_that_may_be_pooled_asks_to_keep_the_connection(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    for fields in [(), ("Connection: close",), ("Connection: keep-alive",), ("Proxy-Connection: close",)]:
        client = begin(daemon, server, "GET", "/", *fields)
        upstream = server.accept() if not server.connections else server.connections[0]
        request = serve(upstream, "ok", KEEP)
        assert request.tokens("connection") == ["keep-alive"], fields
        finish(client)


def test_a_request_of_an_http10_client_is_pooled_too(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    client = daemon.client()
    client.send_request("GET", server.url(), version="1.0")
    upstream = server.accept()
    assert serve(upstream).version == "HTTP/1.1"
    assert client.read_response().body == b"ok"
    client.expect_eof()
    exchange(daemon, server, upstream)


def test_reuse_off_means_one_request_for_each_connection_and_says_so(keepwarm, origin):
    daemon, server = keepwarm(every_host(reuse=False)), origin()
    for number in range(3):
        client = begin(daemon, server, path=f"/{number}")
        upstream = server.accept()
        request = serve(upstream)
        assert request.target == f"/{number}"
        assert request.tokens("connection") == ["close"]
        finish(client)
        assert upstream.wait_for_end() == "fin"
    daemon.wait_log(r"upstream \S+ closed: ", count=3)


def test_the_settings_of_one_host_leave_the_others_alone(keepwarm, origin):
    server = origin()
    daemon = keepwarm({"host": {f"127.0.0.1:{server.port}": {"reuse": False}}})
    other = origin()
    upstream = exchange(daemon, other)
    assert exchange(daemon, server).wait_for_end() == "fin"
    exchange(daemon, server)
    exchange(daemon, other, upstream)


def test_a_more_specific_table_wins_key_by_key(keepwarm, origin):
    server = origin()
    daemon = keepwarm({"host": {"*": {"max_requests": 1}, "localhost": {"max_requests": 3},
                                f"localhost:{server.port}": {"max_idle": 8}}})
    client = daemon.client()
    used = []
    for number in range(4):
        client.send_request("GET", f"http://localhost:{server.port}/{number}")
        if number in (0, 3):
            used.append(server.accept())
        serve(used[-1])
        assert client.read_response().body == b"ok"
    assert used[0].wait_for_end()
