"""SIGTERM and SIGINT: stop accepting, close idle clients at once, let exchanges end, exit 0 (core/doc/design.md §3)."""

import signal
import socket
import time

import pytest
from helpers_pool import KEEP, begin, close_reasons, every_host, exchange, serve, settle
from support.background import Background
from support.stalls import real_time
from support.waiting import eventually, scaled

both = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])


def refuses(daemon) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(daemon.address()) != 0


@real_time
@both
def test_without_work_it_ends_at_once_with_exit_code_0(keepwarm, number):
    daemon = keepwarm()
    began = time.monotonic()
    daemon.signal(number)
    assert daemon.wait_exit() == 0
    assert time.monotonic() - began < scaled(1.0)


@both
def test_idle_clients_are_closed_at_once(keepwarm, origin, number):
    daemon, server = keepwarm(), origin()
    silent, served = daemon.client(), daemon.client()
    served.send_request("GET", server.url())
    serve(server.accept())
    assert served.read_response().body == b"ok"
    settle(daemon)
    daemon.signal(number)
    silent.expect_eof(limit=1)
    served.expect_eof(limit=1)
    assert daemon.wait_exit() == 0


@both
def test_an_exchange_under_way_ends_with_connection_close(keepwarm, origin, number):
    daemon, server = keepwarm(), origin()
    client = begin(daemon, server)
    upstream = server.accept()
    upstream.read_request()
    daemon.signal(number)
    eventually(lambda: refuses(daemon))
    upstream.answer("late")
    response = client.read_response()
    assert response.body == b"late" and "close" in response.tokens("connection")
    assert not response.has("keep-alive")
    client.expect_eof()
    client.close()
    assert daemon.wait_exit() == 0


