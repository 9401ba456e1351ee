"""Posts in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

import msgspec

from sanctum.backing.database import Database, Row
from sanctum.defects import Defects
from sanctum.notifications.storage import TELL_OF_POST

_COLUMNS = "p.id, u.username, p.text, p.created_at"
_FEED = f"""
    SELECT {_COLUMNS} FROM posts p JOIN users u ON u.id = p.author_id
    WHERE p.id < $1 ORDER BY p.id DESC LIMIT $2
"""  # noqa: S608 - only constants are interpolated
_ONE = f"""
    SELECT {_COLUMNS} FROM posts p JOIN users u ON u.id = p.author_id WHERE p.id = $1
"""  # noqa: S608
# One statement: a post that is there has told its readers, whatever happens next.
_INSERT = f"""
    WITH post AS (
        INSERT INTO posts (author_id, text) SELECT id, $2 FROM users WHERE id = $1
        RETURNING id, author_id, created_at
    ), {TELL_OF_POST}
    SELECT id, created_at, (SELECT count(*) FROM told) FROM post
"""  # noqa: S608
ID_MAX = 2**63 - 1


class Post(msgspec.Struct, frozen=True):
    """Hold one post as clients see it."""

    id: int
    author: str
    text: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Hold a new post and how many readers were told of it."""

    post: Post
    told: int


class PostStorage:
    """Store and find posts; every method raises DatabaseUnavailable."""

    def __init__(self, database: Database, defects: Defects) -> None:
        self._database = database
        self._defects = defects

    async def add(self, author_id: int, author: str, text: str) -> Published | None:
        """Add a post and tell its readers; None when its author has no account any more."""
        skipped = self._defects.readers_skipped()
        row = await self._database.fetch_one("add_post", _INSERT, author_id, text, skipped)
        if row is None:
            return None
        created_at = cast(datetime, row[1])
        post = Post(id=cast(int, row[0]), author=author, text=text, created_at=created_at)
        return Published(post=post, told=cast(int, row[2]))

    async def find(self, post_id: int) -> Post | None:
        """Find a post by its id."""
        row = await self._database.fetch_one("find_post", _ONE, post_id)
        return None if row is None else _post(row)

    async def before(self, post_id: int, limit: int) -> Sequence[Post]:
        """List posts with a smaller id, newest first."""
        rows = await self._database.fetch("feed", _FEED, post_id, limit)
        return [_post(row) for row in rows]


def _post(row: Row) -> Post:
    return Post(*row)  # type: ignore[misc]
