"""A WebSocket server (aiohttp) that sends every message back. Prints its port."""

import asyncio
import socket

from aiohttp import WSMsgType, web


async def echo(request: web.Request) -> web.WebSocketResponse:
    peer = web.WebSocketResponse(max_msg_size=0)
    await peer.prepare(request)
    async for message in peer:
        if message.type == WSMsgType.TEXT:
            await peer.send_str(message.data)
        elif message.type == WSMsgType.BINARY:
            await peer.send_bytes(message.data)
    return peer


async def main() -> None:
    app = web.Application()
    app.router.add_get("/echo", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    sock = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, sock).start()
    print(sock.getsockname()[1], flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
