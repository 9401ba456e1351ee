"""Write messages into the inboxes of all who take part, in one statement."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import msgspec

from sanctum.backing.database import Database, Row
from sanctum.backing.errors import DatabaseUnavailable
from sanctum.pipeline.stream import Message

MOVED_TRIES_MAX = 5
MOVED_PAUSE_S = 0.05
# Inboxes are locked in the order of their users, so that two consumers, or a consumer and a
# notification, never wait for each other. A row that somebody moves between the outbox and the dead
# letters meanwhile is taken from neither, and told as moved. $5: whether a message waits for the
# earlier ones of its conversation; $6: whether it is delivered without its row. What was marked as
# read before it arrived is not unread, nor what is marked while this waits for the participant's
# row.
_DELIVER = """
    WITH wanted AS (
        SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[])
            AS wanted (conversation_id, number, author_id, body)
    ), until AS (
        SELECT conversation_id, max(number) AS number FROM wanted GROUP BY conversation_id
    ), missing AS (
        SELECT undelivered.conversation_id, min(undelivered.number) AS number
        FROM (
            SELECT o.conversation_id, o.number FROM outbox o JOIN until u
            ON o.conversation_id = u.conversation_id AND o.number < u.number
            UNION ALL
            SELECT d.conversation_id, d.number FROM outbox_dead d JOIN until u
            ON d.conversation_id = u.conversation_id AND d.number < u.number
        ) undelivered
        WHERE $5 AND NOT EXISTS (
            SELECT FROM wanted w WHERE w.conversation_id = undelivered.conversation_id
            AND w.number = undelivered.number
        )
        GROUP BY undelivered.conversation_id
    ), early AS (
        SELECT w.conversation_id, w.number FROM wanted w JOIN missing m
        ON w.conversation_id = m.conversation_id AND w.number > m.number
    ), taken AS (
        DELETE FROM outbox o USING wanted w
        WHERE o.conversation_id = w.conversation_id AND o.number = w.number
        AND NOT EXISTS (
            SELECT FROM early e
            WHERE e.conversation_id = o.conversation_id AND e.number = o.number
        )
        RETURNING o.conversation_id, o.number
    ), taken_dead AS (
        DELETE FROM outbox_dead d USING wanted w
        WHERE d.conversation_id = w.conversation_id AND d.number = w.number
        AND NOT EXISTS (
            SELECT FROM early e
            WHERE e.conversation_id = d.conversation_id AND e.number = d.number
        )
        RETURNING d.conversation_id, d.number
    ), due AS (
        SELECT w.* FROM wanted w JOIN (
            SELECT * FROM taken UNION ALL SELECT * FROM taken_dead
            UNION ALL SELECT conversation_id, number FROM wanted WHERE $6
        ) t ON w.conversation_id = t.conversation_id AND w.number = t.number
    ), arrivals AS (
        SELECT p.user_id, d.conversation_id, d.number, d.author_id, d.body,
            row_number() OVER (PARTITION BY p.user_id ORDER BY d.conversation_id, d.number) AS nth,
            count(*) OVER (PARTITION BY p.user_id) AS total
        FROM due d JOIN participants p
        ON p.conversation_id = d.conversation_id AND p.joined_number < d.number
    ), counted AS (
        INSERT INTO inboxes AS i (user_id, last_number)
        SELECT user_id, count(*) FROM arrivals GROUP BY user_id ORDER BY user_id
        ON CONFLICT (user_id) DO UPDATE SET last_number = i.last_number + EXCLUDED.last_number
        RETURNING user_id, last_number
    ), stored AS (
        INSERT INTO inbox_entries
            (user_id, number, kind, conversation_id, message_number, body)
        SELECT a.user_id, c.last_number - a.total + a.nth, 'message',
            a.conversation_id, a.number, a.body
        FROM arrivals a JOIN counted c ON c.user_id = a.user_id
        RETURNING user_id, number, conversation_id, message_number
    ), raised AS (
        UPDATE participants p SET unread = p.unread + (
            SELECT count(*) FROM unnest(more.numbers) AS number WHERE number > p.read_number
        )
        FROM (
            SELECT conversation_id, user_id, array_agg(number) AS numbers FROM arrivals
            WHERE user_id <> author_id GROUP BY conversation_id, user_id
        ) more
        WHERE p.conversation_id = more.conversation_id AND p.user_id = more.user_id
    )
    SELECT 'stored', conversation_id, message_number, user_id, number FROM stored
    UNION ALL SELECT 'moved', w.conversation_id, w.number, 0, 0 FROM wanted w JOIN (
        SELECT conversation_id, number FROM outbox UNION ALL
        SELECT conversation_id, number FROM outbox_dead
    ) undelivered USING (conversation_id, number)
    WHERE NOT EXISTS (
        SELECT FROM due d WHERE d.conversation_id = w.conversation_id AND d.number = w.number
    ) AND NOT EXISTS (
        SELECT FROM early e WHERE e.conversation_id = w.conversation_id AND e.number = w.number
    )
    UNION ALL SELECT 'due', conversation_id, number, 0, 0 FROM due
    UNION ALL SELECT 'early', conversation_id, number, 0, 0 FROM early
