"""Accounts in PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from sanctum.backing.database import Database

_INSERT = """
    INSERT INTO users (username, password_hash) VALUES ($1, $2)
    ON CONFLICT (username) DO NOTHING
    RETURNING id
"""
_SELECT = "SELECT id, password_hash FROM users WHERE username = $1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Hold what log-in needs to know of an account."""

    user_id: int
    password_hash: str


class AccountStorage:
    """Store and find accounts; every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, username: str, password_hash: str) -> int | None:
        """Add an account and return its id, None when the username is taken."""
        row = await self._database.fetch_one("add_user", _INSERT, username, password_hash)
        return None if row is None else cast(int, row[0])

    async def find(self, username: str) -> Account | None:
        """Find an account by its username."""
        row = await self._database.fetch_one("find_user", _SELECT, username)
        if row is None:
            return None
        return Account(user_id=cast(int, row[0]), password_hash=cast(str, row[1]))
