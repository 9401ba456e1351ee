"""API keys in PostgreSQL, as their owners manage them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import cast

import msgspec

from sanctum.auth.keys import digest_of, new_key
from sanctum.backing.database import Database

KEYS_MAX = 20  # of one user, those that have expired not counted
_OWNER = "SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE"
# What has expired makes room; a user's keys are counted while nobody else adds one.
_CLEAR = "DELETE FROM api_keys WHERE user_id = $1 AND expires_at <= now()"
_INSERT = f"""
    INSERT INTO api_keys (user_id, key_sha256, expires_at)
    SELECT $1, $2, now() + $3 * interval '1 day'
    WHERE (SELECT count(*) FROM api_keys WHERE user_id = $1) < {KEYS_MAX}
    RETURNING id, created_at, expires_at
"""  # noqa: S608 - only constants are interpolated
_LIST = f"""
    SELECT id, created_at, expires_at FROM api_keys
    WHERE user_id = $1 AND expires_at > now() ORDER BY id LIMIT {KEYS_MAX}
"""  # noqa: S608
_DELETE = "DELETE FROM api_keys WHERE id = $1 AND user_id = $2 RETURNING key_sha256"


class StoredKey(msgspec.Struct, frozen=True):
    """Hold what is known of a key: all but itself."""

    id: int
    created_at: datetime
    expires_at: datetime


class IssuedKey(msgspec.Struct, frozen=True):
    """Hold a fresh key, which is told this once."""

    id: int
    key: str
    created_at: datetime
    expires_at: datetime


class KeyStorage:
    """Make, list and revoke keys; every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def issue(self, user_id: int, days: int) -> IssuedKey | None:
        """Make a key that is valid for some days; None when the user has no room for another."""
        key = new_key()
        async with self._database.transaction("issue_key", user_id) as transaction:
            await transaction.fetch(_OWNER, user_id)
            await transaction.fetch(_CLEAR, user_id)
            row = await transaction.fetch_one(_INSERT, user_id, digest_of(key), days)
        if row is None:
            return None
        return IssuedKey(
            id=cast(int, row[0]),
            key=key,
            created_at=cast(datetime, row[1]),
            expires_at=cast(datetime, row[2]),
        )

    async def list(self, user_id: int) -> Sequence[StoredKey]:
        """List a user's valid keys, oldest first."""
        rows = await self._database.fetch("list_keys", _LIST, user_id)
        return [StoredKey(*row) for row in rows]  # type: ignore[misc]

    async def revoke(self, key_id: int, user_id: int) -> bytes | None:
        """Delete a user's key and return its hash; None when the user has no such key."""
        row = await self._database.fetch_one("revoke_key", _DELETE, key_id, user_id)
        return None if row is None else cast(bytes, row[0])
