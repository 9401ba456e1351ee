"""The stream in the cache: appended to by the dispatcher, read by a group of consumers."""

from __future__ import annotations

import math
import secrets
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec
from valkey.asyncio import Valkey
from valkey.exceptions import ResponseError

from sanctum.backing.cache import Cache
from sanctum.inbox.frames import TOPIC as INBOX_TOPIC

STREAM = "sanctum:messages"
GROUP = "sanctum"
TOPIC = INBOX_TOPIC
PUBLISHED_BYTES_MAX = 1 << 20
NUMBER_MAX = 2**63 - 1
OVER = b"0-0"
# Valkey has no command that removes a consumer only if it holds nothing.
_FORGET_IDLE = """
    for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
        if info[4] == 0 and info[6] > tonumber(ARGV[2]) then
            redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], info[2])
        end
    end
"""

Place = tuple[int, int]
Fields = dict[bytes, bytes]


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Hold a message on its way: `created` in seconds since the epoch."""

    conversation: int
    number: int
    author: int
    id: str
    payload: bytes
    created: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Hold one entry of the stream; `message` is None where it cannot be read as one."""

    id: bytes
    message: Message | None


class GroupMissing(Exception):
    """Say that the stream or its group is not there: the cache is new or came back empty."""


class Stream:
    """Use the stream under a consumer's name; every method raises CacheUnavailable."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self.consumer = f"{socket.gethostname()}-{secrets.token_hex(6)}"

    async def append(self, messages: Iterable[Message]) -> tuple[list[str], int]:
        """Append messages in order, in one round trip.

        Returns:
            the ids of the entries, and how many entries the stream then holds.

        Raises:
            GroupMissing: when there is no stream; then nothing was appended.
        """

        async def append(client: Valkey) -> list[Any]:
            pipeline = client.pipeline(transaction=True)
            for message in messages:
                # A stream that is made in passing would hide that its former entries are lost.
                pipeline.xadd(STREAM, _fields(message), nomkstream=True)
            pipeline.xlen(STREAM)
            return cast(list[Any], await pipeline.execute())

        *ids, length = await self._cache.use("xadd", append)
        if None in ids:
            raise GroupMissing(STREAM)
        return [entry.decode() for entry in ids], length

    async def make(self) -> None:
        """Make the stream and its group where they are missing."""

        async def make(client: Valkey) -> None:
            try:
                await client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
            except ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise

        await self._cache.use("xgroup", make)

    async def exists(self) -> bool:
        """Tell whether there is a stream, if only an empty one."""
        return bool(await self._cache.use("exists", lambda client: client.exists(STREAM)))

    async def oldest(self) -> str | None:
        """Give the id of the oldest entry, None when there is none."""
        found = await self._cache.use("xrange", lambda client: client.xrange(STREAM, count=1))
        return found[0][0].decode() if found else None

    async def fresh(self, count: int, block_ms: int) -> list[Entry]:
        """Read entries that no consumer has read, or none after waiting; raises GroupMissing."""
        return await self._read(b">", count, block_ms)

    async def pending(self, after: bytes, count: int) -> list[Entry]:
        """Read this consumer's own entries after an id that are not acknowledged.

        Raises:
            GroupMissing: when the stream or the group is not there.
        """
        return await self._read(after, count, None)

    async def _read(self, after: bytes, count: int, block_ms: int | None) -> list[Entry]:
        async def read(client: Valkey) -> list[Any] | None:
            try:
                answer = await client.xreadgroup(
                    GROUP, self.consumer, {STREAM: after}, count=count, block=block_ms
                )
            except ResponseError as error:
                _pass_if_missing(error)
                return None
            return cast(list[Any], answer)

        answer = await self._cache.use("xreadgroup", read)
        if answer is None:
            raise GroupMissing(STREAM)
        return [_entry(*raw) for _, found in answer for raw in found]

    async def reclaim(
        self, idle_ms: int, count: int, start: bytes
    ) -> tuple[list[Entry], bytes | None]:
        """Take over entries on which nobody worked for some milliseconds; raises GroupMissing.

        Only so many pending ones are looked at, and those that somebody works on count too.

        Args:
            idle_ms: for how long nobody did.
            count: how many to take over at most.
            start: the entry to begin with.

        Returns:
            the entries, and where to go on; None when all were looked at.
        """

        async def claim(client: Valkey) -> list[Any] | None:
            try:
                answer = await client.xautoclaim(
                    STREAM, GROUP, self.consumer, idle_ms, start_id=start, count=count
                )
            except ResponseError as error:
                _pass_if_missing(error)
                return None
            return cast(list[Any], answer)

        answer = await self._cache.use("xautoclaim", claim)
        if answer is None:
            raise GroupMissing(STREAM)
        following = cast(bytes, answer[0])
        entries = [_entry(*raw) for raw in answer[1]]
        return entries, None if following == OVER else following

    async def publish(self, frames: Iterable[bytes]) -> None:
        """Publish frames for open sockets, in bounded round trips."""
        batch: list[bytes] = []
        size = 0
        for frame in frames:
            batch.append(frame)
            size += len(frame)
            if size >= PUBLISHED_BYTES_MAX:
                await self._cache.publish(TOPIC, batch)
                batch, size = [], 0
        if batch:
            await self._cache.publish(TOPIC, batch)

    async def settle(self, ids: Sequence[bytes]) -> None:
        """Acknowledge entries and delete them: what the stream holds is what is left to do."""
        if not ids:
            return

        async def settle(client: Valkey) -> None:
            pipeline = client.pipeline(transaction=True)
            pipeline.xack(STREAM, GROUP, *ids)
            pipeline.xdel(STREAM, *ids)
            await pipeline.execute()

        await self._cache.use("xack", settle)

    async def pending_count(self) -> float:
        """Count the entries that some consumer has read and not acknowledged."""

        async def count(client: Valkey) -> float:
            try:
                return float((await client.xpending(STREAM, GROUP))["pending"])
            except ResponseError as error:
                _pass_if_missing(error)
                return 0.0

        return await self._cache.use("xpending", count)

    async def forget_idle(self, idle_ms: int) -> None:
        """Remove consumers that hold nothing and were not heard of for some milliseconds."""

        async def forget(client: Valkey) -> None:
            try:
                await client.execute_command("EVAL", _FORGET_IDLE, 1, STREAM, GROUP, idle_ms)  # type: ignore[no-untyped-call]
            except ResponseError as error:
                _pass_if_missing(error)

        await self._cache.use("delconsumer", forget)


def place_of(entry: str) -> Place:
    """Give an entry's id as numbers that can be compared."""
    milliseconds, _, sequence = entry.partition("-")
    return int(milliseconds), int(sequence)


