"""Upgrade: a tunnel once 101 is seen, and only to what was asked for (RFC 9110 §7.8)."""

import pytest
from support.wiring import check_own_answer

WEBSOCKET = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x")
SWITCH = ("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
          "Sec-WebSocket-Accept: y\r\n\r\n")


def upgraded(w, early_down: str = ""):
    """(client, upstream) behind a 101."""
    upstream = w.ask("GET", "/chat", *WEBSOCKET)
    upstream.read_request()
    upstream.send(SWITCH + early_down)
    assert w.client.read_response().status == 101
    return w.client, upstream


def test_the_upgrade_passes_to_the_origin(wire):
    w = wire()
    request = w.ask("GET", "/chat", *WEBSOCKET).read_request()
    assert request.tokens("upgrade") == ["websocket"] and "upgrade" in request.tokens("connection")
    assert request.get("sec-websocket-key") == "x"


def test_the_101_passes_to_the_client_with_its_fields(wire):
    w = wire()
    w.ask("GET", "/chat", *WEBSOCKET).read_request()
    w.upstream.send(SWITCH)
    response = w.client.read_response()
    assert response.status == 101
    assert response.tokens("upgrade") == ["websocket"] and response.tokens("connection") == ["upgrade"]
    assert response.get("sec-websocket-accept") == "y"
    assert not {"content-length", "transfer-encoding", "keep-alive"} & set(response.names)


def test_bytes_pass_both_ways_behind_the_101(wire):
    client, upstream = upgraded(wire())
    client.send(b"\x81\x00up\r\n\r\n")
    assert upstream.read_exact(8) == b"\x81\x00up\r\n\r\n"
    upstream.send(b"HTTP/1.1 no head any more\n")
    assert client.read_exact(26) == b"HTTP/1.1 no head any more\n"


def test_bytes_in_the_same_packet_as_the_101_pass(wire):
    client, _ = upgraded(wire(), "first frame")
    assert client.read_exact(11) == b"first frame"


def test_bytes_that_the_client_sent_before_the_101_belong_to_the_tunnel(wire):
    w = wire()
    upstream = w.ask("GET", "/chat", *WEBSOCKET)
    w.client.send("early frame")
    upstream.read_request()
    upstream.send(SWITCH)
    assert w.client.read_response().status == 101
    assert upstream.read_exact(11) == b"early frame"


@pytest.mark.parametrize("side", ["client", "origin"])
def test_each_side_may_half_close(wire, side):
    client, upstream = upgraded(wire())
    first, second = (client, upstream) if side == "client" else (upstream, client)
    first.send("bye")
    first.shutdown_write()
    assert second.read_to_eof() == b"bye"
    second.send("goodbye")
    assert first.read_exact(7) == b"goodbye"
    second.close()
    first.expect_eof()


def test_an_upgraded_connection_is_never_pooled(wire):
    w = wire()
    client, upstream = upgraded(w)
    client.close()
    upstream.expect_eof()
    w.client = w.upstream = None
    w.ask().read_request()
    assert w.upstream is not upstream


@pytest.mark.parametrize("fields", [(), ("Upgrade: websocket",), ("Connection: Upgrade",),
                                    ("Connection: Upgrade", "Upgrade: h2c"),
                                    ("Connection: Upgrade", 'Upgrade: "websocket"'),
                                    ("Connection: Upgrade", "Upgrade: " + "websocket, " * 40)])
def test_a_101_that_nobody_asked_for_is_502(wire, fields):
    w = wire()
    w.ask("GET", "/", *fields).read_request()
    w.upstream.send(SWITCH)
    check_own_answer(w.client.read_response(), 502, host="127.0.0.1")
    assert w.upstream.wait_for_end()


