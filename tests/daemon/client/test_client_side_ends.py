"""The edges of an exchange: answers that the client does not read, ends that cross; and its one line in the access log."""

import json
import time

from helpers_pool import KEEP, exchange, settle, standing_still
from support.background import Background
from support.stalls import real_time
from support.waiting import eventually, scaled
from support.wire import chunked

LARGE_HEADS = {"proxy": {"max_header_size": "8MiB"}}
MORE_THAN_A_SOCKET_TAKES = 7 << 20
FIELD = "X-Filler: " + "f" * 8000 + "\r\n"


def interim(size: int) -> bytes:
    """An interim response of about so many bytes."""
    return ("HTTP/1.1 103 Early Hints\r\n" + FIELD * (size // len(FIELD)) + "\r\n").encode()


# Empty lines


@real_time
def test_an_empty_line_and_a_byte_begin_a_head(wire):
    w = wire({"proxy": {"client_header_timeout": "300ms"}})
    w.new_client().send("\r\n")
    settle(w.daemon)
    w.client.send("G")
    assert w.client.read_response().status == 408


# Clients that do not read


@real_time
def test_interim_responses_wait_for_a_client_that_does_not_read(wire):
    w = wire(LARGE_HEADS)
    w.new_client(receive_buffer=4096)
    w.ask().read_request()
    one, count = interim(1 << 20), 40
    sent = 0

    def send():
        nonlocal sent
        for _ in range(count):
            w.upstream.send(one)
            sent += 1
        w.upstream.answer("ok", "200 OK", KEEP)

    w.upstream.limit = 60
    sending = Background(send)
    last, since = -1, time.monotonic()

    def stands_still() -> bool:
        nonlocal last, since
        if sent != last:
            last, since = sent, time.monotonic()
        return time.monotonic() - since > scaled(0.3)

    eventually(stands_still, limit=20)
    assert sent < 30, "the daemon went on reading what the client does not take"
    w.client.receive_buffer(4 << 20)
    response = w.client.read_response(limit=30)
    assert len(response.interim) == count and response.body == b"ok"
    sending.result()


def test_a_connection_whose_answer_came_right_behind_what_the_client_did_not_read_serves_on(wire):
    w = wire(LARGE_HEADS)
    w.new_client(receive_buffer=4096)
    w.ask().read_request()
    early = interim(MORE_THAN_A_SOCKET_TAKES)
    w.upstream.send(early[:-2])
    w.upstream.send(b"\r\nHTTP/1.1 200 OK\r\n" + KEEP.encode() + b"\r\nContent-Length: 2\r\n\r\nok")
    settle(w.daemon)
    response = w.client.read_response(limit=20)
    assert len(response.interim) == 1 and response.body == b"ok"
    exchange(w.daemon, w.server, w.upstream)


def test_what_a_client_sends_while_its_last_answer_waits_does_not_cut_that_answer(wire):
    w = wire(LARGE_HEADS)
    client = w.new_client(receive_buffer=4096)
    # Answered before its end, which nobody can foresee: the connection will close.
    w.ask("POST", "/", "Transfer-Encoding: chunked", body=b"").read_request_head()
    w.upstream.send(interim(MORE_THAN_A_SOCKET_TAKES) + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    w.daemon.wait_log(r"upstream \S+ closed: request unfinished")
    client.send_until_blocked(chunked(bytes(1 << 16))[:-5], quiet=0.2, at_most=16 << 20)
    settle(w.daemon)
    client.read_exact(1 << 20, limit=20)  # Cut if it was
    client.reset()


# Ends that cross


@real_time
def test_a_connect_that_fails_in_the_moment_that_ends_everything_ends_once(wire, origin):
    hanging = origin(accepting=False)
    hanging.fill_backlog()
    w = wire({"proxy": {"connect_ports": ["1-65535"], "shutdown_grace": "400ms"}, "log": {"access": "json"},
              "host": {"*": {"connect_timeout": "600ms"}}})
    clients = [w.send(f"CONNECT {hanging.at} HTTP/1.1\r\nHost: {hanging.at}\r\n\r\n") for _ in range(3)]
    settle(w.daemon)
    w.daemon.terminate()
    w.daemon.wait_log("stopping")
    with standing_still(w.daemon):  # until both times are over, so that they are found over in one turn of the loop
        time.sleep(1)
    assert w.daemon.wait_exit() == 0
    assert len(access_records(w.daemon, "CONNECT")) == len(clients)


# One line for each exchange


def access_records(daemon, method: str) -> list[dict]:
    records = [record for line in daemon.log if (record := json.loads(line))["kind"] == "access"]
    return [record for record in records if record["method"] == method]


def test_a_client_that_resets_behind_a_refused_connect_has_one_line_in_the_access_log(wire, closed_port):
    w = wire({"proxy": {"connect_ports": ["1-65535"]}, "log": {"access": "json"}})
    at = f"127.0.0.1:{closed_port()}"
    client = w.send(f"CONNECT {at} HTTP/1.1\r\nHost: {at}\r\n\r\n")
    assert client.read_response("CONNECT").status == 502
    client.reset()
    settle(w.daemon)
    w.daemon.terminate()
    assert w.daemon.wait_exit() == 0
    (record,) = access_records(w.daemon, "CONNECT")
    assert record["status"] == 502


def test_a_tunnel_that_both_sides_reset_at_once_has_one_line_in_the_access_log(wire):
    w = wire({"proxy": {"connect_ports": ["1-65535"]}, "log": {"access": "json"}})
    client = w.send(w.text("CONNECT {at} HTTP/1.1\r\nHost: {at}\r\n\r\n"))
    upstream = w.server.accept()
    assert client.read_response("CONNECT").status == 200
    with standing_still(w.daemon):
        client.reset()
        upstream.reset()
    settle(w.daemon)
    w.daemon.terminate()
    assert w.daemon.wait_exit() == 0
    (record,) = access_records(w.daemon, "CONNECT")
    assert record["status"] == 200
