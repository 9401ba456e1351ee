"""Measure aiohttp: fifty tasks, one session, GET and a check. Prints requests a CPU-second.

Run as a program of the peers' own environment: `python aiohttp_loop.py URL SECONDS`.
"""

from __future__ import annotations

import asyncio
import sys
import time

import aiohttp  # type: ignore[import-not-found,unused-ignore] # in the peers' environment only

CONNECTIONS = 50


async def _measure(url: str, seconds: float) -> float:
    counted = passed = 0
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS)) as session:
        end_s = time.monotonic() + seconds

        async def visit() -> None:
            nonlocal counted, passed
            while time.monotonic() < end_s:
                async with session.get(f"{url}/items") as answer:
                    await answer.read()
                    passed += answer.status == 200
                counted += 1

        began_s = time.process_time()
        await asyncio.gather(*(visit() for _ in range(CONNECTIONS)))
        used_s = time.process_time() - began_s
    if passed != counted:
        sys.exit(f"{counted - passed} of {counted} requests failed")
    return counted / used_s


if __name__ == "__main__":
    sys.stdout.write(f"{asyncio.run(_measure(sys.argv[1], float(sys.argv[2]))):.1f}\n")
