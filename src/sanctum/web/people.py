"""What the page asks beside what every client does, in PostgreSQL: who is who, and own likes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import cast

import msgspec

from sanctum.backing.database import Database

_PEOPLE = """
    SELECT id, username FROM users
    WHERE id = ANY($1::bigint[]) OR username = ANY($2::text[]) ORDER BY id
"""
_LIKED = """
    SELECT post_id FROM likes WHERE user_id = $1 AND post_id = ANY($2::bigint[]) ORDER BY post_id
"""


class Person(msgspec.Struct, frozen=True):
    """Hold what everybody may know of a user."""

    id: int
    username: str


class PeopleStorage:
    """Find users and what they like; every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, ids: Collection[int], names: Collection[str]) -> Sequence[Person]:
        """List the users among these ids and these exact names, each once, by id."""
        rows = await self._database.fetch("find_people", _PEOPLE, list(ids), list(names))
        return [Person(*row) for row in rows]  # type: ignore[misc]

    async def liked(self, user_id: int, posts: Collection[int]) -> Sequence[int]:
        """List those of these posts that a user likes."""
        rows = await self._database.fetch("liked_posts", _LIKED, user_id, list(posts))
        return [cast(int, row[0]) for row in rows]
