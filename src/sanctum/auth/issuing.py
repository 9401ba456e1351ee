"""Issue API keys from the command line, for whoever owns the tables and needs no log-in."""

from __future__ import annotations

import asyncio

import asyncpg  # type: ignore[import-untyped]

from sanctum.auth.keys import digest_of, new_key

CONNECT_TIMEOUT_S = 5
_INSERT = """
    INSERT INTO api_keys (user_id, key_sha256, expires_at)
    SELECT id, $2, now() + $3 * interval '1 day' FROM users WHERE username = $1
    RETURNING id
"""


class UnknownUser(Exception):
    """Say that a key was asked for somebody who has no account."""


def issue_key(owner_url: str, username: str, days: int) -> str:
    """Store a fresh key's hash and return the key.

    Args:
        owner_url: PostgreSQL as the owner of the tables.
        username: whose key it is.
        days: how long it is valid.

    Raises:
        UnknownUser: when there is no such account.
        OSError, TimeoutError, asyncpg.PostgresError: when the database cannot be reached or
            refuses.
    """
    key = new_key()
    if asyncio.run(_store(owner_url, username, digest_of(key), days)) is None:
        raise UnknownUser(f"there is no user {username}")
    return key


async def _store(owner_url: str, username: str, digest: bytes, days: int) -> int | None:
    connection = await asyncpg.connect(owner_url, timeout=CONNECT_TIMEOUT_S)
    try:
        stored: int | None = await connection.fetchval(_INSERT, username, digest, days)
        return stored
    finally:
        await connection.close()
