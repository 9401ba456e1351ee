"""Posts and likes in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import cast

import msgspec

from sanctum.backing.database import Database, Row, Transaction
from sanctum.defects import Defects
from sanctum.gateway.identity import Identity
from sanctum.notifications.telling import (
    LOCK_OF_POST,
    TELL_OF_LIKE,
    TELL_OF_POST,
    TOLD,
    UNTELL_OF_LIKE,
    Kind,
    Teller,
    Told,
    pairs,
)
from sanctum.social.refusing import AccountGone, NotThere, OutOfDate, check_author

ID_MAX = 2**63 - 1
_COLUMNS = "p.id, u.username, p.text, p.created_at, p.updated_at, p.version, p.likes, p.comments"
_FEED = f"""
    SELECT {_COLUMNS} FROM posts p JOIN users u ON u.id = p.author_id
    WHERE p.id < $1 ORDER BY p.id DESC LIMIT $2 OFFSET $3
"""  # noqa: S608 - only constants are interpolated
_ONE = f"""
    SELECT {_COLUMNS} FROM posts p JOIN users u ON u.id = p.author_id WHERE p.id = $1
"""  # noqa: S608
_INSERT = f"""
    WITH post AS (
        INSERT INTO posts (author_id, text) SELECT id, $2 FROM users WHERE id = $1
        RETURNING id, author_id, created_at
    ), {TELL_OF_POST}
    SELECT id, created_at, {TOLD} FROM post
"""  # noqa: S608
_LOCK = "SELECT author_id, version FROM posts WHERE id = $1 FOR UPDATE"
_UPDATE = f"""
    UPDATE posts p SET text = $2, version = version + 1, updated_at = now()
    FROM users u WHERE p.id = $1 AND u.id = p.author_id
    RETURNING {_COLUMNS}
"""  # noqa: S608
_DELETE = "DELETE FROM posts WHERE id = $1"
# A part of a statement: the post that $1 names, held until the end of the transaction.
HELD_POST = "post AS (SELECT id, author_id, likes FROM posts WHERE id = $1 FOR NO KEY UPDATE)"
_LIKE = f"""
    WITH {HELD_POST}, liked AS (
        INSERT INTO likes (post_id, user_id)
        SELECT post.id, u.id FROM post CROSS JOIN users u WHERE u.id = $2
        ON CONFLICT DO NOTHING RETURNING user_id
    ), counted AS (
        UPDATE posts p SET likes = p.likes + $3 FROM liked WHERE p.id = $1 RETURNING p.likes
    ), {TELL_OF_LIKE}
    SELECT coalesce((SELECT likes FROM counted), post.likes),
        EXISTS (SELECT FROM liked), EXISTS (SELECT FROM users WHERE id = $2), {TOLD}
    FROM post
"""  # noqa: S608
_UNLIKE = f"""
    WITH {HELD_POST}, unliked AS (
        DELETE FROM likes USING post WHERE post_id = post.id AND user_id = $2 RETURNING user_id
    ), counted AS (
        UPDATE posts p SET likes = p.likes - 1 FROM unliked WHERE p.id = $1 RETURNING p.likes
    ), {UNTELL_OF_LIKE}
    SELECT coalesce((SELECT likes FROM counted), post.likes), EXISTS (SELECT FROM unliked)
    FROM post
