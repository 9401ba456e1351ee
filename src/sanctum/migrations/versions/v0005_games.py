"""Make the tables of game rooms and of what happened in them."""

from __future__ import annotations

from sanctum.migrations.steps import grant, run

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_UP = (
    # Every action updates its room's row: room on the page spares the index.
    """
    CREATE TABLE game_rooms (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name text NOT NULL,
        host_id bigint NOT NULL REFERENCES users,
        guest_id bigint REFERENCES users CHECK (guest_id <> host_id),
        state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'playing', 'ended')),
        board text NOT NULL,
        moves integer NOT NULL DEFAULT 0,
        turn_id bigint REFERENCES users,
        winner_id bigint REFERENCES users,
        end_reason text CHECK (end_reason IN ('win', 'draw', 'leave', 'closed', 'idle')),
        last_number bigint NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL DEFAULT now(),
        active_at timestamptz NOT NULL DEFAULT now(),
        CHECK ((state = 'ended') = (end_reason IS NOT NULL)),
        CHECK ((state = 'playing') = (turn_id IS NOT NULL))
    ) WITH (fillfactor = 50)
    """,
    "CREATE INDEX game_rooms_waiting ON game_rooms (id) WHERE state = 'waiting'",
    "CREATE INDEX game_rooms_open ON game_rooms (state) WHERE state <> 'ended'",
    # A room numbers its events without gaps, so that a reader knows what it missed.
    """
    CREATE TABLE room_events (
        room_id bigint NOT NULL REFERENCES game_rooms,
        number bigint NOT NULL,
        body bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (room_id, number)
    )
    """,
)
_GRANTS = (
    "GRANT SELECT, INSERT ON game_rooms, room_events TO {role}",
    (
        "GRANT UPDATE (guest_id, state, board, moves, turn_id, winner_id, end_reason, last_number,"
        " active_at) ON game_rooms TO {role}"
    ),
)
_TABLES = ("room_events", "game_rooms")


def upgrade() -> None:
    """Make the tables and grant the application's role what it needs and no more."""
    run(_UP)
    grant(_GRANTS)


def downgrade() -> None:
    """Drop the tables with everything in them."""
    run(f"DROP TABLE {table}" for table in _TABLES)
