"""Number the changes of who takes part in a conversation, and tell the numbers to everybody.

What is kept of participants outside the database is compared by that number. It is told, and with
it whether there is such a conversation at all, past row-level security: nothing else is.
"""

from __future__ import annotations

from sanctum.migrations.steps import grant, run

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_USER = "coalesce(nullif(current_setting('sanctum.user_id', true), ''), '0')::bigint"
_TAKES_PART = f"""
    EXISTS (
        SELECT 1 FROM participants p
        WHERE p.conversation_id = conversation_messages.conversation_id
        AND p.user_id = {_USER}{{seen}}
    )
"""  # noqa: S608 - only constants are interpolated
_POLICY = "ALTER POLICY participants_only ON conversation_messages USING ({condition})"
# Who joined late sees no message from before.
_SEEN = " AND p.joined_number < conversation_messages.number"
_UP = (
    "ALTER TABLE conversations ADD participants_version bigint NOT NULL DEFAULT 1",
    """
    CREATE FUNCTION participants_versions(conversations bigint[])
    RETURNS TABLE (conversation_id bigint, version bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT
    AS $$
        SELECT c.id, c.participants_version FROM conversations c WHERE c.id = ANY($1)
    $$
    """,
    "REVOKE ALL ON FUNCTION participants_versions FROM PUBLIC",
    _POLICY.format(condition=_TAKES_PART.format(seen=_SEEN)),
)
_GRANTS = (
    "GRANT UPDATE (participants_version) ON conversations TO {role}",
    "GRANT EXECUTE ON FUNCTION participants_versions TO {role}",
)
_DOWN = (
    _POLICY.format(condition=_TAKES_PART.format(seen="")),
    "DROP FUNCTION participants_versions",
    "ALTER TABLE conversations DROP participants_version",
)


def upgrade() -> None:
    """Add the number, the function and the rule; grant the application's role their use."""
    run(_UP)
    grant(_GRANTS)


def downgrade() -> None:
    """Take all of it away again."""
    run(_DOWN)
