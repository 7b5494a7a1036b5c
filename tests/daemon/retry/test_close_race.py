"""The race that idle time is about, at its worst: an origin that closes just when the next request is on its way, over a link
with a round trip of 40 ms, so that each end crosses each request on a good part of it. No hint tells of the timeout."""

import asyncio
import collections
import random
import socket
import struct
import time

import pytest
from helpers_pool import every_host
from support.crowd import Answer, TimingOut, ask, end_with_408, end_with_fin, end_with_reset, everybody, unread
from support.delayed_link import delayed_link  # noqa: F401
from support.stalls import real_time
from support.tier import amount
from support.waiting import sanitized

pytestmark = real_time

ROUND_TRIP = 0.040
LONG = 0.2  # where one exchange must not be late on a busy machine
TIMEOUT = 0.5
HOSTS = amount(100, 100 if sanitized() else 300)  # each is a pool of its own
EACH = 5                             # GETs, and as many POSTs, of each host
QUIET = {"log": {"level": "info"}}   # thousands of lines would be read by the Python that plays all the others

ENDS = {"FIN": end_with_fin, "RST": end_with_reset, "408": end_with_408}
SETTINGS = {
    "defaults": {},
    "resent": {"retry_undelivered": True},
    # Nothing is known, and each POST goes on whatever connection there is, so that a sixth of them meets the end.
    "reused at any age, resent": {"learn": False, "unsafe_reuse": "always", "retry_undelivered": True},
}
# The share of the POSTs, where it is not 0. That an RST crossed a request is certain only on connections with a past.
MAY_FAIL = {**{(end, "defaults"): 0.01 for end in ENDS}, ("RST", "reused at any age, resent"): 0.25}


class Race:
    """A daemon, an origin, hosts that all lead there, and what became of their requests."""

    def __init__(self, link, daemon, lapse, refuses=lambda number: False, origin=TimingOut):
        self.seed = random.SystemRandom().randrange(10**6)  # printed: a failed run can be had again, nearly
        self._link = link
        self._daemon = daemon
        with link.far():
            self._listener = socket.create_server(("0.0.0.0", 0), backlog=1000)
        self.origin = origin(self._listener, TIMEOUT, lapse, refuses)
        self.answers: list[Answer] = []

    def run(self, gaps: tuple[float, float], hosts: int = HOSTS, each: int = EACH) -> None:
        async def all_hosts() -> None:
            async with self.origin:
                await asyncio.gather(*(self._host(number, gaps, each) for number in range(hosts)))

        everybody([all_hosts()])
        self._listener.close()

    async def _host(self, number: int, gaps: tuple[float, float], each: int) -> None:
        choice = random.Random(self.seed * 1000 + number)
        methods = ["GET", "POST"] * each
        choice.shuffle(methods)
        await asyncio.sleep(choice.uniform(0, gaps[1]))  # not all at once
        for turn, method in enumerate(methods):
            body = b"body" if method == "POST" else None
            self.answers.append(await self.ask(number, method, f"/{number}/{turn}", body))
            await asyncio.sleep(choice.uniform(*gaps))

    @property
    def port(self) -> int:
        """That of the origin."""
        return self._listener.getsockname()[1]

    async def ask(self, number: int, method: str, path: str, body: bytes | None) -> Answer:
        """One request for a host."""
        url = f"http://{self._link.host(number)}:{self.port}{path}"
        return await ask(self._daemon.address(), method, url, body)

    def failed(self, method: str) -> list[Answer]:
        return [answer for answer in self.answers if answer.method == method and answer.failed]

    def check_executions(self) -> None:
        """No POST was executed twice, nor one that is said not to have been delivered; what was answered was executed."""
        times = collections.Counter(target for _, target in self.origin.executed)
        for answer in self.answers:
            executed = times["/" + answer.url.split("/", 3)[3]]
            if answer.method == "POST":
                assert executed <= 1, f"executed {executed} times: {answer}"
                assert not (executed and b"not delivered" in answer.body), f"it was: {answer}"
            assert executed or answer.failed, f"never executed: {answer}"

    def tell(self) -> None:
        gets, posts = self.failed("GET"), self.failed("POST")
        kinds = collections.Counter((answer.method, answer.status, answer.body[:200]) for answer in gets + posts)
        print(f"seed {self.seed}: {len(self.answers)} requests, {len(self.origin.executed)} executed, "
              f"{self.origin.connections} connections, {self.origin.lapsed} lapsed, {self.origin.late} late; "
              f"failed: {len(gets)} GET, {len(posts)} POST")
        for kind, count in kinds.most_common(5):
            print(count, *kind)


