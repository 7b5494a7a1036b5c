"""Ten thousand hellos with a fault somewhere: each is answered by us, or reaches the server as it is."""

import random
import socket
from concurrent.futures import ThreadPoolExecutor

from helpers_intercept import HOST, Handshake, connect, get, intercepting, secure, tls_context
from support.stream import Cut
from support.tier import amount
from support.tls_server import ServerTls

HELLOS = amount(300, 10_000)
AT_A_TIME = 32  # a hello that is cut is waited for
QUIET = {"log": {"level": "info", "access": "off"}}
GROWTH = 4 << 20  # bytes


def mutated(hello: bytes, chance: random.Random) -> bytes:
    data = bytearray(hello)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        at = chance.randrange(len(data))
        kind = chance.randrange(5)
        if kind == 0:
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            data[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif kind == 2:
            del data[at:at + chance.choice((1, 2, 30))]
        elif kind == 3:
            data[at:at] = chance.randbytes(chance.choice((1, 2, 30)))
        else:
            del data[at:]
        if not data:
            data += b"\x16"
    return bytes(data)


def is_whole(data: bytes) -> bool:
    """Whether there is nothing to wait for: a whole first message, or none of TLS."""
    message = b""
    while True:
        if data[:2] not in (b"\x16\x03", b"\x16"[:len(data)]):
            return True
        size = int.from_bytes(data[3:5], "big")
        if len(data) < 5 + size:
            return False
        message, data = message + data[5:5 + size], data[5 + size:]
        if message[:1] != b"\x01"[:len(message)] or len(message) >= 4 and len(message) >= 4 + int.from_bytes(message[1:4], "big"):
            return True


class Server:
    """Speaks TLS with the daemon, and keeps what came in place of that: the hellos of tunnels, which are `sent` before."""

    def __init__(self, origin):
        self.sent: set[bytes] = set()
        self.seen: set[bytes] = set()
        self._context = ServerTls().context()
        self.at = origin(self._serve).at

    def _serve(self, connection) -> None:
        connection.sock.settimeout(60)
        first = connection.sock.recv(1 << 16, socket.MSG_PEEK)
        if first in self.sent:
            self.seen.add(first)
            return
        try:
            connection.sock = self._context.wrap_socket(connection.sock, server_side=True)
            while connection.sock.recv(1 << 16):
                connection.sock.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        except (OSError, ValueError):
            pass


def test_mutated_hellos_are_answered_or_passed_on_as_they_are(keepwarm, origin, local_ca):
    ca, server, answered = local_ca(HOST), Server(origin), set()
    daemon = keepwarm(intercepting(ca, server.at, QUIET))
    context = tls_context(ca)
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")

    def send(number: int) -> None:
        client = connect(daemon, limit=20)
        data = mutated(Handshake(client, context).hello, random.Random(seed * HELLOS + number))
        server.sent.add(data)
        try:
            client.send(data)
            client.shutdown_write()
            if client.read_some():
                answered.add(data)
        except (Cut, OSError):  # the end was there before we had sent ours
            pass
        client.close()

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        list(pool.map(send, range(HELLOS // 2)))
        before = daemon.rss()
        list(pool.map(send, range(HELLOS // 2, HELLOS)))
    print(f"{len(answered)} of {HELLOS} were answered, {len(server.seen)} reached the server")
    lost = [data for data in server.sent - server.seen - answered if is_whole(data)]
    assert not lost, f"{len(lost)} got lost, such as {lost[0].hex()}"
    assert answered and server.seen
    daemon.expect_growth_below(GROWTH, before)
    assert get(secure(connect(daemon), tls_context(ca))).body == b"hello"
