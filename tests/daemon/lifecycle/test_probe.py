"""`keepwarm probe URL` measures how long a server keeps idle connections (packaging/doc/idle-timeouts.md)."""

import os
import pty
import re
import select
import signal
import subprocess
import threading
import time

import pytest
from helpers_deaf import deafen
from helpers_parent import NAME, UnixOrigin, basic, through
from helpers_tls import together
from support.connection import Connection
from support.probing import Probe
from support.tls import trusting
from support.tls_server import ServerTls
from support.waiting import Deadline, TooLong, binary, scaled

TIMEOUT = 0.6  # of the servers; real time, whatever the build
# A pause of a second begins when the answer is read, and is told from when it came: some milliseconds less are told, or more.
ABOUT_A_SECOND = r"(?:9\d\d ms|\d+\.\d s)"
HINT = "Keep-Alive: timeout=10, max=100"


@pytest.fixture
def probe(tmp_path):
    """probe(url, *arguments, config={}): a running Probe; it ends with the test."""
    started = []

    def start(url: str, *arguments: str, **options) -> Probe:
        started.append(Probe(tmp_path, url, *arguments, **options))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
            each.process.communicate()


def idle(connection: Connection, seconds: float) -> bool:
    """Whether nothing comes for that long. The end counts as something."""
    try:
        connection._receive(Deadline(seconds, exact=True), "anything")
    except TooLong:
        return True
    return False


class Server:
    """Answers, and calls `lapse` on a connection that has been idle for `timeout` seconds."""

    def __init__(self, lapse, *fields: str, timeout: float = TIMEOUT):
        self.lapse = lapse
        self.fields = fields
        self.timeout = timeout
        self.requests = []

    def __call__(self, connection: Connection) -> None:
        while connection.buffer or not idle(connection, self.timeout):
            if connection.ended:
                return
            self.requests.append(connection.read_request())
            connection.answer("ok", "200 OK", *self.fields)
        self.lapse(connection)


