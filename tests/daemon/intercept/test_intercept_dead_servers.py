"""A server that cannot be reached: CONNECT to a host that is intercepted says so, as that to any other (core/doc/design.md §5)."""

import socket
import time

import pytest
from helpers_intercept import AT, HOST, curl, intercepting, trust
from helpers_tls import together
from support.tls_server import ServerTls
from support.waiting import scaled


def dead_addresses(closed_port, origin) -> dict[str, str]:
    hanging = origin(accepting=False)
    hanging.fill_backlog()
    return {"refused": f"127.0.0.1:{closed_port()}", "hangs": hanging.at}


def connect_status(daemon) -> tuple:
    """(status, Proxy-Status, body) of a CONNECT."""
    client = daemon.client()
    client.send(f"CONNECT {AT} HTTP/1.1\r\nHost: {AT}\r\n\r\n")
    response = client.read_response("CONNECT")
    client.close()
    return response.status, response.get("proxy-status"), response.body


@pytest.mark.parametrize("how,status", [("refused", 502), ("hangs", 504)])
def test_connect_is_answered_as_that_for_a_tunnel(keepwarm, origin, closed_port, local_ca, how, status):
    at = dead_addresses(closed_port, origin)[how]
    config = together(intercepting(local_ca(HOST), at), {"host": {HOST: {"connect_timeout": "300ms"}}})
    intercepts, tunnels = keepwarm(config), keepwarm(together(config, {"host": {HOST: {"intercept": False}}}))
    answers, took = [], []
    for daemon in (intercepts, tunnels):
        begun = time.monotonic()
        answers.append(connect_status(daemon))
        took.append(time.monotonic() - begun)
    assert answers[0] == answers[1] and answers[0][0] == status
    assert "error=" in answers[0][1]
    assert abs(took[0] - took[1]) < scaled(0.2)


@pytest.mark.parametrize("how", ["refused", "hangs"])
def test_curl_fails_as_for_a_tunnel_and_pipes_nothing_into_a_shell(keepwarm, origin, closed_port, local_ca, tmp_path, how):
    at = dead_addresses(closed_port, origin)[how]
    ca = local_ca(HOST)
    daemon = keepwarm(together(intercepting(ca, at), {"host": {HOST: {"connect_timeout": "300ms"}}}))
    done = curl(daemon, "--cacert", trust(ca, tmp_path), f"https://{HOST}/install.sh")
    assert (done.returncode, done.stdout) == (56, b"")


def test_a_name_that_does_not_exist(keepwarm, local_ca, tmp_path):
    ca = local_ca("nowhere.invalid")
    config = together(intercepting(ca, "nowhere.invalid:443", host="nowhere.invalid"),
                      {"dns": {"dns_timeout": "2s"}})
    done = curl(keepwarm(config), "--cacert", trust(ca, tmp_path), "https://nowhere.invalid/")
    assert (done.returncode, done.stdout) == (56, b"")


def test_a_server_that_dies_later_is_seen_at_the_next_connect(keepwarm, http_origin, local_ca, tmp_path):
    ca = local_ca(HOST)
    server = http_origin(tls=ServerTls())
    daemon = keepwarm(intercepting(ca, server.at))
    trusted = ("--cacert", trust(ca, tmp_path))
    assert curl(daemon, *trusted, f"https://{HOST}/").stdout == b"hello"
    server.stop_listening()
    for connection in server.connections:
        connection.sock.shutdown(socket.SHUT_WR)  # its handler reads from TLS, so that is left alone
    daemon.wait_closes(1)
    done = curl(daemon, *trusted, f"https://{HOST}/")
    assert (done.returncode, done.stdout) == (56, b"")
