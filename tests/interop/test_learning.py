"""Real servers whose idle timeout nobody tells (server_hint = false), 40 ms away: it is learned from the closes that are seen,
and from the first one on no POST meets one, though all of them come just when the server closes."""

import asyncio
import collections
import json
import random
import re
import statistics
from datetime import datetime

import pytest
import servers

from support.crowd import Answer, ask, everybody
from support.delayed_link import delayed_link  # noqa: F401
from support.stalls import waited
from support.tier import amount, long_run
from support.waiting import DEFAULT_LIMIT, scaled

pytestmark = pytest.mark.slow

ROUND_TRIP = 0.040
HOSTS = amount(50, 125)  # each is a pool of its own
POSTS = amount(2, 4)     # of each host
CLOSE = re.compile(r"upstream (\S+) closed: server closed idle \(requests=\d+ idle=(\d+)ms")


class Gunicorn(servers.Gunicorn):
    """Looks once a second whether a connection is idle for 2 s. It listens on all addresses, and logs requests."""

    def _command(self, port: int) -> list[str]:
        return [*(part.replace("127.0.0.1", "0.0.0.0") for part in super()._command(port)), "--access-logfile", "-"]


def all_logs(server: servers.Server) -> str:
    return "\n".join(" ".join(line) for name in ("output", "access.log") for line in server.logged(name))


def host_of(url: str) -> str:
    return url.split("/")[2]


class Learning:
    """A daemon, a server with this idle timeout that all hosts lead to, and what their clients saw."""

    def __init__(self, link, daemon, port: int, path: str, timeout: float):
        self.seed = random.SystemRandom().randrange(10**6)  # printed: a failed run can be had again, nearly
        self._daemon = daemon
        self._timeout = timeout
        self._urls = [f"http://{link.host(number)}:{port}{path}?h{number}n" for number in range(HOSTS)]
        self.closes: dict[str, list[float]] = collections.defaultdict(list)  # the ages of each host's, as the daemon tells
        self.posts: list[Answer] = []
        self._log_read = 0

    def run(self, hosts: int = HOSTS, posts: int = POSTS) -> None:
        everybody(self._host(number, posts) for number in range(hosts))

    async def _host(self, number: int, posts: int) -> None:
        choice = random.Random(self.seed * 1000 + number)
        await asyncio.sleep(choice.uniform(0, 2))  # not all at once
        await asyncio.gather(*(self._get(number, index) for index in range(self._connections(number))))
        closed_at = await self._first_close(number)
        for turn in range(posts):
            self.posts.append(await ask(self._daemon.address(), "POST", f"{self._urls[number]}post{turn}", b"body"))
            await asyncio.sleep(closed_at + choice.uniform(-2 * ROUND_TRIP, 2 * ROUND_TRIP))

    @staticmethod
    def _connections(number: int) -> int:
        """So many are opened at first, and their closes are seen; then keepwarm closes first."""
        return 1 if number % 2 else 3

    async def _get(self, number: int, index: int) -> None:
        answer = await ask(self._daemon.address(), "GET", f"{self._urls[number]}get{index}")
        assert not answer.failed, answer

    async def _first_close(self, number: int) -> float:
        """Waits for it; the age at which it came."""
        async with asyncio.timeout(self._timeout + scaled(DEFAULT_LIMIT)):
            while not (closes := self.closes[self._name(number)]):
                await asyncio.sleep(0.01)
                self._read_log()
        return closes[0]

    def _name(self, number: int) -> str:
        return host_of(self._urls[number])

    def _read_log(self) -> None:
        lines = self._daemon.log_so_far[self._log_read:]
        self._log_read += len(lines)
        for line in lines:
            if match := CLOSE.search(line):
                self.closes[match[1]].append(int(match[2]) / 1000)

    def check(self, log: str) -> None:
        """`log`: the server's."""
        ages = [age for seen in self.closes.values() for age in seen]
        failed = [answer for answer in self.posts if answer.failed]
        print(f"seed {self.seed}: {len(self.posts)} POSTs, {len(failed)} failed; closes seen at {min(ages):.3f} to "
              f"{max(ages):.3f} s, median {statistics.median(ages):.3f}")
        assert not failed, failed[:5]
        arrived = collections.Counter(re.findall(r"\?(h\d+npost\d+)\b", log))
        assert all(arrived[answer.url.split("?")[1]] == 1 for answer in self.posts), arrived.most_common(3)
        self._check_learned()

    def _check_learned(self) -> None:
        pasts = collections.defaultdict(Past)
        for line in self._daemon.log:
            record = json.loads(line)
            if record["kind"] == "access":
                pasts[host_of(record["url"])].answered(record)
            elif match := CLOSE.search(record["message"]):
                pasts[match[1]].closed(datetime.fromisoformat(record["time"]).timestamp(), int(match[2]) / 1000)
        late = waited(self._daemon.pid)
        visited = {host_of(answer.url) for answer in self.posts}
        for number in range(len(self._urls)):
            if self._name(number) in visited:
                pasts[self._name(number)].check(self._connections(number), late)


