"""https:// through the daemon, with real servers: a handful of handshakes, resumed sessions, WebSockets, memory."""

import asyncio
import os
import resource
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import pytest
import websocket

from support.daemon import merged
from support.tier import no_privilege
from support.tls import authority, certificate, trusting
from support.tls_server import TLS12, TLS13, ServerTls
from support.waiting import eventually, sanitized, scaled

RUNS = 200 if sanitized() else 1000
AT_A_TIME = 4
IDLE = 200 if sanitized() else 1000
KIB = 1024
AT_MOST = 36 * KIB


@pytest.fixture
def shown():
    """(certificate, key) of the servers, as the daemons trust them"""
    right = certificate("right")
    return right.chain, right.key


def every_host(**keys) -> dict:
    return {"host": {"*": keys}}


@pytest.mark.parametrize("versions", ["", "ssl_protocols TLSv1.3;"], ids=["nginx's default", "TLS 1.3"])
def test_a_thousand_clients_need_a_handful_of_handshakes(keepwarm, nginx, shown, versions):
    server, daemon = nginx(f'{versions} location /hello {{ return 200 "hello"; }}', tls=shown), keepwarm(trusting())
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        answers = list(pool.map(lambda _: daemon.get(server.url("/hello")), range(RUNS)))
    assert all((answer.status, answer.body) == (200, b"hello") for answer in answers)
    lines = server.log_lines(RUNS)
    connections = {line[0] for line in lines}
    print(f"{RUNS} clients, {len(connections)} handshakes at nginx ({lines[0][5]})")
    # Each of those at a time needs one, and may have begun another when it got that of somebody else; nginx closes a
    # connection after keepalive_requests (1000).
    assert len(connections) <= 2 * AT_A_TIME + 2


@pytest.mark.parametrize("versions", ["", "ssl_protocols TLSv1.3;"], ids=["nginx's default", "TLS 1.3"])
def test_after_all_idle_connections_have_lapsed_the_next_one_resumes(keepwarm, nginx, shown, versions):
    server = nginx(f'{versions} location /hello {{ return 200 "hello"; }}', tls=shown)
    daemon = keepwarm(merged(trusting(), every_host(idle_timeout="200ms")))
    for number in range(3):
        assert daemon.get(server.url("/hello")).status == 200
        daemon.wait_log(r"upstream \S+ closed: idle timeout", count=number + 1)
    lines = server.log_lines(3)
    assert len({line[0] for line in lines}) == 3
    assert [line[4] for line in lines] == [".", "r", "r"]


def test_a_restart_of_nginx_with_pooled_connections_is_not_seen(keepwarm, nginx, shown):
    server, daemon = nginx('location /hello { return 200 "hello"; }', tls=shown), keepwarm(trusting())
    for _ in range(3):
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            answers = list(pool.map(lambda _: daemon.get(server.url("/hello")), range(40)))
        assert [(answer.status, answer.body) for answer in answers] == [(200, b"hello")] * 40
        server.restart(15)


def test_a_large_file_arrives_whole(keepwarm, nginx, shown):
    server, daemon = nginx(tls=shown), keepwarm(trusting())
    body = os.urandom(1 << 20) * 32
    (server.root / "large").write_bytes(body)
    for _ in range(2):
        assert daemon.get(server.url("/large"), limit=60).body == body
    assert len({line[0] for line in server.log_lines(2)}) == 1


def test_node_over_tls(keepwarm, script, shown):
    server, daemon = script("origin.js", tls=shown), keepwarm(trusting())
    for _ in range(10):
        assert daemon.request("POST", f"https://{server.at}/x", body=b"12345").status == 200
    eventually(lambda: len(server.log_lines()) == 10)
    assert {line[2] for line in server.log_lines()} == {"0"}


# WebSocket


MESSAGES = ["hello", "", "é" * 1000, os.urandom(200_000), os.urandom(2_000_000), b"\x00"]


