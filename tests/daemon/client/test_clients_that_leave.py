"""Clients that give up while their request is under way or waits its turn, and those that only look so (core/doc/design.md
§5). After close() the kernel knows that nobody has the client's socket; after shutdown(SHUT_WR) somebody still has."""

import json
import shutil
import socket
import tempfile
import time
from pathlib import Path

import pytest
from helpers_pool import KEEP, begin, every_host, finish, serve, settle, standing_still
from support.tier import amount
from support.waiting import eventually, scaled

LEFT = r"upstream \S+ closed: client left midway"
KINDS = ("tcp", "unix")
AT_TCP, AT_UNIX = 0, 1


@pytest.fixture
def path():
    folder = Path(tempfile.mkdtemp(prefix="kw-"))  # short: the path of a unix socket has at most 107 bytes
    yield folder / "proxy.sock"
    shutil.rmtree(folder)


@pytest.fixture
def both(keepwarm, path):
    """both(proxy={…}, **keys of every host): a daemon that listens at an address and at a path."""

    def start(proxy=None, **keys):
        listen = ["127.0.0.1:0", f"unix:{path}"]
        return keepwarm({"proxy": {"listen": listen, **(proxy or {})}, "log": {"access": "json"}, **every_host(**keys)})

    return start


def ask(daemon, kind, url, method="GET", body=None):
    client = daemon.client(KINDS.index(kind))
    client.send_request(method, url, body=body)
    return client


def asked(daemon, server, kind):
    """A client whose request the origin has read, and not answered."""
    client = ask(daemon, kind, server.url())
    upstream = server.accept()
    upstream.read_request()
    return daemon, client, upstream


def occupied(both, origin):
    """The one connection that is allowed is in use, so that whoever asks now waits in the queue."""
    daemon, server = both(max_connections=1), origin()
    first = begin(daemon, server)
    upstream = server.accept()
    upstream.read_request()
    return daemon, server, first, upstream


def records(daemon, method="GET") -> list[dict]:
    records = [record for line in daemon.log if (record := json.loads(line))["kind"] == "access"]
    return [record for record in records if record["method"] == method]


def expect_never_begun(daemon, upstream):
    """The POST. (Its place may be given up before its turn comes: then the connection stays.)"""
    daemon.wait_log('"method":"POST"')
    upstream.expect_no_byte()
    (record,) = records(daemon, "POST")
    assert (record["status"], record["end"], record["upstream"]) == (0, "client", None)


def leave(client, how):
    if how == "shutdown both ways":
        client.sock.shutdown(socket.SHUT_RDWR)
    elif how == "half-close, then close":
        client.shutdown_write()
        client.close()
    else:
        client.close()


@pytest.mark.parametrize("kind", KINDS)
def test_clients_that_gave_up_on_a_silent_url_hold_no_place(both, http_origin, kind):
    daemon, server = both(), http_origin()
    server.hold()
    clients = [ask(daemon, kind, server.url("/silent")) for _ in range(64)]  # max_connections
    server.wait_requests(64)
    for client in clients:
        client.close()
    start = time.monotonic()
    client = ask(daemon, kind, server.url("/alive"))
    assert server.wait_requests(65)[-1].target == "/alive"
    assert time.monotonic() - start < scaled(0.3)
    server.release()
    finish(client, "hello")
    gone = [record for record in records(daemon) if record["end"] == "client"]
    assert len(gone) == 64 and {record["status"] for record in gone} == {0}
    assert sum("client left midway" in reason for reason in daemon.closes()) == 64


