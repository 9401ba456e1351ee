"""A server that does one wrong thing after another, byte for byte as its script says.

A script is a list of steps that are played once a request's head has been read (or before that, for
what happens at once). It runs on the loop of the test, so that nothing of it outlives the test.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import Self

from tests.integration.load.serving import turns

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_DRIP_S = 0.02
_FLOOD_BYTES = 64 << 10


class Step(Enum):
    """What a script does besides sending bytes."""

    REQUEST = "read the head of a request"
    RESET = "tear the connection down"
    CLOSE = "close the connection"
    HOLD = "say nothing more"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drip:
    """Send the same few bytes again and again, slowly."""

    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Flood:
    """Send the same bytes again and again, as fast as they are taken."""

    data: bytes


Script = Sequence[bytes | Step | Drip | Flood]


@dataclass(slots=True, kw_only=True)
class HostileServer:
    """Play `script` to every connection, until `behave` is called: then all is well."""

    script: Script
    at_once: bool = False  # before any request
    context: ssl.SSLContext | None = None
    heads: list[bytes] = field(default_factory=list)
    connections: int = 0
    good: bool = False
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        """Return the base URL."""
        scheme = "http" if self.context is None else "https"
        return f"{scheme}://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        """Return the port."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def behave(self, *, well: bool = True) -> None:
        """Answer well from now on, or by the script again."""
        self.good = well

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", 0, ssl=self.context, limit=1 << 20
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await turns()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            if self.at_once and not self.good:
                await self._play(reader, writer)
            while True:
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                if self.good:
                    writer.write(GOOD)
                    await writer.drain()
                else:
                    await self._play(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, _Over):
            return
        except asyncio.CancelledError:
            return  # the test is over
        finally:
            writer.close()

    async def _play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for step in self.script:
            if isinstance(step, bytes):
                writer.write(step)
                await writer.drain()
            elif isinstance(step, Drip):
                await _repeat(writer, step.data, _DRIP_S)
            elif isinstance(step, Flood):
                await _repeat(writer, step.data * max(1, _FLOOD_BYTES // len(step.data)), 0)
            else:
                await _do(step, reader, writer)


class _Over(Exception):
    """The script has ended the connection."""


async def _repeat(writer: asyncio.StreamWriter, data: bytes, pause_s: float) -> None:
    while not writer.is_closing():
        writer.write(data)
        await writer.drain()
        await asyncio.sleep(pause_s)
    raise _Over


async def _do(step: Step, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    if step is Step.REQUEST:
        await reader.readuntil(b"\r\n\r\n")
    elif step is Step.HOLD:
        await asyncio.get_running_loop().create_future()
    elif step is Step.CLOSE:
        raise _Over
    else:
        plain = writer.get_extra_info("socket")
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        raise _Over