def send_408_and_close(connection: Connection) -> None:
    connection.send("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    connection.close()


def go_deaf(connection: Connection) -> None:
    """As a NAT does that has forgotten the connection: what comes is dropped unseen."""
    deafen(connection)
    connection.wait_for_end(60)


def reset_when_asked(connection: Connection) -> None:
    """As a NAT does that says so to who asks."""
    if not connection.ended and connection._receive(Deadline(60), "a request"):
        connection.reset()


def check_close_age(report, least: float, by: str) -> None:
    low, high, connections, how = report.closed
    assert least / 2 <= low <= high <= least + scaled(0.6)  # on a busy machine bytes and ends are seen late
    assert connections >= 3
    assert how == by


def check_passes(pasted: str, tmp_path) -> None:
    assert pasted
    file = tmp_path / "pasted.toml"
    file.write_text(pasted)
    done = subprocess.run([binary(), "check", "--config", file], capture_output=True, text=True, timeout=scaled(10))
    assert done.returncode == 0, done.stderr
    assert not done.stderr, "there is advice against it"


@pytest.mark.parametrize("lapse, by", [(Connection.close, "FIN"), (Connection.reset, "RST"), (send_408_and_close, "408"),
                                       (lambda connection: connection.send("what?"), "stray bytes")],
                         ids=["FIN", "RST", "408", "bytes"])
def test_the_close_of_an_idle_connection_is_measured(probe, origin, tmp_path, lapse, by):
    server = origin(Server(lapse))
    report = probe(server.url("/a?b=c")).end()
    assert report.code == 0
    check_close_age(report, TIMEOUT, by)
    assert report.row("hint") == "none"
    check_passes(report.pasted, tmp_path)
    assert f'[host."{server.at}"]' in report.pasted
    assert report.keys.keys() == {"assumed_idle_timeout"}
    assert re.fullmatch(r"\d{3}ms|1\d?\d?\d?m?s", report.keys["assumed_idle_timeout"])


@pytest.mark.parametrize("lapse, by", [(lambda c: c.close(), "FIN"), (lambda c: c.cut(), "FIN"), (Connection.reset, "RST")],
                         ids=["close_notify", "FIN alone", "RST"])
def test_the_close_of_a_tls_connection_is_measured(probe, origin, lapse, by):
    server = origin(Server(lapse), tls=ServerTls(), name="localhost")
    report = probe(server.url(), config=trusting()).end()
    check_close_age(report, TIMEOUT, by)
    assert re.search(r"[\d.]+ ms DNS \+ [\d.]+ ms connecting \+ [\d.]+ ms TLS = [\d.]+ ms", report.row("handshake"))
    assert re.search(r"[\d.]+ ms at least, [\d.]+ ms with", report.row("round trip"))


def test_what_goes_to_the_server(probe, origin):
    behaviour = Server(Connection.close)
    server = origin(behaviour)
    probe(server.url("/a?b=c")).end()
    assert 3 <= len(server.connections) <= 8
    assert len(behaviour.requests) <= 2 * len(server.connections)
    for request in behaviour.requests:
        assert (request.method, request.target) == ("GET", "/a?b=c")
        assert request.get("host") == server.at
        assert request.get("connection") == "keep-alive"
        assert re.fullmatch(r"keepwarm/[\d.]+", request.get("user-agent"))
        assert request.get("via") is None


def test_a_hint_that_promises_too_much_is_not_to_be_believed(probe, origin, tmp_path):
    report = probe(origin(Server(Connection.close, HINT)).url()).end()
    assert report.row("hint") == "Keep-Alive: timeout=10, max=100"
    assert report.keys["server_hint"] is False
    check_passes(report.pasted, tmp_path)


def test_a_hint_that_is_kept_is_believed(probe, origin):
    report = probe(origin(Server(Connection.close, "Keep-Alive: timeout=1", timeout=1.0)).url()).end()
    check_close_age(report, 1.0, "FIN")
    assert report.keys.keys() == {"assumed_idle_timeout"}


ENDS = {
    "says close": "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.0": "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "no length": "HTTP/1.1 200 OK\r\n\r\nok",
    "timeout=0": "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=0\r\nContent-Length: 2\r\n\r\nok",
    "does not say so": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
}


@pytest.mark.parametrize("answer", ENDS.values(), ids=ENDS.keys())
def test_a_server_that_closes_after_each_response(probe, origin, tmp_path, answer):
    def serve(connection: Connection) -> None:
        connection.read_request()
        connection.send(answer)
        if "timeout=0" in answer:
            connection.wait_for_end()  # it is taken at its word

    report = probe(origin(serve).url()).end()
    assert report.code == 0
    assert re.match(r"none: the server closes the connection .*after each response", report.row("idle"))
    assert report.keys == {"reuse": False}
    check_passes(report.pasted, tmp_path)


@pytest.mark.parametrize("lapse", [go_deaf, reset_when_asked])
def test_connections_that_are_dropped_without_a_word(probe, origin, tmp_path, lapse):
    """Lost between the uses after 0.5 s, which is answered, and 1 s, which is not."""
    report = probe(origin(Server(lapse, timeout=0.75)).url()).end()
    assert report.code == 0
    found = re.fullmatch(rf"answered after (\d+ ms), no more after ({ABOUT_A_SECOND}), and no end came", report.row("idle"))
    assert found, report.row("idle")
    assert report.keys.keys() == {"idle_timeout", "assumed_idle_timeout"}
    assert re.fullmatch(r"[567]\d0ms", report.keys["idle_timeout"])
    check_passes(report.pasted, tmp_path)


def test_a_server_that_keeps_them_for_longer_than_the_probe_waits(probe, http_origin, tmp_path):
    report = probe(http_origin().url(), "--max", "1s").end()
    assert report.code == 0
    assert re.match(rf"kept for longer than {ABOUT_A_SECOND}$", report.row("idle"))
    assert re.match(rf"answered after \d+ ms, {ABOUT_A_SECOND}$", report.row("used again"))
    assert not report.pasted and "Nothing to change" in report.out
    careful = probe(http_origin().url(), "--max", "1s", config={"host": {"*": {"assumed_idle_timeout": "500ms"}}}).end()
    assert careful.keys == {"assumed_idle_timeout": "1s"}
    check_passes(careful.pasted, tmp_path)


def test_a_server_that_serves_one_connection_at_a_time_is_measured_once(probe, origin):
    """The others would begin when the first ends, and take as long again."""
    turn = threading.Lock()
    behaviour = Server(Connection.close)

    def serve(connection: Connection) -> None:
        with turn:
            behaviour(connection)

    began = time.monotonic()
    report = probe(origin(serve).url()).end()
    low, _, connections, _ = report.closed
    assert connections == 1
    assert TIMEOUT / 2 <= low and time.monotonic() - began < scaled(2 * TIMEOUT + 0.5)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_probe_tells_what_is_known(probe, http_origin, number):
    server = http_origin()
    running = probe(server.url(), config={"host": {"*": {"assumed_idle_timeout": "100ms"}}})
    server.wait_requests(10)  # the second use, after 1 s: the answer to the first has come
    running.interrupt(number)
    report = running.end()
    assert report.code == 0
    assert re.match(r"kept for at least ([5-9]\d\d ms|\d+\.\d s)$", report.row("idle"))
    assert report.keys.keys() == {"assumed_idle_timeout"}


def test_a_probe_that_is_interrupted_too_early_knows_nothing(probe, http_origin):
    server = http_origin()
    server.hold()
    running = probe(server.url())
    server.wait_requests(8)
    running.interrupt()
    report = running.end()
    assert report.code == 1 and not report.out
    assert "interrupted before an answer came" in report.err


def test_bodies_and_interim_responses_are_read_to_their_end(probe, origin):
    """The idle time counts from the last byte of the response."""
    def serve(connection: Connection) -> None:
        connection.read_request()
        connection.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.send("20000\r\n" + "x" * 0x20000 + "\r\n")
        idle(connection, 0.8)
        connection.send("0\r\nTrailer: x\r\n\r\n")
        if idle(connection, TIMEOUT):
            connection.close()

    report = probe(origin(serve).url()).end()
    low, high, _, _ = report.closed
    assert TIMEOUT / 2 <= low <= high <= TIMEOUT + scaled(0.6)


# Where it leads


def test_over_a_unix_socket(probe, tmp_path):
    server = UnixOrigin(tmp_path / "app.sock", Server(Connection.close))
    try:
        report = probe(f"http://{NAME}/", config={"host": {NAME: {"connect_to": server.connect_to}}}).end()
    finally:
        server.close()
    check_close_age(report, TIMEOUT, "FIN")
    assert report.row("lead to") == f"{server.connect_to} (connect_to)"
    assert "the configuration has this table already" in report.pasted
    assert f'[host."{NAME}"]' in report.pasted


def test_through_a_parent_that_is_sent_the_whole_url(probe, origin):
    behaviour = Server(Connection.close)
    parent = origin(behaviour)
    report = probe(f"http://{NAME}/a", config=through(parent, "user:s3cr3t@")).end()
    check_close_age(report, TIMEOUT, "FIN")
    assert {request.target for request in behaviour.requests} == {f"http://{NAME}/a"}
    assert behaviour.requests[0].get("proxy-authorization") == basic("user:s3cr3t")
    assert report.row("lead to") == f"{parent.at}, the parent proxy"
    assert "s3cr3t" not in report.out + report.err


def test_an_upgraded_host_is_probed_over_tls(probe, origin):
    behaviour = Server(Connection.close)
    server = origin(behaviour, tls=ServerTls(), name="localhost")
    config = together(trusting(), {"host": {"localhost": {"upgrade": True}}})
    report = probe(f"http://{server.at}/", config=config).end()
    check_close_age(report, TIMEOUT, "FIN")
    assert "TLS" in report.row("handshake")


# What goes wrong


def test_a_server_that_cannot_be_reached(probe, closed_port):
    report = probe(f"http://127.0.0.1:{closed_port()}/").end()
    assert report.code == 1 and not report.out
    assert "cannot connect" in report.err and "refused" in report.err


def test_a_server_whose_certificate_is_refused(probe, origin):
    report = probe(origin(tls=ServerTls(), name="localhost").url()).end()
    assert report.code == 1 and not report.out
    assert "certificate" in report.err


NO_ANSWERS = {
    "nothing": ("", "without a whole answer"),
    "half a head": ("HTTP/1.1 200 OK\r\nContent-", "without a whole answer"),
    "half a body": ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", "without a whole answer"),
    "no HTTP": ("SSH-2.0-x\r\n", "no valid HTTP"),
    "ambiguous": ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok", "no valid HTTP"),
    "interim for ever": ("HTTP/1.1 103 Early Hints\r\n\r\n" * 1000, "interim"),
    "bad chunks": ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "broken answer"),
    "more than an answer": ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nok", "more than an answer"),
}