@pytest.mark.parametrize("upgrade", ["Upgrade: other\r\n", "Upgrade: h2c\r\n", "", "Upgrade: websocket, other\r\n"])
def test_a_101_to_another_protocol_is_502(wire, upgrade):
    w = wire()
    w.ask("GET", "/", *WEBSOCKET).read_request()
    w.upstream.send(f"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n{upgrade}\r\n")
    check_own_answer(w.client.read_response(), 502)
    assert w.upstream.wait_for_end()


@pytest.mark.parametrize("asked,granted", [("websocket", "WebSocket"), ("WEBSOCKET", "websocket"),
                                           ("foo/2, websocket", "foo/2"), ("foo/2, websocket", "websocket")])
def test_any_protocol_that_was_asked_for_may_be_granted(wire, asked, granted):
    w = wire()
    w.ask("GET", "/", "Connection: keep-alive, upgrade", f"Upgrade: {asked}").read_request()
    w.upstream.send(f"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: {granted}\r\n\r\n")
    assert w.client.read_response().status == 101


@pytest.mark.parametrize("fields,left", [
    (("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"), []),
    (("Connection: Upgrade, HTTP2-Settings", "Upgrade: H2C", "HTTP2-Settings: AAMAAABk"), []),
    (("Connection: Upgrade", "Upgrade: h2c, websocket"), ["websocket"]),
    (("Connection: Upgrade", "Upgrade: websocket", "Upgrade: h2c"), ["websocket"]),
    (("Upgrade: websocket",), [])])
def test_h2c_and_what_is_not_nominated_is_never_passed_on(wire, fields, left):
    w = wire()
    request = w.ask("GET", "/", *fields).read_request()
    assert request.tokens("upgrade") == left and not request.has("http2-settings")
    assert ("upgrade" in request.tokens("connection")) == bool(left)
    w.upstream.answer("plain")
    assert w.client.read_response().body == b"plain"


def test_an_upgrade_that_is_not_granted_is_a_plain_exchange(wire):
    w = wire()
    w.ask("GET", "/", *WEBSOCKET).read_request()
    w.upstream.answer("no")
    assert w.client.read_response().body == b"no"
    w.ask().read_request()
    w.upstream.answer("next")
    assert w.client.read_response().body == b"next"
    assert len(w.server.connections) == 1


def test_a_1_0_client_cannot_upgrade(wire):
    w = wire()
    w.send("GET http://{at}/ HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    assert not w.server.accept().read_request().has("upgrade")


def test_an_upgrade_with_a_body_is_granted_behind_it(wire):
    w = wire()
    upstream = w.ask("POST", "/", *WEBSOCKET, body=b"body")
    assert upstream.read_request().body == b"body"
    upstream.send(SWITCH)
    assert w.client.read_response().status == 101
    w.client.send("frame")
    assert upstream.read_exact(5) == b"frame"


def test_interim_responses_before_the_101_pass(wire):
    w = wire()
    w.ask("GET", "/", *WEBSOCKET).read_request()
    w.upstream.send("HTTP/1.1 103 Early Hints\r\n\r\n" + SWITCH)
    response = w.client.read_response()
    assert response.status == 101 and [interim.status for interim in response.interim] == [103]


def test_the_ws_scheme_is_taken_as_http_in_a_request_with_upgrade(wire):
    w = wire()
    w.send("GET ws://{at}/chat?x HTTP/1.1\r\nHost: {at}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    upstream = w.server.accept()
    request = upstream.read_request()
    assert request.target == "/chat?x" and request.get("host") == w.server.at
    upstream.send(SWITCH)
    assert w.client.read_response().status == 101


def test_tens_of_thousands_of_protocols_hold_nobody_up(wire):
    """Offered and chosen, they once took the loop for half a minute."""
    w = wire()
    many = "".join(f"{number}," for number in range(10_000))
    assert not w.ask("GET", "/", "Connection: Upgrade", "Upgrade: " + many).read_request().has("upgrade")
    w.upstream.send(f"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: {many}\r\n\r\n")
    check_own_answer(w.client.read_response(), 502)