"""
_TAKE = """
    DELETE FROM outbox o
    USING unnest($1::bigint[], $2::bigint[]) AS wanted (conversation_id, number)
    WHERE o.conversation_id = wanted.conversation_id AND o.number = wanted.number
"""
_REPEAT = """
    WITH again AS (
        SELECT e.user_id, e.body,
            row_number() OVER (PARTITION BY e.user_id ORDER BY e.number) AS nth,
            count(*) OVER (PARTITION BY e.user_id) AS total
        FROM inbox_entries e JOIN unnest($1::bigint[], $2::bigint[]) AS w (conversation_id, number)
        ON e.conversation_id = w.conversation_id AND e.message_number = w.number
    ), counted AS (
        UPDATE inboxes i SET last_number = last_number + a.total
        FROM (SELECT DISTINCT user_id, total FROM again) a WHERE i.user_id = a.user_id
        RETURNING i.user_id, i.last_number
    )
    INSERT INTO inbox_entries (user_id, number, kind, body)
    SELECT a.user_id, c.last_number - a.total + a.nth, 'message', a.body
    FROM again a JOIN counted c ON c.user_id = a.user_id
"""

Key = tuple[int, int]


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """Hold what is the same for every inbox that a message arrives in."""

    kind: str = "message"
    conversation: int
    message: int
    id: str
    from_: int = msgspec.field(name="from")
    payload: str
    created: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Say that a message is now entry `number` of a user's inbox."""

    user: int
    number: int
    message: Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Say what became of messages: each is named by its conversation and number.

    Attributes:
        arrivals: the new entries, in the order of each inbox.
        delivered: what was delivered now, if only to nobody.
        early: what waits for an earlier message of its conversation.
    """

    arrivals: Sequence[Arrival]
    delivered: frozenset[Key]
    early: frozenset[Key]


class _Moved(Exception):
    """Roll back: a message was being set aside or put back, and later ones must wait for it."""


class Inboxes:
    """Deliver messages; every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def deliver(
        self, bodies: dict[Key, tuple[int, bytes]], *, in_order: bool = True, taken: bool = False
    ) -> Outcome:
        """Deliver messages that still have their row in the outbox; the others were delivered.

        Args:
            bodies: author and encoded body of each message, by its conversation and number.
            in_order: let a message wait for the earlier ones of its conversation.
            taken: deliver without asking for the rows.
        """
        arguments = (
            [conversation for conversation, _ in bodies],
            [number for _, number in bodies],
            [author for author, _ in bodies.values()],
            [body for _, body in bodies.values()],
            in_order,
            taken,
        )
        for _ in range(MOVED_TRIES_MAX):
            try:
                return _outcome(await self._deliver(arguments))
            except _Moved:
                await asyncio.sleep(MOVED_PAUSE_S)
        raise DatabaseUnavailable("deliver: rows are moved again and again")

    async def _deliver(self, arguments: Sequence[object]) -> Sequence[Row]:
        async with self._database.transaction("deliver") as transaction:
            rows = await transaction.fetch(_DELIVER, *arguments)
            if any(row[0] == "moved" for row in rows):
                raise _Moved
        return rows

    async def take(self, messages: Sequence[Key]) -> None:
        """Take the rows of messages away that are not delivered yet."""
        await self._database.fetch("take", _TAKE, *_columns(messages))

    async def repeat(self, messages: Sequence[Key]) -> None:
        """Deliver once more what was delivered."""
        await self._database.fetch("repeat", _REPEAT, *_columns(messages))


def _outcome(rows: Sequence[Row]) -> Outcome:
    stored = [_arrival(row) for row in rows if row[0] == "stored"]
    return Outcome(
        arrivals=sorted(stored, key=lambda arrival: arrival.number),
        delivered=frozenset(_key(row) for row in rows if row[0] == "due"),
        early=frozenset(_key(row) for row in rows if row[0] == "early"),
    )


def encode_body(message: Message) -> bytes:
    """Encode what an inbox keeps of a message; a payload that is no text is made one."""
    return msgspec.json.encode(
        Body(
            conversation=message.conversation,
            message=message.number,
            id=message.id,
            from_=message.author,
            payload=message.payload.decode(errors="replace"),
            created=message.created,
        )
    )


def _columns(messages: Sequence[Key]) -> tuple[list[int], list[int]]:
    return [conversation for conversation, _ in messages], [number for _, number in messages]


def _key(row: Row) -> Key:
    return cast(int, row[1]), cast(int, row[2])


def _arrival(row: Row) -> Arrival:
    return Arrival(user=cast(int, row[3]), number=cast(int, row[4]), message=_key(row))
