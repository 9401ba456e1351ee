"""The fault `database-statement`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from stormproof.faults.databases import Promise, session_on
from stormproof.kernel.errors import FaultRefused
from stormproof.model.part import Server
from stormproof.model.plan import PlannedFault
from stormproof.servers.postgres import Session, SqlRefused

UNDO, WITNESS = "undo", "witness"  # by these names the journal keeps the statements
_LOCK_WITHIN: Final = "SET lock_timeout = '2500ms'"


class DatabaseStatement:
    """Change what a database holds, by statements that the trial gives.

    What it does:
        Runs the statements `do` as the database's owner, in one transaction, and `undo` when the
        fault is over; without an `undo` the change stays, and the fault ends by itself. So
        sessions of all users are revoked, a role loses a right within the application, a row
        that everything hangs on is gone.
    Why it matters:
        Administrators, other services and attackers change data that a service has cached, or has
        sealed into tokens. What it believed a moment ago is wrong, and nobody tells it.
    What a failure looks like:
        Revoked tokens still work; rights that were taken away still hold after the time that the
        service promises; clients whose session is gone sign in without end.
    Limits:
        Whether it bites is asked by `witness`, a query whose first value is true or a number over
        0 then; once it is undone that must not hold any more. What these statements do to data is
        the trial's to know: nothing else is compared.
    Source:
        The trial's author; Chaos Toolkit's process and database actions are as general.
    """

    def __init__(self, server: Server, planned: PlannedFault, promise: Promise) -> None:
        self._server = server
        self._promise = promise
        self._do = str(planned.settings["do"])
        self._undo = str(planned.settings[UNDO])
        self._witness = str(planned.settings[WITNESS])
        self._values = {UNDO: self._undo, WITNESS: self._witness}
        self._is_done = False

    async def inject(self) -> str:
        """Run `do`, having written down what undoes it."""
        async with session_on(self._server, changes=True) as session:
            if await _holds(session, self._witness):
                raise FaultRefused(f"its witness holds before anything is done: {self._witness}")
            if self._undo:
                self._promise(self._values)
            self._is_done = True  # it may be, from here on
            done = await _run(session, self._do)
        return f"done: {done}"

    async def witness(self) -> str | None:
        """Show that the query `witness` holds."""
        async with session_on(self._server) as session:
            told = await session.value(self._witness)
        return f"{self._witness} gives {told}" if _is_true(told) else None

    async def undo(self) -> str:
        """Run `undo`, once."""
        if not self._undo:
            return "there is no statement that undoes it: what was done stays"
        if not self._is_done:
            return "it was undone before"
        async with session_on(self._server, changes=True) as session:
            done = await put_back_statement(session, self._values)
        self._is_done = False
        return done

    async def residue(self) -> str | None:
        """Show a `witness` that still holds after the undo."""
        if not self._undo:
            return None
        async with session_on(self._server) as session:
            told = await session.value(self._witness)
        return f"{self._witness} still gives {told}" if _is_true(told) else None


async def put_back_statement(session: Session, values: Mapping[str, str]) -> str:
    """Run the statement that undoes a fault; one that is refused since it was run before is fine,
    if the fault's witness does not hold any more."""
    try:
        return f"undone: {await _run(session, values[UNDO])}"
    except SqlRefused as refusal:
        if not refusal.sqlstate:
            raise
        await session.execute("ROLLBACK")
        if await _holds(session, values[WITNESS]):
            raise
        return f"it was undone before: {refusal}"


async def _run(session: Session, statements: str) -> str:
    await session.execute(f"{_LOCK_WITHIN}; BEGIN")
    done = await session.execute(statements)
    await session.execute("COMMIT")
    return done


async def _holds(session: Session, query: str) -> bool:
    return _is_true(await session.value(query))


def _is_true(told: object) -> bool:
    """Say whether a query's value means that it holds: true, or a number over 0."""
    return isinstance(told, bool | int | float) and told > 0
