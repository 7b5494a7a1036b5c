"""A client's CONNECT through the parent's tunnel: byte for byte, as without one (core/doc/design.md §5)."""

import hashlib
import random

import pytest
from helpers_parent import ESTABLISHED, NAME, asked_for_tunnel, basic, connect, established, open_tunnel, through
from helpers_pool import settle
from helpers_tls import together
from support.background import Background
from support.stalls import real_time
from support.stream import Cut
from support.waiting import eventually
from support.wiring import check_own_answer

TARGET = f"{NAME}:443"


@pytest.fixture
def parent(origin):
    return origin()


def tunnel(daemon, parent, early: bytes = b"", answer: str = ESTABLISHED):
    """(client, connection at the parent), both answers read."""
    client = connect(daemon, TARGET, early)
    connection = open_tunnel(parent, TARGET, answer)
    established(client)
    return client, connection


@pytest.mark.parametrize("came,goes", [(TARGET, TARGET), (f"{NAME.upper()}.:443", TARGET),
                                       ("203.0.113.7:443", "203.0.113.7:443"), ("[2001:DB8:0::1]:443", "[2001:db8::1]:443")])
@pytest.mark.parametrize("credentials", ["", "user:p%40ss@"])
def test_the_request_for_a_tunnel(keepwarm, parent, came, goes, credentials):
    client = keepwarm(through(parent, credentials)).client()
    client.send_request("CONNECT", came, "User-Agent: x", "Proxy-Authorization: Basic client", "Cookie: a=b",
                        "Proxy-Connection: close")
    connection, request = asked_for_tunnel(parent)
    assert (request.target, request.get("host"), request.version) == (goes, goes, "HTTP/1.1")
    assert request.all("proxy-authorization") == ([basic("user:p@ss")] if credentials else [])
    assert not {"cookie", "proxy-connection", "content-length", "transfer-encoding"} & set(request.names)
    connection.send(ESTABLISHED + "x")
    response = established(client)
    assert not response.has("content-length") and not response.has("transfer-encoding")
    assert client.read_exact(1) == b"x"


VIAS = {"none": ([], ""), "two lines": (["Via: 1.0 fred, 1.1 p.example.net (x)", "X: y", "via: 1.1 last"],
                                        "1.0 fred, 1.1 p.example.net (x), 1.1 last, ")}


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("fields,before", VIAS.values(), ids=VIAS.keys())
def test_via_goes_along_so_that_loops_are_seen(keepwarm, parent, fields, before, version):
    """RFC 9110 §7.6.3: every proxy on the way is in it, and the version in which it received the message."""
    keepwarm(through(parent)).client().send_request("CONNECT", TARGET, *fields, version=version)
    _, request = asked_for_tunnel(parent)
    via = request.get("via")
    assert via.startswith(f"{before}{version} keepwarm-") and "," not in via.removeprefix(before)


def test_without_via_in_the_configuration_there_is_none(keepwarm, parent):
    connect(keepwarm(together(through(parent), {"proxy": {"via": False}})), TARGET)
    assert not asked_for_tunnel(parent)[1].has("via")


def test_the_clients_answer_is_our_own(keepwarm, parent):
    client = connect(keepwarm(through(parent)), TARGET)
    open_tunnel(parent, TARGET, "HTTP/1.0 200 Fine\r\nProxy-Agent: x\r\nContent-Length: 3\r\nSet-Cookie: a=b\r\n\r\n")
    response = established(client)
    assert (response.version, response.names) == ("HTTP/1.1", [])


def test_no_answer_before_the_parents(keepwarm, parent):
    client = connect(keepwarm(through(parent)), TARGET)
    connection, _ = asked_for_tunnel(parent)
    client.expect_silence()
    connection.send(ESTABLISHED)
    established(client)


def test_bytes_pass_both_ways(keepwarm, parent):
    client, connection = tunnel(keepwarm(through(parent)), parent)
    connection.expect_silence()
    client.send(b"\x16\x03\x01up\xff")
    assert connection.read_exact(6) == b"\x16\x03\x01up\xff"
    connection.send(b"\xffdown\r\n\r\n")
    assert client.read_exact(9) == b"\xffdown\r\n\r\n"