@pytest.mark.parametrize("scheme", ["http", "ws"])
def test_websocket_echo_over_a_tls_upstream(keepwarm, script, shown, scheme):
    server = script("websocket_echo.py", tls=shown)
    daemon = keepwarm(merged(trusting(), every_host(upgrade=True)))

    async def converse() -> list:
        async with aiohttp.ClientSession() as session:
            url = f"{scheme}://{server.at}/echo"
            async with session.ws_connect(url, proxy=f"http://{daemon.at}", max_msg_size=0) as peer:
                answers = []
                for message in MESSAGES:
                    await (peer.send_bytes(message) if isinstance(message, bytes) else peer.send_str(message))
                    answers.append((await peer.receive(timeout=scaled(10))).data)
                return answers

    assert asyncio.run(converse()) == MESSAGES
    daemon.wait_log(r"upstream \S+ opened: .* TLSv1")


def test_many_websockets_at_once(keepwarm, script, shown):
    server = script("websocket_echo.py", tls=shown)
    daemon = keepwarm(merged(trusting(), every_host(upgrade=True)))

    async def one(session, number: int) -> None:
        async with session.ws_connect(f"http://{server.at}/echo", proxy=f"http://{daemon.at}") as peer:
            for round_number in range(20):
                await peer.send_str(f"{number} {round_number}")
            for round_number in range(20):
                assert (await peer.receive(timeout=scaled(20))).data == f"{number} {round_number}"

    async def all_of_them() -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            await asyncio.gather(*(one(session, number) for number in range(50)))

    asyncio.run(all_of_them())


def test_a_client_that_makes_its_own_tls_in_a_tunnel_is_left_alone(keepwarm, script, shown):
    server = script("websocket_echo.py", tls=shown)
    daemon = keepwarm(merged({"proxy": {"connect_ports": [server.port]}}, every_host(upgrade=True)))
    peer = websocket.create_connection(f"wss://{server.at}/echo", http_proxy_host="127.0.0.1", http_proxy_port=daemon.port,
                                       proxy_type="http", timeout=scaled(10),
                                       sslopt={"ca_certs": authority().ca_file})
    peer.send("hello")
    assert peer.recv() == "hello"
    peer.close()


# Memory


@pytest.fixture
def descriptors():
    """Enough of them for our side of the connections too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * IDLE + 500
    if hard != resource.RLIM_INFINITY and hard < wanted:
        no_privilege(f"RLIMIT_NOFILE is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def fill(daemon, server, all_at_once: bool) -> None:
    """IDLE connections to the server, all idle at the end: as many clients ask, and are then answered together.
    all_at_once: all handshakes run side by side; else one after the other."""
    server.hold()
    clients = [daemon.client(limit=60) for _ in range(IDLE)]
    for number, client in enumerate(clients):
        client.send_request("GET", server.url())
        if not all_at_once:
            server.wait_requests(number + 1)
    server.wait_requests(IDLE, limit=60)
    server.release()
    for client in clients:
        assert client.read_response().status == 200
        client.close()
    assert len(server.connections) == IDLE


@pytest.mark.parametrize("all_at_once", [False, True], ids=["one by one", "all at once"])
@pytest.mark.parametrize("version", [TLS12, TLS13], ids=["TLS 1.2", "TLS 1.3"])
def test_an_idle_tls_connection_costs_at_most_36_kib(keepwarm, http_origin, descriptors, version, all_at_once):
    limits = every_host(max_connections=IDLE, max_idle=IDLE, connect_timeout="60s", assumed_idle_timeout="60s")
    daemon = keepwarm(merged(trusting(), limits))
    warm_up, server = (http_origin(backlog=1024, tls=ServerTls(versions=(version, version))) for _ in range(2))
    assert daemon.get(warm_up.url()).status == 200
    before = daemon.rss()
    fill(daemon, server, all_at_once)

    def each() -> float:
        return (daemon.rss() - before) / IDLE

    how = "all opened at once" if all_at_once else "opened one by one"
    print(f"{each() / KIB:.1f} KiB of memory for each of {IDLE} idle {version.name} connections, {how}")
    # What a crowd of handshakes leaves free in pieces goes back to the system a little later.
    eventually(lambda: sanitized() or each() < AT_MOST, message=f"at most 36 KiB; now {each() / KIB:.1f}")
    print(f"{each() / KIB:.1f} KiB a little later")
    assert daemon.get(server.url()).status == 200 and len(server.connections) == IDLE
