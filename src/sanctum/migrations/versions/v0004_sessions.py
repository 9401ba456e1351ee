"""Give users roles, and make the tables of sessions and of their ends."""

from __future__ import annotations

from sanctum.migrations.steps import grant, run

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_UP = (
    """
    ALTER TABLE users
        ADD COLUMN role text NOT NULL DEFAULT 'user'
            CHECK (role IN ('user', 'instructor', 'admin')),
        ADD COLUMN session_epoch bigint NOT NULL DEFAULT 0
    """,
    # `generation`: how often it was renewed. No token is stored: those given out are signed.
    """
    CREATE TABLE sessions (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        user_id bigint NOT NULL REFERENCES users,
        generation bigint NOT NULL DEFAULT 0,
        created_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz NOT NULL
    ) WITH (fillfactor = 80)
    """,
    "CREATE INDEX sessions_by_user ON sessions (user_id, id)",
    # Either one session's end or, with an epoch, that of all which the user began before it.
    """
    CREATE TABLE session_ends (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        user_id bigint NOT NULL REFERENCES users,
        session_id bigint,
        epoch bigint,
        ended_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        CHECK ((session_id IS NULL) <> (epoch IS NULL))
    )
    """,
    "CREATE INDEX session_ends_by_instant ON session_ends (ended_at, id)",
)
_GRANTS = (
    "GRANT UPDATE (role, session_epoch) ON users TO {role}",
    "GRANT SELECT, INSERT, DELETE, UPDATE (generation, expires_at) ON sessions TO {role}",
    # The update is for locking rows only: nobody changes that a session has ended.
    "GRANT SELECT, INSERT, DELETE, UPDATE (id) ON session_ends TO {role}",
    "GRANT INSERT, DELETE ON api_keys TO {role}",
)
_DOWN = (
    "DROP TABLE session_ends",
    "DROP TABLE sessions",
    "ALTER TABLE users DROP COLUMN session_epoch, DROP COLUMN role",
)


def upgrade() -> None:
    """Make the tables and grant the application's role what it needs and no more."""
    run(_UP)
    grant(_GRANTS)


def downgrade() -> None:
    """Drop the tables with everything in them."""
    run(_DOWN)
