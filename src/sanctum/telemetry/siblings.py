"""One of several processes on a port: it tells what it measures, and asks for the sum of all."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from sanctum.telemetry.metrics import Metrics
from sanctum.telemetry.sums import encode_families

ASK_TIMEOUT_S = 2.0
TOLD_BYTES_MAX = 16 << 20
PARENT = "parent"


class ParentAway(Exception):
    """Say that the sum of all processes could not be had."""


def address_of(folder: Path, name: object) -> Path:
    """Give the socket of a process, or of the parent, in the folder of all of them."""
    return folder / f"{name}.sock"


async def ask(address: Path, timeout_s: float) -> bytes:
    """Read all that a process tells at its socket; raises OSError, TimeoutError."""
    async with asyncio.timeout(timeout_s):
        reader, writer = await asyncio.open_unix_connection(str(address))
        try:
            told = await reader.read(TOLD_BYTES_MAX)
            while part := await reader.read(TOLD_BYTES_MAX):
                told += part
                if len(told) > TOLD_BYTES_MAX:
                    raise OSError("a process tells without end")
            return told
        finally:
            writer.close()


class Siblings:
    """Know the parent by the folder of all sockets, and this process by its number."""

    def __init__(self, folder: Path, number: int, metrics: Metrics) -> None:
        self._folder = folder
        self._number = number
        self._metrics = metrics

    async def render_sum(self) -> bytes:
        """Render the sum over all processes; raises ParentAway."""
        try:
            return await ask(address_of(self._folder, PARENT), ASK_TIMEOUT_S)
        except (OSError, TimeoutError) as error:
            raise ParentAway(f"the sum of all processes: {type(error).__name__}") from error

    async def run(self) -> None:
        """Tell whoever asks what this process measures, until cancelled."""
        address = address_of(self._folder, self._number)
        server = await asyncio.start_unix_server(self._tell, str(address))
        async with server:
            await server.serve_forever()

    async def follow_parent(self) -> None:
        """End when the parent does: it holds the other end of standard input."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        await reader.read()
        os.kill(os.getpid(), signal.SIGTERM)

    async def _tell(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(encode_families(self._metrics.registry))
            async with asyncio.timeout(ASK_TIMEOUT_S):
                await writer.drain()
        except (OSError, TimeoutError):
            pass  # whoever asked has gone, and asks again
        finally:
            writer.close()
