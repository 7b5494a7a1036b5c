"""`keepwarm probe` against real servers: right within half a second, and done in one and a half times their timeout."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.probing import Probe
from support.waiting import scaled

pytestmark = pytest.mark.slow


def seen_by_a_client(port: int) -> float:
    """How long the server keeps an idle connection, by the clock of a plain client."""
    with socket.create_connection(("127.0.0.1", port), 10) as sock:
        sock.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: keep-alive\r\n\r\n".encode())
        sock.settimeout(30)
        last = time.monotonic()
        while sock.recv(65536):
            last = time.monotonic()
        return time.monotonic() - last


def check_probe(tmp_path, server, announced: float) -> None:
    """`announced`: the timeout that it is set to. Some keep connections longer than that, up to a second."""
    with ThreadPoolExecutor(1) as pool:
        client = pool.submit(seen_by_a_client, server.port)
        began = time.monotonic()
        report = Probe(tmp_path, server.url()).end()
        took = time.monotonic() - began
        real = client.result()
    assert report.code == 0
    least, greatest, connections, by = report.closed
    print(f"set to {announced} s, a client saw {real:.3f} s, the probe {least} to {greatest} s in {took:.3f} s")
    assert announced - 0.3 <= least <= greatest <= announced + scaled(1.3)
    assert abs(least - real) <= scaled(0.5)
    assert took <= scaled(1.5) * real
    assert connections >= 3 and by == "FIN"


def test_node_with_its_default_timeout(tmp_path, script):
    check_probe(tmp_path, script("origin.js"), 5.0)


def test_apache_with_its_default_timeout(tmp_path, apache):
    check_probe(tmp_path, apache(), 5.0)


def test_nginx_with_a_timeout_of_3_s(tmp_path, nginx):
    check_probe(tmp_path, nginx("keepalive_timeout 3s;"), 3.0)


def test_gunicorn_with_its_default_timeout(tmp_path, gunicorn):
    """It looks once a second which connections are over."""
    check_probe(tmp_path, gunicorn(), 2.0)
