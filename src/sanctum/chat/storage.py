"""Channels, memberships and messages in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import cast

from sanctum.backing.database import Database

# One statement is one transaction: the row lock on the channel makes numbers commit in order.
_APPEND = """
    WITH channel AS (
        UPDATE channels SET last_number = last_number + 1
        WHERE id = $1 AND EXISTS (
            SELECT FROM memberships WHERE channel_id = $1 AND user_id = $2
        )
        RETURNING last_number
    )
    INSERT INTO messages (channel_id, number, author_id, client_id, body)
    SELECT $1, channel.last_number, $2, $3, $4 FROM channel
    RETURNING number, ordinal
"""
_AFTER = """
    SELECT number, ordinal, author_id, client_id, body FROM messages
    WHERE channel_id = $1 AND number > $2 ORDER BY number LIMIT $3
"""
_LAST_NUMBERS = "SELECT id, last_number FROM channels WHERE id = ANY($1::bigint[])"
_MEMBERSHIP = "SELECT 1 FROM memberships WHERE channel_id = $1 AND user_id = $2"
_NO_MEMBERS = """
    SELECT * FROM unnest($1::bigint[], $2::bigint[]) AS pairs (channel_id, user_id)
    EXCEPT SELECT channel_id, user_id FROM memberships
    WHERE channel_id = ANY($1::bigint[]) AND user_id = ANY($2::bigint[])
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """Hold the places of a committed message: in its channel, and over all channels."""

    number: int
    ordinal: int


@dataclass(frozen=True, slots=True)
class Stored:
    """Hold one stored message."""

    number: int
    ordinal: int
    author_id: int
    client_id: str
    body: str


class ChatStorage:
    """Store and find messages; every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(
        self, channel: int, author_id: int, client_id: str, body: str
    ) -> Appended | None:
        """Commit a message under the channel's next number; None when its author is no member."""
        row = await self._database.fetch_one(
            "append_message", _APPEND, channel, author_id, client_id, body
        )
        if row is None:
            return None
        return Appended(number=cast(int, row[0]), ordinal=cast(int, row[1]))

    async def after(self, channel: int, number: int, limit: int) -> Sequence[Stored]:
        """List messages of a channel with a larger number, in order."""
        rows = await self._database.fetch("messages_after", _AFTER, channel, number, limit)
        return [Stored(*row) for row in rows]  # type: ignore[misc]

    async def last_numbers(self, channels: Collection[int]) -> dict[int, int]:
        """Give the last number of each existing channel among those asked for."""
        rows = await self._database.fetch("last_numbers", _LAST_NUMBERS, list(channels))
        return {cast(int, row[0]): cast(int, row[1]) for row in rows}

    async def is_member(self, channel: int, user_id: int) -> bool:
        """Tell whether a user belongs to a channel."""
        row = await self._database.fetch_one("membership", _MEMBERSHIP, channel, user_id)
        return row is not None

    async def no_members(self, pairs: Collection[tuple[int, int]]) -> Collection[tuple[int, int]]:
        """List those pairs of a channel and a user who does not belong to it."""
        channels, users = [channel for channel, _ in pairs], [user for _, user in pairs]
        rows = await self._database.fetch("no_members", _NO_MEMBERS, channels, users)
        return {(cast(int, row[0]), cast(int, row[1])) for row in rows}
