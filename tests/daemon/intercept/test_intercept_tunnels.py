"""Whatever is not as it should be is a tunnel: the client sees what it would see without us (core/doc/design.md §5)."""

import re
import shutil
import socket
import ssl
import time
import warnings

import pytest
from helpers_intercept import (AT, HOST, Handshake, connect, curl, get, in_records, intercepting, issuer, secure, tls_context,
                               trust, wait_road)
from support.clocks import Clocks
from support.stalls import real_time
from support.tier import amount
from support.tls import Certificate, certificate, client_certificate
from support.tls_server import TLS11, TLS12, TLS13, ServerTls

TIMES = amount(3, 20)
OURS, THEIRS = "keepwarm", "Test Authority"


def incomplete_chain(folder) -> Certificate:
    """By an intermediate that the server does not send."""
    whole = certificate("by an intermediate")
    first = folder / "incomplete.pem"
    first.write_text(whole.chain.read_text().partition("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n")
    return Certificate(first, whole.key)


def echo(connection) -> None:
    while data := connection.read_some(60):
        connection.send(data)


@pytest.mark.parametrize("kind", ["expired", "self-signed", "wrong name", "unknown authority", "incomplete chain"])
def test_a_bad_certificate_is_shown_to_the_client(keepwarm, http_origin, local_ca, tmp_path, kind):
    ca = local_ca(HOST)
    bad = incomplete_chain(tmp_path) if kind == "incomplete chain" else certificate(kind)
    server = http_origin(tls=ServerTls(certificate=bad))
    daemon = keepwarm(intercepting(ca, server.at))
    trusted = ("--cacert", trust(ca, tmp_path))
    alone = curl(daemon, *trusted, f"https://{HOST}/", server=server)
    assert alone.returncode == 60
    for _ in range(TIMES):
        done = curl(daemon, *trusted, f"https://{HOST}/")
        assert (done.returncode, done.stdout, done.stderr) == (60, b"", alone.stderr)
        done = curl(daemon, "-k", f"https://{HOST}/")
        assert (done.returncode, done.stdout) == (0, b"hello")
    wait_road(daemon, "tunnel", "certificate", count=2 * TIMES)
    assert sum("warning]" in line and HOST in line for line in daemon.log) == 1, "told once"


@pytest.mark.parametrize("asks", ["optional", "required"])
@pytest.mark.parametrize("version", [TLS12, TLS13], ids=["TLS 1.2", "TLS 1.3"])
def test_a_server_that_asks_for_a_certificate_gets_the_clients_own(keepwarm, http_origin, local_ca, tmp_path, version, asks):
    ca = local_ca(HOST)
    who = {"*": lambda request, connection: connection.client_subject or "nobody"}
    server = http_origin(who, tls=ServerTls(client_certificate=asks, versions=(version, version)))
    daemon = keepwarm(intercepting(ca, server.at))
    own = client_certificate()
    shown = ("--cert", own["client_certificate"], "--key", own["client_key"], "--cacert", trust(ca, tmp_path))
    for _ in range(TIMES):
        done = curl(daemon, *shown, f"https://{HOST}/")
        assert (done.returncode, done.stdout) == (0, b"test client"), done.stderr
    wait_road(daemon, "tunnel", "client-certificate", count=TIMES)


@pytest.mark.parametrize("offered,why", [(("h2",), "upstream-tls"), (("h2", "http/1.1"), "alpn")])
def test_a_client_of_http2_alone_speaks_it_with_the_server(keepwarm, origin, local_ca, offered, why):
    ca = local_ca(HOST)
    server = origin(echo, tls=ServerTls(alpn=offered))
    daemon = keepwarm(intercepting(ca, server.at))
    for _ in range(TIMES):
        client = secure(connect(daemon), tls_context(ca, alpn=("h2",)))
        assert (client.sock.selected_alpn_protocol(), issuer(client)) == ("h2", THEIRS)
        client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert client.read_exact(24) == b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        client.close()
    wait_road(daemon, "tunnel", why, count=TIMES)


# Protocols that are not TLS


def speak_first(connection) -> None:
    connection.send("220 mail.example.test ESMTP\r\n")
    echo(connection)


def test_a_server_that_speaks_first_is_heard(keepwarm, origin, local_ca):
    server = origin(speak_first)
    daemon = keepwarm(intercepting(local_ca(HOST), server.at))
    for _ in range(TIMES):
        client = connect(daemon)
        assert client.read_exact(29) == b"220 mail.example.test ESMTP\r\n"
        client.send("EHLO\r\n")
        assert client.read_exact(6) == b"EHLO\r\n"
        client.close()
    wait_road(daemon, "tunnel", "upstream-tls", count=TIMES)


def test_a_plain_websocket_passes(keepwarm, origin, local_ca):
    def upgrade(connection):
        assert connection.read_request_head().get("upgrade") == "websocket"
        connection.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        echo(connection)

    # The daemon's own try at TLS is no request.
    server = origin(lambda connection: None if connection.read_exact(1) == b"\x16" else upgrade(_put_back(connection, b"G")))
    daemon = keepwarm(intercepting(local_ca(HOST), server.at))
    for _ in range(TIMES):
        client = connect(daemon)
        client.send(f"GET /chat HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        assert client.read_response_head().status == 101
        client.send(b"\x81\x05hello")
        assert client.read_exact(7) == b"\x81\x05hello"
        client.close()


def _put_back(connection, data: bytes):
    connection.buffer[:0] = data
    return connection


class OnePort:
    """A port for TLS and for others, as behind sslh: who sends no ClientHello gets what `plain` does."""

    def __init__(self, origin, plain):
        self._context = ServerTls().context()
        self._plain = plain
        self.tls = 0
        self.origin = origin(self._serve)

    def _serve(self, connection) -> None:
        connection.sock.settimeout(3)
        try:
            first = connection.sock.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            first = b""
        if first != b"\x16":
            return self._plain(connection)
        self.tls += 1
        connection.sock.settimeout(60)
        try:
            connection.sock = self._context.wrap_socket(connection.sock, server_side=True)
            connection.sock.recv(1)
        except (OSError, ValueError):
            pass


def test_a_client_that_speaks_another_protocol_is_passed_on(keepwarm, origin, local_ca):
    port = OnePort(origin, echo)
    daemon = keepwarm(intercepting(local_ca(HOST), port.origin.at))
    for _ in range(TIMES):
        client = connect(daemon)
        client.send("SSH-2.0-OpenSSH_9.2\r\n")
        assert client.read_exact(21) == b"SSH-2.0-OpenSSH_9.2\r\n"
        client.close()
    wait_road(daemon, "tunnel", "not-tls", count=TIMES)
    assert port.tls >= 1, "the server had been reached by TLS before"


def test_a_client_that_waits_for_the_server_is_passed_on_after_a_second(keepwarm, origin, local_ca):
    port = OnePort(origin, speak_first)
    daemon = keepwarm(intercepting(local_ca(HOST), port.origin.at))
    client = connect(daemon, limit=20)
    assert client.read_exact(29) == b"220 mail.example.test ESMTP\r\n"
    client.close()
    wait_road(daemon, "tunnel", "silent")


# Names and versions


@pytest.mark.parametrize("named,asked", [("127.0.0.1", HOST), (HOST, "localhost")])
def test_a_client_that_asks_for_another_name_than_connect_is_passed_on(keepwarm, http_origin, local_ca, named, asked):
    ca = local_ca(HOST, "127.0.0.1")
    server = http_origin(tls=ServerTls())
    daemon = keepwarm(intercepting(ca, server.at, host=named))
    for _ in range(TIMES):
        client = secure(connect(daemon, f"{named}:443"), tls_context(ca), asked)
        assert issuer(client) == THEIRS
        assert get(client).body == b"hello"
        client.close()
        assert server.connections[-1].name == asked
    wait_road(daemon, "tunnel", "sni", count=TIMES)


def old_client() -> ssl.SSLContext:
    context = tls_context()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = TLS11
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


@pytest.mark.parametrize("versions,why", [((TLS11, TLS11), "upstream-tls"), ((TLS11, TLS13), "version")])
def test_old_clients_and_servers_meet_in_a_tunnel(keepwarm, http_origin, local_ca, versions, why):
    server = http_origin(tls=ServerTls(versions=versions))
    daemon = keepwarm(intercepting(local_ca(HOST), server.at))
    for _ in range(TIMES):
        client = secure(connect(daemon), old_client())
        assert (client.sock.version(), issuer(client)) == ("TLSv1.1", THEIRS)
        assert get(client).body == b"hello"
        client.close()
    wait_road(daemon, "tunnel", why, count=TIMES)


# Hellos that come in pieces are intercepted


def many_protocols() -> tuple[str, ...]:
    """ALPN that makes a hello of two kilobytes."""
    return ("http/1.1", *(f"protocol-number-{number:04}" for number in range(90)))


@pytest.mark.parametrize("alpn", [("http/1.1",), many_protocols()], ids=["small", "2 KB"])
@pytest.mark.parametrize("how", ["single bytes", "three records", "three records in single bytes"])
def test_a_hello_in_pieces_is_put_together(keepwarm, http_origin, local_ca, how, alpn):
    ca = local_ca(HOST)
    server = http_origin(tls=ServerTls())
    daemon = keepwarm(intercepting(ca, server.at))
    for number in range(TIMES):
        client = connect(daemon)
        handshake = Handshake(client, tls_context(ca, alpn))
        hello = in_records(handshake.hello, 3, 200) if "records" in how else handshake.hello
        assert len(alpn) == 1 or len(hello) > 2000
        size = 1 if "bytes" in how else len(hello)
        for start in range(0, len(hello), size):
            client.send(hello[start:start + size])
        handshake.finish()
        assert handshake.issuer() == OURS and handshake.ask().endswith(b"\r\n\r\nhello")
        client.close()
    wait_road(daemon, "intercept", count=TIMES)
    assert len(server.connections) == 1


@real_time
def test_a_hello_may_take_longer_than_the_silence_that_ends_it(keepwarm, http_origin, local_ca):
    ca = local_ca(HOST)
    server = http_origin(tls=ServerTls())
    client = connect(keepwarm(intercepting(ca, server.at)), limit=20)
    handshake = Handshake(client, tls_context(ca))
    for start in range(0, len(handshake.hello), 150):
        client.send(handshake.hello[start:start + 150])
        time.sleep(0.5)
    handshake.finish()
    assert handshake.issuer() == OURS


def test_a_client_that_ends_within_its_hello_is_passed_on_at_once(keepwarm, origin, local_ca):
    port = OnePort(origin, echo)
    daemon = keepwarm(intercepting(local_ca(HOST), port.origin.at, {"proxy": {"client_half_close": "honour"}}))
    for _ in range(5):
        client = connect(daemon)
        client.send(b"\x16\x03\x01")
        client.shutdown_write()
        client.read_to_end()
        client.close()
    wait_road(daemon, "tunnel", "not-tls", count=5)
    totals = [float(total) for total in re.findall(r" total=(\S+) .* road=tunnel", daemon.log_text())]
    assert len(totals) == 5 and min(totals) < 1000, totals


def test_a_client_that_ends_behind_its_hello_is_passed_on(keepwarm, origin, local_ca):
    """It would not go on with a handshake."""
    server = origin()
    daemon = keepwarm(intercepting(local_ca(HOST), server.at, {"proxy": {"client_half_close": "honour"}}))
    client = daemon.client()
    hello = Handshake(client, tls_context()).hello
    client.send(f"CONNECT {AT} HTTP/1.1\r\nHost: {AT}\r\n\r\n".encode() + hello)
    client.shutdown_write()
    verified = server.accept()
    assert daemon.log  # waits until the daemon has nothing more to do: it has read the end
    server.start_tls(verified, ServerTls())
    tunnel = server.accept()
    assert tunnel.read_exact(len(hello)) == hello
    tunnel.expect_eof()
    tunnel.close()
    client.read_to_end()
    wait_road(daemon, "tunnel", "not-tls")


# A CA that cannot sign


def remove(ca) -> None:
    shutil.rmtree(ca.folder)


def spoil(ca) -> None:
    (ca.folder / "issuer.key").write_text("no key\n")


def check_without_ca(daemon, server) -> None:
    for _ in range(TIMES):
        client = secure(connect(daemon), tls_context())
        assert issuer(client) == THEIRS
        assert get(client).body == b"hello"
        client.close()
    wait_road(daemon, "tunnel", "ca", count=TIMES)
    assert sum("error]" in line for line in daemon.log) == 1, "told once"


@pytest.mark.parametrize("harm", [remove, spoil], ids=["removed", "no key"])
@pytest.mark.parametrize("when", ["start", "reload"])
def test_without_a_ca_everything_is_a_tunnel(keepwarm, http_origin, local_ca, harm, when):
    ca = local_ca(HOST)
    server = http_origin(tls=ServerTls())
    config = intercepting(ca, server.at)
    if when == "start":
        harm(ca)
    daemon = keepwarm(config)
    if when == "reload":
        client = secure(connect(daemon), tls_context(ca))
        assert issuer(client) == OURS
        client.close()
        harm(ca)
        daemon.wait_log("reloaded", since=daemon.reload(config))
    check_without_ca(daemon, server)


def test_a_ca_that_has_expired_makes_tunnels(keepwarm, http_origin, local_ca, tmp_path):
    ca = local_ca(HOST, days=2)
    clocks = Clocks(tmp_path)
    clocks.step(3 * 24 * 3600)
    server = http_origin(tls=ServerTls())
    daemon = keepwarm(intercepting(ca, server.at), env=clocks.env)
    check_without_ca(daemon, server)


def test_a_ca_that_expires_meanwhile_makes_tunnels_then(keepwarm, http_origin, local_ca, tmp_path):
    ca = local_ca(HOST, days=2)
    clocks = Clocks(tmp_path)
    server = http_origin(tls=ServerTls())
    daemon = keepwarm(intercepting(ca, server.at), env=clocks.env)
    client = secure(connect(daemon), tls_context(ca))
    assert issuer(client) == OURS
    client.close()
    clocks.step(3 * 24 * 3600)
    client = secure(connect(daemon), tls_context(ca))
    assert issuer(client) == THEIRS and get(client).body == b"hello"
    client.close()
    wait_road(daemon, "tunnel", "ca")
