"""Inboxes in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import cast

from sanctum.backing.database import Database, Transaction
from sanctum.gateway.members import Page
from sanctum.inbox.frames import entry_frame

PAGE_ENTRIES = 100
PAGE_BYTES = 128 * 1024
PRUNED_INBOXES_MAX = 50
PRUNED_ENTRIES_MAX = 200  # of one inbox at once

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
    SELECT i.pruned_number, page.number, page.body, page.listed
    FROM inboxes i LEFT JOIN LATERAL (
        SELECT number, body, count(*) OVER () AS listed, row_number() OVER by_number AS place,
            sum(octet_length(body)) OVER by_number AS bytes
        FROM (
            SELECT number, body FROM inbox_entries
            WHERE user_id = $1 AND number > $2 ORDER BY number LIMIT $3
        ) entry
        WINDOW by_number AS (ORDER BY number)
    ) page ON page.bytes <= $4 OR page.place = 1
    WHERE i.user_id = $1 ORDER BY page.number
"""
# The oldest entries of some inboxes, up to the first one that is to be kept. Inboxes are locked in
# the order of their users, as by whoever appends; one that is being appended to comes next time.
_PRUNE = """
    WITH looked_at AS (
        SELECT user_id FROM inboxes WHERE user_id > $1 ORDER BY user_id LIMIT $2
    ), due AS (
        SELECT l.user_id, old.number FROM looked_at l CROSS JOIN LATERAL (
            SELECT max(number) AS number FROM (
                SELECT number, bool_and(created_at < now() - $4 * interval '1 second')
                    OVER (ORDER BY number) AS is_old
                FROM (
                    SELECT number, created_at FROM inbox_entries e
                    WHERE e.user_id = l.user_id ORDER BY number LIMIT $3
                ) oldest
            ) judged
            WHERE is_old
        ) old
        WHERE old.number IS NOT NULL
    ), locked AS (
        SELECT i.user_id FROM inboxes i WHERE i.user_id IN (SELECT user_id FROM due)
        ORDER BY i.user_id FOR NO KEY UPDATE SKIP LOCKED
    ), noted AS (
        UPDATE inboxes i SET pruned_number = greatest(i.pruned_number, due.number)
        FROM due JOIN locked USING (user_id) WHERE i.user_id = due.user_id
    ), deleted AS (
        DELETE FROM inbox_entries e USING due JOIN locked USING (user_id)
        WHERE e.user_id = due.user_id AND e.number <= due.number
        RETURNING 1
    )
    SELECT (SELECT max(user_id) FROM looked_at), (SELECT count(*) FROM deleted)
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
        pruned = cast(int, rows[0][0]) if rows else 0
        stored = [row for row in rows if row[1] is not None]
        frames = []
        for row in stored:
            entry, body = cast(int, row[1]), cast(bytes, row[2])
            frames.append((entry, entry_frame(key, entry, body)))
        # What is pruned is not waited for.
        last = frames[-1][0] if frames else max(number, pruned)
        full = bool(stored) and (
            len(stored) == PAGE_ENTRIES or len(stored) < cast(int, stored[0][3])
        )
        return Page(frames=frames, last=last, full=full)

    async def prune(self, after_user: int, kept_s: int) -> tuple[int | None, int]:
        """Delete the oldest entries of some inboxes, those older than so many seconds.

        Args:
            after_user: the inboxes of users with a larger id are looked at, the smallest first.
            kept_s: how old an entry may be.

        Returns:
            the last user whose inbox was looked at, None when there was none; and how many entries
            were deleted.
        """
        row = await self._database.fetch_one(
            "prune_inboxes", _PRUNE, after_user, PRUNED_INBOXES_MAX, PRUNED_ENTRIES_MAX, kept_s
        )
        assert row is not None, "a selection of two values is always one row"
        return cast("int | None", row[0]), cast(int, row[1])

    async def last_numbers(self, keys: Collection[int]) -> Mapping[int, int]:
        """Give the last number of each inbox that has any entry."""
        rows = await self._database.fetch("inbox_last_numbers", _LAST_NUMBERS, list(keys))
        return {cast(int, row[0]): cast(int, row[1]) for row in rows}
