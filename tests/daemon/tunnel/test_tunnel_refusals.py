"""CONNECT requests that make no tunnel."""

import pytest
from support.stalls import real_time
from support.wiring import check_own_answer

ANY_PORT = {"proxy": {"connect_ports": ["1-65535"]}}


def connect(target: str, *fields: str) -> str:
    return "\r\n".join([f"CONNECT {target} HTTP/1.1", "Host: {at}", *fields]) + "\r\n\r\n"


def test_only_443_may_be_reached_unless_told_otherwise(wire):
    check_own_answer(wire().refused(connect("{at}"), 403), 403, "http_request_denied", "127.0.0.1")


def test_a_port_outside_the_ranges_is_403(wire):
    w = wire({"proxy": {"connect_ports": ["1-79", 443, "500"]}})
    w.refused(connect("127.0.0.1:80"), 403)
    w.refused(connect("127.0.0.1:501"), 403)


def test_a_port_of_its_own_is_allowed(wire, origin):
    server = origin()
    w = wire({"proxy": {"connect_ports": [443, server.port]}})
    w.server = server
    assert w.send(connect("{at}")).read_response("CONNECT").status == 200


TARGETS = ["127.0.0.1", "127.0.0.1:", ":443", "{at}/", "http://{at}/", "//{at}", "user@{at}", "user:pw@{at}",
           "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:https", "127.0.0.1:+443", "[::1:443", "::1:443", "{at}?x",
           "{at}#x", "*", "/"]


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_that_is_not_host_and_port_is_400_and_close(wire, target):
    check_own_answer(wire(ANY_PORT).refused(connect(target), 400), 400, "http_request_error")


@pytest.mark.parametrize("fields,body",
                         [("Content-Length: 5", "hello"), ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n")])
def test_a_body_makes_it_400_and_close(wire, fields, body):
    wire(ANY_PORT).refused(connect("{at}", fields) + body, 400)


def test_without_host_it_is_400(wire):
    wire(ANY_PORT).refused("CONNECT {at} HTTP/1.1\r\n\r\n", 400)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
def test_keepwarm_itself_is_400(wire, name):
    w = wire(ANY_PORT)
    w.refused(connect(f"{name}:{w.daemon.port}"), 400)


REFUSALS = {"400": ("127.0.0.1", 400), "403": ("127.0.0.1:25", 403), "502": ("127.0.0.1:{closed}", 502)}


@pytest.mark.parametrize("target,status", REFUSALS.values(), ids=REFUSALS.keys())
@pytest.mark.parametrize("length", [0, 100_000])
def test_a_failed_connect_closes_and_its_early_bytes_are_no_request(wire, closed_port, target, status, length):
    w = wire({"proxy": {"connect_ports": ["1024-65535"]}})
    early = "GET http://{at}/evil HTTP/1.1\r\nHost: {at}\r\n\r\n" + "x" * length
    response = w.refused(connect(target.replace("{closed}", str(closed_port()))) + early, status)
    assert "close" in response.tokens("connection")
    w.server.expect_no_connection()


def test_a_refused_connection_is_502(wire, closed_port):
    response = wire(ANY_PORT).refused(connect(f"127.0.0.1:{closed_port()}"), 502)
    check_own_answer(response, 502, "connection_refused", "127.0.0.1")


@real_time
def test_a_connection_that_hangs_is_504(wire, origin):
    hanging = origin(accepting=False)
    hanging.fill_backlog()
    w = wire({**ANY_PORT, "host": {"*": {"connect_timeout": "300ms"}}})
    check_own_answer(w.refused(connect(hanging.at), 504), 504, "connection_timeout", "127.0.0.1")


@real_time
def test_a_client_that_leaves_before_the_connection_stands_leaves_nothing_behind(wire, origin):
    hanging = origin(accepting=False)
    hanging.fill_backlog()
    w = wire({**ANY_PORT, "host": {"*": {"connect_timeout": "1s"}}})
    w.send(connect(hanging.at)).reset()
    w.client = None
    w.ask().read_request()
    w.upstream.answer("alive")
    assert w.client.read_response().body == b"alive"


def test_a_connect_behind_another_request_makes_a_tunnel_in_its_turn(wire):
    w = wire(ANY_PORT)
    w.send("GET http://{at}/ HTTP/1.1\r\nHost: {at}\r\n\r\n" + connect("{at}") + "in the tunnel")
    first = w.server.accept()
    first.read_request()
    first.answer("first")
    assert w.client.read_response().body == b"first"
    second = w.server.accept()
    assert w.client.read_response("CONNECT").status == 200
    assert second.read_exact(13) == b"in the tunnel"
