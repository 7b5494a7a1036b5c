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
from support.at_rest import wait_at_rest
from support.connection import Connection
from support.probing import Probe, seconds
from support.tls import trusting
from support.tls_server import ServerTls
from support.waiting import Deadline, TooLong, binary, eventually, scaled

TIMEOUT = 0.6  # of the servers; real time, whatever the build
AGE = r"(\d+ ms|\d+\.\d s)"
# Ages are told in steps of a tenth of a second, or are told from when a byte came and not from when it was read.
ROUGHLY = 0.1
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
    """Answers, and calls `lapse` on a connection that has been idle for `timeout` seconds. `ages` are those of the ends, each
    from the latest to the earliest and from the earliest to the latest time that it can have begun and ended."""

    def __init__(self, lapse, *fields: str, timeout: float = TIMEOUT):
        self.lapse = lapse
        self.fields = fields
        self.timeout = timeout
        self.requests = []
        self.ages: list[tuple[float, float]] = []
        self._answered: list[float] = []

    def __call__(self, connection: Connection) -> None:
        before = after = time.monotonic()
        while connection.buffer or not idle(connection, self.timeout):
            if connection.ended:
                return
            self.requests.append(connection.read_request())
            before = time.monotonic()
            connection.answer("ok", "200 OK", *self.fields)
            after = time.monotonic()
        self.lapse_after(connection, before, after)

    def lapse_after(self, connection: Connection, before: float, after: float) -> None:
        """The answer was sent between these times."""
        now = time.monotonic()
        self._answered.append(after)
        self.lapse(connection)
        self.ages.append((now - after, time.monotonic() - before))

    @property
    def spread(self) -> float:
        """For how long the last answers on all connections were sent."""
        return max(self._answered) - min(self._answered)

    def range_of(self, count: int) -> tuple[float, float]:
        """The least and the greatest of the ages, of `count` ends at least."""
        eventually(lambda: len(self.ages) >= count, message="the server's view of its ends")
        return min(age for age, _ in self.ages), max(age for _, age in self.ages)


