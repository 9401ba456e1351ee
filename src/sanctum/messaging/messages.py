"""Messages in PostgreSQL: posted with their outbox row, read and marked as read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

import msgspec

from sanctum.backing.database import Database, Row
from sanctum.defects import Defects
from sanctum.gateway.answers import Refusal
from sanctum.messaging.access import Access, Hidden

PAGE_BYTES_MAX = 1024 * 1024
# One statement under the lock on the conversation's row: numbers have no gaps and commit in order,
# and a message that is there has its outbox row.
_POST = """
    WITH conversation AS (
        UPDATE conversations SET last_number = last_number + 1, updated_at = now()
        WHERE id = $1 RETURNING last_number
    ), message AS (
        INSERT INTO conversation_messages (conversation_id, number, author_id, client_id, payload)
        SELECT $1, last_number, $2, $3, $4 FROM conversation
        ON CONFLICT (author_id, client_id) DO NOTHING
        RETURNING number, created_at
    ), queued AS (
        INSERT INTO outbox (conversation_id, number, author_id, client_id, payload, created_at)
        SELECT $1, number, $2, $3, $4, created_at FROM message
    )
    SELECT (SELECT last_number FROM conversation), (SELECT number FROM message)
"""
# Past row-level security: whoever was removed and takes part again sees nothing from before.
_POSTED_BEFORE = "SELECT conversation_id, number, payload FROM posted_before($1)"
# A page ends where its payloads would pass the bound; its first message is always there.
_BEFORE = f"""
    SELECT number, author_id, client_id, payload, created_at, joined_number FROM (
        SELECT *, sum(octet_length(payload)) OVER (ORDER BY number DESC) AS bytes FROM (
            SELECT m.*, p.joined_number
            FROM participants p JOIN conversation_messages m USING (conversation_id)
            WHERE p.conversation_id = $1 AND p.user_id = $2 AND m.number < $3
            ORDER BY m.number DESC LIMIT $4
        ) newest
    ) page
    WHERE bytes <= {PAGE_BYTES_MAX} OR bytes = octet_length(payload)
    ORDER BY number DESC
"""  # noqa: S608 - only constants are interpolated
_LOCK_MARKS = """
    SELECT p.read_number, c.last_number
    FROM participants p JOIN conversations c ON c.id = p.conversation_id
    WHERE p.conversation_id = $1 AND p.user_id = $2
    FOR UPDATE OF p
"""
# Counted anew, in a statement after the lock: what arrives at the same time either was committed
# before the lock was had and is counted here, or waits for it and finds the new mark. A message has
# arrived when its row of the outbox is gone; entries of inboxes are not kept for ever.
_MARK_READ = """
    UPDATE participants SET read_number = $3, unread = $4 + (
        SELECT count(*) FROM conversation_messages m
        WHERE m.conversation_id = $1 AND m.number > greatest($3, joined_number)
        AND m.author_id <> $2
        AND NOT EXISTS (
            SELECT FROM outbox o WHERE o.conversation_id = $1 AND o.number = m.number
        )
        AND NOT EXISTS (
            SELECT FROM outbox_dead d WHERE d.conversation_id = $1 AND d.number = m.number
        )
    )
    WHERE conversation_id = $1 AND user_id = $2
    RETURNING read_number, unread
