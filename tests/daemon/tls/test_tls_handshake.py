"""Handshakes that fail for other reasons than the certificate, and ALPN (core/doc/design.md §6.5, §7)."""

import pytest
from helpers_pool import KEEP, every_host, exchange, finish, serve
from helpers_tls import both_versions, refused, sent_nothing_behind
from support.stalls import real_time
from support.tls import trusting
from support.tls_server import TLS11, TLS12, TLS13, ServerTls
from support.wiring import check_own_answer

FATAL_ALERT = b"\x15\x03\x03\x00\x02\x02"
methods = pytest.mark.parametrize("method", ["GET", "POST"])


# ALPN


@both_versions
@pytest.mark.parametrize("alpn", [(), ("http/1.1",), ("h2", "http/1.1")], ids=["none", "http/1.1", "h2 and http/1.1"])
def test_servers_that_speak_http_1_1_or_know_no_alpn_are_taken(keepwarm, origin, versions, alpn):
    exchange(keepwarm(trusting()), origin(tls=ServerTls(alpn=alpn, versions=versions)))


@both_versions
@pytest.mark.parametrize("answer", ["h2", "http/1.0", "x"])
def test_a_protocol_that_was_not_offered_is_refused(keepwarm, origin, versions, answer):
    daemon, server = keepwarm(trusting()), origin(tls=ServerTls(alpn_answer=answer, versions=versions))
    refused(daemon, server, "tls_protocol_error")
    connection = server.accept_any()
    assert connection.read_to_end() == b"" if connection.handshake_done else sent_nothing_behind(connection)
    server.expect_no_connection()


@both_versions
@methods
def test_a_server_that_speaks_only_h2_refuses_us(keepwarm, origin, versions, method):
    daemon, server = keepwarm(trusting()), origin(tls=ServerTls(alpn=("h2",), versions=versions))
    response = refused(daemon, server, "tls_alert_received", "no application protocol", method=method)
    assert "alert-id=120" in response.get("proxy-status")
    server.accept_failed()
    server.expect_no_connection()


# Versions


@pytest.mark.parametrize("versions,spoken", [((TLS12, TLS12), "TLSv1.2"), ((TLS13, TLS13), "TLSv1.3"),
                                             ((TLS12, TLS13), "TLSv1.3"), ((TLS11, TLS12), "TLSv1.2")])
def test_the_best_common_version_is_spoken_from_1_2_on(keepwarm, origin, versions, spoken):
    assert exchange(keepwarm(trusting()), origin(tls=ServerTls(versions=versions))).version == spoken


def test_a_server_that_knows_only_tls_1_1_is_refused(keepwarm, origin):
    daemon, server = keepwarm(trusting()), origin(tls=ServerTls(versions=(TLS11, TLS11)))
    response = daemon.get(server.url())
    check_own_answer(response, 502, host="127.0.0.1")
    assert response.get("proxy-status").split("error=")[1].split(";")[0] in ("tls_alert_received", "tls_protocol_error")
    assert not server.accept_failed().records_behind_error
    server.expect_no_connection()


# Servers that do not shake hands


def answer_with(connection, data: bytes) -> None:
    """Reads the client's first flight and answers it so."""
    connection.read_some()
    connection.send(data)


@pytest.mark.parametrize("data", [
    b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", b"220 mail ready\r\n", bytes(100),
    b"\x16\x03\x03\xff\xff" + bytes(100), b"\x16\x03\x03\x00\x04\x02\x00\x00\x00", b"\x17\x03\x03\x00\x10" + bytes(16)],
    ids=["http", "ssh", "smtp", "zeros", "a record too long", "an empty ServerHello", "data"])
@methods
def test_a_server_that_answers_something_else_is_refused(keepwarm, origin, data, method):
    daemon, server = keepwarm(trusting()), origin()
    client = daemon.client()
    client.send_request(method, f"https://{server.at}/", body=b"x" if method == "POST" else None)
    upstream = server.accept()
    answer_with(upstream, data)
    check_own_answer(client.read_response(), 502, "tls_protocol_error", "127.0.0.1")
    assert upstream.wait_for_end()
    server.expect_no_connection()


