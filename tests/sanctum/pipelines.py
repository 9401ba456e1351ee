"""Conversations for tests of the pipeline: stored as the api does, looked at where they arrive."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, Self

import asyncpg  # type: ignore[import-untyped]
from tests.sanctum.clients import Api
from tests.sanctum.servers import DEADLINE_S, Postgres

from sanctum.backing.cache import Cache
from sanctum.backing.errors import CacheUnavailable

DELIVERED = "messaging_consumer_delivered_total"
DEAD = 'messaging_dispatch_dlq_total{sink="redis"}'
RECLAIMED = "messaging_consumer_pel_reclaimed_total"
PEL = "messaging_consumer_pel_size"
# A dead consumer, a vanished entry and an absent cache are known sooner than in production.
QUICK = {
    "SANCTUM_DISPATCH_RETRY_S": "0.05",
    "SANCTUM_DISPATCH_VANISHED_AFTER_S": "0.5",
    "SANCTUM_RECLAIM_INTERVAL_S": "0.2",
    "SANCTUM_RECLAIM_IDLE_S": "0.5",
}

_MAKE = """
    WITH made AS (
        INSERT INTO conversations (kind, title, created_by) VALUES ('group', 'talk', $1)
        RETURNING id
    ), taking AS (
        INSERT INTO participants (conversation_id, user_id)
        SELECT made.id, people.id FROM made, unnest($2::bigint[]) AS people (id)
    )
    SELECT id FROM made
"""
_STORE = """
    WITH numbered AS (
        UPDATE conversations SET last_number = last_number + 1 WHERE id = $1 RETURNING last_number
    ), stored AS (
        INSERT INTO conversation_messages (conversation_id, number, author_id, client_id, payload)
        SELECT $1, last_number, $2, $3, $4 FROM numbered
        RETURNING *
    )
    INSERT INTO outbox (conversation_id, number, author_id, client_id, payload)
    SELECT conversation_id, number, author_id, client_id, payload FROM stored
"""
_LEFT = "SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM outbox_dead)"
_ENTRIES = """
    SELECT user_id, number, conversation_id, message_number, body FROM inbox_entries
    ORDER BY user_id, number
"""
_EXPECTED = """
    SELECT p.user_id, m.conversation_id, m.number
    FROM conversation_messages m JOIN participants p
    ON p.conversation_id = m.conversation_id AND p.joined_number < m.number
    ORDER BY 1, 2, 3
"""
_UNREAD = """
    SELECT p.user_id, p.conversation_id, p.unread,
        (SELECT count(*) FROM conversation_messages m WHERE m.conversation_id = p.conversation_id
            AND m.number > p.joined_number AND m.author_id <> p.user_id)
    FROM participants p
"""


async def until_value(
    ask: Callable[[], Awaitable[float]], accept: Callable[[float], bool]
) -> float:
    """Ask for a value until it is accepted; return it."""
    end = monotonic() + DEADLINE_S
    while not accept(value := await ask()):
        assert monotonic() < end, f"timed out at {value}"
        await asyncio.sleep(0.02)
    return value


async def until_metric(api: Api, name: str, accept: Callable[[float], bool]) -> float:
    """Read a metric until its value is accepted; return it."""
    return await until_value(lambda: api.metric(name), accept)


async def until_healthy(cache: Cache) -> None:
    """Probe a cache until it answers."""
    async with asyncio.timeout(DEADLINE_S):
        while not cache.healthy:
            with contextlib.suppress(CacheUnavailable):
                await cache.probe()
            await asyncio.sleep(0.02)


class Talks:
    """Store messages, and find out what became of them."""

    def __init__(self, postgres: Postgres, database: str) -> None:
        self._url = postgres.url(database)
        self._pool: asyncpg.Pool | None = None
        self._made = 0

    async def __aenter__(self) -> Self:
        self._pool = await asyncpg.create_pool(self._url, min_size=0, max_size=4)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._pool is not None
        await self._pool.close()

    @property
    def pool(self) -> asyncpg.Pool:
        """Give the connections, as the owner of the tables."""
        assert self._pool is not None
        return self._pool

    async def make(self, *people: int) -> int:
        """Make a conversation of some users; its id."""
        made: int = await self.pool.fetchval(_MAKE, people[0], people)
        return made

    async def say(self, conversation: int, author: int, payload: str = "hello") -> None:
        """Store a message and its row of the outbox in one transaction."""
        self._made += 1
        name = f"client-{self._made}"
        await self.pool.execute(_STORE, conversation, author, name, payload.encode())

    async def say_many(self, conversation: int, author: int, count: int) -> None:
        """Store messages one after the other."""
        for i in range(count):
            await self.say(conversation, author, f"message {i}")

    def entry(self, conversation: int, number: int) -> dict[Any, Any]:
        """Make up the stream entry of a message, as the dispatcher would relay it."""
        return {
            "conversation": conversation,
            "number": number,
            "author": 1,
            "id": f"client-{number}",
            "payload": "hello",
            "created": "1.5",
        }

    async def left(self) -> int:
        """Count the rows of the outbox and of the dead letters."""
        left: int = await self.pool.fetchval(_LEFT)
        return left

    async def all_delivered(self, deadline_s: float = DEADLINE_S) -> None:
        """Wait until nothing is on its way."""
        end = monotonic() + deadline_s
        while left := await self.left():
            assert monotonic() < end, f"timed out: {left} messages are not delivered"
            await asyncio.sleep(0.02)

    async def delivered(self) -> dict[int, list[tuple[int, int]]]:
        """List each user's inbox in its order, as pairs of conversation and message number.

        Its numbers and frames are checked in passing.
        """
        inboxes: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for user, number, conversation, message, body in await self.pool.fetch(_ENTRIES):
            frame: dict[str, Any] = json.loads(body)
            inboxes[user].append((frame["conversation"], frame["message"]))
            assert number == len(inboxes[user]), "an inbox has a gap"
            assert (conversation, message) in (inboxes[user][-1], (None, None))
        return inboxes

    async def reconcile(self) -> int:
        """Check that every inbox holds what it must, once and in order; count the entries."""
        expected: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for user, conversation, number in await self.pool.fetch(_EXPECTED):
            expected[user].append((conversation, number))
        delivered = await self.delivered()
        assert {user: sorted(found) for user, found in delivered.items()} == dict(expected)
        for found in delivered.values():
            numbers: dict[int, int] = {}
            for conversation, number in found:
                assert number > numbers.get(conversation, 0), "messages arrived out of order"
                numbers[conversation] = number
        for user, conversation, unread, counted in await self.pool.fetch(_UNREAD):
            assert unread == counted, f"unread of {user} in {conversation}"
        return sum(map(len, delivered.values()))
