"""Let old entries of inboxes be deleted, and note up to which number they are gone."""

from __future__ import annotations

from sanctum.migrations.steps import grant, run

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_UP = ("ALTER TABLE inboxes ADD COLUMN pruned_number bigint NOT NULL DEFAULT 0",)
_GRANTS = (
    "GRANT UPDATE (pruned_number) ON inboxes TO {role}",
    "GRANT DELETE ON inbox_entries TO {role}",
)
# Nobody says here which role the application has: whoever was given the right loses it.
_DOWN = (
    """
    DO $$ DECLARE holder text; BEGIN
        FOR holder IN SELECT DISTINCT grantee FROM information_schema.role_table_grants
            WHERE table_name = 'inbox_entries' AND privilege_type = 'DELETE'
            AND grantee <> current_user
        LOOP
            EXECUTE format('REVOKE DELETE ON inbox_entries FROM %I', holder);
        END LOOP;
    END $$
    """,
    "ALTER TABLE inboxes DROP COLUMN pruned_number",
)


def upgrade() -> None:
    """Add the number and grant the application's role what it needs and no more."""
    run(_UP)
    grant(_GRANTS)


def downgrade() -> None:
    """Take the number and the right away; entries that are gone stay so."""
    run(_DOWN)