@pytest.mark.parametrize("how", ["close", "half-close, then close", "shutdown both ways"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_client_that_has_left_takes_its_upstream_connection_along(both, origin, kind, how):
    daemon, client, upstream = asked(both(), origin(), kind)
    leave(client, how)
    assert upstream.read_to_end() == b""
    daemon.wait_log(LEFT)
    assert [record["end"] for record in records(daemon)] == ["client"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_client_that_half_closes_has_its_answer_however_late_it_comes(both, origin, kind):
    daemon, client, upstream = asked(both(), origin(), kind)
    client.shutdown_write()
    upstream.expect_silence(amount(1.3, 10))  # it was looked at some times
    upstream.answer("late")
    assert client.read_response().body == b"late"
    client.expect_eof()
    assert [record["end"] for record in records(daemon)] == ["completed"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_half_close_that_becomes_a_close_is_noticed_within_a_second(both, origin, kind):
    daemon, client, upstream = asked(both(), origin(), kind)
    client.shutdown_write()
    upstream.expect_silence(0.3)
    client.close()
    start = time.monotonic()
    assert upstream.read_to_end() == b""
    assert time.monotonic() - start < scaled(1)
    daemon.wait_log(LEFT)


@pytest.mark.parametrize("kind", KINDS)
def test_a_post_that_waits_in_the_queue_is_never_begun_once_its_client_has_left(both, origin, kind):
    daemon, server, first, upstream = occupied(both, origin)
    queued = ask(daemon, kind, server.url("/order"), "POST", b"order")
    settle(daemon)
    last = begin(daemon, server, path="/last")
    queued.close()
    settle(daemon)
    upstream.answer("ok", "200 OK", KEEP)
    finish(first)
    assert serve(upstream).target == "/last"
    finish(last)
    (record,) = records(daemon, "POST")
    assert (record["status"], record["end"], record["upstream"]) == (0, "client", None)


@pytest.mark.parametrize("kind", KINDS)
def test_a_queued_post_whose_body_hides_that_its_client_has_left_is_never_begun(both, origin, kind):
    daemon, server, first, upstream = occupied(both, origin)
    queued = daemon.client(KINDS.index(kind))
    queued.send_request("POST", server.url("/order"), "Content-Length: 100000000")
    queued.send_until_blocked(bytes(1 << 16), quiet=0.1)  # the daemon reads no more than it holds
    queued.close()
    upstream.answer("ok", "200 OK", KEEP)
    finish(first)
    expect_never_begun(daemon, upstream)


@pytest.mark.parametrize("kind", KINDS)
def test_an_upload_that_nobody_reads_ends_within_a_second_once_its_client_has_left(both, origin, kind):
    daemon, server = both(), origin()
    client = daemon.client(KINDS.index(kind))
    client.send_request("POST", server.url(), "Content-Length: 1000000000")
    upstream = server.accept()
    client.send_until_blocked(bytes(1 << 20), quiet=0.2)
    client.close()  # its FIN waits behind what the daemon does not read, since the origin reads nothing
    start = time.monotonic()
    daemon.wait_log(LEFT)
    assert time.monotonic() - start < scaled(1)
    upstream.wait_for_end()


@pytest.mark.parametrize("kind", KINDS)
def test_pipelined_bytes_that_nobody_reads_do_not_hide_that_their_client_has_left(both, origin, kind):
    daemon, client, upstream = asked(both(), origin(), kind)
    client.send_until_blocked(bytes(1 << 16), quiet=0.2, at_most=64 << 20)
    client.close()
    start = time.monotonic()
    assert upstream.read_to_end() == b""
    assert time.monotonic() - start < scaled(1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_client_that_closes_in_the_moment_in_which_its_turn_comes_is_looked_at_once_more(both, origin, kind):
    daemon, server, first, upstream = occupied(both, origin)
    queued = ask(daemon, kind, server.url("/order"), "POST", b"order")
    settle(daemon)
    queued.shutdown_write()
    time.sleep(0.15)  # nothing shows that the look after the FIN is over; the next one is nearly a second later
    with standing_still(daemon):
        queued.close()
        upstream.answer("ok", "200 OK", KEEP)
    finish(first)
    expect_never_begun(daemon, upstream)


@pytest.mark.parametrize("kind", KINDS)
def test_a_client_that_left_while_the_daemon_stood_still_has_nothing_begun(both, origin, kind):
    daemon, server, first, upstream = occupied(both, origin)
    queued = ask(daemon, kind, server.url("/order"), "POST", b"order")
    settle(daemon)
    with standing_still(daemon):
        upstream.answer("ok", "200 OK", KEEP)  # which the daemon will find first
        queued.close()
        time.sleep(0.03)
    finish(first)
    expect_never_begun(daemon, upstream)


@pytest.mark.parametrize("kind", KINDS)
def test_a_client_that_leaves_while_its_answer_streams_takes_the_upstream_along(both, origin, kind):
    daemon, client, upstream = asked(both(), origin(), kind)
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
    client.read_until(b"some")
    client.close()
    assert upstream.read_to_end() == b""  # though it sends nothing more
    daemon.wait_log(LEFT)
    (record,) = records(daemon)
    assert (record["status"], record["end"]) == (200, "client")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_client_that_half_closes_while_its_answer_streams_has_all_of_it(both, origin, kind, version):
    daemon, server = both(), origin()
    client = daemon.client(KINDS.index(kind))
    client.send_request("GET", server.url(), version=version)
    upstream = server.accept()
    upstream.read_request()
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsome")
    client.read_until(b"some")
    client.shutdown_write()
    upstream.expect_silence()
    upstream.send("more")
    assert client.read_to_eof() == b"more"
    assert [record["end"] for record in records(daemon)] == ["completed"]


def test_pipelined_requests_with_a_half_close_behind_them_are_all_answered(both, origin):
    daemon, server = both(), origin()
    client = daemon.client()
    for number in range(3):
        client.send_request("GET", server.url(f"/{number}"))
    client.shutdown_write()
    upstream = server.accept()
    for number in range(3):
        assert serve(upstream, str(number)).target == f"/{number}"
        assert client.read_response().body == str(number).encode()
    client.expect_eof()


def test_a_pipelined_request_is_not_begun_once_its_client_has_left(both, origin):
    daemon, server = both(), origin()
    client = daemon.client()
    client.send_request("GET", server.url("/first"))
    client.send_request("POST", server.url("/order"), body=b"order")
    upstream = server.accept()
    upstream.read_request()
    client.close()
    assert upstream.read_to_end() == b""
    assert len(records(daemon)) == 1 and not records(daemon, "POST")


@pytest.mark.parametrize("kind", KINDS)
def test_honour_goes_on_whatever_has_become_of_the_client(both, origin, kind):
    daemon, client, upstream = asked(both({"client_half_close": "honour"}), origin(), kind)
    client.close()
    upstream.expect_silence(1.2)


@pytest.mark.parametrize("kind", KINDS)
def test_abort_ends_the_exchange_of_a_client_that_half_closes(both, origin, kind):
    daemon, client, upstream = asked(both({"client_half_close": "abort"}), origin(), kind)
    client.shutdown_write()
    assert upstream.read_to_end() == b""
    client.expect_end()
    assert [record["end"] for record in records(daemon)] == ["client"]


def test_a_connect_whose_client_has_left_is_given_up(both, origin):
    hanging = origin(accepting=False)
    hanging.fill_backlog()
    daemon = both({"connect_ports": ["1-65535"]})
    settle(daemon)
    baseline = daemon.fd_count()
    client = daemon.client()
    client.send(f"CONNECT {hanging.at} HTTP/1.1\r\nHost: {hanging.at}\r\n\r\n")
    settle(daemon)
    client.close()
    eventually(lambda: daemon.fd_count() <= baseline, message="the descriptors' return")
    assert [record["end"] for record in records(daemon, "CONNECT")] == ["client"]
