"""Seed: synthetic users, channels, posts and conversations, the same on every run."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import asyncpg  # type: ignore[import-untyped]

from sanctum.auth.passwords import hash_password
from sanctum.auth.sessions import END_ALL
from sanctum.messaging.seeding import seed_conversations

CONNECT_TIMEOUT_S = 5
INSTRUCTOR_EVERY_USER = 10  # the first user is the admin

_SEEDED = """
    SELECT i AS id, 'user-' || lpad(i::text, greatest(4, length(i::text)), '0') AS username,
        CASE WHEN i = 1 THEN 'admin' WHEN i % $2::bigint = 0 THEN 'instructor' ELSE 'user' END
            AS role
    FROM generate_series(1, $1::bigint) AS i
"""
_USERS = f"""
    INSERT INTO users (id, username, role, password_hash)
    SELECT id, username, role, $3 FROM ({_SEEDED}) AS seeded
    ON CONFLICT (id) DO UPDATE SET password_hash = excluded.password_hash
    WHERE users.username = excluded.username
"""  # noqa: S608 - only constants are interpolated
# A token tells the role of when it was minted, so a role that is set anew ends the sessions. The
# lock comes first, as wherever all sessions of a user are ended.
_OF_ANOTHER_ROLE = f"""
    SELECT u.id FROM users u JOIN ({_SEEDED}) AS seeded USING (id, username)
    WHERE u.role <> seeded.role ORDER BY u.id FOR NO KEY UPDATE OF u
"""  # noqa: S608
_SET_ROLES = f"""
    WITH owner AS (
        UPDATE users u SET role = seeded.role, session_epoch = u.session_epoch + 1
        FROM ({_SEEDED}) AS seeded WHERE u.id = seeded.id AND u.id = ANY($3::bigint[])
        RETURNING u.id, u.session_epoch
    ), {END_ALL}
    SELECT count(*) FROM told
"""  # noqa: S608
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
# What tells rows of the seed from others under the same ids: nobody else can make such ones.
_FOREIGN = {
    "users": "username <> 'user-' || lpad(id::text, greatest(4, length(id::text)), '0')",
    "channels": "name <> 'channel-' || id",
    "posts": "created_at <> timestamptz '2025-01-01 00:00:00+00' + id * interval '1 minute'",
}
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
    seeded = (size.users, INSTRUCTOR_EVERY_USER)
    await connection.execute(_USERS, *seeded, password_hash)
    await _check_own(connection, "users", size.users)
    changed = [row[0] for row in await connection.fetch(_OF_ANOTHER_ROLE, *seeded)]
    await connection.execute(_SET_ROLES, *seeded, changed)
    await connection.execute(_CHANNELS, size.channels)
    await _check_own(connection, "channels", size.channels)
    await connection.execute(_MEMBERSHIPS, size.users, size.channels)
    await connection.execute(_POSTS, size.posts, size.users)
    await _check_own(connection, "posts", size.posts)
    for table in ("users", "channels", "posts"):
        await connection.execute(_NEXT_ID.format(table=table))
    await seed_conversations(
        connection,
        users=size.users,
        conversations=size.conversations,
        messages=size.messages,
    )


async def _check_own(connection: asyncpg.Connection, table: str, count: int) -> None:
    """Raise SeedConflict where ids of the seed belong to what others have made."""
    query = f"SELECT count(*) FROM {table} WHERE id <= $1 AND {_FOREIGN[table]}"  # noqa: S608
    foreign = await connection.fetchval(query, count)
    if foreign:
        raise SeedConflict(f"{foreign} of the ids 1 to {count} belong to other {table}")
