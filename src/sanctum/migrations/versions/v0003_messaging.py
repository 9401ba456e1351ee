"""Make the tables of conversations, their outbox and the inboxes.

A message is stored with its outbox row in one transaction; the dispatcher moves outbox rows to the
stream; the consumer turns stream entries into rows of each participant's inbox, and takes the
outbox row away in the same transaction. A message that is in no inbox was not delivered, whoever
could read it from its conversation.
"""

from __future__ import annotations

from sanctum.migrations.steps import grant, run

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# The user on whose behalf a transaction runs, 0 where it runs on nobody's: no user has that id.
_USER = "coalesce(nullif(current_setting('sanctum.user_id', true), ''), '0')::bigint"
_TAKES_PART = f"""
    EXISTS (
        SELECT 1 FROM participants p
        WHERE p.conversation_id = {{column}} AND p.user_id = {_USER}
    )
"""  # noqa: S608 - only constants are interpolated
_UP = (
    # Every message updates its conversation's row: room on the page spares the index.
    """
    CREATE TABLE conversations (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        kind text NOT NULL CHECK (kind IN ('direct', 'group')),
        title text NOT NULL,
        version bigint NOT NULL DEFAULT 1,
        last_number bigint NOT NULL DEFAULT 0,
        created_by bigint NOT NULL REFERENCES users,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
    ) WITH (fillfactor = 50)
    """,
    # `joined_number`: a participant sees the messages after it. `read_number`: has read up to it.
    """
    CREATE TABLE participants (
        conversation_id bigint NOT NULL REFERENCES conversations ON DELETE CASCADE,
        user_id bigint NOT NULL REFERENCES users,
        joined_number bigint NOT NULL DEFAULT 0,
        read_number bigint NOT NULL DEFAULT 0,
        unread bigint NOT NULL DEFAULT 0,
        PRIMARY KEY (conversation_id, user_id)
    ) WITH (fillfactor = 50)
    """,
    "CREATE INDEX participants_by_user ON participants (user_id)",
    # `client_id` is the author's idempotency key: sent twice, a message is stored once.
    """
    CREATE TABLE conversation_messages (
        conversation_id bigint NOT NULL REFERENCES conversations ON DELETE CASCADE,
        number bigint NOT NULL,
        author_id bigint NOT NULL REFERENCES users,
        client_id text NOT NULL,
        payload bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (conversation_id, number),
        UNIQUE (author_id, client_id)
    )
    """,
    # The payload travels with the row: the dispatcher needs no right to read conversations. A row
    # stays until its message is delivered; `entry` is where in the stream it was last relayed to.
    """
    CREATE TABLE outbox (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        conversation_id bigint NOT NULL,
        number bigint NOT NULL,
        author_id bigint NOT NULL,
        client_id text NOT NULL,
        payload bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        attempts integer NOT NULL DEFAULT 0,
        dispatched_at timestamptz,
        entry text,
        UNIQUE (conversation_id, number)
    )
    """,
    "CREATE INDEX outbox_waiting ON outbox (id) WHERE dispatched_at IS NULL",
    """
    CREATE TABLE outbox_dead (
        id bigint PRIMARY KEY,
        conversation_id bigint NOT NULL,
        number bigint NOT NULL,
        author_id bigint NOT NULL,
        client_id text NOT NULL,
        payload bytea NOT NULL,
        created_at timestamptz NOT NULL,
        sink text NOT NULL,
        reason text NOT NULL,
        died_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (conversation_id, number)
    )
    """,
    # An inbox numbers its entries without gaps, so that a reader knows what it missed.
    """
    CREATE TABLE inboxes (
        user_id bigint PRIMARY KEY REFERENCES users,
        last_number bigint NOT NULL DEFAULT 0
    ) WITH (fillfactor = 50)
    """,
    # Either a message of a conversation, or (without these two) whatever `body` says.
    """
    CREATE TABLE inbox_entries (
        user_id bigint NOT NULL REFERENCES users,
        number bigint NOT NULL,
        kind text NOT NULL,
        conversation_id bigint,
        message_number bigint,
        body bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (user_id, number),
        UNIQUE (user_id, conversation_id, message_number)
    )
    """,
    "ALTER TABLE conversations ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE conversation_messages ENABLE ROW LEVEL SECURITY",
    f"""
    CREATE POLICY participants_only ON conversations
    USING ({_TAKES_PART.format(column="conversations.id")} OR created_by = {_USER})
    WITH CHECK (true)
    """,
    f"""
    CREATE POLICY participants_only ON conversation_messages
    USING ({_TAKES_PART.format(column="conversation_messages.conversation_id")})
    """,
)
_GRANTS = (
    "GRANT SELECT, INSERT, DELETE ON conversations TO {role}",
    "GRANT UPDATE (title, version, last_number, updated_at) ON conversations TO {role}",
    "GRANT SELECT, INSERT, DELETE, UPDATE (read_number, unread) ON participants TO {role}",
    "GRANT SELECT, INSERT ON conversation_messages TO {role}",
    "GRANT SELECT, INSERT, DELETE, UPDATE (attempts, dispatched_at, entry) ON outbox TO {role}",
    "GRANT SELECT, INSERT, DELETE ON outbox_dead TO {role}",
    "GRANT SELECT, INSERT, UPDATE (last_number) ON inboxes TO {role}",
    "GRANT SELECT, INSERT ON inbox_entries TO {role}",
)
_TABLES = (
    "inbox_entries",
    "inboxes",
    "outbox_dead",
    "outbox",
    "conversation_messages",
    "participants",
    "conversations",
)


def upgrade() -> None:
    """Make the tables and grant the application's role what it needs and no more."""
    run(_UP)
    grant(_GRANTS)


def downgrade() -> None:
    """Drop the tables with everything in them; a policy reads another table than its own."""
    run(["DROP POLICY participants_only ON conversations"])
    run(f"DROP TABLE {table}" for table in _TABLES)