@pytest.mark.parametrize("first", [b"220 hello\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 60_000],
                         ids=["text", "a head", "much"])
def test_what_comes_with_the_parents_200_is_the_far_ends(keepwarm, parent, first):
    client = connect(keepwarm(through(parent)), TARGET)
    connection = open_tunnel(parent, TARGET, ESTABLISHED.encode() + first)
    established(client)
    assert client.read_exact(len(first)) == first
    connection.send("and more")
    assert client.read_exact(8) == b"and more"


def test_a_far_end_that_speaks_and_ends_at_once(keepwarm, parent):
    client = connect(keepwarm(through(parent)), TARGET)
    open_tunnel(parent, TARGET, ESTABLISHED + "all").close()
    established(client)
    assert client.read_to_eof() == b"all"


@pytest.mark.parametrize("length", [5, 10_000, 300_000])
def test_what_the_client_sends_early_waits_for_the_parents_200(keepwarm, parent, length):
    early = random.Random(1).randbytes(length)
    daemon = keepwarm(through(parent))
    client = daemon.client()
    client.send(f"CONNECT {TARGET} HTTP/1.1\r\nHost: {TARGET}\r\n\r\n")
    sending = Background(client.send, early)
    connection, _ = asked_for_tunnel(parent)
    connection.expect_silence()
    connection.send(ESTABLISHED)
    assert connection.read_exact(length) == early
    sending.result()
    established(client)


def test_early_bytes_and_half_close_arrive(keepwarm, parent):
    client = connect(keepwarm(through(parent)), TARGET, b"early")
    client.shutdown_write()
    connection = open_tunnel(parent, TARGET)
    assert connection.read_to_eof() == b"early"
    connection.send("late")
    established(client)
    assert client.read_exact(4) == b"late"


def test_the_clients_half_close_leaves_the_other_way_open(keepwarm, parent):
    client, connection = tunnel(keepwarm(through(parent)), parent)
    client.send("question")
    client.shutdown_write()
    assert connection.read_to_eof() == b"question"
    connection.send("answer")
    assert client.read_exact(6) == b"answer"
    connection.close()
    client.expect_eof()


def test_the_far_ends_half_close_leaves_the_other_way_open(keepwarm, parent):
    client, connection = tunnel(keepwarm(through(parent)), parent)
    connection.send("all")
    connection.shutdown_write()
    assert client.read_to_eof() == b"all"
    client.send("still here")
    assert connection.read_exact(10) == b"still here"
    client.close()
    connection.expect_eof()


@pytest.mark.parametrize("side", ["client", "far end"])
def test_a_reset_of_one_side_ends_the_other(keepwarm, parent, side):
    client, connection = tunnel(keepwarm(through(parent)), parent)
    first, second = (client, connection) if side == "client" else (connection, client)
    first.reset()
    second.expect_end()


def test_4_mib_pass_each_way_at_once_unchanged(keepwarm, parent):
    client, connection = tunnel(keepwarm(through(parent)), parent)
    size = 4 << 20
    up, down = random.Random(1).randbytes(size), random.Random(2).randbytes(size)

    def digest(stream):
        return hashlib.sha256(stream.read_exact(size, limit=20)).digest()

    work = [Background(client.send, up), Background(connection.send, down), Background(digest, client),
            Background(digest, connection)]
    results = [each.result(30) for each in work]
    assert results[2] == hashlib.sha256(down).digest() and results[3] == hashlib.sha256(up).digest()


def test_tunnels_are_not_pooled(keepwarm, parent):
    daemon = keepwarm(through(parent))
    for _ in range(2):
        client, connection = tunnel(daemon, parent)
        client.close()
        connection.expect_eof()
        connection.close()


@real_time
def test_tunnel_timeout_counts(keepwarm, parent):
    client, connection = tunnel(keepwarm(through(parent, tunnel_timeout="300ms")), parent)
    client.expect_end()
    connection.expect_end()


def test_the_host_table_of_the_destination_decides(keepwarm, parent, origin):
    direct = origin()
    config = {"host": {"127.0.0.1": {"parent": ""}}, "proxy": {"connect_ports": ["1-65535"]}}
    daemon = keepwarm(together(through(parent), config))
    client = connect(daemon, direct.at)
    direct.accept().send("hello")
    established(client)
    assert client.read_exact(5) == b"hello"
    parent.expect_no_connection()


# Refusals; what the parent may answer is in test_parent_https_refusals.py


def test_a_parent_that_refuses_connections_is_502(keepwarm, origin):
    client = connect(keepwarm(through(origin(accepting=False))), TARGET)
    check_own_answer(client.read_response(), 502, "connection_refused", TARGET)
    client.expect_eof()


def test_the_parents_connection_ends_with_the_refusal(keepwarm, parent):
    """The client may take its time to close."""
    client = connect(keepwarm(through(parent)), TARGET)
    connection = open_tunnel(parent, TARGET, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    assert client.read_response().status == 502
    assert connection.wait_for_end(limit=1)


@pytest.mark.parametrize("then", ["more", "fin", "rst", "garbage"])
def test_a_refusal_that_comes_in_pieces_is_told_once(keepwarm, parent, then):
    daemon = keepwarm(together(through(parent), {"log": {"access": "text"}}))
    client = connect(daemon, TARGET)
    connection = open_tunnel(parent, TARGET, "HTTP/1.1 403 Forbidden\r\nContent-Length: 1000\r\n\r\n")
    check_own_answer(client.read_response(), 502, "destination_unavailable", TARGET)
    try:
        {"more": lambda: connection.send("body"), "fin": connection.close, "rst": connection.reset,
         "garbage": lambda: connection.send("\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")}[then]()
    except Cut:
        pass  # the daemon has closed it already: its right
    settle(daemon)
    client.expect_eof()
    client.close()
    settle(daemon)
    daemon.wait_log(" 400 in=", count=2)  # of the two settle(): the access log is written a little later
    assert len([line for line in daemon.log if f"CONNECT {TARGET}" in line]) == 1


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_client_that_leaves_while_the_parent_thinks_ends_the_connection(keepwarm, parent, how):
    daemon = keepwarm(through(parent))
    settle(daemon)
    baseline = daemon.fd_count()
    client = connect(daemon, TARGET)
    connection, _ = asked_for_tunnel(parent)
    getattr(client, how)()
    connection.expect_end()
    connection.close()
    eventually(lambda: daemon.fd_count() <= baseline, message="the descriptors' return")


@pytest.mark.parametrize("access", ["text", "json"])
def test_the_access_log_has_the_parents_address_and_no_password(keepwarm, parent, access):
    daemon = keepwarm(together(through(parent, "user:s3cr3t@"), {"log": {"access": access, "level": "trace"}}))
    client, connection = tunnel(daemon, parent)
    client.send("12345")
    assert connection.read_exact(5)
    connection.send("123")
    assert client.read_exact(3)
    client.close()
    connection.close()
    line = daemon.wait_log(rf"{NAME}:443.*(out=|bytes_sent\":)3\b.*")[0]
    whole = next(each for each in daemon.log if line in each)
    assert f"upstream={parent.at} fresh" in whole if access == "text" else f'"upstream":"{parent.at}"' in whole
    assert "CONNECT" in whole and "200" in whole
    daemon.wait_log(rf"upstream {NAME}:443 closed: tunnel ended")
    assert "s3cr3t" not in daemon.log_text()


def test_a_refusal_is_in_the_access_log(keepwarm, parent):
    daemon = keepwarm(together(through(parent), {"log": {"access": "text"}}))
    client = connect(daemon, TARGET)
    open_tunnel(parent, TARGET, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    assert client.read_response().status == 502
    client.close()
    line = daemon.wait_log(rf"CONNECT {NAME}:443 .*")[0]
    assert " 502 " in line and "upstream=- none" in line and "error=destination_unavailable" in line
