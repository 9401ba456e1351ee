"""A connection of our own to a part, from before it was broken, on which it is asked again."""

from __future__ import annotations

import asyncio
import struct
from typing import Self

from stormproof.faults.readiness import postgres_startup
from stormproof.model.part import Readiness

_ANSWER_BYTES = 65_536
_SSL_REQUEST = struct.pack(">II", 8, 80_877_103)  # answered by one byte, whatever the server can
_PING = b"PING\r\n"  # Valkey answers it before any log-in; others may answer to anything


class StandingConnection:
    """One connection, on which the part has answered once."""

    def __init__(
        self, ready: Readiness, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._ready = ready
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, ready: Readiness, *, within_s: float) -> Self | None:
        """Connect and ask once; None when there was no connection or no answer in time."""
        try:
            async with asyncio.timeout(within_s):
                reader, writer = await asyncio.open_connection(ready.host, ready.port)
        except (OSError, TimeoutError):
            return None
        connection = cls(ready, reader, writer)
        first = _SSL_REQUEST if ready.kind == "postgres" else connection._question()
        if await connection._ask(first, within_s) != "answered":
            connection.close()
            return None
        return connection

    async def is_silent(self, *, within_s: float) -> bool:
        """Ask again; say whether nothing came, neither an answer nor an end."""
        while await self._ask(b"", within_s / 4) == "answered":
            pass  # the rest of the first answer was still under way
        return await self._ask(self._question(), within_s) == "silent"

    def close(self) -> None:
        """Give the connection up."""
        self._writer.close()

    def _question(self) -> bytes:
        match self._ready.kind:
            case "tcp" | "alive":
                return _PING
            case "postgres":
                return postgres_startup(user="readiness", database="postgres")
            case "http":
                place = f"{self._ready.host}:{self._ready.port}"
                return f"GET {self._ready.path} HTTP/1.1\r\nHost: {place}\r\n\r\n".encode("ascii")

    async def _ask(self, question: bytes, within_s: float) -> str:
        """Send a question (or none) and say what came: "answered", "silent" or "closed"."""
        try:
            self._writer.write(question)
            async with asyncio.timeout(within_s):
                return "answered" if await self._reader.read(_ANSWER_BYTES) else "closed"
        except TimeoutError:
            return "silent"
        except OSError:
            return "closed"
