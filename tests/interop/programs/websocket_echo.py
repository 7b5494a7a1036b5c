"""A WebSocket server (aiohttp) that sends every message back. Prints its port. Arguments: certificate and key, for TLS."""

import asyncio
import socket
import ssl
import sys

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
    context = None
    if len(sys.argv) > 1:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*sys.argv[1:])
    await web.SockSite(runner, sock, ssl_context=context).start()
    print(sock.getsockname()[1], flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