def send_408_and_close(connection: Connection) -> None:
    connection.send("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    connection.close()


class Forgetful:
    """Once a connection has been used again, `forget` takes all of them: what comes then has no answer."""

    def __init__(self, forget):
        self.forget = forget
        self.connections: list[Connection] = []
        self.forgotten = threading.Event()

    def __call__(self, connection: Connection) -> None:
        self.connections.append(connection)
        connection.read_request()
        connection.answer("ok")
        connection.read_request_head()
        if not self.forgotten.is_set():
            connection.answer("ok")
            self.forgotten.set()
            for each in self.connections:
                self.forget(each)
            connection.wait_for_end(60)
        else:
            connection.reset()


def tell_nothing(connection: Connection) -> None:
    """As a NAT does that says "no such connection" to who asks."""


def check_close_age(report, server: Server, by: str) -> None:
    """What the probe says of its closes must be what the server did, but for what it saw late."""
    low, high, connections, how = report.closed
    shortest, longest = server.range_of(connections)
    assert shortest - report.late - ROUGHLY <= low <= high <= longest + report.late + ROUGHLY
    # It does not wait for a connection that has no answer yet when another has been idle for long enough.
    assert connections >= 3 or report.late + server.spread > server.timeout / 2
    assert how == by


def first_answers(server, count: int) -> list[Connection]:
    """Reads the first request on each of the probe's connections: three that only wait, then those that are used again. These
    are answered first, so that none of them is younger than a connection that waits."""
    connections = [server.accept() for _ in range(count)]
    for connection in connections:
        connection.read_request()
    for connection in (*connections[3:], *connections[:3]):
        connection.answer("ok")
    return connections


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
    behaviour = Server(lapse)
    server = origin(behaviour)
    report = probe(server.url("/a?b=c")).end()
    assert report.code == 0
    check_close_age(report, behaviour, by)
    assert report.row("hint") == "none"
    check_passes(report.pasted, tmp_path)
    assert f'[host."{server.at}"]' in report.pasted
    assert report.keys.keys() == {"assumed_idle_timeout"}
    assert re.fullmatch(r"\d{3}ms|1\d?\d?\d?m?s", report.keys["assumed_idle_timeout"])


@pytest.mark.parametrize("lapse, by", [(lambda c: c.close(), "FIN"), (lambda c: c.cut(), "FIN"), (Connection.reset, "RST")],
                         ids=["close_notify", "FIN alone", "RST"])
def test_the_close_of_a_tls_connection_is_measured(probe, origin, lapse, by):
    behaviour = Server(lapse)
    server = origin(behaviour, tls=ServerTls(), name="localhost")
    report = probe(server.url(), config=trusting()).end()
    check_close_age(report, behaviour, by)
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
    behaviour = Server(Connection.close, "Keep-Alive: timeout=1", timeout=1.0)
    report = probe(origin(behaviour).url()).end()
    check_close_age(report, behaviour, "FIN")
    kept = report.closed[0] >= 0.75  # it is, unless the answer was seen so late
    assert report.keys.keys() == ({"assumed_idle_timeout"} if kept else {"assumed_idle_timeout", "server_hint"})


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


@pytest.mark.parametrize("forget", [deafen, tell_nothing])
def test_connections_that_are_dropped_without_a_word(probe, origin, tmp_path, forget):
    """Lost behind the use after 0.5 s, which is answered, and so before that after 1 s."""
    report = probe(origin(Forgetful(forget)).url()).end()
    assert report.code == 0
    found = re.fullmatch(f"answered after {AGE}, no more after {AGE}, and no end came", report.row("idle"))
    assert found, report.row("idle")
    answered, lost = seconds(found[1]), seconds(found[2])
    assert 0.5 - ROUGHLY <= answered < lost and lost >= 1 - ROUGHLY
    assert report.keys.keys() == {"idle_timeout", "assumed_idle_timeout"}
    assert answered - ROUGHLY <= seconds(report.keys["idle_timeout"]) <= answered + ROUGHLY
    check_passes(report.pasted, tmp_path)


def keeping(probe, origin, assumed: str):
    """The report on a server that closes nothing for as long as the probe lasts, a second."""
    server = origin()
    running = probe(server.url(), "--max", "1s", config={"host": {"*": {"assumed_idle_timeout": assumed}}})
    for used_again in first_answers(server, 5)[3:]:
        used_again.read_request()
        used_again.answer("ok")
    report = running.end()
    assert report.code == 0
    kept = re.fullmatch(f"kept for longer than {AGE}", report.row("idle"))
    used = re.fullmatch(f"answered after {AGE}, {AGE}", report.row("used again"))
    assert kept and used, report.out
    assert seconds(used[1]) >= 0.5 - ROUGHLY and seconds(used[2]) == seconds(kept[1]) >= 1 - ROUGHLY
    return report, seconds(kept[1])


def test_a_probe_that_is_shorter_than_the_assumption_says_that_it_cannot_tell(probe, origin):
    report, _ = keeping(probe, origin, assumed="5s")
    assert not report.pasted and "Nothing to change" not in report.out
    assert 'Too short to tell whether assumed_idle_timeout = "5s" is right' in report.out
    assert "Give --max 10s, or more." in report.out


def test_a_server_that_keeps_them_for_longer_than_the_probe_waits(probe, origin, tmp_path):
    report, _ = keeping(probe, origin, assumed="1s")
    assert not report.pasted and "Nothing to change" in report.out
    careful, kept = keeping(probe, origin, assumed="500ms")
    assert careful.keys.keys() == {"assumed_idle_timeout"}
    assert kept - ROUGHLY <= seconds(careful.keys["assumed_idle_timeout"]) <= kept + ROUGHLY
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
    assert behaviour.range_of(1)[0] - report.late - ROUGHLY <= low
    assert time.monotonic() - began < scaled(2 * TIMEOUT + 0.5)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_probe_tells_what_is_known(probe, origin, number):
    server = origin()
    running = probe(server.url(), config={"host": {"*": {"assumed_idle_timeout": "100ms"}}})
    used_again = first_answers(server, 8)[6]
    used_again.read_request()  # after 0.5 s
    used_again.answer("ok")
    wait_at_rest(running.pid)
    running.interrupt(number)
    report = running.end()
    assert report.code == 0
    known = re.fullmatch(f"kept for at least {AGE}", report.row("idle"))
    assert known and seconds(known[1]) >= 0.5 - ROUGHLY, report.row("idle")
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
    behaviour = Server(Connection.close)

    def serve(connection: Connection) -> None:
        connection.read_request()
        connection.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.send("20000\r\n" + "x" * 0x20000 + "\r\n")
        idle(connection, 0.8)
        before = time.monotonic()
        connection.send("0\r\nTrailer: x\r\n\r\n")
        after = time.monotonic()
        if idle(connection, TIMEOUT):
            behaviour.lapse_after(connection, before, after)

    report = probe(origin(serve).url()).end()
    check_close_age(report, behaviour, "FIN")


# Where it leads


def test_over_a_unix_socket(probe, tmp_path):
    behaviour = Server(Connection.close)
    server = UnixOrigin(tmp_path / "app.sock", behaviour)
    try:
        report = probe(f"http://{NAME}/", config={"host": {NAME: {"connect_to": server.connect_to}}}).end()
    finally:
        server.close()
    check_close_age(report, behaviour, "FIN")
    assert report.row("lead to") == f"{server.connect_to} (connect_to)"
    assert "the configuration has this table already" in report.pasted
    assert f'[host."{NAME}"]' in report.pasted


def test_through_a_parent_that_is_sent_the_whole_url(probe, origin):
    behaviour = Server(Connection.close)
    parent = origin(behaviour)
    report = probe(f"http://{NAME}/a", config=through(parent, "user:s3cr3t@")).end()
    check_close_age(report, behaviour, "FIN")
    assert {request.target for request in behaviour.requests} == {f"http://{NAME}/a"}
    assert behaviour.requests[0].get("proxy-authorization") == basic("user:s3cr3t")
    assert report.row("lead to") == f"{parent.at}, the parent proxy"
    assert "s3cr3t" not in report.out + report.err


def test_an_upgraded_host_is_probed_over_tls(probe, origin):
    behaviour = Server(Connection.close)
    server = origin(behaviour, tls=ServerTls(), name="localhost")
    config = together(trusting(), {"host": {"localhost": {"upgrade": True}}})
    report = probe(f"http://{server.at}/", config=config).end()
    check_close_age(report, behaviour, "FIN")
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


def test_a_server_that_never_answers_is_given_up_after_5_s_where_little_time_is_given(probe, http_origin):
    server = http_origin()
    server.hold()
    report = probe(server.url(), "--max", "1s").end()
    assert report.code == 1 and not report.out
    assert report.err.endswith("sent no whole answer within 5.0 s\n")


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


def test_progress_does_not_call_connections_closed_that_wait_for_an_answer(probe, http_origin):
    server = http_origin()
    server.hold()
    ours, theirs = pty.openpty()
    try:
        running = probe(server.url(), pty=theirs)
        os.close(theirs)
        shown = b""
        while b"connected, no answer yet" not in shown:
            assert select.select([ours], [], [], scaled(5))[0], shown
            shown += os.read(ours, 4096)
        running.interrupt()
        assert running.end().code == 1
    finally:
        os.close(ours)
    assert b"connections are open" not in shown


def test_progress_is_one_line_that_is_rewritten_on_a_terminal(probe, origin):
    seen = threading.Event()

    def serve(connection: Connection) -> None:
        connection.read_request()
        connection.answer("ok")
        seen.wait(60)

    ours, theirs = pty.openpty()
    try:
        running = probe(origin(serve).url(), pty=theirs)
        os.close(theirs)
        shown = b""
        while b"3 of 3 connections are open" not in shown:
            assert select.select([ours], [], [], scaled(5))[0], shown
            shown += os.read(ours, 4096)
        seen.set()
        assert running.end().code == 0
    finally:
        os.close(ours)
    assert re.search(rb"\r\d+ s: 3 of 3 connections are open", shown) and b"\n" not in shown
