"""Seed of conversations: their messages, and the inboxes as if all had been delivered."""

from __future__ import annotations

import asyncpg  # type: ignore[import-untyped]

PARTICIPANTS = 4  # of each conversation, as far as there are so many users

# A conversation that is there already stays as it is, whoever made it. An id that was given out is
# never given out again, also where its conversation was deleted: inboxes still tell of it.
_GIVEN_OUT = """
    coalesce(pg_sequence_last_value(pg_get_serial_sequence('conversations', 'id')::regclass), 0)
"""
_CONVERSATIONS = f"""
    CREATE TEMPORARY TABLE fresh ON COMMIT DROP AS
    SELECT i AS id, (i - 1) % $2::bigint + 1 AS created_by FROM generate_series(1, $1::bigint) AS i
    WHERE i > {_GIVEN_OUT}
"""  # noqa: S608 - only constants are interpolated
_STORE_CONVERSATIONS = """
    INSERT INTO conversations (id, kind, title, created_by)
    OVERRIDING SYSTEM VALUE
    SELECT id, 'group', 'Conversation ' || id, created_by FROM fresh
"""
_PARTICIPANTS = f"""
    INSERT INTO participants (conversation_id, user_id)
    SELECT id, (id + k - 1) % $1::bigint + 1
    FROM fresh, generate_series(0, least({PARTICIPANTS}, $1::bigint) - 1) AS k
"""  # noqa: S608
_MESSAGES = f"""
    CREATE TEMPORARY TABLE seeded ON COMMIT DROP AS
    SELECT f.id AS conversation_id, i / $1::bigint + 1 AS number, i AS ordinal,
        (f.id + i / $1::bigint % least({PARTICIPANTS}, $3::bigint) - 1) % $3::bigint + 1
            AS author_id
    FROM generate_series(0, $2::bigint - 1) AS i JOIN fresh f ON f.id = i % $1::bigint + 1
"""  # noqa: S608
_STORE_MESSAGES = """
    INSERT INTO conversation_messages (conversation_id, number, author_id, client_id, payload)
    SELECT conversation_id, number, author_id, 'seed-' || conversation_id || '-' || number,
        convert_to('Message ' || ordinal || ' of the seed', 'UTF8')
    FROM seeded
"""
_LAST_NUMBERS = """
    UPDATE conversations c SET last_number = s.number
    FROM (SELECT conversation_id, max(number) AS number FROM seeded GROUP BY conversation_id) s
    WHERE c.id = s.conversation_id
"""
_ARRIVALS = """
    CREATE TEMPORARY TABLE arrivals ON COMMIT DROP AS
    SELECT p.user_id, s.conversation_id, s.number, s.author_id, s.ordinal,
        coalesce(i.last_number, 0)
            + row_number() OVER (PARTITION BY p.user_id ORDER BY s.ordinal) AS place
    FROM seeded s JOIN participants p ON p.conversation_id = s.conversation_id
    LEFT JOIN inboxes i ON i.user_id = p.user_id
"""
_ENTRIES = """
    INSERT INTO inbox_entries (user_id, number, kind, conversation_id, message_number, body)
    SELECT a.user_id, a.place, 'message', a.conversation_id, a.number, convert_to(
        json_build_object(
            'kind', 'message', 'conversation', a.conversation_id, 'message', a.number,
            'id', 'seed-' || a.conversation_id || '-' || a.number, 'from', a.author_id,
            'payload', 'Message ' || a.ordinal || ' of the seed',
            'created', extract(epoch FROM now())
        )::text, 'UTF8'
    )
    FROM arrivals a
"""
_INBOXES = """
    INSERT INTO inboxes (user_id, last_number)
    SELECT user_id, max(place) FROM arrivals GROUP BY user_id
    ON CONFLICT (user_id) DO UPDATE SET last_number = excluded.last_number
"""
_UNREAD = """
    UPDATE participants p SET unread = a.messages
    FROM (
        SELECT conversation_id, user_id, count(*) AS messages FROM arrivals
        WHERE author_id <> user_id GROUP BY conversation_id, user_id
    ) a
    WHERE p.conversation_id = a.conversation_id AND p.user_id = a.user_id
"""
_NEXT_ID = "SELECT setval(pg_get_serial_sequence('conversations', 'id'), max(id)) FROM fresh"


async def seed_conversations(
    connection: asyncpg.Connection, *, users: int, conversations: int, messages: int
) -> None:
    """Bring the database to hold conversations and, spread over them, delivered messages.

    Args:
        connection: as the owner of the tables, within a transaction.
        users: how many users of the seed take turns.
        conversations: how many conversations, each of four users.
        messages: how many over all of them; without a conversation there are none.

    Raises:
        asyncpg.PostgresError: when the database refuses.
    """
    await connection.execute(_CONVERSATIONS, conversations, users)
    await connection.execute(_STORE_CONVERSATIONS)
    await connection.execute(_PARTICIPANTS, users)
    if conversations:
        await connection.execute(_MESSAGES, conversations, messages, users)
        for statement in (
            _STORE_MESSAGES,
            _LAST_NUMBERS,
            _ARRIVALS,
            _ENTRIES,
            _INBOXES,
            _UNREAD,
        ):
            await connection.execute(statement)
    await connection.execute(_NEXT_ID)
