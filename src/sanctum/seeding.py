"""Seed: synthetic users, channels, posts and conversations, the same on every run."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import asyncpg  # type: ignore[import-untyped]

from sanctum.auth.passwords import hash_password
from sanctum.messaging.seeding import seed_conversations

CONNECT_TIMEOUT_S = 5
INSTRUCTOR_EVERY_USER = 10  # the first user is the admin

_USERS = """
    INSERT INTO users (id, username, password_hash, role)
    SELECT i, 'user-' || lpad(i::text, greatest(4, length(i::text)), '0'), $2,
           CASE WHEN i = 1 THEN 'admin' WHEN i % $3::bigint = 0 THEN 'instructor' ELSE 'user' END
    FROM generate_series(1, $1::bigint) AS i
    ON CONFLICT (id) DO UPDATE
    SET password_hash = excluded.password_hash, role = excluded.role
    WHERE users.username = excluded.username
"""
_CHANNELS = """
    INSERT INTO channels (id, name)
    SELECT i, 'channel-' || i FROM generate_series(1, $1::bigint) AS i
    ON CONFLICT (id) DO NOTHING
"""
_MEMBERSHIPS = """
    INSERT INTO memberships (channel_id, user_id)
    SELECT (i - 1) % $2::bigint + 1, i FROM generate_series(1, $1::bigint) AS i
    ON CONFLICT DO NOTHING
"""
_POSTS = """
    INSERT INTO posts (id, author_id, text, created_at)
    SELECT i, (i - 1) % $2::bigint + 1, 'Post ' || i || ' of the seed',
           timestamptz '2025-01-01 00:00:00+00' + i * interval '1 minute'
    FROM generate_series(1, $1::bigint) AS i
    ON CONFLICT (id) DO NOTHING
"""
_FOREIGN_USERS = """
    SELECT count(*) FROM users
    WHERE id <= $1 AND username <> 'user-' || lpad(id::text, greatest(4, length(id::text)), '0')
"""
# Never backwards: an id that was given out, even to a row that is gone, is not given out again.
_NEXT_ID = """
    SELECT setval(ids.name, ids.highest) FROM (
        SELECT pg_get_serial_sequence('{table}', 'id') AS name, max(id) AS highest FROM {table}
    ) AS ids
    WHERE ids.highest > coalesce(pg_sequence_last_value(ids.name::regclass), 0)
"""


class SeedConflict(Exception):
    """Say that the database holds other data where the seed belongs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedSize:
    """Say how much to seed."""

    users: int
    channels: int
    posts: int
    conversations: int = 0
    messages: int = 0


def seed(owner_url: str, size: SeedSize, password: str) -> None:
    """Bring the database to hold the seed; what is there already stays.

    Args:
        owner_url: PostgreSQL as the owner of the tables.
        size: how many of each.
        password: the one password of all synthetic users.

    Raises:
        SeedConflict: when an id of the seed belongs to something else.
        OSError, TimeoutError, asyncpg.PostgresError: when the database cannot be reached or
            refuses.
    """
    asyncio.run(_seed(owner_url, size, hash_password(password)))


async def _seed(owner_url: str, size: SeedSize, password_hash: str) -> None:
    connection = await asyncpg.connect(owner_url, timeout=CONNECT_TIMEOUT_S)
    try:
        async with connection.transaction():
            await _insert(connection, size, password_hash)
        await connection.execute(
            "ANALYZE users, posts, channels, memberships, messages, notifications, conversations,"
            " participants, conversation_messages, inboxes, inbox_entries"
        )
    except asyncpg.UniqueViolationError as error:
        raise SeedConflict(str(error)) from error
    finally:
        await connection.close()


async def _insert(connection: asyncpg.Connection, size: SeedSize, password_hash: str) -> None:
    await connection.execute(_USERS, size.users, password_hash, INSTRUCTOR_EVERY_USER)
    foreign = await connection.fetchval(_FOREIGN_USERS, size.users)
    if foreign:
        raise SeedConflict(f"{foreign} of the ids 1 to {size.users} belong to other users")
    await connection.execute(_CHANNELS, size.channels)
    await connection.execute(_MEMBERSHIPS, size.users, size.channels)
    await connection.execute(_POSTS, size.posts, size.users)
    for table in ("users", "channels", "posts"):
        await connection.execute(_NEXT_ID.format(table=table))
    await seed_conversations(
        connection,
        users=size.users,
        conversations=size.conversations,
        messages=size.messages,
    )
