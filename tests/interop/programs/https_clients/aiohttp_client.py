"""The same by aiohttp."""

import asyncio
import sys

import aiohttp


async def fetch() -> str:
    async with aiohttp.ClientSession(trust_env=True, raise_for_status=True) as session, session.get(sys.argv[1]) as answer:
        return await answer.text()


print(asyncio.run(fetch()))