"""
_TAKES_PART = "SELECT 1 FROM participants WHERE conversation_id = $1 AND user_id = $2"
_UNREAD = "SELECT coalesce(sum(unread), 0)::bigint FROM participants WHERE user_id = $1"


class Posted(msgspec.Struct, frozen=True):
    """Acknowledge a message: its place, and the id that its author gave it."""

    conversation: int
    number: int
    id: str


class Message(msgspec.Struct, frozen=True, rename={"author": "from"}):
    """Hold a message as the participants see it."""

    number: int
    author: int
    id: str
    payload: str
    created_at: datetime


class Marks(msgspec.Struct, frozen=True):
    """Hold how far a participant has read, and how much of others arrived after that."""

    conversation: int
    read_number: int
    unread: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Hold an acknowledged message, and whether it was stored just now."""

    posted: Posted
    fresh: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Hold some messages, newest first, and the number before which the next page begins."""

    messages: Sequence[Message]
    next: int | None


class _NotStored(Exception):
    """Roll back: the author has posted something under this id before."""


class MessageStorage:
    """Keep messages; every method raises DatabaseUnavailable, and Refusal where it says so."""

    def __init__(self, database: Database, access: Access, defects: Defects) -> None:
        self._database = database
        self._access = access
        self._defects = defects

    async def post(self, conversation: int, author: int, client_id: str, payload: bytes) -> Receipt:
        """Store a message and its outbox row together, once however often it is posted.

        Raises:
            Refusal: 403, 404 when the author takes no part or there is no such conversation; 409
                when the author has posted another message under this id.
        """
        stored = self._defects.stored_payload(payload)
        arguments = (conversation, author, client_id, stored)
        try:
            async with self._access.on_behalf("post_message", author, conversation) as t:
                row = await t.fetch_one(_POST, *arguments)
                if row is None or row[0] is None:
                    raise Hidden
                # Read after the lock: who was removed while waiting for it posts nothing any more.
                if await t.fetch_one(_TAKES_PART, conversation, author) is None:
                    raise Hidden
                if row[1] is None:
                    raise _NotStored
        except _NotStored:
            number = await self._posted_before(*arguments)
        else:
            number = cast(int, row[1])
            return Receipt(posted=Posted(conversation, number, client_id), fresh=True)
        return Receipt(posted=Posted(conversation, number, client_id), fresh=False)

    async def _posted_before(
        self, conversation: int, author: int, client_id: str, payload: bytes
    ) -> int:
        async with self._database.transaction("posted_before", author) as t:
            row = await t.fetch_one(_POSTED_BEFORE, client_id)
        if row is None or row[0] != conversation or row[2] != payload:
            raise Refusal(409, "id_taken", f"id: you have posted another message as {client_id}")
        return cast(int, row[1])

    async def before(self, conversation: int, reader: int, number: int, limit: int) -> Page:
        """List messages with a smaller number that came after the reader, newest first.

        A page has at most `limit` messages and, beyond its first, `PAGE_BYTES_MAX` of payload.

        Raises:
            Refusal: 403, 404 when the reader takes no part or there is no such conversation.
        """
        async with self._access.on_behalf("list_messages", reader, conversation) as t:
            rows = await t.fetch(_BEFORE, conversation, reader, number, limit)
            if not rows and await t.fetch_one(_TAKES_PART, conversation, reader) is None:
                raise Hidden
        messages = [_message(row) for row in rows]
        # Numbers have no gaps, so there are more unless this is the first that the reader sees.
        more = bool(messages) and messages[-1].number > cast(int, rows[-1][5]) + 1
        return Page(messages=messages, next=messages[-1].number if more else None)

    async def mark_read(self, conversation: int, reader: int, number: int) -> Marks:
        """Note that a participant has read up to a number; a smaller one changes nothing.

        Raises:
            Refusal: 403, 404 when the reader takes no part or there is no such conversation; 422
                when there is no such message yet.
        """
        async with self._access.on_behalf("mark_read", reader, conversation) as t:
            marks = await t.fetch_one(_LOCK_MARKS, conversation, reader)
            if marks is None:
                raise Hidden
            read, last = cast(int, marks[0]), cast(int, marks[1])
            if number > last:
                raise Refusal(422, "invalid_body", f"number: the last message is number {last}")
            left_over = self._defects.unread_left_over()
            arguments = (conversation, reader, max(read, number), left_over)
            row = await t.fetch_one(_MARK_READ, *arguments)
        assert row is not None, "the row is locked"
        return Marks(conversation, cast(int, row[0]), cast(int, row[1]))

    async def unread(self, reader: int) -> int:
        """Count what a reader has not read, over all conversations."""
        row = await self._database.fetch_one("unread_messages", _UNREAD, reader)
        assert row is not None, "a sum is always one row"
        return cast(int, row[0])


def _message(row: Row) -> Message:
    payload = cast(bytes, row[3]).decode()
    return Message(
        number=cast(int, row[0]),
        author=cast(int, row[1]),
        id=cast(str, row[2]),
        payload=payload,
        created_at=cast(datetime, row[4]),
    )