def test_the_text_says_that_a_plain_http_server_speaks_no_tls(keepwarm, origin):
    daemon, server = keepwarm(trusting()), origin()
    client = daemon.client()
    client.send_request("GET", f"https://{server.at}/")
    answer_with(server.accept(), b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert b"does not speak TLS" in client.read_response().body


@pytest.mark.parametrize("alert,number", [(b"\x28", 40), (b"\x46", 70), (b"\x70", 112), (b"\xf0", 240)])
def test_an_alert_is_told_with_its_number(keepwarm, origin, alert, number):
    daemon, server = keepwarm(trusting()), origin()
    client = daemon.client()
    client.send_request("GET", f"https://{server.at}/")
    answer_with(server.accept(), FATAL_ALERT + alert)
    response = client.read_response()
    check_own_answer(response, 502, "tls_alert_received", "127.0.0.1")
    assert f"alert-id={number}" in response.get("proxy-status")


ENDS = {"FIN": lambda upstream: upstream.close(), "half a FIN": lambda upstream: upstream.shutdown_write(),
        "RST": lambda upstream: upstream.reset()}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
@pytest.mark.parametrize("part", [b"", b"\x16", b"\x16\x03\x03\x00\x40\x02\x00\x00\x3c"],
                         ids=["nothing", "a byte", "part of a ServerHello"])
@methods
def test_a_server_that_ends_within_the_handshake_is_502(keepwarm, origin, end, part, method):
    daemon, server = keepwarm(trusting()), origin()
    client = daemon.client()
    client.send_request(method, f"https://{server.at}/", body=b"x" if method == "POST" else None)
    upstream = server.accept()
    upstream.read_some()
    if part:
        upstream.send(part)
    end(upstream)
    check_own_answer(client.read_response(), 502, "connection_terminated", "127.0.0.1")
    server.expect_no_connection()


@real_time
@pytest.mark.parametrize("part", [b"", b"\x16\x03\x03\x00\x40\x02"], ids=["silent", "silent in the middle"])
def test_a_handshake_that_does_not_end_is_504_after_connect_timeout(keepwarm, origin, part):
    daemon, server = keepwarm(every_host(connect_timeout="300ms")), origin()
    client = daemon.client()
    client.send_request("GET", f"https://{server.at}/")
    upstream = server.accept()
    upstream.read_some()
    if part:
        upstream.send(part)
    response = client.read_response()
    check_own_answer(response, 504, "connection_timeout", "127.0.0.1")
    assert b"TLS" in response.body
    assert upstream.wait_for_end()


@real_time
def test_one_time_limit_is_for_connecting_and_handshake_together(keepwarm, origin):
    """A server that sends a byte of its handshake now and then does not win time by it."""
    daemon, server = keepwarm(every_host(connect_timeout="500ms")), origin()
    client = daemon.client()
    client.send_request("GET", f"https://{server.at}/")
    upstream = server.accept()
    upstream.read_some()
    upstream.send(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc")
    for _ in range(60):
        if client.has_input():
            break
        upstream.send_byte_by_byte(b"\x03", pause=0.05)
    check_own_answer(client.read_response(), 504, "connection_timeout", "127.0.0.1")


def test_a_handshake_that_waits_holds_up_nobody_else(keepwarm, origin, http_origin):
    daemon, silent, server = keepwarm(trusting()), origin(), http_origin(tls=ServerTls())
    waiting = daemon.client()
    waiting.send_request("GET", f"https://{silent.at}/")
    silent.accept().read_some()
    assert daemon.get(server.url()).status == 200


def test_a_client_that_leaves_ends_the_handshake_or_leaves_it_to_the_pool(keepwarm, origin):
    daemon, server = keepwarm(trusting()), origin()
    client = daemon.client()
    client.send_request("GET", f"https://{server.at}/")
    upstream = server.accept()
    upstream.read_some()
    client.reset()
    daemon.terminate()
    assert daemon.wait_exit() == 0


def test_after_a_failed_handshake_the_next_one_may_succeed(keepwarm, origin):
    daemon, server = keepwarm(trusting()), origin()
    for attempt in range(2):
        client = daemon.client()
        client.send_request("GET", f"https://{server.at}/")
        upstream = server.accept()
        if attempt == 0:
            upstream.read_some()
            upstream.close()
            assert client.read_response().status == 502
    secured = server.start_tls(upstream, ServerTls())
    serve(secured, "ok", KEEP)
    finish(client)


def test_a_waiting_request_takes_a_connection_that_came_free_before_the_handshake_ended(keepwarm, origin):
    """One connection is in use, the second's handshake hangs: the first serves both."""
    daemon, server = keepwarm(trusting()), origin()
    first = daemon.client()
    first.send_request("GET", f"https://{server.at}/1")
    upstream = server.start_tls(server.accept(), ServerTls())
    upstream.read_request()
    second = daemon.client()
    second.send_request("GET", f"https://{server.at}/2")
    server.accept().read_some()
    upstream.answer("one", "200 OK", KEEP)
    finish(first, "one")
    assert serve(upstream, "two").target == "/2"
    finish(second, "two")
