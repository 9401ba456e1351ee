"""The outbox and its dead letters in PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import cast

from sanctum.backing.database import Database, Row, Transaction
from sanctum.pipeline.metrics import SINK
from sanctum.pipeline.stream import Message

BATCH_BYTES_MAX = 4 << 20
REASON_LENGTH_MAX = 200
FAILED_ROWS_MAX = 10_000
MOVED_ROWS_MAX = 1000
# A dispatcher that is stopped in the middle of its turn must not keep the others from theirs.
STUCK_AFTER = "10s"
_TURN_KEY = 0x53_41_4E_43_01
_TAKE_TURN = f"""
    SELECT pg_try_advisory_xact_lock({_TURN_KEY}),
        set_config('idle_in_transaction_session_timeout', '{STUCK_AFTER}', true)
"""
_WAITING = f"""
    SELECT id, conversation_id, number, author_id, client_id, payload,
        extract(epoch FROM created_at)::float8, extract(epoch FROM now() - created_at)::float8
    FROM (
        SELECT *, sum(octet_length(payload)) OVER (ORDER BY id) - octet_length(payload) AS before
        FROM (
            SELECT * FROM outbox WHERE dispatched_at IS NULL ORDER BY id LIMIT $1
        ) waiting
    ) measured
    WHERE before < {BATCH_BYTES_MAX} ORDER BY id
"""  # noqa: S608
# A row that the consumer is just taking away needs no mark: waiting for it could end in a deadlock.
_MARK = """
    UPDATE outbox o SET dispatched_at = now(), entry = relayed.entry
    FROM unnest($1::bigint[], $2::text[]) AS relayed (id, entry)
    WHERE o.id = relayed.id AND o.id IN (
        SELECT id FROM outbox WHERE id = ANY($1) FOR UPDATE SKIP LOCKED
    )
"""
_UNMARK = """
    UPDATE outbox SET dispatched_at = NULL, entry = NULL, attempts = 0
    WHERE id IN (SELECT id FROM outbox WHERE id = ANY($1) FOR UPDATE SKIP LOCKED)
    RETURNING id
"""
_UNMARK_ALL = """
    UPDATE outbox SET dispatched_at = NULL, entry = NULL, attempts = 0
    WHERE id IN (SELECT id FROM outbox WHERE dispatched_at IS NOT NULL FOR UPDATE SKIP LOCKED)
    RETURNING id
"""
_DISPATCHED = """
    SELECT id, entry FROM outbox
    WHERE dispatched_at < now() - $1 * interval '1 second' ORDER BY id LIMIT $2
"""
_COUNT_ATTEMPT = f"""
    UPDATE outbox SET attempts = attempts + 1
    WHERE id IN (
        SELECT id FROM outbox WHERE dispatched_at IS NULL
        ORDER BY id LIMIT {FAILED_ROWS_MAX} FOR UPDATE SKIP LOCKED
    )
"""  # noqa: S608
_SET_ASIDE = f"""
    WITH dead AS (
        DELETE FROM outbox
        WHERE id IN (
            SELECT id FROM outbox WHERE dispatched_at IS NULL AND attempts >= $1
            ORDER BY id LIMIT {MOVED_ROWS_MAX} FOR UPDATE SKIP LOCKED
        )
        RETURNING *
    )
    INSERT INTO outbox_dead
        (id, conversation_id, number, author_id, client_id, payload, created_at, sink, reason)
    SELECT id, conversation_id, number, author_id, client_id, payload, created_at, $2, $3 FROM dead
    RETURNING id
"""  # noqa: S608
REPLAY = f"""
    WITH revived AS (
        DELETE FROM outbox_dead
        WHERE id IN (SELECT id FROM outbox_dead ORDER BY id LIMIT {MOVED_ROWS_MAX})
        RETURNING *
    )
    INSERT INTO outbox
        (id, conversation_id, number, author_id, client_id, payload, created_at)
    OVERRIDING SYSTEM VALUE
    SELECT id, conversation_id, number, author_id, client_id, payload, created_at FROM revived
    RETURNING id
"""  # noqa: S608
_DROP_DEAD = "DELETE FROM outbox_dead RETURNING id"
_DROP_WAITING = "DELETE FROM outbox WHERE dispatched_at IS NULL RETURNING id"
_WAITS = """
    SELECT EXISTS (SELECT FROM outbox WHERE dispatched_at IS NULL)
        OR EXISTS (SELECT FROM outbox_dead)
