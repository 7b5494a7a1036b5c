"""SIGTERM and SIGINT: clients that are idle go at once, exchanges end first (DESIGN.md §3)."""

import signal
import socket

import pytest


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_client_is_closed_at_once_and_the_daemon_ends(wire, number):
    w = wire()
    fresh = w.new_client()
    idle = w.new_client()
    w.ask().read_request()
    w.upstream.answer("ok")
    assert idle.read_response().body == b"ok"
    w.daemon.signal(number)
    idle.expect_eof()
    fresh.expect_end()
    assert w.upstream.wait_for_end()
    assert w.daemon.wait_exit() == 0


def test_an_exchange_under_way_ends_and_its_client_is_told_to_close(wire):
    w = wire()
    w.ask().read_request()
    w.daemon.terminate()
    w.daemon.wait_log(r"(?i)shut|drain|stop")
    w.upstream.answer("ok")
    response = w.client.read_response()
    assert response.body == b"ok" and "close" in response.tokens("connection")
    w.client.expect_eof()
    assert w.daemon.wait_exit() == 0


def test_a_body_under_way_arrives_whole(wire):
    w = wire()
    w.ask().read_request()
    w.upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbegin")
    w.client.read_until(b"begin")
    w.daemon.terminate()
    w.client.expect_silence()
    w.upstream.send("-end")
    assert w.client.read_exact(4) == b"-end"
    w.client.expect_eof()
    assert w.daemon.wait_exit() == 0


def test_nobody_is_accepted_any_more(wire):
    w = wire()
    w.ask().read_request()
    w.daemon.terminate()
    w.daemon.wait_log(r"(?i)shut|drain|stop")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(w.daemon.address(), timeout=5)
    w.upstream.answer("ok")
    assert w.client.read_response().body == b"ok"


def test_an_exchange_that_does_not_end_is_cut_at_shutdown_grace(wire):
    w = wire('[proxy]\nshutdown_grace = "300ms"')
    w.ask().read_request()
    w.daemon.terminate()
    assert w.daemon.wait_exit() == 0
    assert w.upstream.wait_for_end()


def test_a_second_signal_ends_it_at_once(wire):
    w = wire()
    w.ask().read_request()
    w.daemon.terminate()
    w.daemon.wait_log(r"(?i)shut|drain|stop")
    w.daemon.terminate()
    w.daemon.wait_exit(limit=3)
    assert w.upstream.wait_for_end()
    w.daemon.expected_trouble = True  # which exit code it has is not said
