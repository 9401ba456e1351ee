"""Source "postgres": sessions, locks, transactions and size, from PostgreSQL's own statistics.

    connections{state}           sessions of clients: active, idle, idle-in-transaction, ..
    connections_max              how many the server takes
    waiting_locks                locks that somebody waits for
    longest_transaction_seconds  the age of the oldest transaction that is open
    longest_statement_seconds    the age of the oldest statement that runs
    commits_total, rollbacks_total, deadlocks_total, temp_bytes_total    of this database
    blocks_read_total, blocks_hit_total    from the disk or the system's cache; from its own
    database_bytes               on disk

All have the tag `part`. What it costs the server: one connection (`application_name` stormproof,
read-only, not counted above) and two statements a reading, each at most a second long. Both are in
`commits_total` like anybody's; what goes wrong with them is not in the server's log where the user
may say so (a superuser), so that no error of ours counts as one of the part.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Final

from stormproof.kernel.errors import SourceSilent
from stormproof.model.observed import Observed, ObservedKind
from stormproof.servers.postgres import (
    APPLICATION,
    NOTHING_LOGGED,
    asyncpg_library,
    failures_of,
)

if TYPE_CHECKING:
    import asyncpg  # type: ignore[import-untyped]

_SETTINGS: Final = {
    "application_name": APPLICATION,
    "default_transaction_read_only": "on",
    "jit": "off",
    "lock_timeout": "500ms",
    "statement_timeout": "1s",
}
_STATES: Final = ("active", "idle", "idle in transaction", "idle in transaction (aborted)")

# Sessions whose state is hidden from us, or not yet set, have none.
_SESSIONS: Final = """
SELECT coalesce(state, 'unknown') AS state, count(*) AS sessions,
       coalesce(extract(epoch FROM clock_timestamp() - min(xact_start)), 0)::float8
           AS transaction_s,
       coalesce(extract(epoch FROM clock_timestamp() - min(query_start)), 0)::float8
           AS statement_s
  FROM pg_stat_activity
 WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
 GROUP BY 1
"""
_DATABASE: Final = """
SELECT xact_commit, xact_rollback, deadlocks, temp_bytes, blks_read, blks_hit,
       pg_database_size(datid) AS size_bytes,
       current_setting('max_connections')::int AS connections_max,
       (SELECT count(*) FROM pg_locks WHERE NOT granted) AS waiting_locks,
       pg_has_role(current_user, 'pg_read_all_stats', 'usage') AS sees_all, current_user AS role
  FROM pg_stat_database
 WHERE datname = current_database()
"""
_COUNTERS: Final = {
    "commits_total": "xact_commit",
    "rollbacks_total": "xact_rollback",
    "deadlocks_total": "deadlocks",
    "temp_bytes_total": "temp_bytes",
    "blocks_read_total": "blks_read",
    "blocks_hit_total": "blks_hit",
}
_GAUGES: Final = {
    "connections_max": "connections_max",
    "database_bytes": "size_bytes",
    "waiting_locks": "waiting_locks",
}


class PostgresSource:
    """Read the statistics of one PostgreSQL (`stormproof.seams.Source`).

    Args:
        part: the part's name.
        url: `postgresql://user:password@host:port/database`; the user has to be allowed to see
            other sessions (a superuser, or a member of pg_monitor).
    """

    name = "postgres"

    def __init__(self, part: str, url: str) -> None:
        self._part = part
        self._url = url
        self._connection: asyncpg.Connection | None = None

    async def read(self) -> Sequence[Observed]:
        """Ask once, on a connection that is kept between readings.

        Raises:
            SourceSilent: it cannot be asked, or hides what we ask for.
        """
        library = asyncpg_library()
        try:
            connection = await self._connected(library)
            database = dict(await connection.fetchrow(_DATABASE))
            sessions = [dict(row) for row in await connection.fetch(_SESSIONS)]
        except failures_of(library) as error:
            self._drop()
            raise SourceSilent(f"{self._part}: {type(error).__name__}: {error}") from error
        except asyncio.CancelledError:
            self._drop()
            raise
        if not database["sees_all"]:
            role = database["role"]
            raise SourceSilent(
                f"{self._part}: {role} may not see other sessions: GRANT pg_monitor TO {role}"
            )
        return [*self._of_database(database), *self._of_sessions(sessions)]

    async def close(self) -> None:
        """Let go of the connection."""
        self._drop()

    async def _connected(self, library: ModuleType) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await library.connect(
                self._url, server_settings=_SETTINGS, statement_cache_size=0
            )
            await self._connection.execute(NOTHING_LOGGED)
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    def _of_database(self, row: Mapping[str, float]) -> list[Observed]:
        counters = {name: row[column] for name, column in _COUNTERS.items()}
        gauges = {name: row[column] for name, column in _GAUGES.items()}
        return [
            *(
                self._observed(ObservedKind.COUNTER, name, value)
                for name, value in counters.items()
            ),
            *(self._observed(ObservedKind.GAUGE, name, value) for name, value in gauges.items()),
        ]

    def _of_sessions(self, rows: Sequence[Mapping[str, float]]) -> list[Observed]:
        by_state = {str(row["state"]): row for row in rows}
        counts = dict.fromkeys(_STATES, 0.0) | {
            state: row["sessions"] for state, row in by_state.items()
        }
        active = by_state.get("active", {"statement_s": 0.0})
        ages = {
            "longest_transaction_seconds": max((row["transaction_s"] for row in rows), default=0.0),
            "longest_statement_seconds": active["statement_s"],
        }
        return [
            *(
                self._observed(ObservedKind.GAUGE, "connections", count, state=_word(state))
                for state, count in counts.items()
            ),
            *(
                self._observed(ObservedKind.GAUGE, name, max(0.0, age_s))
                for name, age_s in ages.items()
            ),
        ]

    def _observed(self, kind: ObservedKind, name: str, value: float, **tags: str) -> Observed:
        return Observed(name=name, tags={"part": self._part, **tags}, kind=kind, value=float(value))


def _word(state: str) -> str:
    """Spell a state without spaces: `idle in transaction (aborted)` has none left then."""
    return state.replace("(", "").replace(")", "").replace(" ", "-")
