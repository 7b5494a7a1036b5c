"""A client that sends head and body in two writes is acknowledged at once (core/doc/design.md §5: TCP_QUICKACK)."""

import socket
import time
from support.stalls import real_time


@real_time
def test_a_body_in_a_second_write_does_not_wait_for_a_delayed_acknowledgement(keepwarm, http_origin):
    daemon, server = keepwarm(), http_origin()
    client = daemon.client()
    client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)  # as Python's http.client leaves it
    times = []
    for _ in range(20):
        start = time.monotonic()
        client.send(f"POST http://{server.at}/ HTTP/1.1\r\nHost: {server.at}\r\nContent-Length: 4\r\n\r\n")
        client.send("body")
        assert client.read_response().body == b"hello"
        times.append(time.monotonic() - start)
    assert sorted(times)[10] < 0.035, "the kernel's delayed acknowledgement takes 40 ms: it was waited for"
