"""Short ways to say what the tests of interception say over and over: a host that is intercepted, and clients of it, curl and
scripted ones, which trust the tests' authority and the local CA."""

import contextlib
import re
import socket
import ssl
import subprocess
from pathlib import Path

from helpers_tls import together
from support.client import Client
from support.local_ca import LocalCa
from support.tls import authority, trusting
from support.waiting import scaled
from support.wire import Response

HOST = "www.example.test"  # a name of the tests' certificates; no name service knows it
AT = f"{HOST}:443"


def intercepting(ca: LocalCa, at: str, *configs: dict, host: str = HOST) -> dict:
    """The configuration that intercepts `host`, whose server is `at`."""
    return together(trusting(), ca.config, {
        "proxy": {"connect_ports": ["1-65535"]}, "log": {"access": "text"},
        "host": {host: {"intercept": True, "connect_to": at}}}, *configs)


def trust(ca: LocalCa, folder: Path) -> Path:
    """A file with those whom a client trusts: our CA, and whoever the server's certificate may be from."""
    file = folder / "trusted.pem"
    file.write_text(ca.root.read_text() + Path(authority().ca_file).read_text())
    return file


def curl(daemon, *arguments, server=None, limit: float = 20) -> subprocess.CompletedProcess:
    """Through the daemon; or, with `server`, straight to that one, as if it were HOST."""
    way = ["--noproxy", "*", "--connect-to", f"{AT}:{server.at}"] if server else ["-x", f"http://{daemon.at}"]
    return subprocess.run(["curl", "-sS", *way, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True,
                          env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}, timeout=scaled(limit), check=False)


def connect(daemon, target: str = AT, **options) -> Client:
    """A client behind the 200 to its CONNECT."""
    client = daemon.client(**options)
    client.send(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n")
    response = client.read_response("CONNECT")
    assert response.status == 200, response.raw + response.body
    return client


def tls_context(ca: LocalCa | None = None, alpn: tuple[str, ...] = ("http/1.1",)) -> ssl.SSLContext:
    """A client's. It trusts the tests' authority, and the CA if there is one."""
    context = ssl.create_default_context(cafile=authority().ca_file)
    if ca:
        context.load_verify_locations(ca.roots)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    context.sslsocket_class = PatientSocket
    return context


class PatientSocket(ssl.SSLSocket):
    """What ends without close_notify is a cut, told as a reset is."""

    def recv(self, size: int = 1024, flags: int = 0) -> bytes:
        try:
            return super().recv(size, flags)
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError) as end:
            if isinstance(end, ssl.SSLZeroReturnError):
                return b""
            raise ConnectionResetError from None

    def shutdown(self, how: int) -> None:
        """Of the writing side: close_notify, and FIN. The other side can still be read."""
        self.setblocking(False)
        with contextlib.suppress(ssl.SSLError, BlockingIOError):
            self._sslobj.shutdown()
        socket.socket.shutdown(self, how)


def secure(client: Client, context: ssl.SSLContext, name: str | None = HOST) -> Client:
    """The same client, with its handshake made."""
    client.sock = context.wrap_socket(client.sock, server_hostname=name, suppress_ragged_eofs=False)
    return client


def issuer(client: Client) -> str:
    """Who made the certificate that the client was shown; "keepwarm" is the organisation of ours."""
    parts = dict(part for group in client.sock.getpeercert()["issuer"] for part in group)
    return parts.get("organizationName") or parts["commonName"]


def get(client: Client, path: str = "/", *fields: str) -> Response:
    client.send("\r\n".join([f"GET {path} HTTP/1.1", f"Host: {HOST}", *fields]) + "\r\n\r\n")
    return client.read_response()


def wait_road(daemon, road: str, why: str = "-", count: int = 1, since: int = 0) -> re.Match:
    """The line of the access log that says so."""
    return daemon.wait_log(rf"road={road} .*why={re.escape(why)}(\s|$)", count=count, since=since)


class Handshake:
    """A client's TLS over memory, for who cares how the bytes go over the wire."""

    def __init__(self, client: Client, context: ssl.SSLContext, name: str | None = HOST):
        self._client = client
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname=name)
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.do_handshake()
        self.hello = self._out.read()  # which nobody has sent yet

    def _step(self, call, *arguments):
        while True:
            try:
                return call(*arguments)
            except ssl.SSLWantReadError:
                self._flush()
                self._in.write(self._client.read_some())

    def _flush(self) -> None:
        if data := self._out.read():
            self._client.send(data)

    def finish(self) -> None:
        """After the hello was sent, in whatever way."""
        self._step(self._tls.do_handshake)
        self._flush()

    def ask(self, path: str = "/") -> bytes:
        """The answer to a GET, head and body, up to the end of the record that it ends in."""
        self._tls.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        self._flush()
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._step(self._tls.read, 65536)
        head, _, body = answer.partition(b"\r\n\r\n")
        length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
        while len(body) < length:
            body += self._step(self._tls.read, 65536)
        return head + b"\r\n\r\n" + body

    def issuer(self) -> str:
        parts = dict(part for group in self._tls.getpeercert()["issuer"] for part in group)
        return parts.get("organizationName") or parts["commonName"]


def in_records(hello: bytes, *sizes: int) -> bytes:
    """A ClientHello that came in one record, in several of these sizes; the last one has the rest."""
    body, records = hello[5:], b""
    for size in (*sizes, len(body) - sum(sizes)):
        records += hello[:3] + size.to_bytes(2, "big") + body[:size]
        body = body[size:]
    return records
