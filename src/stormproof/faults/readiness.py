"""Ask a part once whether it serves."""

from __future__ import annotations

import asyncio
import struct

from stormproof.model.part import Readiness

ANSWER_TIMEOUT_S = 2.0
_PROTOCOL_3 = 196_608
_AUTHENTICATION = b"R"


async def answers(ready: Readiness) -> bool:
    """Say whether the part serves now, by the question that `ready` names."""
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(ready.host, ready.port)
            try:
                return await _ask(ready, reader, writer)
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


async def _ask(
    ready: Readiness, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    if ready.kind == "tcp":
        return True
    if ready.kind == "http":
        head = f"GET {ready.path} HTTP/1.1\r\nHost: {ready.host}:{ready.port}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n".encode("ascii"))
        return (await reader.readline()).split()[1:2] == [b"200"]
    writer.write(postgres_startup(user="readiness", database="postgres"))
    return await reader.read(1) == _AUTHENTICATION


def postgres_startup(*, user: str, database: str) -> bytes:
    """Build a StartupMessage of protocol 3.0; a server that serves asks to authenticate.

    Source: PostgreSQL documentation, "Message Formats".
    """
    names = b"user\0" + user.encode() + b"\0database\0" + database.encode() + b"\0\0"
    return struct.pack(">II", len(names) + 8, _PROTOCOL_3) + names