def test_an_answer_that_has_begun_is_sent_to_its_end(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    client = begin(daemon, server)
    upstream = server.accept()
    upstream.read_request()
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
    client.read_until(b"half")
    daemon.terminate()
    eventually(lambda: refuses(daemon))
    upstream.send("rest")
    assert client.read_exact(4) == b"rest"
    client.expect_eof()
    client.close()
    assert daemon.wait_exit() == 0


def test_a_request_body_under_way_goes_on(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    client = begin(daemon, server, "POST", "/", "Content-Length: 8", body=b"half")
    upstream = server.accept()
    upstream.read_request_head()
    daemon.terminate()
    eventually(lambda: refuses(daemon))
    client.send(b"rest")
    assert upstream.read_exact(8) == b"halfrest"
    upstream.answer("ok")
    assert client.read_response().body == b"ok"
    client.close()
    assert daemon.wait_exit() == 0


def test_a_retry_goes_on(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server)
    client = begin(daemon, server)
    upstream.read_request()
    daemon.terminate()
    eventually(lambda: refuses(daemon))
    upstream.close()
    serve(server.accept())
    assert client.read_response().body == b"ok"
    client.close()
    assert daemon.wait_exit() == 0


def test_those_that_wait_in_the_queue_are_served(keepwarm, origin):
    daemon, server = keepwarm(every_host(max_connections=1)), origin()
    first = begin(daemon, server, path="/first")
    upstream = server.accept()
    upstream.read_request()
    second = begin(daemon, server, path="/second")
    settle(daemon)
    daemon.terminate()
    eventually(lambda: refuses(daemon))
    upstream.answer("ok", "200 OK", "Connection: close")
    assert first.read_response().body == b"ok"
    assert serve(server.accept()).target == "/second"
    assert second.read_response().body == b"ok"
    first.close()
    second.close()
    assert daemon.wait_exit() == 0


def test_a_request_that_had_arrived_is_answered(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    client = daemon.client()
    settle(daemon)
    daemon.signal(signal.SIGSTOP)
    client.send_request("GET", server.url())
    daemon.terminate()
    daemon.signal(signal.SIGCONT)
    serve(server.accept())
    response = client.read_response()
    assert response.body == b"ok" and "close" in response.tokens("connection")
    client.close()
    assert daemon.wait_exit() == 0


def test_new_connections_are_refused_while_it_drains(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    client = begin(daemon, server)
    upstream = server.accept()
    upstream.read_request()
    daemon.terminate()
    eventually(lambda: refuses(daemon))
    upstream.answer("ok")
    assert client.read_response().body == b"ok"
    client.close()
    assert daemon.wait_exit() == 0


def test_idle_upstream_connections_are_closed_at_once_while_exchanges_go_on(keepwarm, origin):
    daemon, server, other = keepwarm(), origin(), origin()
    idle = exchange(daemon, other)
    client = begin(daemon, server)
    upstream = server.accept()
    upstream.read_request()
    daemon.terminate()
    assert idle.wait_for_end(limit=1) == "fin"
    upstream.answer("ok", "200 OK", KEEP)
    assert client.read_response().body == b"ok"
    client.close()
    assert upstream.wait_for_end() == "fin"
    assert daemon.wait_exit() == 0
    assert close_reasons(daemon) == ["shutdown", "shutdown"]


@both
def test_a_second_signal_ends_at_once(keepwarm, origin, number):
    daemon, server = keepwarm({"proxy": {"shutdown_grace": "1h"}}), origin()
    client = begin(daemon, server)
    server.accept().read_request()
    daemon.signal(signal.SIGTERM)
    eventually(lambda: refuses(daemon))
    client.expect_silence()
    daemon.expected_trouble = True  # the exit code of an end by force is not laid down
    daemon.signal(number)
    daemon.wait_exit(limit=1)
    assert client.read_to_end() == b""


@real_time
def test_shutdown_grace_ends_what_does_not_end(keepwarm, origin):
    daemon, server = keepwarm({"proxy": {"shutdown_grace": "400ms"}}), origin()
    client = begin(daemon, server)
    upstream = server.accept()
    upstream.read_request()
    began = time.monotonic()
    daemon.terminate()
    assert daemon.wait_exit() == 0
    assert 0.3 < time.monotonic() - began < scaled(2.0)
    assert client.read_to_end() == b"" or client.ended
    assert upstream.wait_for_end()


@real_time
def test_an_answer_that_shutdown_grace_cuts_is_visibly_cut(keepwarm, origin):
    daemon, server = keepwarm({"proxy": {"shutdown_grace": "200ms"}}), origin()
    client = daemon.client()
    client.send_request("GET", server.url(), version="1.0")
    upstream = server.accept()
    upstream.read_request()
    upstream.send("HTTP/1.0 200 OK\r\n\r\nhalf")  # its end would be the connection's
    client.read_until(b"half")
    daemon.terminate()
    client.expect_reset()
    assert daemon.wait_exit() == 0


def tunnel(keepwarm, origin, grace):
    server = origin()
    daemon = keepwarm({"proxy": {"connect_ports": [server.port], "shutdown_grace": grace}})
    client = daemon.client()
    client.send(f"CONNECT {server.at} HTTP/1.1\r\nHost: {server.at}\r\n\r\n")
    upstream = server.accept()
    assert client.read_response("CONNECT").status == 200
    return daemon, client, upstream


@real_time
def test_tunnels_go_on_until_shutdown_grace(keepwarm, origin):
    daemon, client, upstream = tunnel(keepwarm, origin, "1200ms")
    daemon.terminate()
    eventually(lambda: refuses(daemon))
    client.send("ping")
    assert upstream.read_exact(4) == b"ping"
    upstream.send("pong")
    assert client.read_exact(4) == b"pong"
    assert client.expect_end() and upstream.expect_end()
    assert daemon.wait_exit() == 0


def test_the_end_of_the_last_tunnel_is_the_end(keepwarm, origin):
    daemon, client, upstream = tunnel(keepwarm, origin, "1h")
    daemon.terminate()
    eventually(lambda: refuses(daemon))
    client.close()
    upstream.close()
    assert daemon.wait_exit() == 0


def test_load_at_the_end_is_answered_or_refused_but_never_cut(keepwarm, http_origin):
    daemon, server = keepwarm(), http_origin()

    def ask_on():
        answers = 0
        while True:
            try:
                client = daemon.client()
            except OSError:
                return answers
            try:
                client.send_request("GET", server.url(), "Connection: close")
                assert client.read_response().body == b"hello"
            finally:
                client.close()
            answers += 1

    workers = [Background(ask_on) for _ in range(4)]
    server.wait_requests(40)
    daemon.terminate()
    assert daemon.wait_exit() == 0
    assert sum(worker.result() for worker in workers) >= 30