"""  # noqa: S608


class Post(msgspec.Struct, frozen=True):
    """Hold one post as clients see it; every edit makes its version one larger."""

    id: int
    author: str
    text: str
    created_at: datetime
    updated_at: datetime | None = None
    version: int = 1
    likes: int = 0
    comments: int = 0


class Likes(msgspec.Struct, frozen=True):
    """Hold how many like a post, and whether the caller is one of them."""

    post: int
    likes: int
    liked: bool


class PostStorage:
    """Store and find posts; every method raises DatabaseUnavailable."""

    def __init__(self, database: Database, teller: Teller, defects: Defects) -> None:
        self._database = database
        self._teller = teller
        self._defects = defects

    async def add(self, author: Identity, text: str) -> Post:
        """Add a post and tell its readers; raises AccountGone."""
        skipped = self._defects.readers_skipped()
        async with self._database.transaction("add_post", author.user_id) as transaction:
            row = await transaction.fetch_one(_INSERT, author.user_id, text, skipped)
            if row is None:
                raise AccountGone
            post = Post(
                id=cast(int, row[0]),
                author=author.username,
                text=text,
                created_at=cast(datetime, row[1]),
            )
            told = await self._teller.carry(
                transaction,
                Told(
                    kind=Kind.POST,
                    actor=author.username,
                    post=post.id,
                    readers=pairs(row[2], row[3]),
                ),
            )
        self._teller.committed(told)
        return post

    async def find(self, post_id: int) -> Post | None:
        """Find a post by its id."""
        row = await self._database.fetch_one("find_post", _ONE, post_id)
        return None if row is None else _post(row)

    async def before(self, post_id: int, limit: int) -> Sequence[Post]:
        """List posts with a smaller id, newest first.

        Whoever follows the ids down sees each post that was committed before the first page, and
        once: what is written meanwhile lies above.
        """
        skipped = 0 if post_id == ID_MAX else self._defects.posts_skipped()
        rows = await self._database.fetch("feed", _FEED, post_id, limit, skipped)
        return [_post(row) for row in rows]

    async def update(self, post_id: int, editor: Identity, text: str, version: int | None) -> Post:
        """Change the text of a post.

        Args:
            post_id: which one.
            editor: who asks; must be the author.
            text: the new text.
            version: the one that the editor read, None to change whichever there is.

        Raises:
            NotThere, NotTheirs, OutOfDate: when it is not for this editor to change, or not now.
        """
        async with self._database.transaction("update_post", editor.user_id) as transaction:
            present = await self._hold(transaction, post_id, editor)
            if version not in (None, present):
                raise OutOfDate
            row = await transaction.fetch_one(_UPDATE, post_id, text)
        assert row is not None, "the post is locked"
        return _post(row)

    async def delete(self, post_id: int, who: Identity) -> None:
        """Delete a post with its comments, likes and notifications.

        Raises:
            NotThere, NotTheirs: when it is not there, or neither the author nor an admin asks.
        """
        async with self._database.transaction("delete_post", who.user_id) as transaction:
            await self._hold(transaction, post_id, who, or_admin=True)
            await transaction.fetch(LOCK_OF_POST, post_id)
            await transaction.fetch(_DELETE, post_id)

    async def _hold(
        self, transaction: Transaction, post_id: int, who: Identity, *, or_admin: bool = False
    ) -> int:
        """Lock a post for its author and return its version."""
        row = await transaction.fetch_one(_LOCK, post_id)
        if row is None:
            raise NotThere
        check_author(row[0], who, or_admin=or_admin)
        return cast(int, row[1])

    async def like(self, post_id: int, who: Identity) -> tuple[Likes, bool]:
        """Like a post, once whatever is repeated; tell also whether this was the one that counts.

        Raises:
            NotThere, AccountGone: when there is no such post, or no such user.
        """
        counts = 1 + self._defects.likes_added()
        async with self._database.transaction("like_post", who.user_id) as transaction:
            row = await transaction.fetch_one(_LIKE, post_id, who.user_id, counts)
            if row is None:
                raise NotThere
            if not row[2]:
                raise AccountGone
            told = await self._teller.carry(
                transaction,
                Told(
                    kind=Kind.LIKE,
                    actor=who.username,
                    post=post_id,
                    readers=pairs(row[3], row[4]),
                ),
            )
        self._teller.committed(told)
        return Likes(post_id, cast(int, row[0]), liked=True), cast(bool, row[1])

    async def unlike(self, post_id: int, who: Identity) -> tuple[Likes, bool]:
        """Take a like back; tell also whether there was one. Raises NotThere."""
        async with self._database.transaction("unlike_post", who.user_id) as transaction:
            row = await transaction.fetch_one(_UNLIKE, post_id, who.user_id)
            if row is None:
                raise NotThere
        return Likes(post_id, cast(int, row[0]), liked=False), cast(bool, row[1])


def _post(row: Row) -> Post:
    return Post(*row)  # type: ignore[misc]
