"""The access log: one line for each exchange, in text or JSON, and nothing secret in it (core/doc/design.md §8, §9)."""

import json
import os
import re
import time

import pytest
from helpers_pool import KEEP, begin, every_host, exchange, finish, serve
from support.stalls import real_time
from support.waiting import eventually

SECRET = "s3cr3t"
FIELDS = {"time", "client", "method", "url", "status", "bytes_received", "bytes_sent", "upstream", "connection",
          "requests_on_connection", "idle_ms", "trust", "expected_idle_timeout_ms", "expected_idle_timeout_source", "retries", "queue_ms", "dns_ms", "connect_ms", "tls_ms", "first_byte_ms", "total_ms"}
TEXT = re.compile(r"(?P<time>\S+Z) (?P<client>\S+) (?P<method>\S+) (?P<url>\S+) (?P<status>\d+) in=(?P<received>\d+) "
                  r"out=(?P<sent>\d+) upstream=(?P<upstream>\S+) (?P<connection>reused|fresh|none) requests=(?P<requests>\d+) "
                  r"idle=(?P<idle>[\d.]+) trust=(?P<trust>\S+) expected=(?P<expected>\S+) "
                  r"retries=(?P<retries>\d+) queue=(?P<queue>[\d.]+) dns=(?P<dns>[\d.]+) connect=(?P<connect>[\d.]+) tls=(?P<tls>[\d.]+) "
                  r"first=(?P<first>[\d.]+) total=(?P<total>[\d.]+)")


def json_config(**more) -> dict:
    return {"log": {"access": "json"}, **more}


def records(daemon, count: int) -> list[dict]:
    """The first `count` records, when they have come."""
    def found():
        return [record for line in daemon.log if (record := json.loads(line))["kind"] == "access"]

    eventually(lambda: len(found()) >= count, message=f"{count} access records")
    return found()


@pytest.fixture
def logged(keepwarm, origin):
    """(daemon with a JSON access log, an origin)"""
    return keepwarm(json_config()), origin()


@real_time
def test_a_record_says_what_design_wants_to_know(logged):
    daemon, server = logged
    client = begin(daemon, server, "POST", "/path", body=b"12345")
    upstream = server.accept()
    upstream.read_request()
    time.sleep(0.1)
    upstream.answer("four", "201 Created", KEEP)
    finish(client, "four", status=201)
    record = records(daemon, 1)[0]
    assert FIELDS <= set(record)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["time"])
    assert record["client"].startswith("127.0.0.1:")
    assert (record["method"], record["url"], record["status"]) == ("POST", server.url("/path"), 201)
    assert (record["bytes_received"], record["bytes_sent"]) == (5, 4)
    assert (record["upstream"], record["connection"]) == (server.at, "fresh")
    assert (record["requests_on_connection"], record["retries"]) == (1, 0)
    assert 90 <= record["first_byte_ms"] <= record["total_ms"] < 5000
    assert record["tls_ms"] == 0 and record["dns_ms"] >= 0 and record["connect_ms"] >= 0


def test_reused_connections_and_their_requests_are_told(logged):
    daemon, server = logged
    upstream = exchange(daemon, server)
    for _ in range(2):
        exchange(daemon, server, upstream)
    found = records(daemon, 3)
    told = [(each["connection"], each["requests_on_connection"]) for each in found]
    assert told == [("fresh", 1), ("reused", 2), ("reused", 3)]
    assert found[0]["connect_ms"] > 0 and found[1]["connect_ms"] == 0


def test_a_retry_is_told(logged):
    daemon, server = logged
    upstream = exchange(daemon, server)
    client = begin(daemon, server)
    upstream.read_request()
    upstream.close()
    serve(server.accept())
    finish(client)
    record = records(daemon, 2)[1]
    assert (record["retries"], record["connection"], record["requests_on_connection"]) == (1, "fresh", 1)


def test_an_answer_of_our_own_is_told(keepwarm, closed_port):
    daemon = keepwarm(json_config())
    port = closed_port()
    assert daemon.get(f"http://127.0.0.1:{port}/x").status == 502
    record = records(daemon, 1)[0]
    assert (record["status"], record["upstream"], record["connection"]) == (502, None, "none")
    assert record["error"] == "connection_refused"


def test_a_request_that_is_refused_is_told(keepwarm):
    daemon = keepwarm(json_config())
    client = daemon.client()
    client.send("NONSENSE\r\n\r\n")
    assert client.read_response().status == 400
    record = records(daemon, 1)[0]
    assert record["status"] == 400 and record["upstream"] is None


