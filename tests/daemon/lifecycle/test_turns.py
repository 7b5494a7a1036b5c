"""No input of one peer holds up the others (core/doc/design.md §9): the CPU time of the longest turn of the event loop, for each
kind of input that costs much. Every run checks that the flood ends as it should, and that another client is served; a long
run has floods of full size, and limits the time. One call of OpenSSL cannot be interrupted: handshakes are told, not limited."""

import contextlib
from pathlib import Path

import pytest
from helpers_pool import standing_still
from helpers_tls import together
from support.background import Background
from support.stream import Cut
from support.tier import amount, long_run
from support.tls import NAMES, Authority, Certificate, authority, certificate, trusting
from support.tls_server import TLS12, TLS13, ServerTls
from support.turns import Turns
from support.waiting import TooLong, sanitized

LONGEST = 0.005  # seconds of CPU time
MIB = 1 << 20
FLOOD = amount(1, 24) * MIB

pytestmark = pytest.mark.own_daemon


class Scene:
    """A daemon whose turns are measured, an origin, and a client."""

    def __init__(self, keepwarm, origin, folder, **tls):
        self.turns = Turns(folder)
        config = {"proxy": {"workers": 1, "connect_ports": ["1-65535"]}, "log": {"level": "info"}}
        self.daemon = keepwarm(together(config, trusting()), env=self.turns.env)
        self.other = origin(lambda upstream: (upstream.read_request(), upstream.answer("other")))
        self.origin = origin(**({"tls": ServerTls(**tls), "name": "localhost"} if tls else {}))
        self.client = self.daemon.client()
        assert self.daemon.get(self.other.url()).body == b"other"

    def ask(self, method: str = "GET", *fields: str, body=None):
        """The connection on which the origin has read the head of a request."""
        self.client.send_request(method, self.origin.url(), *fields, body=body)
        upstream = self.origin.accept()
        upstream.read_request_head()
        self.turns.reset()
        return upstream