@pytest.mark.parametrize("answer, why", NO_ANSWERS.values(), ids=NO_ANSWERS.keys())
def test_a_server_that_gives_no_whole_answer(probe, origin, answer, why):
    def serve(connection: Connection) -> None:
        connection.read_request()
        connection.send(answer)

    report = probe(origin(serve).url()).end()
    assert report.code == 1 and not report.out
    assert why in report.err


@pytest.mark.parametrize("url, config, why", [
    ("http://user:s3cr3t@a.test/", {}, "not a URL to probe"),
    ("ftp://a.test/", {}, "not a URL to probe"),
    ("http://a.test:25/", {}, "bad_ports"),
    ("http://127.0.0.1:8080/", {"proxy": {"deny_destinations": ["127.0.0.0/8"]}}, "may not be reached"),
    ("http://a.test/", {"proxy": {"max_clients": 0}}, "out of range"),
])
def test_what_is_refused_before_anything_is_sent(probe, url, config, why):
    report = probe(url, config=config).end()
    assert report.code == 1 and not report.out
    assert why in report.err and "s3cr3t" not in report.err


# Progress


def test_progress_is_a_plain_line_where_there_is_no_terminal(probe, origin):
    report = probe(origin(Server(Connection.close, timeout=1.2)).url()).end()
    assert re.fullmatch(r"probing http://\S+: connections are left idle for up to 2m; [^\n]*\n", report.err)


def test_progress_is_one_line_that_is_rewritten_on_a_terminal(probe, origin):
    ours, theirs = pty.openpty()
    try:
        running = probe(origin(Server(Connection.close, timeout=1.3)).url(), pty=theirs)
        os.close(theirs)
        shown = b""
        while b"connections are open" not in shown:
            assert select.select([ours], [], [], scaled(5))[0], shown
            shown += os.read(ours, 4096)
        assert running.end().code == 0
    finally:
        os.close(ours)
    assert re.search(rb"\r1 s: 3 of 3 connections are open", shown) and b"\n" not in shown
