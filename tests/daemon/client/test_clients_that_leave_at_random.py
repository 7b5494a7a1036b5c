"""Clients that leave in every way and at any moment: nothing is begun for who is gone, and nothing is lost for who is not."""

import asyncio
import contextlib
import random
import shutil
import socket
import struct
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from helpers_pool import settle
from support.client import request_bytes
from support.daemon import CLOSED, OPENED
from support.stream import Cut
from support.tier import amount
from support.waiting import eventually, scaled

ABORTS = amount(500, 10_000)
AT_ONCE = 64
PLACES = 8
PATIENCE = 0.1  # a client leaves within this time
MAY_BE_BEGUN = 0.02  # for so long after its client has left a request may still be begun
JIFFY = 0.01  # by so much the kernel may date an arrival too late
LAST_DATA_RECEIVED = 52  # the place of tcpi_last_data_recv, in milliseconds, in TCP_INFO

KILLED = """
import socket, sys
address, unix, at, first, count = sys.argv[1], sys.argv[2] == "unix", sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
clients = []
for number in range(first, first + count):
    sock = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
    sock.connect(address if unix else ("127.0.0.1", int(address)))
    sock.sendall(f"POST http://{at}/{number} HTTP/1.1\\r\\nHost: {at}\\r\\nContent-Length: 1\\r\\n\\r\\nx".encode())
    clients.append(sock)
print("ready", flush=True)
sys.stdin.read()
"""


class Recorder:
    """An origin's handler that answers after a random moment. `begun`: of each request, when its first byte arrived."""

    def __init__(self, chance: random.Random):
        self.begun: dict[int, float] = {}
        self._chance = chance
        self._lock = threading.Lock()

    def __call__(self, connection) -> None:
        while True:
            head = connection.read_head(limit=60)
            info = connection.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
            arrived = time.monotonic() - struct.unpack_from("I", info, LAST_DATA_RECEIVED)[0] / 1000
            connection.read_exact(1)
            number = int(head.split(b" ", 2)[1].removeprefix(b"/"))
            with self._lock:
                assert number not in self.begun, f"request {number} came twice"
                self.begun[number] = arrived
                pause = self._chance.uniform(0, 0.02)
            time.sleep(pause)
            connection.answer(b"ok")


class Clients:
    def __init__(self, daemon, at: str, chance: random.Random):
        self.gone: dict[int, float] = {}  # when the client of a request had left
        self.answered: set[int] = set()
        self.waiting: set[int] = set()
        self._daemon, self._at, self._chance = daemon, at, chance
        self._limit = asyncio.Semaphore(AT_ONCE)

    async def _connect(self, number: int, unix: bool) -> socket.socket:
        loop = asyncio.get_running_loop()
        sock = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
        sock.setblocking(False)
        while True:
            try:
                await loop.sock_connect(sock, self._daemon.address(1 if unix else 0))
                break
            except BlockingIOError:  # a unix listener whose backlog is full
                await asyncio.sleep(0.001)
        await loop.sock_sendall(sock, request_bytes("POST", f"http://{self._at}/{number}", body=b"x"))
        return sock

    async def one(self, number: int) -> None:
        async with self._limit:
            how = self._chance.choice(["close", "both ways", "rst", "half", "half, then close", "stays"])
            pause = self._chance.uniform(0, PATIENCE)
            with contextlib.closing(await self._connect(number, self._chance.random() < 0.5)) as sock:
                await asyncio.sleep(pause)
                if how in ("half", "stays"):
                    return await self._stay(number, sock, how == "half")
                with contextlib.suppress(OSError):  # its answer has come, and the connection has ended behind it
                    if how == "both ways":
                        sock.shutdown(socket.SHUT_RDWR)
                    elif how == "half, then close":
                        sock.shutdown(socket.SHUT_WR)
                        await asyncio.sleep(self._chance.uniform(0, PATIENCE))
                    elif how == "rst":
                        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                if how != "both ways":
                    sock.close()
                self.gone[number] = time.monotonic()

    async def _stay(self, number: int, sock: socket.socket, half_closes: bool) -> None:
        self.waiting.add(number)
        if half_closes:
            sock.shutdown(socket.SHUT_WR)
        answer = b""
        async with asyncio.timeout(scaled(20)):
            while not answer.endswith(b"\r\n\r\nok"):
                data = await asyncio.get_running_loop().sock_recv(sock, 4096)
                assert data, f"the client of request {number} was there, and its answer was lost"
                answer += data
        if answer.startswith(b"HTTP/1.1 200 "):
            self.answered.add(number)

    async def killed(self, first: int, count: int) -> None:
        """Clients of one process, which is killed."""
        unix = self._chance.random() < 0.5
        address = self._daemon.address(1) if unix else str(self._daemon.address()[1])
        arguments = (address, "unix" if unix else "tcp", self._at, str(first), str(count))
        pause = self._chance.uniform(0, PATIENCE)
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, *arguments,
                                                       stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
        assert await process.stdout.readline() == b"ready\n"
        await asyncio.sleep(pause)
        process.kill()
        await process.wait()
        for number in range(first, first + count):
            self.gone[number] = time.monotonic()

    async def all(self, count: int) -> None:
        dies = 20  # of each hundred
        visits = [self.one(number) for number in range(count) if number % 100 >= dies]
        visits += [self.killed(first, dies) for first in range(0, count, 100)]
        self._chance.shuffle(visits)
        await asyncio.gather(*visits)


@pytest.fixture
def path():
    folder = Path(tempfile.mkdtemp(prefix="kw-"))
    yield folder / "proxy.sock"
    shutil.rmtree(folder)


@pytest.mark.own_daemon
def test_clients_that_leave_at_random_cost_nothing_and_nobody(keepwarm, origin, path):
    daemon = keepwarm({"proxy": {"listen": ["127.0.0.1:0", f"unix:{path}"]},
                       "host": {"*": {"max_connections": PLACES, "assumed_idle_timeout": "60s"}}})
    chance = random.Random(11)
    recorder = Recorder(chance)
    server = origin(recorder)
    settle(daemon)  # the first client has libuv open a descriptor in reserve
    before = daemon.fd_count()
    clients = Clients(daemon, server.at, chance)
    asyncio.run(clients.all(ABORTS))

    assert clients.answered == clients.waiting
    slack = scaled(MAY_BE_BEGUN) + JIFFY
    late = {number: recorder.begun[number] - gone for number, gone in clients.gone.items()
            if number in recorder.begun and recorder.begun[number] - gone > slack}
    assert not late, f"{len(late)} of {len(clients.gone)} were begun though the client had left: {late}"

    def idle() -> int:
        lines = list(daemon.log_so_far)
        return sum(bool(OPENED.search(line)) for line in lines) - sum(bool(CLOSED.search(line)) for line in lines)

    eventually(lambda: daemon.fd_count() - idle() <= before, limit=1.1, message="the descriptors' return")
    with contextlib.suppress(Cut):
        for number in range(ABORTS, ABORTS + PLACES):
            assert daemon.request("POST", server.url(f"/{number}"), body=b"x").status == 200
