"""What lasts longer than an exchange, through a daemon that intercepts: WebSockets, server-sent events, large bodies, cuts."""

import asyncio
import hashlib
import os
import ssl
import statistics
import threading
import time

import aiohttp
import pytest
import websocket

from intercepting import NAME, Site, run
from support import tls
from support.http_origin import Canned
from support.tier import amount
from support.tls_server import ServerTls
from support.waiting import sanitized, scaled

MESSAGES = amount(500, 10_000)
EVENTS = amount(20, 200)
BODY = amount(64, 64 if sanitized() else 1024)  # MiB
MIB = 1 << 20


@pytest.fixture
def shown():
    right = tls.certificate("right")
    return right.chain, right.key


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def context(site: Site) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=site.ca / "root.crt")


def test_a_websocket_with_many_messages(keepwarm, script, shown, site):
    server = script("websocket_echo.py", tls=shown)
    site.serve(keepwarm, server.at)
    peer = websocket.create_connection(f"wss://{NAME}/echo", http_proxy_host="127.0.0.1", http_proxy_port=site.daemon.port,
                                       proxy_type="http", timeout=scaled(20), sslopt={"ca_certs": str(site.ca / "root.crt")})
    for number in range(MESSAGES):
        message = f"{number} " + "x" * (number % 2000)
        peer.send(message)
        assert peer.recv() == message
    peer.close()
    site.daemon.wait_log(r" 101 .*road=intercept")


def test_many_websockets_at_once(keepwarm, script, shown, site):
    site.serve(keepwarm, script("websocket_echo.py", tls=shown).at)

    async def one(session, number: int) -> None:
        async with session.ws_connect(f"https://{NAME}/echo", proxy=f"http://{site.daemon.at}", ssl=context(site)) as peer:
            for turn in range(20):
                await peer.send_str(f"{number} {turn}")
            for turn in range(20):
                assert (await peer.receive(timeout=scaled(20))).data == f"{number} {turn}"

    async def all_of_them() -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            await asyncio.gather(*(one(session, number) for number in range(30)))

    asyncio.run(all_of_them())


def test_server_sent_events_come_at_once(keepwarm, http_origin, site):
    """Each within 5 ms of the server's sending it, in the median: nothing waits for a record or a buffer to be full."""
    sent, go_on = [], threading.Semaphore(0)

    def events(request, connection):
        connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n\r\n")
        for number in range(EVENTS):
            go_on.acquire(timeout=60)
            sent.append(time.monotonic())
            connection.send(f"data: {number}\n\n")
        connection.close()

    site.serve(keepwarm, http_origin({"/events": events}, tls=ServerTls()).at)

    async def listen() -> list[float]:
        came = []
        async with aiohttp.ClientSession() as session:
            async with session.get(f"https://{NAME}/events", proxy=f"http://{site.daemon.at}", ssl=context(site)) as answer:
                for number in range(EVENTS):
                    go_on.release()
                    assert await answer.content.readline() == f"data: {number}\n".encode()
                    came.append(time.monotonic())
                    await answer.content.readline()
        return came

    delays = [came - gone for came, gone in zip(asyncio.run(listen()), sent)]
    print(f"median {1000 * statistics.median(delays):.2f} ms, most {1000 * max(delays):.2f} ms")
    assert statistics.median(delays) < scaled(0.005)


def test_a_large_body_each_way(keepwarm, http_origin, site, tmp_path):
    piece = os.urandom(MIB)
    whole = hashlib.sha256()
    for _ in range(BODY):
        whole.update(piece)

    def download(request, connection):
        connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {BODY * MIB}\r\n\r\n")
        for _ in range(BODY):
            connection.send(piece)

    def upload(request, connection):
        return hashlib.sha256(request.body).hexdigest()

    site.serve(keepwarm, http_origin({"/down": download, "/up": upload}, tls=ServerTls()).at)
    down = run(*site.exec, "sh", "-c", 'curl -fsS "$1/down" | sha256sum', "sh", site.url)
    assert down.stdout.split()[0].decode() == whole.hexdigest()
    file = tmp_path / "large"
    with file.open("wb") as out:
        for _ in range(BODY):
            out.write(piece)
    for framing in (), ("-H", "Transfer-Encoding: chunked"):
        up = run(*site.exec, "curl", "-fsS", *framing, "-T", file, f"{site.url}/up")
        assert up.stdout.decode() == whole.hexdigest()


@pytest.mark.parametrize("how,code", [("length", 18), ("chunked", 18), ("head", 52)])
def test_a_cut_body_is_an_error_for_curl(keepwarm, http_origin, site, how, code):
    def cut(request, connection):
        if how == "length":
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\npart of it")
        elif how == "chunked":
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\npart of it\r\n")
        connection.reset()

    site.serve(keepwarm, http_origin({"/": cut}, tls=ServerTls()).at)
    done = run(*site.exec, "curl", "-sS", site.url, check=False)
    if how == "head":
        assert done.returncode == 0 and b"502" in run(*site.exec, "curl", "-sSi", site.url).stdout
    else:
        assert (done.returncode, done.stdout) in ((code, b"part of it"), (56, b"part of it")), done.stderr


def test_curl_waits_for_100_and_uploads(keepwarm, http_origin, site, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(os.urandom(3 * MIB))
    server = http_origin({"/put": lambda request, connection: hashlib.sha256(request.body).hexdigest()}, tls=ServerTls())
    site.serve(keepwarm, server.at)
    done = run(*site.exec, "curl", "-fsSv", "-T", file, f"{site.url}/put")
    assert done.stdout.decode() == hashlib.sha256(file.read_bytes()).hexdigest()
    assert b"< HTTP/1.1 100 Continue" in done.stderr


def test_trailers_reach_the_client(keepwarm, http_origin, site):
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 42\r\n\r\n"
    site.serve(keepwarm, http_origin({"/": Canned(raw=raw)}, tls=ServerTls()).at)
    done = run(*site.exec, "curl", "-sSi", "--raw", site.url)
    assert done.stdout.endswith(b"5\r\nhello\r\n0\r\nX-Sum: 42\r\n\r\n")
