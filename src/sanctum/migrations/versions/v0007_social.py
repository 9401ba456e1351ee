"""Let posts change, and make the tables of comments and likes.

A post's row counts its comments and likes. What hangs on a post goes with it.
"""

from __future__ import annotations

from sanctum.migrations.steps import grant, run

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_UP = (
    """
    ALTER TABLE posts
        ADD COLUMN updated_at timestamptz,
        ADD COLUMN version bigint NOT NULL DEFAULT 1,
        ADD COLUMN likes bigint NOT NULL DEFAULT 0,
        ADD COLUMN comments bigint NOT NULL DEFAULT 0
    """,
    # Every like updates its post's row: room on the page spares the index.
    "ALTER TABLE posts SET (fillfactor = 80)",
    """
    CREATE TABLE comments (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        post_id bigint NOT NULL REFERENCES posts ON DELETE CASCADE,
        author_id bigint NOT NULL REFERENCES users,
        text text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz,
        version bigint NOT NULL DEFAULT 1
    )
    """,
    "CREATE INDEX comments_by_post ON comments (post_id, id)",
    """
    CREATE TABLE likes (
        post_id bigint NOT NULL REFERENCES posts ON DELETE CASCADE,
        user_id bigint NOT NULL REFERENCES users,
        created_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (post_id, user_id)
    )
    """,
    """
    ALTER TABLE notifications
        ADD COLUMN comment_id bigint REFERENCES comments ON DELETE CASCADE,
        DROP CONSTRAINT notifications_post_id_fkey,
        ADD CONSTRAINT notifications_post_id_fkey
            FOREIGN KEY (post_id) REFERENCES posts ON DELETE CASCADE
    """,
    "CREATE INDEX notifications_by_post ON notifications (post_id, kind, actor_id)",
    """
    CREATE INDEX notifications_by_comment ON notifications (comment_id)
    WHERE comment_id IS NOT NULL
    """,
)
_GRANTS = (
    "GRANT DELETE, UPDATE (text, updated_at, version, likes, comments) ON posts TO {role}",
    "GRANT SELECT, INSERT, DELETE, UPDATE (text, updated_at, version) ON comments TO {role}",
    "GRANT SELECT, INSERT, DELETE ON likes TO {role}",
    "GRANT DELETE ON notifications TO {role}",
)
_DOWN = (
    "DROP INDEX notifications_by_post",
    """
    ALTER TABLE notifications
        DROP COLUMN comment_id,
        DROP CONSTRAINT notifications_post_id_fkey,
        ADD CONSTRAINT notifications_post_id_fkey FOREIGN KEY (post_id) REFERENCES posts
    """,
    "DROP TABLE likes",
    "DROP TABLE comments",
    "ALTER TABLE posts RESET (fillfactor)",
    """
    ALTER TABLE posts
        DROP COLUMN updated_at, DROP COLUMN version, DROP COLUMN likes, DROP COLUMN comments
    """,
)


def upgrade() -> None:
    """Make the tables and grant the application's role what it needs and no more."""
    run(_UP)
    grant(_GRANTS)


def downgrade() -> None:
    """Drop the tables with everything in them."""
    run(_DOWN)
