"""Inboxes in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import cast

from sanctum.backing.database import Database, Transaction
from sanctum.gateway.members import Page
from sanctum.inbox.frames import entry_frame

PAGE_ENTRIES = 100
PAGE_BYTES = 128 * 1024

# Inboxes are locked in the order of their users: two that tell the same users must not block each
# other. Their locks make the numbers of an inbox commit in order.
_APPEND = """
    WITH told AS (
        SELECT * FROM unnest($1::bigint[], $3::bytea[]) AS t (user_id, body) ORDER BY user_id
    ), numbered AS (
        INSERT INTO inboxes AS i (user_id, last_number) SELECT user_id, 1 FROM told
        ON CONFLICT (user_id) DO UPDATE SET last_number = i.last_number + 1
        RETURNING user_id, last_number
    )
    INSERT INTO inbox_entries (user_id, number, kind, body)
    SELECT user_id, last_number, $2, body FROM numbered JOIN told USING (user_id)
    RETURNING user_id, number
"""
# Large entries make a page short: what one socket holds is bounded in bytes. The first one always
# comes, and the count tells whether it was the bytes that ended the page.
_AFTER = """
    SELECT number, body, listed FROM (
        SELECT number, body, count(*) OVER () AS listed, row_number() OVER by_number AS place,
            sum(octet_length(body)) OVER by_number AS bytes
        FROM (
            SELECT number, body FROM inbox_entries
            WHERE user_id = $1 AND number > $2 ORDER BY number LIMIT $3
        ) entry
        WINDOW by_number AS (ORDER BY number)
    ) page
    WHERE bytes <= $4 OR place = 1 ORDER BY number
"""
_LAST_NUMBERS = "SELECT user_id, last_number FROM inboxes WHERE user_id = ANY($1::bigint[])"


class InboxStorage:
    """Store and find entries; every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(
        self, transaction: Transaction, kind: str, bodies: Mapping[int, bytes]
    ) -> Sequence[tuple[int, int]]:
        """Append an entry to each inbox; return whose, and under which numbers.

        Args:
            transaction: where the cause is stored.
            kind: what all of them are.
            bodies: the body of each by the user's id; all users must exist.
        """
        rows = await transaction.fetch(_APPEND, list(bodies), kind, list(bodies.values()))
        return [(cast(int, row[0]), cast(int, row[1])) for row in rows]

    async def after(self, key: int, number: int) -> Page:
        """Read a page of a user's entries with a larger number."""
        rows = await self._database.fetch(
            "inbox_after", _AFTER, key, number, PAGE_ENTRIES, PAGE_BYTES
        )
        frames = []
        for row in rows:
            entry, body = cast(int, row[0]), cast(bytes, row[1])
            frames.append((entry, entry_frame(key, entry, body)))
        last = frames[-1][0] if frames else number
        full = bool(rows) and (len(rows) == PAGE_ENTRIES or len(rows) < cast(int, rows[0][2]))
        return Page(frames=frames, last=last, full=full)

    async def last_numbers(self, keys: Collection[int]) -> Mapping[int, int]:
        """Give the last number of each inbox that has any entry."""
        rows = await self._database.fetch("inbox_last_numbers", _LAST_NUMBERS, list(keys))
        return {cast(int, row[0]): cast(int, row[1]) for row in rows}