"""
_DISPATCH_LAG = """
    SELECT coalesce(max(extract(epoch FROM now() - oldest.created_at)), 0)::float8
    FROM (
        (SELECT created_at FROM outbox WHERE dispatched_at IS NULL ORDER BY id LIMIT 1)
        UNION ALL
        (SELECT created_at FROM outbox_dead ORDER BY id LIMIT 1)
    ) oldest
"""
_CONSUMER_LAG = """
    SELECT coalesce(max(extract(epoch FROM now() - oldest.created_at)), 0)::float8
    FROM (
        SELECT created_at FROM outbox WHERE dispatched_at IS NOT NULL ORDER BY id LIMIT 1
    ) oldest
"""


class Waiting:
    """Hold one row of the outbox that is to be relayed."""

    __slots__ = ("age_s", "id", "message")

    def __init__(self, row: Row) -> None:
        self.id = cast(int, row[0])
        self.age_s = cast(float, row[7])
        self.message = Message(
            conversation=cast(int, row[1]),
            number=cast(int, row[2]),
            author=cast(int, row[3]),
            id=cast(str, row[4]),
            payload=cast(bytes, row[5]),
            created=cast(float, row[6]),
        )


class Turn:
    """Work on the outbox within one transaction, while no other dispatcher does."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def waiting(self, count: int) -> list[Waiting]:
        """Read the oldest rows that are not relayed: some, and some megabytes, at most."""
        return [Waiting(row) for row in await self._transaction.fetch(_WAITING, count)]

    async def mark(self, ids: Sequence[int], entries: Sequence[str]) -> None:
        """Note where in the stream rows were relayed to."""
        await self._transaction.fetch(_MARK, ids, entries)

    async def unmark(self, ids: Sequence[int]) -> int:
        """Let rows be relayed again; return how many."""
        return len(await self._transaction.fetch(_UNMARK, ids))

    async def unmark_all(self) -> int:
        """Let everything be relayed again that was not delivered; return how many."""
        return len(await self._transaction.fetch(_UNMARK_ALL))

    async def dispatched(self, older_than_s: float, count: int) -> list[tuple[int, str]]:
        """List the oldest relayed and undelivered rows, by id and entry."""
        rows = await self._transaction.fetch(_DISPATCHED, older_than_s, count)
        return [(cast(int, row[0]), cast(str, row[1])) for row in rows]

    async def fail(self, reason: str, attempts_max: int) -> int:
        """Count a vain attempt for what waits; set aside what had enough, and return how many."""
        await self._transaction.fetch(_COUNT_ATTEMPT)
        reason = reason[:REASON_LENGTH_MAX]
        return len(await self._transaction.fetch(_SET_ASIDE, attempts_max, SINK, reason))

    async def replay(self) -> int:
        """Put the oldest dead letters back; return how many."""
        return len(await self._transaction.fetch(REPLAY))

    async def drop_dead(self) -> None:
        """Throw dead letters away."""
        await self._transaction.fetch(_DROP_DEAD)

    async def drop_waiting(self) -> None:
        """Throw away what was not relayed."""
        await self._transaction.fetch(_DROP_WAITING)


class Outbox:
    """Give dispatchers their turns, one at a time; every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Turn | None]:
        """Begin a turn that is committed at its end; None while another dispatcher has its own."""
        async with self._database.transaction("dispatch") as transaction:
            row = await transaction.fetch_one(_TAKE_TURN)
            assert row is not None, "a call of a function is always one row"
            yield Turn(transaction) if row[0] else None

    async def waits(self) -> bool:
        """Tell whether anything is to be relayed; cheaper than a turn that finds nothing."""
        row = await self._database.fetch_one("outbox_waits", _WAITS)
        assert row is not None, "an expression is always one row"
        return bool(row[0])

    async def dispatch_lag_s(self) -> float:
        """Give the age of the oldest message that was not relayed, 0 when there is none."""
        return await self._age("dispatch_lag", _DISPATCH_LAG)

    async def consumer_lag_s(self) -> float:
        """Give the age of the oldest message that was relayed and not delivered, or 0."""
        return await self._age("consumer_lag", _CONSUMER_LAG)

    async def _age(self, operation: str, sql: str) -> float:
        row = await self._database.fetch_one(operation, sql)
        assert row is not None, "an aggregate is always one row"
        return cast(float, row[0])
