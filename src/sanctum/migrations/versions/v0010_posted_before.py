"""Tell authors what they posted under an id, also before they joined a conversation anew.

Whoever joins anew sees no message from before, not even the own; a request that is repeated must
be known all the same. Told is what the author has sent, and nothing of anybody else.
"""

from __future__ import annotations

from sanctum.migrations.steps import grant, run

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_UP = (
    """
    CREATE FUNCTION posted_before(posted_as text)
    RETURNS TABLE (conversation_id bigint, number bigint, payload bytea)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT
    AS $$
        SELECT m.conversation_id, m.number, m.payload FROM conversation_messages m
        WHERE m.author_id = coalesce(
            nullif(current_setting('sanctum.user_id', true), ''), '0'
        )::bigint AND m.client_id = $1
    $$
    """,
    "REVOKE ALL ON FUNCTION posted_before FROM PUBLIC",
)
_GRANTS = ("GRANT EXECUTE ON FUNCTION posted_before TO {role}",)


def upgrade() -> None:
    """Add the function and grant the application's role its use."""
    run(_UP)
    grant(_GRANTS)


def downgrade() -> None:
    """Take the function away."""
    run(["DROP FUNCTION posted_before"])
