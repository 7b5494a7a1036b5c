"""A connected socket with blocking helpers, each with a limit of time; both ends of a test speak through one."""

import select
import socket
import struct
import time

from .waiting import DEFAULT_LIMIT, Deadline, TooLong, slow_factor

KEPT = 1 << 20  # bytes of `received` that are kept for messages and assertions


class Cut(Exception):
    """The peer ended the connection before what was read was whole. how: "fin" or "rst"; partial: what had come of it;
    response: the head, where it was a message with a head that did come."""

    def __init__(self, how: str, partial: bytes = b"", response=None):
        super().__init__(f"cut by {how} after {bytes(partial[-200:])!r}")
        self.how = how
        self.partial = bytes(partial)
        self.response = response


def as_bytes(data) -> bytes:
    return data.encode("latin-1") if isinstance(data, str) else bytes(data)


class Stream:
    """`received` records the first MiB that was read, whatever became of it."""

    def __init__(self, sock: socket.socket, limit: float = DEFAULT_LIMIT):
        self.sock = sock
        self.limit = limit
        self.received = bytearray()
        self.buffer = bytearray()
        self.ended = None  # None, "fin" or "rst"
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    # Sending

    def send(self, data) -> None:
        """All of `data` (text as Latin-1), or TooLong; Cut("rst") if the peer has reset the connection."""
        deadline = Deadline(self.limit)
        view = memoryview(as_bytes(data))
        try:
            while view:
                self.sock.settimeout(max(deadline.left(), 0.001))
                view = view[self.sock.send(view[: 1 << 18]):]
        except TimeoutError:
            raise TooLong(f"the peer did not take {len(view)} more bytes") from None
        except (BrokenPipeError, ConnectionResetError):
            self.ended = "rst"
            raise Cut("rst") from None

    def send_byte_by_byte(self, data, pause: float = 0.0003) -> None:
        """One segment for each byte, with a pause so that the peer mostly reads them one by one."""
        for byte in as_bytes(data):
            self.send(bytes([byte]))
            time.sleep(pause)

    def send_until_blocked(self, chunk: bytes, quiet: float = 0.3, at_most: int = 1 << 30) -> int:
        """Sends `chunk` over and over until the socket takes nothing for `quiet` seconds; the number of bytes taken."""
        sent = 0
        self.sock.settimeout(slow_factor() * quiet)
        try:
            while sent < at_most:
                sent += self.sock.send(chunk)
        except TimeoutError:
            pass
        return sent

    # Receiving

    def _receive(self, deadline: Deadline, wanted: str) -> bool:
        """Reads once into the buffer. False at the end of the stream, of which `ended` tells the kind."""
        if self.ended:
            return False
        try:
            self.sock.settimeout(max(deadline.left(), 0.001))
            data = self.sock.recv(1 << 18)
        except TimeoutError:
            raise TooLong(f"{wanted} did not come; so far: {bytes(self.buffer[-300:])!r}") from None
        except ConnectionResetError:
            self.ended = "rst"
            return False
        if not data:
            self.ended = "fin"
            return False
        self.buffer += data
        if len(self.received) < KEPT:
            self.received += data
        return True

    def take(self, size: int) -> bytes:
        data = bytes(self.buffer[:size])
        del self.buffer[:size]
        return data

    def read_some(self, limit: float | None = None) -> bytes:
        """What there is, at least one byte; b"" at FIN; Cut at RST."""
        deadline = Deadline(self.limit if limit is None else limit)
        if not self.buffer and not self._receive(deadline, "any byte"):
            if self.ended == "rst":
                raise Cut("rst")
            return b""
        return self.take(len(self.buffer))

    def read_exact(self, size: int, limit: float | None = None) -> bytes:
        deadline = Deadline(self.limit if limit is None else limit)
        while len(self.buffer) < size:
            if not self._receive(deadline, f"{size} bytes"):
                raise Cut(self.ended, self.take(len(self.buffer)))
        return self.take(size)

    def read_until(self, mark: bytes, limit: float | None = None) -> bytes:
        """Up to the end of the first `mark`."""
        deadline = Deadline(self.limit if limit is None else limit)
        seen = 0
        while True:
            found = self.buffer.find(mark, max(seen - len(mark), 0))
            if found >= 0:
                return self.take(found + len(mark))
            seen = len(self.buffer)
            if not self._receive(deadline, repr(mark)):
                raise Cut(self.ended, self.take(len(self.buffer)))

    def read_to_end(self, limit: float | None = None) -> bytes:
        """All until the peer ends the connection; `ended` then says how."""
        deadline = Deadline(self.limit if limit is None else limit)
        while self._receive(deadline, "the end"):
            pass
        return self.take(len(self.buffer))

    def read_to_eof(self, limit: float | None = None) -> bytes:
        """All until FIN; Cut at RST."""
        data = self.read_to_end(limit)
        if self.ended == "rst":
            raise Cut("rst", data)
        return data

    def discard(self, size: int, limit: float | None = None) -> None:
        """Reads `size` bytes and forgets them: for bodies that are too large to keep."""
        deadline = Deadline(self.limit if limit is None else limit)
        while size > 0:
            if not self.buffer and not self._receive(deadline, f"{size} bytes"):
                raise Cut(self.ended)
            size -= len(self.take(min(size, len(self.buffer))))

    # What must come next

    def expect_eof(self, limit: float | None = None) -> None:
        data = self.read_to_end(limit)
        assert data == b"" and self.ended == "fin", f"wanted FIN and nothing before it, got {data[:300]!r} {self.ended}"

    def expect_reset(self, limit: float | None = None) -> None:
        data = self.read_to_end(limit)
        assert data == b"" and self.ended == "rst", f"wanted RST and nothing before it, got {data[:300]!r} {self.ended}"

    def expect_end(self, limit: float | None = None) -> str:
        """FIN or RST, nothing before it; which one is returned."""
        data = self.read_to_end(limit)
        assert data == b"", f"wanted the end, got {data[:300]!r}"
        return self.ended

    def expect_silence(self, seconds: float = 0.15) -> None:
        """Nothing comes, neither a byte nor the end. The only way to show that something does not happen is to look."""
        try:
            came = bool(self.buffer) or self._receive(Deadline(seconds, exact=True), "silence")
        except TooLong:
            return
        assert False, f"wanted silence, got {bytes(self.buffer[:300])!r} {self.ended if not came else ''}"

    def expect_no_byte(self, seconds: float = 0.15) -> None:
        """Silence or the end: no byte."""
        try:
            self._receive(Deadline(seconds, exact=True), "silence")
        except TooLong:
            pass
        assert not self.buffer, f"wanted no byte, got {bytes(self.buffer[:300])!r}"

    def has_input(self) -> bool:
        """Whether a byte or the end is there to be read."""
        return bool(self.buffer) or bool(select.select([self.sock], [], [], 0)[0])

    # Ending

    def shutdown_write(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        """Closes with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    @property
    def closed(self) -> bool:
        return self.sock.fileno() < 0

    def receive_buffer(self, size: int) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
