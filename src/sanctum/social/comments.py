"""Comments in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import cast

import msgspec

from sanctum.backing.database import Database, Row, Transaction
from sanctum.gateway.identity import Identity
from sanctum.notifications.telling import (
    LOCK_OF_COMMENT,
    TELL_OF_COMMENT,
    TOLD,
    Kind,
    Teller,
    Told,
    pairs,
)
from sanctum.social.refusing import AccountGone, NotThere, OutOfDate, check_author
from sanctum.social.storage import HELD_POST

_COLUMNS = "c.id, c.post_id, u.username, c.text, c.created_at, c.updated_at, c.version"
_AFTER = f"""
    SELECT {_COLUMNS} FROM comments c JOIN users u ON u.id = c.author_id
    WHERE c.post_id = $1 AND c.id > $2 ORDER BY c.id LIMIT $3
"""  # noqa: S608 - only constants are interpolated
_POST_EXISTS = "SELECT FROM posts WHERE id = $1"
# The id is taken while the post is held, so the comments of a post commit in the order of their
# ids: whoever follows them up misses none.
_INSERT = f"""
    WITH {HELD_POST}, comment AS (
        INSERT INTO comments (post_id, author_id, text)
        SELECT post.id, u.id, $3 FROM post CROSS JOIN users u WHERE u.id = $2
        RETURNING id, author_id, created_at
    ), counted AS (
        UPDATE posts p SET comments = p.comments + 1 FROM comment WHERE p.id = $1
    ), {TELL_OF_COMMENT}
    SELECT comment.id, comment.created_at, {TOLD} FROM post LEFT JOIN comment ON true
"""  # noqa: S608
_HOLD_POST = "SELECT FROM posts WHERE id = $1 FOR NO KEY UPDATE"
_LOCK = "SELECT author_id, version FROM comments WHERE id = $1 AND post_id = $2 FOR UPDATE"
_UPDATE = f"""
    UPDATE comments c SET text = $2, version = version + 1, updated_at = now()
    FROM users u WHERE c.id = $1 AND u.id = c.author_id
    RETURNING {_COLUMNS}
"""  # noqa: S608
_DELETE = """
    WITH gone AS (DELETE FROM comments WHERE id = $1 RETURNING post_id)
    UPDATE posts p SET comments = p.comments - 1 FROM gone WHERE p.id = gone.post_id
"""


class Comment(msgspec.Struct, frozen=True):
    """Hold one comment as clients see it; every edit makes its version one larger."""

    id: int
    post: int
    author: str
    text: str
    created_at: datetime
    updated_at: datetime | None = None
    version: int = 1


class CommentStorage:
    """Store and find comments; every method raises DatabaseUnavailable."""

    def __init__(self, database: Database, teller: Teller) -> None:
        self._database = database
        self._teller = teller

    async def add(self, post_id: int, author: Identity, text: str) -> Comment:
        """Add a comment and tell the post's author; raises NotThere, AccountGone."""
        async with self._database.transaction("add_comment", author.user_id) as transaction:
            row = await transaction.fetch_one(_INSERT, post_id, author.user_id, text)
            if row is None:
                raise NotThere
            if row[0] is None:
                raise AccountGone
            comment = Comment(
                id=cast(int, row[0]),
                post=post_id,
                author=author.username,
                text=text,
                created_at=cast(datetime, row[1]),
            )
            told = await self._teller.carry(
                transaction,
                Told(
                    kind=Kind.COMMENT,
                    actor=author.username,
                    post=post_id,
                    comment=comment.id,
                    readers=pairs(row[2], row[3]),
                ),
            )
        self._teller.committed(told)
        return comment

    async def after(self, post_id: int, comment_id: int, limit: int) -> Sequence[Comment]:
        """List comments of a post with a larger id, oldest first; raises NotThere."""
        rows = await self._database.fetch("comments", _AFTER, post_id, comment_id, limit)
        if not rows and not await self._database.fetch("find_post", _POST_EXISTS, post_id):
            raise NotThere
        return [_comment(row) for row in rows]

    async def update(
        self, post_id: int, comment_id: int, editor: Identity, text: str, version: int | None
    ) -> Comment:
        """Change the text of a comment; arguments and errors as those of a post's update."""
        async with self._database.transaction("update_comment", editor.user_id) as transaction:
            present = await self._hold(transaction, post_id, comment_id, editor)
            if version not in (None, present):
                raise OutOfDate
            row = await transaction.fetch_one(_UPDATE, comment_id, text)
        assert row is not None, "the comment is locked"
        return _comment(row)

    async def delete(self, post_id: int, comment_id: int, who: Identity) -> None:
        """Delete a comment with its notification; raises NotThere, NotTheirs."""
        async with self._database.transaction("delete_comment", who.user_id) as transaction:
            await transaction.fetch(_HOLD_POST, post_id)
            await self._hold(transaction, post_id, comment_id, who, or_admin=True)
            await transaction.fetch(LOCK_OF_COMMENT, comment_id)
            await transaction.fetch(_DELETE, comment_id)

    async def _hold(
        self,
        transaction: Transaction,
        post_id: int,
        comment_id: int,
        who: Identity,
        *,
        or_admin: bool = False,
    ) -> int:
        """Lock a comment for its author and return its version."""
        row = await transaction.fetch_one(_LOCK, comment_id, post_id)
        if row is None:
            raise NotThere
        check_author(row[0], who, or_admin=or_admin)
        return cast(int, row[1])


def _comment(row: Row) -> Comment:
    return Comment(*row)  # type: ignore[misc]
