"""Notifications in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import cast

import msgspec

from sanctum.backing.database import Database
from sanctum.defects import Defects

UNREAD_COUNTED_MAX = 1000
MARKED_MAX = 1000
_BEFORE = """
    SELECT n.id, n.kind, a.username, n.post_id, n.comment_id, n.created_at, n.read_at IS NOT NULL
    FROM notifications n JOIN users a ON a.id = n.actor_id
    WHERE n.user_id = $1 AND n.id < $2 ORDER BY n.id DESC LIMIT $3
"""
_UNREAD = f"""
    SELECT count(*) FROM (
        SELECT FROM notifications WHERE user_id = $1 AND read_at IS NULL
        LIMIT {UNREAD_COUNTED_MAX + 1}
    ) unread
"""  # noqa: S608
# Locked in the order of their ids: two requests that mark the same ones must not block each other.
_MARK_READ = """
    WITH mine AS (
        SELECT id FROM notifications
        WHERE user_id = $1 AND id = ANY($2::bigint[]) AND read_at IS NULL
        ORDER BY id FOR UPDATE
    )
    UPDATE notifications n SET read_at = now() FROM mine
    WHERE n.user_id = $1 AND n.id = mine.id
    RETURNING n.id
"""
_MARK_ALL_READ = f"""
    WITH mine AS (
        SELECT id FROM notifications WHERE user_id = $1 AND read_at IS NULL
        ORDER BY id LIMIT {MARKED_MAX} FOR UPDATE
    )
    UPDATE notifications n SET read_at = now() FROM mine
    WHERE n.user_id = $1 AND n.id = mine.id
    RETURNING n.id
"""  # noqa: S608


class Notification(msgspec.Struct, frozen=True):
    """Hold one notification as its reader sees it: `actor` did something of a kind."""

    id: int
    kind: str
    actor: str
    post: int
    comment: int | None
    created_at: datetime
    read: bool


class NotificationStorage:
    """Find notifications and mark them read; every method raises DatabaseUnavailable."""

    def __init__(self, database: Database, defects: Defects) -> None:
        self._database = database
        self._defects = defects

    async def before(
        self, user_id: int, notification_id: int, limit: int
    ) -> Sequence[Notification]:
        """List a user's notifications with a smaller id, newest first."""
        rows = await self._database.fetch("notifications", _BEFORE, user_id, notification_id, limit)
        return [Notification(*row) for row in rows]  # type: ignore[misc]

    async def unread(self, user_id: int) -> int:
        """Count what a user has not read, up to one more than `UNREAD_COUNTED_MAX`."""
        row = await self._database.fetch_one("unread", _UNREAD, user_id)
        assert row is not None, "a count is always one row"
        return cast(int, row[0])

    async def mark_read(self, user_id: int, ids: Sequence[int]) -> int:
        """Mark those among `ids` read that are the user's and unread; return how many were."""
        left = self._defects.left_unread(ids)
        marked = [one for one in ids if one not in left]
        rows = await self._database.fetch("mark_read", _MARK_READ, user_id, marked)
        return len(rows) + len(left)

    async def mark_all_read(self, user_id: int) -> int:
        """Mark all that is unread by now, oldest first, up to `MARKED_MAX`; return how many."""
        rows = await self._database.fetch("mark_all_read", _MARK_ALL_READ, user_id)
        return len(rows)
