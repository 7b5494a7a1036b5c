"""Hundreds of hosts and their clients at once, in one thread: what tests of chance need, where one exchange shows nothing.

    async def one_host(number):
        answer = await ask(daemon.address(), "POST", f"http://{link.host(number)}:{port}/name", b"body")

    everybody(one_host(number) for number in range(300))

A TimingOut origin lives in the same loop (its start() is awaited there), on a listener that the caller has made.
"""

import asyncio
import contextlib
import errno
import fcntl
import re
import socket
import ssl
import struct
import termios
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass

from .client import request_bytes
from .waiting import DEFAULT_LIMIT, scaled

# Of a connection without a request yet: a daemon that has no processor for a while must not find its new connection gone.
UNUSED_LIMIT = 60.0


@dataclass
class Answer:
    """`status` is 0 where the connection ended without a whole answer. `body` is as framed."""

    method: str
    url: str
    status: int
    fields: str
    body: bytes

    @property
    def failed(self) -> bool:
        return self.status != 200


async def ask(proxy: tuple[str, int], method: str, url: str, body: bytes | None = None,
              limit: float = 2 * DEFAULT_LIMIT, tls: ssl.SSLContext | None = None) -> Answer:
    """One request on a client connection of its own; with `tls` over TLS, behind a CONNECT for the host of `url`, port 443."""
    async with asyncio.timeout(scaled(limit)):
        reader, writer = await asyncio.open_connection(*proxy)
        try:
            if tls:
                host = url.split("/")[2]
                writer.write(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n".encode())
                answer = await reader.readuntil(b"\r\n\r\n")
                assert answer.startswith(b"HTTP/1.1 200 "), answer
                await writer.start_tls(tls, server_hostname=host)
            writer.write(request_bytes(method, url, "Connection: close", body=body))
            data = await reader.read()
        finally:
            writer.close()
    head, _, rest = data.partition(b"\r\n\r\n")
    length = re.search(rb"\ncontent-length: (\d+)", head, re.IGNORECASE)
    whole = int(length[1]) == len(rest) if length else rest.endswith(b"0\r\n\r\n")
    status = re.match(rb"HTTP/1\.1 (\d{3}) ", head)
    return Answer(method, url, int(status[1]) if status and whole else 0, head.decode("latin-1"), rest)


def everybody(visits: Iterable[Coroutine]) -> list:
    """Runs all of them at once; their results in order, or the first of their exceptions."""

    async def gather() -> list:
        return await asyncio.gather(*visits)

    return asyncio.run(gather())


def unread(sock: socket.socket) -> int:
    return struct.unpack("i", fcntl.ioctl(sock, termios.FIONREAD, bytes(4)))[0]


def end_with_fin(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the peer was first
        sock.shutdown(socket.SHUT_RDWR)


def end_with_408(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.send(b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    end_with_fin(sock)


def end_with_reset(sock: socket.socket) -> None:
    """By the close that follows."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class TimingOut:
    """An origin without a hint that ends a connection by `lapse` once it has been idle for `timeout` seconds after an answer.
    A request on which `refuses` (of the request's number, from 0) is true is executed, and answered by `lapse` alone.
    `executed` has the (method, target) of all requests that were read.

    Plain sockets and not asyncio's transports, which put a close off to the next turn. What comes between the last look and
    the end is acknowledged by the kernel and read by nobody, so that no proxy can tell: `late` counts it."""

    def __init__(self, listener: socket.socket, timeout: float, lapse: Callable[[socket.socket], None],
                 refuses: Callable[[int], bool] = lambda number: False):
        self.executed: list[tuple[str, str]] = []
        self.connections = 0
        self.lapsed = 0
        self.late = 0
        self._listener = listener
        self._timeout = timeout
        self._lapse = lapse
        self._refuses = refuses
        self._open: dict[socket.socket, asyncio.TimerHandle] = {}
        self._partial: dict[socket.socket, bytes] = {}

    async def __aenter__(self):
        self._loop = asyncio.get_running_loop()
        self._listener.setblocking(False)
        self._loop.add_reader(self._listener, self._accept)
        return self

    async def __aexit__(self, *_):
        self._loop.remove_reader(self._listener)
        for sock in list(self._open):
            self._end(sock, end_with_fin)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except BlockingIOError:
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            self._partial[sock] = b""
            self._loop.add_reader(sock, self._read, sock)
            self._wait(sock, UNUSED_LIMIT)

    def _wait(self, sock: socket.socket, timeout: float) -> None:
        if sock in self._open:
            self._open[sock].cancel()
        self._open[sock] = self._loop.call_later(timeout, self._time_out, sock)

    def _time_out(self, sock: socket.socket) -> None:
        if unread(sock):
            self._wait(sock, self._timeout)  # it was in time, and is read in this turn
            return
        self.lapsed += 1
        self._end(sock, self._lapse)

    def _end(self, sock: socket.socket, how: Callable[[socket.socket], None]) -> None:
        self._loop.remove_reader(sock)
        self._open.pop(sock).cancel()
        del self._partial[sock]
        how(sock)
        self.late += unread(sock) > 0
        sock.close()

    def _read(self, sock: socket.socket) -> None:
        try:
            data = sock.recv(65536)
        except OSError as error:
            assert error.errno == errno.ECONNRESET, error
            data = b""
        if not data:
            self._end(sock, end_with_fin)
            return
        self._partial[sock] += self._decrypted(sock, data)
        while sock in self._open and (request := self._take_request(sock)):
            self._execute(sock, *request)

    def _take_request(self, sock: socket.socket) -> tuple[str, str] | None:
        head, end, rest = self._partial[sock].partition(b"\r\n\r\n")
        length = re.search(rb"\ncontent-length: (\d+)", head, re.IGNORECASE)
        size = int(length[1]) if length else 0
        if not end or len(rest) < size:
            return None
        self._partial[sock] = rest[size:]
        method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        return method, target

    def _execute(self, sock: socket.socket, method: str, target: str) -> None:
        self.executed.append((method, target))
        if self._refuses(len(self.executed) - 1):
            self._end(sock, self._lapse)
            return
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            sock.send(self._encrypted(sock, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
        self._wait(sock, self._timeout)

    def _decrypted(self, sock: socket.socket, data: bytes) -> bytes:
        return data

    def _encrypted(self, sock: socket.socket, data: bytes) -> bytes:
        return data


class TlsTimingOut(TimingOut):
    """The same over TLS. Its ends are those of TCP alone."""

    def __init__(self, context: ssl.SSLContext, *arguments):
        super().__init__(*arguments)
        self._context = context
        self._tls: dict[socket.socket, tuple[ssl.MemoryBIO, ssl.MemoryBIO, ssl.SSLObject]] = {}

    def _decrypted(self, sock: socket.socket, data: bytes) -> bytes:
        if sock not in self._tls:
            came, goes = ssl.MemoryBIO(), ssl.MemoryBIO()
            self._tls[sock] = came, goes, self._context.wrap_bio(came, goes, server_side=True)
        came, goes, tls = self._tls[sock]
        came.write(data)
        clear = b""
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.do_handshake()
            while piece := tls.read(65536):
                clear += piece
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            sock.send(goes.read())
        return clear

    def _encrypted(self, sock: socket.socket, data: bytes) -> bytes:
        _, goes, tls = self._tls[sock]
        tls.write(data)
        return goes.read()
