"""WebSocket echo: real clients and a real server. A tunnel by CONNECT, and an Upgrade in absolute-form."""

import asyncio
import os

import aiohttp
import pytest
import websocket

from support.waiting import scaled

MESSAGES = ["hello", "", "é" * 1000, os.urandom(200_000), os.urandom(2_000_000), b"\x00"]


@pytest.fixture
def server(script):
    return script("websocket_echo.py")


def test_a_client_that_uses_connect(keepwarm, server):
    daemon = keepwarm(f"[proxy]\nconnect_ports = [{server.port}]")
    peer = websocket.create_connection(f"ws://{server.at}/echo", http_proxy_host="127.0.0.1", http_proxy_port=daemon.port,
                                       proxy_type="http", timeout=scaled(10))
    for message in MESSAGES:
        peer.send(message, websocket.ABNF.OPCODE_BINARY if isinstance(message, bytes) else websocket.ABNF.OPCODE_TEXT)
        assert peer.recv() == message
    peer.close()


def test_a_client_that_upgrades_in_absolute_form(keepwarm, server):
    daemon = keepwarm()

    async def converse() -> list:
        async with aiohttp.ClientSession() as session:
            url = f"ws://{server.at}/echo"
            async with session.ws_connect(url, proxy=f"http://{daemon.at}", max_msg_size=0) as peer:
                answers = []
                for message in MESSAGES:
                    await (peer.send_bytes(message) if isinstance(message, bytes) else peer.send_str(message))
                    answers.append((await peer.receive(timeout=scaled(10))).data)
                return answers

    assert asyncio.run(converse()) == MESSAGES


def test_many_at_once_in_both_directions(keepwarm, server):
    daemon = keepwarm()

    async def one(session, number: int) -> None:
        async with session.ws_connect(f"http://{server.at}/echo", proxy=f"http://{daemon.at}") as peer:
            for round_number in range(20):
                await peer.send_str(f"{number} {round_number}")
            for round_number in range(20):
                assert (await peer.receive(timeout=scaled(10))).data == f"{number} {round_number}"

    async def all_of_them() -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            await asyncio.gather(*(one(session, number) for number in range(50)))

    asyncio.run(all_of_them())
