"""How tunnels begin and end when the two sides do not do it politely."""

import threading

import pytest
from support.stream import Cut
from support.waiting import eventually

ANY_PORT = {"proxy": {"connect_ports": ["1-65535"]}}


def test_bytes_behind_a_101_that_came_in_pieces_reach_the_client_whole(wire):
    w = wire()
    upstream = w.ask("GET", "/chat", "Connection: Upgrade", "Upgrade: echo")
    upstream.read_request()
    # The client sees the interim response when the daemon has read the piece of the head behind it.
    upstream.send("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 101 Swi")
    assert w.client.read_response_head().status == 103
    early = b"A" * 40_000
    upstream.send(b"tching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n" + early)
    assert w.client.read_response().status == 101
    assert w.client.read_exact(len(early)) == early


@pytest.mark.parametrize("gone", ["client", "origin"])
def test_a_side_that_is_gone_ends_the_tunnel_though_the_other_keeps_sending(wire, gone):
    w = wire(ANY_PORT)
    before = w.daemon.fd_count() + 1  # libuv's reserve descriptor, opened with the first stream
    client = w.send(w.text("CONNECT {at} HTTP/1.1\r\nHost: {at}\r\n\r\n"))
    upstream = w.server.accept()
    assert client.read_response("CONNECT").status == 200
    leaving, staying = (client, upstream) if gone == "client" else (upstream, client)
    leaving.close()
    refused = threading.Event()

    def keep_sending():
        try:
            while not refused.wait(0.02):
                staying.send(b"still here\n")
        except Cut:
            refused.set()

    sender = threading.Thread(target=keep_sending, daemon=True)
    sender.start()
    try:
        eventually(lambda: w.daemon.fd_count() <= before)
    finally:
        refused.set()
        sender.join()