@pytest.fixture
def race(delayed_link, keepwarm):  # noqa: F811
    """race(settings, lapse, jitter=0, ...): a Race."""

    def make(settings: dict, lapse, jitter: float = 0.0, **options) -> Race:
        link = delayed_link(ROUND_TRIP, jitter)
        return Race(link, keepwarm({**QUIET, **every_host(**settings)}), lapse, **options)

    return make


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("end", ENDS)
def test_requests_that_come_just_when_the_origin_closes(race, end, settings):
    run = race(SETTINGS[settings], ENDS[end])
    run.run(gaps=(TIMEOUT - 0.1, TIMEOUT + 0.1))
    run.tell()
    run.check_executions()
    assert run.origin.lapsed > HOSTS, "few connections were idle for long enough: the test shows nothing"
    assert not run.failed("GET")
    assert len(run.failed("POST")) <= HOSTS * EACH * MAY_FAIL.get((end, settings), 0) + run.origin.late


@pytest.mark.parametrize("end,jitter", [("FIN", 0.020), ("RST", 0.0), ("RST", 0.020)])
@pytest.mark.parametrize("settings", SETTINGS)
def test_an_origin_that_reads_one_request_in_ten_and_ends(race, settings, end, jitter):
    """All of it looks as if the request had crossed the end, but for when it comes, and what was acknowledged."""
    chance = random.Random(10)
    run = race(SETTINGS[settings], ENDS[end], jitter, refuses=lambda number: chance.random() < 0.1)
    run.run(gaps=(0.0, 0.2), hosts=HOSTS // 2, each=2 * EACH)
    run.tell()
    run.check_executions()
    refused = len(run.failed("POST"))
    assert refused > HOSTS * EACH // 20, "few POSTs met the end of their connection: the test shows nothing"


class TcpFacts:
    """The part of TCP_INFO (linux/tcp.h) that tells what became of a request."""

    def __init__(self, sock: socket.socket):
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        self.acknowledged, = struct.unpack_from("Q", info, 120)
        self.least_round_trip = struct.unpack_from("I", info, 148)[0] / 1e6


@pytest.mark.parametrize("end,read,told,acknowledged,sooner", [
    ("FIN", False, b"", False, True),
    ("408", False, b"HTTP/1.1 408", False, True),
    ("RST", False, ConnectionResetError, False, True),
    ("FIN", True, b"", True, False),
    ("RST", True, ConnectionResetError, False, False),  # what an RST acknowledges is not counted: only time tells
])
def test_what_tcp_tells_of_a_request_that_met_an_end(delayed_link, end, read, told, acknowledged, sooner):  # noqa: F811
    """The facts of the kernel that the proof of non-delivery stands on, without the daemon."""
    link = delayed_link(LONG)
    with link.far(), socket.create_server(("0.0.0.0", 0)) as listener, link.near():
        client = socket.create_connection((link.host(0), listener.getsockname()[1]), 5)
        server, _ = listener.accept()
    for _ in range(3):  # an exchange acknowledges what came before, and measures the round trip
        client.send(b"request")
        assert server.recv(100) == b"request"
        server.send(b"response")
        assert client.recv(100) == b"response"
    before, start = TcpFacts(client), time.monotonic()
    if read:
        client.send(b"request")
        assert server.recv(100) == b"request"
    ENDS[end](server)
    server.close()
    if not read:
        client.send(b"request")
    try:
        seen = client.recv(12)
    except ConnectionResetError as error:
        seen = type(error)
    took, after = time.monotonic() - start, TcpFacts(client)
    client.close()
    assert seen == told
    assert after.acknowledged - before.acknowledged == (len(b"request") if acknowledged else 0)
    assert (took < before.least_round_trip) == sooner, (took, before.least_round_trip)
    assert before.least_round_trip >= LONG


def test_a_silenced_link_drops_what_is_under_way_too_and_a_silenced_port_only_its_own(delayed_link):  # noqa: F811
    link = delayed_link(LONG)
    with link.far(), socket.create_server(("0.0.0.0", 0)) as listener, link.near():
        clients = [socket.create_connection((link.host(number), listener.getsockname()[1]), 5) for number in range(2)]
        servers = [listener.accept()[0] for _ in clients]
    clients[0].send(b"lost at first")
    link.silence(clients[0].getsockname()[1])
    clients[1].send(b"passes")
    assert servers[1].recv(100) == b"passes"
    assert not unread(servers[0]), "it had left before"
    link.silence()
    clients[1].send(b"later")
    servers[1].settimeout(2 * LONG)
    with pytest.raises(TimeoutError):
        servers[1].recv(100)
    link.restore()
    servers[1].settimeout(5)
    assert servers[0].recv(100) == b"lost at first", "TCP sends it again"
    assert servers[1].recv(100) == b"later"
    for sock in clients + servers:
        sock.close()
