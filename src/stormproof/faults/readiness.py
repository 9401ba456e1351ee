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
    answer = await _answer(ready)
    match ready.kind:
        case "tcp" | "alive":
            return answer is not None
        case "http":
            return answer is not None and answer.split()[1:2] == [b"200"]
        case "postgres":
            return answer is not None and answer.startswith(_AUTHENTICATION)


async def answers_at_all(ready: Readiness) -> bool:
    """Say whether the part answers that question, whatever it says: "not ready", for one."""
    answer = await _answer(ready)
    return answer is not None and (ready.kind == "tcp" or answer != b"")


async def _answer(ready: Readiness) -> bytes | None:
    """Ask once; return how the answer begins, None when there was no connection or no answer."""
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(ready.host, ready.port)
            try:
                return await _ask(ready, reader, writer)
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return None


async def _ask(
    ready: Readiness, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bytes:
    match ready.kind:
        case "tcp" | "alive":
            return b""  # that it accepts is all there is to know
        case "http":
            head = f"GET {ready.path} HTTP/1.1\r\nHost: {ready.host}:{ready.port}\r\n"
            writer.write(f"{head}Connection: close\r\n\r\n".encode("ascii"))
            return await reader.readline()
        case "postgres":
            writer.write(postgres_startup(user="readiness", database="postgres"))
            return await reader.read(1)


def postgres_startup(*, user: str, database: str) -> bytes:
    """Build a StartupMessage of protocol 3.0; a server that serves asks to authenticate.

    Source: PostgreSQL documentation, "Message Formats".
    """
    names = b"user\0" + user.encode() + b"\0database\0" + database.encode() + b"\0\0"
    return struct.pack(">II", len(names) + 8, _PROTOCOL_3) + names
