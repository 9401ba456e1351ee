"""Make the tables of notifications and API keys."""

from __future__ import annotations

from sanctum.migrations.steps import grant, run

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_UP = (
    # Who shares a channel with somebody is asked for by that somebody.
    "CREATE INDEX memberships_by_user ON memberships (user_id)",
    """
    CREATE TABLE notifications (
        id bigint GENERATED ALWAYS AS IDENTITY,
        user_id bigint NOT NULL REFERENCES users,
        kind text NOT NULL,
        actor_id bigint NOT NULL REFERENCES users,
        post_id bigint NOT NULL REFERENCES posts,
        created_at timestamptz NOT NULL DEFAULT now(),
        read_at timestamptz,
        PRIMARY KEY (user_id, id)
    )
    """,
    "CREATE INDEX notifications_unread ON notifications (user_id) WHERE read_at IS NULL",
    """
    CREATE TABLE api_keys (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        user_id bigint NOT NULL REFERENCES users,
        key_sha256 bytea NOT NULL UNIQUE,
        created_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz NOT NULL
    )
    """,
)
_GRANTS = (
    "GRANT SELECT, INSERT, UPDATE (read_at) ON notifications TO {role}",
    "GRANT SELECT ON api_keys TO {role}",
)
_DOWN = (
    "DROP TABLE api_keys",
    "DROP TABLE notifications",
    "DROP INDEX memberships_by_user",
)


def upgrade() -> None:
    """Make the tables and grant the application's role what it needs and no more."""
    run(_UP)
    grant(_GRANTS)


def downgrade() -> None:
    """Drop the tables with everything in them."""
    run(_DOWN)