def send_over_and_over(stream, piece: bytes, size: int) -> None:
    """`piece` until `size` bytes are sent, or the peer closes."""
    chunk = piece * max(1, (1 << 18) // len(piece))
    with contextlib.suppress(Cut):
        for _ in range(max(1, size // len(chunk))):
            stream.send(chunk)


def arrive_at_once(scene, sender, *arguments):
    """What is sent arrives while the daemon stands still, as far as the kernel takes it; the rest afterwards."""
    with standing_still(scene.daemon):
        sending = Background(sender, *arguments)
        with contextlib.suppress(TooLong):
            sending.result(0.3)
    return sending


def answer(scene, head: bytes, piece: bytes, size: int = FLOOD) -> None:
    upstream = scene.ask()
    upstream.send(head)
    sending = arrive_at_once(scene, send_over_and_over, upstream, piece, size)
    drain(scene.client)
    with contextlib.suppress(TooLong, Cut):
        sending.result(30)
    upstream.reset()


def drain(stream, quiet: float = 0.5) -> None:
    """Reads until nothing comes for a moment."""
    stream.sock.settimeout(quiet)
    with contextlib.suppress(OSError):
        while stream.sock.recv(1 << 20):
            pass


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


# ---- Plain: what an origin sends ----


def bulk(scene):
    answer(scene, OK + b"Content-Length: 1000000000\r\n\r\n", bytes(1 << 18))


def tiny_chunks(scene):
    answer(scene, CHUNKED, b"1\r\nx\r\n")


def chunks_with_extensions(scene):
    answer(scene, CHUNKED, b"1;a\r\nx\r\n")


def interim_responses(scene):
    upstream = scene.ask()
    arrive_at_once(scene, upstream.send, b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 100 + OK + b"Content-Length: 0\r\n\r\n")
    assert scene.client.read_until(b"Content-Length: 0\r\n")


def tiny_fields(scene):
    upstream = scene.ask()
    arrive_at_once(scene, upstream.send, OK + b"a: b\r\n" * 990 + b"Content-Length: 2\r\n\r\nok")
    assert scene.client.read_response().body == b"ok"


def tiny_trailers(scene):
    upstream = scene.ask()
    arrive_at_once(scene, upstream.send, CHUNKED + b"1\r\nx\r\n0\r\n" + b"a: b\r\n" * 990 + b"\r\n")
    assert scene.client.read_response().body == b"x"


def one_byte_segments(scene):
    upstream = scene.ask()
    count = amount(2000, 60000)
    for byte in OK + b"X: " + b"y" * count:
        upstream.send(bytes([byte]))
    upstream.reset()
    drain(scene.client)


# ---- Plain: what a client sends ----


def flood_from_client(scene, head: bytes, piece: bytes, size: int = FLOOD):
    scene.turns.reset()
    scene.client.send(head)
    sending = arrive_at_once(scene, send_over_and_over, scene.client, piece, size)
    drain(scene.client)
    with contextlib.suppress(TooLong, Cut):
        sending.result(30)


def refused_requests(scene):
    at = scene.origin.at
    piece = f"OPTIONS http://{at}/ HTTP/1.1\r\nHost: {at}\r\nMax-Forwards: 0\r\n\r\n".encode()
    flood_from_client(scene, b"", piece, FLOOD // 4)


def pipelined_requests(scene):
    flood_from_client(scene, b"", f"GET http://{scene.other.at}/ HTTP/1.1\r\nHost: {scene.other.at}\r\n\r\n".encode(),
                      amount(MIB // 4, MIB))


def chunked_upload(scene):
    upstream = scene.ask("POST", "Transfer-Encoding: chunked")
    taking = Background(drain, upstream, 2.0)
    flood_from_client(scene, b"", b"1\r\nx\r\n")
    taking.result()
    upstream.reset()


def tiny_fields_of_a_client(scene):
    at = scene.origin.at
    flood_from_client(scene, f"GET http://{at}/ HTTP/1.1\r\nHost: {at}\r\n".encode(), b"a: b\r\n", MIB)


def tunnel(scene):
    scene.client.send_request("CONNECT", scene.origin.at)
    assert scene.client.read_response("CONNECT").status == 200
    upstream = scene.origin.accept()
    scene.turns.reset()
    sending = arrive_at_once(scene, send_over_and_over, upstream, bytes(1 << 18), FLOOD)
    drain(scene.client)
    sending.result(30)
    upstream.reset()


PLAIN = [bulk, tiny_chunks, chunks_with_extensions, interim_responses, tiny_fields, tiny_trailers, one_byte_segments,
         refused_requests, pipelined_requests, chunked_upload, tiny_fields_of_a_client, tunnel]


# ---- TLS ----


def secure_bulk(scene):
    answer(scene, OK + b"Content-Length: 1000000000\r\n\r\n", bytes(1 << 14))


def tiny_records(scene):
    upstream = scene.ask()
    upstream.send(OK + b"Content-Length: 1000000000\r\n\r\n")

    def send():
        with contextlib.suppress(OSError, Cut):
            for _ in range(amount(20_000, 300_000)):
                upstream.sock.send(b"x")

    sending = arrive_at_once(scene, send)
    drain(scene.client)
    sending.result(60)
    upstream.reset()


def tiny_chunks_in_tiny_records(scene):
    upstream = scene.ask()
    upstream.send(CHUNKED)

    def send():
        with contextlib.suppress(OSError, Cut):
            for _ in range(amount(20_000, 100_000)):
                upstream.sock.send(b"1\r\nx\r\n")

    sending = arrive_at_once(scene, send)
    drain(scene.client)
    sending.result(60)
    upstream.reset()


def flood_of(message, while_idle: bool):
    def flood(scene):
        upstream = scene.ask()
        if while_idle:
            upstream.answer("ok", "200 OK", "Keep-Alive: timeout=60")
            assert scene.client.read_response().body == b"ok"

        def send():
            with contextlib.suppress(OSError, Cut, AssertionError):
                for _ in range(amount(2000, 20_000)):
                    message(upstream)

        arrive_at_once(scene, send)
        drain(scene.client)
        with contextlib.suppress(OSError):  # Python's way to tell of our refusal
            upstream.wait_for_end()

    flood.__name__ = f"{message.__name__}_{'idle' if while_idle else 'in_use'}"
    return flood


def key_updates(upstream):
    upstream.send_key_update(ask_for_theirs=True)


def tickets(upstream):
    upstream.send_ticket()


def hello_requests(upstream):
    upstream.ask_to_renegotiate()


def key_updates_between_data(scene):
    upstream = scene.ask()
    upstream.send(OK + b"Content-Length: 1000000000\r\n\r\n")

    def send():
        with contextlib.suppress(OSError, Cut, AssertionError):
            for _ in range(amount(50, 1000)):
                for _ in range(15):
                    upstream.send_key_update(ask_for_theirs=False)
                upstream.sock.send(b"x")

    sending = arrive_at_once(scene, send)
    drain(scene.client)
    sending.result(60)
    upstream.reset()


SECURE = [secure_bulk, tiny_records, tiny_chunks_in_tiny_records, key_updates_between_data, flood_of(key_updates, True),
          flood_of(key_updates, False), flood_of(tickets, True), flood_of(tickets, False)]
OLD = [flood_of(hello_requests, True), flood_of(hello_requests, False)]


# ---- TLS handshakes: one call of OpenSSL ----


def many_names() -> Certificate:
    """Nearly as large as is taken."""
    return authority().issue("many names", *NAMES, *(f"{number:08}.example" for number in range(2500)))


def long_chain() -> Certificate:
    """As long as is taken."""
    authorities = [authority()]
    for number in range(16):
        authorities.append(Authority(f"Intermediate {number}", authorities[-1]))
    made = authorities[-1].issue("long chain", *NAMES)
    own = made.chain.read_text().split("-----END CERTIFICATE-----", 1)[0] + "-----END CERTIFICATE-----\n"
    made.chain.write_text(own + "".join(Path(each.ca_file).read_text() for each in reversed(authorities[1:])))
    return made


CERTIFICATES = {"plain": lambda: certificate("right"), "many_names": many_names, "long_chain": long_chain}


# ---- The tests ----


def report(scene, name: str) -> float:
    worst, turns = scene.turns.worst, scene.turns.count
    print(f"{name:40} longest turn {1e3 * worst:6.2f} ms of {turns}")
    return worst


def run_flood(scene, flood) -> None:
    flood(scene)
    worst = report(scene, flood.__name__)
    assert scene.daemon.get(scene.other.url()).body == b"other"
    if long_run() and not sanitized():
        assert worst < LONGEST


@pytest.mark.parametrize("flood", PLAIN, ids=lambda flood: flood.__name__)
def test_plain(keepwarm, origin, tmp_path, flood):
    run_flood(Scene(keepwarm, origin, tmp_path), flood)


@pytest.mark.parametrize("flood", SECURE, ids=lambda flood: flood.__name__)
def test_secure(keepwarm, origin, tmp_path, flood):
    run_flood(Scene(keepwarm, origin, tmp_path, tickets=0), flood)


@pytest.mark.parametrize("flood", OLD, ids=lambda flood: flood.__name__)
def test_secure_1_2(keepwarm, origin, tmp_path, flood):
    run_flood(Scene(keepwarm, origin, tmp_path, versions=(TLS12, TLS12)), flood)


@pytest.mark.parametrize("version", [TLS12, TLS13], ids=["TLSv1.2", "TLSv1.3"])
@pytest.mark.parametrize("kind", CERTIFICATES)
def test_handshakes_are_told(keepwarm, origin, tmp_path, kind, version):
    scene = Scene(keepwarm, origin, tmp_path, versions=(version, version), tickets=0, certificate=CERTIFICATES[kind]())
    scene.turns.reset()
    for _ in range(amount(2, 20)):
        client = scene.daemon.client()
        client.send_request("GET", scene.origin.url())
        upstream = scene.origin.accept()
        upstream.read_request()
        upstream.answer("ok", "200 OK", "Connection: close")
        assert client.read_response().body == b"ok"
        upstream.close()
    report(scene, f"handshake_{kind}_{version.name}")
