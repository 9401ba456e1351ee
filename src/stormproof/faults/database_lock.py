"""The fault `database-lock`."""

from __future__ import annotations

from typing import Final

from stormproof.faults.databases import (
    NOT_AT_ONCE,
    open_session,
    refused,
    session_on,
    sessions_left,
    table_of,
)
from stormproof.kernel.errors import FaultLapsed, FaultRefused
from stormproof.model.part import Server
from stormproof.model.plan import PlannedFault
from stormproof.servers.postgres import Session, SqlRefused

LOCK_WITHIN: Final = "2500ms"  # below the patience that a statement has
_MODES: Final = {  # the lock, and that of somebody who only wants to do what it keeps from
    "access-exclusive": ("ACCESS EXCLUSIVE", "ACCESS SHARE", "reading"),
    "share": ("SHARE", "ROW EXCLUSIVE", "writing"),
}
_WAITING: Final = """
SELECT count(*) FROM pg_locks WHERE relation = $1::int8::oid AND NOT granted
   AND $2::int4 = ANY(pg_blocking_pids(pid))
"""
_HOLDING: Final = """
SELECT count(*) FROM pg_locks
 WHERE relation = $1::int8::oid AND granted AND pid = $2::int4
"""


class DatabaseLock:
    """Hold a lock on a table, as a migration or a forgotten transaction does.

    What it does:
        Opens a transaction as the database's owner and locks a table: `access-exclusive` keeps
        everybody from reading and writing it, `share` from writing only. The lock is held until
        the undo, and ends with our connection if we die. Statements of the application on that
        table wait, each on a connection of its pool: a table that most requests use drains the
        pool, so that requests which need no such table wait, too.
    Why it matters:
        One statement of a deployment (ALTER TABLE), or one session that is idle in a transaction,
        stops every request that touches a table. Without a deadline on statements and on the wait
        for a connection that is an outage of everything.
    What a failure looks like:
        Requests that touch other tables fail or hang; health stays green while nothing is served;
        after the undo the queue of waiting statements does not drain, or statements that had been
        given up take effect all the same.
    Limits:
        Getting the lock waits for transactions that use the table, 2.5 s at most, and whoever
        comes meanwhile waits behind it. Indexes and other tables are free. What the application
        caches needs no table.
    Source:
        PostgreSQL's documentation on explicit locking; Jepsen's notes on lock faults.
    """

    def __init__(self, server: Server, planned: PlannedFault) -> None:
        self._server = server
        self._name = planned.name
        self._wanted = str(planned.settings["table"])
        self._mode, self._wish, self._deed = _MODES[str(planned.settings["mode"])]
        self._table = ""
        self._oid = 0
        self._session: Session | None = None

    async def inject(self) -> str:
        """Lock the table; return once we have it."""
        self._session = await open_session(self._server, self._name)
        try:
            self._oid, self._table = await table_of(self._session, self._wanted, self._server)
            await self._session.execute(f"BEGIN; SET LOCAL lock_timeout = '{LOCK_WITHIN}'")
            await self._session.execute(f"LOCK TABLE {self._table} IN {self._mode} MODE")
        except (SqlRefused, FaultRefused) as refusal:
            self._session.drop()
            self._session = None
            raise refused(self._server, refusal) from refusal
        return f"{self._table} is locked, {self._mode}, by backend {self._session.pid}"

    async def witness(self) -> str | None:
        """Show that what the lock keeps from is not to be had at once, and who waits for it."""
        if self._session is None:
            return None
        async with session_on(self._server) as own:
            try:
                await own.execute(f"BEGIN; LOCK TABLE {self._table} IN {self._wish} MODE NOWAIT")
            except SqlRefused as refusal:
                if refusal.sqlstate != NOT_AT_ONCE:
                    raise
            else:
                return None
            await own.execute("ROLLBACK")
            if not await own.whole(_HOLDING, self._oid, self._session.pid):
                return None  # somebody else's lock
            waiting = await own.whole(_WAITING, self._oid, self._session.pid)
        return (
            f"{self._deed} {self._table} is refused to a session of our own that does not wait "
            f"({NOT_AT_ONCE}); {waiting} others wait for it"
        )

    async def undo(self) -> str:
        """End the transaction with its connection, without waiting for anybody."""
        if self._session is None:
            return "there was no lock"
        session, self._session = self._session, None
        was_lost = session.is_lost
        session.drop()
        if was_lost:
            raise FaultLapsed(f"the server had ended the session that locked {self._wanted}")
        return f"{self._wanted} is unlocked"

    async def residue(self) -> str | None:
        """Show a session of the fault that the server still has."""
        return await sessions_left(self._server, self._name)
