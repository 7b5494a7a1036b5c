"""TCP keepalive on both sides of a tunnel, which a NAT would forget while nothing passes (core/doc/design.md §5)."""

import socket
from pathlib import Path

import pytest
from helpers_pool import settle
from support.waiting import eventually

TIMER_OF_KEEPALIVE = 2  # proc(5), "tr" of /proc/net/tcp


def keepalive(own: tuple[str, int], peer: tuple[str, int]) -> bool:
    """Whether the TCP socket with these addresses asks its silent peer for signs of life, from /proc/net/tcp."""

    def text(address: tuple[str, int]) -> str:
        return f"{int.from_bytes(socket.inet_aton(address[0]), 'little'):08X}:{address[1]:04X}"

    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1:3] == [text(own), text(peer)]:
            return int(fields[5].split(":")[0], 16) == TIMER_OF_KEEPALIVE
    raise AssertionError("there is no such socket")


@pytest.mark.parametrize("kind", ["CONNECT", "Upgrade"])
def test_both_sides_of_a_tunnel_are_asked_for_signs_of_life(keepwarm, origin, kind):
    daemon, server = keepwarm({"proxy": {"connect_ports": ["1-65535"]}}), origin()
    client = daemon.client()
    if kind == "CONNECT":
        client.send(f"CONNECT {server.at} HTTP/1.1\r\nHost: {server.at}\r\n\r\n")
        upstream = server.accept()
        assert client.read_response("CONNECT").status == 200
    else:
        client.send_request("GET", server.url(), "Connection: upgrade", "Upgrade: p")
        upstream = server.accept()
        upstream.read_request()
        upstream.send("HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: p\r\n\r\n")
        assert client.read_response().status == 101
    settle(daemon)
    eventually(lambda: keepalive(daemon.address(), client.sock.getsockname()), message="keepalive towards the client")
    eventually(lambda: keepalive(upstream.peer, upstream.sock.getsockname()), message="keepalive towards the server")