def test_a_cut_answer_is_told(logged):
    daemon, server = logged
    client = begin(daemon, server)
    upstream = server.accept()
    upstream.read_request()
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    client.read_until(b"half")
    upstream.close()
    client.read_to_end()
    record = records(daemon, 1)[0]
    assert (record["status"], record["bytes_sent"], record["end"]) == (200, 4, "origin")


def test_a_client_that_left_is_told(logged):
    daemon, server = logged
    client = begin(daemon, server)
    upstream = server.accept()
    upstream.read_request()
    client.reset()
    assert upstream.wait_for_end()
    record = records(daemon, 1)[0]
    assert (record["status"], record["end"]) == (0, "client")


def test_the_bytes_of_bodies_are_counted_without_their_framing(logged):
    daemon, server = logged
    client = begin(daemon, server, "PUT", "/", "Transfer-Encoding: chunked", body=b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n")
    upstream = server.accept()
    upstream.read_request()
    upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwiki\r\n3\r\nped\r\n0\r\nX: y\r\n\r\n")
    assert client.read_response().body == b"wikiped"
    record = records(daemon, 1)[0]
    assert (record["bytes_received"], record["bytes_sent"]) == (5, 7)


def test_a_tunnel_is_told_when_it_has_ended(keepwarm, origin):
    server = origin()
    daemon = keepwarm(json_config(proxy={"connect_ports": [server.port]}))
    client = daemon.client()
    client.send(f"CONNECT {server.at} HTTP/1.1\r\nHost: {server.at}\r\n\r\n")
    upstream = server.accept()
    assert client.read_response("CONNECT").status == 200
    client.send("12345")
    assert upstream.read_exact(5)
    upstream.send("123")
    assert client.read_exact(3)
    client.close()
    upstream.close()
    record = records(daemon, 1)[0]
    assert (record["method"], record["url"], record["status"]) == ("CONNECT", server.at, 200)
    assert (record["bytes_received"], record["bytes_sent"]) == (5, 3)
    assert record["upstream"] == server.at


def test_there_is_one_record_for_each_exchange(keepwarm, http_origin):
    daemon, server = keepwarm(json_config()), http_origin()
    client = daemon.client()
    client.send("".join(f"GET {server.url(f'/{number}')} HTTP/1.1\r\nHost: {server.at}\r\n\r\n" for number in range(20)))
    for _ in range(20):
        assert client.read_response().status == 200
    found = records(daemon, 20)
    assert [each["url"] for each in found] == [server.url(f"/{number}") for number in range(20)]
    assert len({each["client"] for each in found}) == 1


@pytest.mark.parametrize("access", ["text", "json"])
def test_no_secret_is_in_any_log(keepwarm, origin, access):
    daemon, server = keepwarm({"log": {"access": access, "level": "trace"}}), origin()
    fields = [f"Authorization: Basic {SECRET}", f"Proxy-Authorization: Basic {SECRET}", f"Cookie: id={SECRET}", f"X: {SECRET}"]
    answer = (KEEP, f"Set-Cookie: id={SECRET}", f"WWW-Authenticate: Basic {SECRET}")
    upstream = None
    for target in (f"/path?token={SECRET}", f"/?{SECRET}"):
        client = begin(daemon, server, "POST", target, *fields, body=SECRET)
        upstream = upstream or server.accept()
        serve(upstream, SECRET, *answer)
        finish(client, SECRET)
    client = daemon.client()
    client.send(f"GET http://user:{SECRET}@{server.at}/ HTTP/1.1\r\nHost: {server.at}\r\n\r\n")
    assert client.read_response().status == 400
    client = begin(daemon, server, "GET", f"/stale?{SECRET}", *fields)
    upstream.read_request()
    upstream.close()
    upstream = server.accept()
    upstream.read_request()
    upstream.send(f"HTTP/1.1 200 OK\r\nSet-Cookie: {SECRET}\r\nbroken {SECRET}\r\n\r\n")
    assert SECRET.encode() not in client.read_response().body
    daemon.terminate()
    assert daemon.wait_exit() == 0
    assert "/path?..." in daemon.log_text()
    assert SECRET not in daemon.log_text()


def test_what_a_client_sends_cannot_forge_lines(keepwarm, origin):
    daemon, server = keepwarm(json_config()), origin()
    client = daemon.client()
    client.send(f'GET http://{server.at}/a"b\\\xff{{ HTTP/1.1\r\nHost: {server.at}\r\n\r\n')
    if server_takes(server):
        serve(server.accept())
    client.read_response()
    record = records(daemon, 1)[0]  # it is still JSON
    assert record["status"] in (200, 400)


def server_takes(server) -> bool:
    """Whether the request was forwarded (a daemon may also refuse it)."""
    try:
        server.wait_connections(1, limit=0.5)
    except AssertionError:
        return False
    return True


def test_the_text_format_has_the_same_fields(keepwarm, origin):
    daemon, server = keepwarm({"log": {"access": "text"}}), origin()
    upstream = exchange(daemon, server, path="/one?q=v")
    exchange(daemon, server, upstream, method="POST", path="/two", body=b"12345")
    daemon.wait_log(r"POST http://\S+/two")
    lines = [match for line in list(daemon.log) if (match := TEXT.search(line))]
    assert len(lines) == 2
    first, second = lines
    assert first["url"] == server.url("/one?...") and first["status"] == "200" and first["client"].startswith("127.0.0.1:")
    assert (first["received"], first["sent"], first["upstream"], first["connection"]) == ("0", "2", server.at, "fresh")
    assert (second["received"], second["connection"], second["requests"], second["retries"]) == ("5", "reused", "2", "0")
    assert (first["idle"], first["trust"], first["expected"]) == ("0.0", "trusted", "60000/hint")
    assert (second["trust"], second["expected"]) == ("trusted", "60000/hint")


def test_off_is_the_default(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    exchange(daemon, server, path="/not-logged")
    daemon.terminate()
    daemon.wait_exit()
    assert "/not-logged" not in daemon.log_text()


def test_it_does_not_depend_on_the_log_level(keepwarm, origin):
    daemon, server = keepwarm({"log": {"access": "text", "level": "off"}}, wait=False), origin()
    # With the level off nothing says where it listens: ask the kernel.
    inode_port = eventually(lambda: listening_port(daemon.pid), message="a listener")
    daemon.addresses = [f"127.0.0.1:{inode_port}"]
    exchange(daemon, server, path="/logged")
    daemon.wait_log("/logged")
    assert "[info]" not in daemon.log_text()


def listening_port(pid: int) -> int | None:
    with open(f"/proc/{pid}/net/tcp") as table:
        rows = [line.split() for line in table][1:]
    inodes = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            inodes.add(os.readlink(f"/proc/{pid}/fd/{name}"))
        except OSError:
            pass
    for row in rows:
        if row[3] == "0A" and f"socket:[{row[9]}]" in inodes:
            return int(row[1].split(":")[1], 16)
    return None


def test_a_host_that_cannot_be_connected_has_its_times(keepwarm):
    daemon = keepwarm({**json_config(), **every_host(connect_timeout="30s")})
    assert daemon.get("http://name.invalid/", limit=30).status == 502
    record = records(daemon, 1)[0]
    assert record["error"] == "dns_error" and record["url"] == "http://name.invalid:80/"


def test_an_early_answer_and_a_client_that_then_leaves_are_one_record(logged):
    daemon, server = logged
    client = begin(daemon, server, "POST", "/early", "Content-Length: 100", body=b"half")
    upstream = server.accept()
    upstream.read_request_head()
    upstream.answer("ok")
    assert client.read_response().body == b"ok"
    client.reset()
    exchange(daemon, server, path="/after")
    assert [each["url"] for each in records(daemon, 2)] == [server.url("/early"), server.url("/after")]


def test_a_refused_tunnel_is_one_record(keepwarm, http_origin):
    daemon, server = keepwarm(json_config()), http_origin()
    client = daemon.client()
    client.send("CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n")
    assert client.read_response("CONNECT").status == 403
    client.reset()
    assert daemon.get(server.url("/after")).status == 200
    assert [each["status"] for each in records(daemon, 2)] == [403, 200]


def test_a_log_that_is_switched_on_tells_nothing_of_what_was_before(keepwarm, origin):
    daemon, server = keepwarm(json_config()), origin()
    upstream = exchange(daemon, server, path="/before")

    def switch(access):
        since = daemon.reload({"log": {"access": access}})
        daemon.wait_log(r"(?i)reload|configuration", since=since)

    switch("off")
    client = begin(daemon, server, path="/under-way")
    upstream.read_request()
    switch("json")
    upstream.answer("ok", "200 OK", KEEP)
    finish(client)
    exchange(daemon, server, upstream, path="/after")
    eventually(lambda: any("/after" in line for line in list(daemon.log)))
    assert daemon.log_text().count("/before") == 1


def test_an_exchange_that_binds_its_connection_is_told(logged):
    daemon, server = logged
    client = begin(daemon, server, "GET", "/", "Authorization: NTLM abc=")
    serve(server.accept(), "ok", KEEP)
    finish(client)
    assert records(daemon, 1)[0]["expected_idle_timeout_source"] == "hint"
