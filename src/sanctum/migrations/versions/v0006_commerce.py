"""Make the tables of courses, payments and live sessions."""

from __future__ import annotations

from sanctum.migrations.steps import grant, run

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_COURSES = (
    # Every seat taken updates its course's row: room on the page spares the index.
    """
    CREATE TABLE courses (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        instructor_id bigint NOT NULL REFERENCES users,
        title text NOT NULL,
        description text NOT NULL,
        price_cents bigint NOT NULL CHECK (price_cents >= 0),
        seats integer NOT NULL CHECK (seats > 0),
        seats_taken integer NOT NULL DEFAULT 0 CHECK (seats_taken >= 0),
        state text NOT NULL DEFAULT 'draft' CHECK (state IN ('draft', 'published')),
        words tsvector NOT NULL GENERATED ALWAYS AS (
            to_tsvector('simple', title || ' ' || description)
        ) STORED,
        created_at timestamptz NOT NULL DEFAULT now()
    ) WITH (fillfactor = 50)
    """,
    "CREATE INDEX courses_by_words ON courses USING gin (words)",
    """
    CREATE TABLE payments (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        user_id bigint NOT NULL REFERENCES users,
        course_id bigint NOT NULL REFERENCES courses,
        idempotency_key text NOT NULL,
        request_digest bytea NOT NULL,
        amount_cents bigint NOT NULL CHECK (amount_cents > 0),
        card_last4 text NOT NULL,
        state text NOT NULL DEFAULT 'pending' CHECK (
            state IN ('pending', 'paid', 'declined', 'cancelled', 'refunding', 'refunded')
        ),
        created_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (user_id, idempotency_key)
    )
    """,
    """
    CREATE UNIQUE INDEX payments_once ON payments (user_id, course_id)
    WHERE state IN ('pending', 'paid', 'refunding')
    """,
    """
    CREATE INDEX payments_unsettled ON payments (created_at)
    WHERE state IN ('pending', 'refunding')
    """,
    # What was earned and given back. It is only ever added to.
    """
    CREATE TABLE ledger_entries (
        payment_id bigint NOT NULL REFERENCES payments,
        kind text NOT NULL CHECK (kind IN ('charge', 'refund')),
        amount_cents bigint NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (payment_id, kind)
    )
    """,
    # The charging provider's own books: nothing of ours is referred to.
    """
    CREATE TABLE provider_charges (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        reference text NOT NULL UNIQUE,
        payment_id bigint NOT NULL,
        amount_cents bigint NOT NULL,
        outcome text NOT NULL CHECK (outcome IN ('charged', 'declined', 'voided', 'refunded')),
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX provider_charges_by_payment ON provider_charges (payment_id)",
    """
    CREATE TABLE enrolments (
        course_id bigint NOT NULL REFERENCES courses,
        user_id bigint NOT NULL REFERENCES users,
        payment_id bigint UNIQUE REFERENCES payments,
        created_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (course_id, user_id)
    )
    """,
    "CREATE INDEX enrolments_by_user ON enrolments (user_id, course_id)",
)
_LIVE = (
    """
    CREATE TABLE live_sessions (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        course_id bigint NOT NULL REFERENCES courses,
        title text NOT NULL,
        starts_at timestamptz NOT NULL,
        state text NOT NULL DEFAULT 'scheduled' CHECK (state IN ('scheduled', 'live', 'ended')),
        channel_id bigint UNIQUE REFERENCES channels,
        started_at timestamptz,
        ended_at timestamptz,
        CHECK ((state = 'scheduled') = (channel_id IS NULL))
    )
    """,
    "CREATE INDEX live_sessions_by_course ON live_sessions (course_id, id)",
    """
    CREATE TABLE live_attendances (
        session_id bigint NOT NULL REFERENCES live_sessions,
        user_id bigint NOT NULL REFERENCES users,
        joined_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (session_id, user_id)
    )
    """,
)
# The role makes and ends memberships in the chats of live sessions only.
_IS_LIVE = """
    EXISTS (
        SELECT 1 FROM live_sessions s
        WHERE s.channel_id = memberships.channel_id AND s.state = 'live'
    )
"""
_POLICIES = (
    "ALTER TABLE memberships ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY everybody_reads ON memberships FOR SELECT USING (true)",
    f"CREATE POLICY live_sessions_admit ON memberships FOR INSERT WITH CHECK ({_IS_LIVE})",
    f"CREATE POLICY live_sessions_end ON memberships FOR DELETE USING ({_IS_LIVE})",
)
_NO_POLICIES = (
    "DROP POLICY everybody_reads ON memberships",
    "DROP POLICY live_sessions_admit ON memberships",
    "DROP POLICY live_sessions_end ON memberships",
    "ALTER TABLE memberships DISABLE ROW LEVEL SECURITY",
)
_GRANTS = (
    "GRANT SELECT, INSERT, UPDATE (seats_taken, state) ON courses TO {role}",
    "GRANT SELECT, INSERT, UPDATE (state) ON payments TO {role}",
    "GRANT SELECT, INSERT ON ledger_entries, provider_charges, live_attendances TO {role}",
    "GRANT SELECT, INSERT, DELETE ON enrolments TO {role}",
    "GRANT SELECT, INSERT ON live_sessions TO {role}",
    "GRANT UPDATE (state, channel_id, started_at, ended_at) ON live_sessions TO {role}",
    # A live session has a chat channel of its own.
    "GRANT INSERT (name) ON channels TO {role}",
    "GRANT INSERT, DELETE ON memberships TO {role}",
)
# Nobody says here which role the application has: whoever was given the right loses it.
_REVOKE = """
    DO $$ DECLARE holder text; BEGIN
        FOR holder IN SELECT DISTINCT grantee FROM information_schema.role_table_grants
            WHERE table_name = 'memberships' AND privilege_type = 'INSERT'
            AND grantee <> current_user
        LOOP
            EXECUTE format('REVOKE INSERT, DELETE ON memberships FROM %I', holder);
            EXECUTE format('REVOKE INSERT (name) ON channels FROM %I', holder);
        END LOOP;
    END $$
"""
_TABLES = (
    "live_attendances",
    "live_sessions",
    "enrolments",
    "provider_charges",
    "ledger_entries",
    "payments",
    "courses",
)


def upgrade() -> None:
    """Make the tables and grant the application's role what it needs and no more."""
    run((*_COURSES, *_LIVE, *_POLICIES))
    grant(_GRANTS)


def downgrade() -> None:
    """Drop the tables with everything in them, and take back what was granted for them."""
    run((_REVOKE, *_NO_POLICIES))
    run(f"DROP TABLE {table}" for table in _TABLES)
