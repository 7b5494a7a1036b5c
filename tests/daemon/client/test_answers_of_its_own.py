"""What keepwarm says when it cannot or will not forward (core/doc/design.md §7)."""

import re

import pytest
from support.stalls import real_time
from support.wiring import check_own_answer


def test_a_refused_connection_is_502(wire, closed_port):
    w = wire()
    port = closed_port()
    response = w.daemon.get(f"http://127.0.0.1:{port}/path?query")
    check_own_answer(response, 502, "connection_refused", f"127.0.0.1:{port}")


@real_time
def test_a_connection_that_hangs_is_504(wire, origin):
    hanging = origin(accepting=False)
    hanging.fill_backlog()
    w = wire({"host": {"*": {"connect_timeout": "300ms"}}})
    check_own_answer(w.daemon.get(hanging.url()), 504, "connection_timeout", "127.0.0.1")


@real_time
def test_an_origin_that_does_not_answer_is_504(wire):
    w = wire({"host": {"*": {"response_timeout": "300ms"}}})
    upstream = w.ask()
    upstream.read_request()
    check_own_answer(w.client.read_response(), 504, "http_response_timeout", "127.0.0.1")
    assert upstream.wait_for_end()


def test_a_name_that_does_not_exist_is_502(wire):
    response = wire().daemon.get("http://no-such-host.invalid/", limit=15)
    if response.status == 504:
        pytest.skip("no resolver answers here")
    check_own_answer(response, 502, "dns_error", "no-such-host.invalid")


@pytest.mark.parametrize("port", [1, 22, 25, 6667, 10080])
def test_a_bad_port_is_403(wire, port):
    check_own_answer(wire().daemon.get(f"http://127.0.0.1:{port}/"), 403, "http_request_denied", "127.0.0.1")


def test_bad_ports_can_be_allowed(wire):
    response = wire('[proxy]\nbad_ports = "allow"').daemon.get("http://127.0.0.1:1/")
    check_own_answer(response, 502, "connection_refused")


def test_a_denied_destination_is_403(wire):
    w = wire('[proxy]\ndeny_destinations = ["127.0.0.0/8"]')
    check_own_answer(w.daemon.get(w.url()), 403, host="127.0.0.1")
    assert not w.server.connections


@pytest.mark.parametrize("path", ["/<script>alert(1)</script>", "/secret-path?token=secret-query"])
def test_the_body_names_the_host_and_never_the_path(wire, closed_port, path):
    response = wire().daemon.get(f"http://127.0.0.1:{closed_port()}{path}")
    check_own_answer(response, 502, host="127.0.0.1")
    assert b"script" not in response.body and b"secret" not in response.body


@pytest.mark.parametrize("line", ["GET http://<b>x</b>/ HTTP/1.1", "<b> http://x/ HTTP/1.1",
                                  "GET <script>://x/ HTTP/1.1", "GET http://x/ <b>/1.1",
                                  "GET http://user:secret@x/ HTTP/1.1"])
def test_no_markup_and_no_secret_is_echoed(wire, line):
    w = wire()
    response = w.send(f"{line}\r\nHost: x\r\n\r\n").read_response()
    assert response.status in (400, 501)
    assert b"<" not in response.body and b"secret" not in response.body
    assert "<" not in response.get("proxy-status") and "secret" not in response.get("proxy-status")


@pytest.mark.parametrize("status,request_text", [(400, "HEAD /x HTTP/1.1\r\nHost: x\r\n\r\n"),
                                                 (502, "HEAD http://127.0.0.1:{closed}/ HTTP/1.1\r\nHost: x\r\n\r\n")])
def test_an_answer_to_head_has_no_body(wire, closed_port, status, request_text):
    w = wire()
    w.answered_by_itself(request_text.replace("{closed}", str(closed_port())), status, "HEAD")
    w.client.expect_no_byte()


@pytest.mark.parametrize("framing,body", [("Content-Length: 10", b"0123456789"),
                                          ("Transfer-Encoding: chunked", b"a\r\n0123456789\r\n0\r\n\r\n"),
                                          ("Content-Length: 200000", bytes(200_000))],
                         ids=["short", "chunked", "long"])
def test_behind_an_answer_of_its_own_the_body_is_drained_or_the_client_closed(wire, closed_port, framing, body):
    w = wire()
    client = w.new_client()
    client.send(f"POST http://127.0.0.1:{closed_port()}/ HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n".encode() + body)
    response = client.read_response()
    check_own_answer(response, 502, "connection_refused")
    w.expect_in_step(response)


def test_a_502_does_not_cost_the_client_its_connection(wire, closed_port):
    w = wire()
    client = w.new_client()
    assert client.get(f"http://127.0.0.1:{closed_port()}/").status == 502
    w.ask().read_request()
    w.upstream.answer("ok")
    assert client.read_response().body == b"ok"


def test_an_answer_to_a_1_0_client_closes(wire, closed_port):
    w = wire()
    client = w.send(f"GET http://127.0.0.1:{closed_port()}/ HTTP/1.0\r\n\r\n")
    check_own_answer(client.read_response(), 502, "connection_refused")
    client.expect_eof()


# proxy_status = off | errors | always


def test_proxy_status_can_be_off(wire, closed_port):
    response = wire('[proxy]\nproxy_status = "off"').daemon.get(f"http://127.0.0.1:{closed_port()}/")
    assert response.status == 502 and not response.has("proxy-status")


def test_proxy_status_is_on_errors_of_our_own_only(wire):
    w = wire()
    assert not w.answered("HTTP/1.1 502 Bad\r\nContent-Length: 0\r\n\r\n").has("proxy-status")


@pytest.mark.parametrize("mode", ["off", "errors"])
def test_an_origins_proxy_status_passes(wire, mode):
    w = wire(f'[proxy]\nproxy_status = "{mode}"')
    response = w.answered("HTTP/1.1 200 OK\r\nProxy-Status: cdn; hit\r\nContent-Length: 0\r\n\r\n")
    assert response.all("proxy-status") == ["cdn; hit"]


def test_proxy_status_always_tells_of_reuse(wire):
    w = wire('[proxy]\nproxy_status = "always"')
    fields = []
    for _ in range(2):
        w.ask().read_request()
        w.upstream.send("HTTP/1.1 200 OK\r\nProxy-Status: cdn; hit\r\nContent-Length: 0\r\n\r\n")
        fields.append(", ".join(w.client.read_response().all("proxy-status")))
    fresh, reused = fields
    assert fresh.startswith("cdn; hit, keepwarm") and reused.startswith("cdn; hit, keepwarm")
    assert not re.search(r"; *reused(?!=\?0)", fresh)
    assert re.search(r"; *reused(?!=\?0)", reused) and re.search(r"; *idle-ms=\d+", reused)
