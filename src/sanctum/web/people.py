"""Names of users, and users of names, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from sanctum.backing.database import Database

_SELECT = """
    SELECT id, username FROM users
    WHERE id = ANY($1::bigint[]) OR username = ANY($2::text[]) ORDER BY id
"""


class Person(msgspec.Struct, frozen=True):
    """Hold what everybody may know of a user."""

    id: int
    username: str


class PeopleStorage:
    """Find users; raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, ids: Collection[int], names: Collection[str]) -> Sequence[Person]:
        """List the users among these ids and these exact names, each once, by id."""
        rows = await self._database.fetch("find_people", _SELECT, list(ids), list(names))
        return [Person(*row) for row in rows]  # type: ignore[misc]