class Past:
    """What the daemon logged of a host, in order."""

    def __init__(self):
        self._answers: list[float] = []  # when GETs were answered: each opened a connection, unless one was idle already
        self._first: list[tuple[float, float]] = []  # closes before the first POST: when, and the age that is told
        self._ages: list[float] = []
        self._learned = None  # the last POST's record, and the ages of the closes before it

    def answered(self, record: dict) -> None:
        if record["method"] == "POST":
            self._learned = record, list(self._ages)
        else:
            self._answers.append(datetime.fromisoformat(record["time"]).timestamp())

    def closed(self, when: float, age: float) -> None:
        if self._learned is None:
            self._first.append((when, age))
        self._ages.append(age)

    def check(self, connections: int, late: float) -> None:
        """`late`: for how long the daemon wanted a processor and had none. What it tells is checked by the log's own times."""
        # Where the machine stood still, one close taught keepwarm to be the first with the next.
        at_once = late + max(self._answers) - min(self._answers) < 0.25
        assert len(self._ages) >= connections or not at_once, self._ages
        for when, age in self._first:
            slack = 0.1 * age + late
            assert when - max(self._answers) - slack <= age <= when - min(self._answers) + slack, (when, age, self._answers)
        record, ages = self._learned
        assert record["expected_idle_timeout_source"] == "learned", record
        # The least counts. But a close that was seen after a pause of the machine may be so early that it is no timeout.
        told = record["expected_idle_timeout_ms"] / 1000
        counting = [min(ages)] if late < 0.25 else ages
        assert any(told == pytest.approx(age, rel=0.1) for age in counting), (record, ages)


@pytest.fixture
def learn(delayed_link, keepwarm):  # noqa: F811
    """learn(server, timeout, path): runs the hosts against the server that server() starts, and checks what came of it."""

    def run(start, timeout: float, path: str = "/echo", idle_timeout: str = "60s", **amount) -> None:
        link = delayed_link(ROUND_TRIP)
        daemon = keepwarm({"log": {"access": "json"}, "host": {"*": {"server_hint": False, "idle_timeout": idle_timeout}}})
        with link.far():
            server = start()
        learning = Learning(link, daemon, server.port, path, timeout)
        learning.run(**amount)
        learning.check(all_logs(server))

    return run


def test_node(learn, script):
    learn(lambda: script("origin.js"), 5)


def test_apache(learn, apache):
    learn(apache, 5, "/cgi/echo")


def test_nginx(learn, nginx):
    learn(lambda: nginx("keepalive_timeout 3s; location = /echo { return 200 ok; }"), 3)


def test_gunicorn(learn, _servers):
    def start() -> Gunicorn:
        _servers.append(Gunicorn())
        return _servers[-1]

    learn(start, 2)


if long_run():  # it takes five minutes

    def test_nginx_with_its_default_timeout(learn, nginx):
        learn(lambda: nginx("location = /echo { return 200 ok; }"), 75, idle_timeout="2m", hosts=10, posts=2)
