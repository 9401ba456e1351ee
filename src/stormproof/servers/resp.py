"""A client of Valkey and Redis: RESP2 over one connection, one question at a time, bounded.

Source: https://valkey.io/topics/protocol/
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from stormproof.kernel.limits import RESP_BULK_BYTES_MAX, RESP_ITEMS_MAX, RESP_NESTING_MAX

Reply = str | int | None | list["Reply"]


class RespError(Exception):
    """The server's own answer is an error; its first word says which."""


class RespConnection:
    """One connection, one question at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, host: str, port: int) -> RespConnection:
        """Connect.

        Raises:
            OSError: nobody is there.
        """
        return cls(*await asyncio.open_connection(host, port))

    @property
    def is_lost(self) -> bool:
        """Whether the server has ended the connection, as far as we have heard."""
        return self._reader.at_eof() or self._reader.exception() is not None

    async def call(self, *words: str) -> Reply:
        """Send a command and return its reply, text decoded as UTF-8.

        Raises:
            RespError: the server refuses it.
            OSError, EOFError: the connection is lost; ValueError: what came is no RESP2, or more
                than we take. It is of no use then.
        """
        encoded = [word.encode() for word in words]
        parts = [b"*%d\r\n" % len(encoded), *(b"$%d\r\n%b\r\n" % (len(w), w) for w in encoded)]
        self._writer.write(b"".join(parts))
        await self._writer.drain()
        return await self._reply(nesting=0)

    def drop(self) -> None:
        """Close the connection without waiting."""
        self._writer.close()

    async def close(self) -> None:
        """Close the connection; what its end was like matters to nobody."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()

    async def _reply(self, *, nesting: int) -> Reply:
        line = await self._line()
        mark, rest = line[:1], line[1:-2]
        match mark:
            case b"+":
                return _text(rest)
            case b"-":
                raise RespError(_text(rest))
            case b":":
                return int(rest)
            case b"$":
                return await self._bulk(int(rest))
            case b"*":
                return await self._items(int(rest), nesting=nesting + 1)
            case _:
                raise ValueError("no RESP2")

    async def _line(self) -> bytes:
        try:
            return await self._reader.readuntil(b"\r\n")
        except asyncio.LimitOverrunError as error:
            raise ValueError("a line without end") from error

    async def _bulk(self, length: int) -> str | None:
        if length < 0:
            return None
        if length > RESP_BULK_BYTES_MAX:
            raise ValueError(f"a reply of {length} bytes is over {RESP_BULK_BYTES_MAX}")
        data = await self._reader.readexactly(length + 2)
        return _text(data[:-2])

    async def _items(self, count: int, *, nesting: int) -> list[Reply] | None:
        if count < 0:
            return None
        if count > RESP_ITEMS_MAX or nesting > RESP_NESTING_MAX:
            raise ValueError(
                f"a reply of {count} items, {nesting} deep, is over {RESP_ITEMS_MAX} items or "
                f"{RESP_NESTING_MAX} deep"
            )
        return [await self._reply(nesting=nesting) for _ in range(count)]


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")