def _pass_if_missing(error: ResponseError) -> None:
    """Swallow the answer that there is no stream or no group; raise any other."""
    text = str(error)
    if not any(sign in text for sign in ("NOGROUP", "no such key", "requires the key to exist")):
        raise error


def _fields(message: Message) -> dict[Any, Any]:
    return {
        "conversation": message.conversation,
        "number": message.number,
        "author": message.author,
        "id": message.id,
        "payload": message.payload,
        "created": repr(message.created),
    }


def _entry(entry_id: bytes, fields: Fields | None) -> Entry:
    try:
        return Entry(id=entry_id, message=_message(fields or {}))
    except (KeyError, ValueError):  # a decoding error is a ValueError
        return Entry(id=entry_id, message=None)


def _message(fields: Fields) -> Message:
    created = float(fields[b"created"])
    if not math.isfinite(created):
        raise ValueError("no instant")
    return Message(
        conversation=_positive(fields[b"conversation"]),
        number=_positive(fields[b"number"]),
        author=_positive(fields[b"author"]),
        id=fields[b"id"].decode(),
        payload=fields[b"payload"],
        created=created,
    )


def _positive(raw: bytes) -> int:
    """Read a number that the database can hold; raises ValueError."""
    number = int(raw)
    if not 0 < number <= NUMBER_MAX:
        raise ValueError("out of range")
    return number
