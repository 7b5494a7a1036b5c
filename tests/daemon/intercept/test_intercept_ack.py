"""The end of an intercepted client's handshake is acknowledged at once."""

import socket
import ssl
import struct
import time

from helpers_tls import together
from support.tls import trusting
from support.tls_server import ServerTls

DELAYED = 0.04  # the least time after which Linux acknowledges what nobody answers (TCP_DELACK_MIN)
UNACKED = 24    # offset of tcpi_unacked in struct tcp_info (linux/tcp.h)


def seconds_until_acknowledged(sock: ssl.SSLSocket) -> float:
    begun = time.monotonic()
    while struct.unpack_from("I", sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), UNACKED)[0] > 0:
        assert time.monotonic() < begun + 10
    return time.monotonic() - begun


def test_a_client_with_nagles_algorithm_need_not_wait(keepwarm, http_origin, local_ca):
    """It sends its request once its Finished is acknowledged, and in TLS 1.3 nothing of ours goes out before that."""
    ca = local_ca("localhost")
    server = http_origin(tls=ServerTls(), name="localhost")
    daemon = keepwarm(together(trusting(), ca.config, {
        "proxy": {"connect_ports": ["1-65535"]}, "host": {"localhost": {"intercept": True}}}))
    context = ssl.create_default_context(cafile=str(ca.root))
    waits = []
    for _ in range(20):
        client = daemon.client()
        client.send(f"CONNECT {server.at} HTTP/1.1\r\nHost: {server.at}\r\n\r\n")
        assert client.read_response("CONNECT").status == 200
        with context.wrap_socket(client.sock, server_hostname="localhost") as sock:
            assert sock.version() == "TLSv1.3"
            waits.append(seconds_until_acknowledged(sock))
    assert min(waits) < DELAYED / 2, f"{sorted(waits)}"
