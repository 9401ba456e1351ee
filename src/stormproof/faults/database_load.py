"""The fault `database-load`."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Final

from stormproof.faults.databases import (
    application_of,
    open_session,
    refused,
    session_on,
    sessions_left,
)
from stormproof.kernel.errors import FaultLapsed, FaultRefused
from stormproof.model.part import Server
from stormproof.model.plan import PlannedFault
from stormproof.servers.postgres import Session, SqlRefused

WITNESS_S: Final = 2.0
SLOWER_MIN: Final = 1.25  # times as long as before, for a statement of our own
STATEMENT_S: Final = 60.0  # with many of them on few cores
_TRIES: Final = 5
_SUMS: Final = "SELECT count(md5(n::text)) FROM (SELECT generate_series(1, {}) AS n) AS numbers"
_MEASURED: Final = _SUMS.format(20_000)
# A fraction of a second each, so that one ends soon after nobody wants it any more. The first
# keeps its rows nowhere; the second sorts more than its memory holds, in temporary files.
_WORK: Final = {
    "cpu": _SUMS.format(300_000),
    "disk": """SELECT count(*) FROM (
        SELECT n FROM generate_series(1, 150000) AS n ORDER BY md5(n::text)) AS sorted""",
}
_ALONE: Final = "SET max_parallel_workers_per_gather = 0; SET work_mem = '64kB'"
_RUNNING: Final = """
SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND state = 'active'
"""


class DatabaseLoad:
    """Keep a database busy with expensive statements, so that all others become slow.

    What it does:
        `connections` sessions of the database's owner run one expensive statement after the other
        until the undo: `cpu` computes checksums, `disk` sorts in temporary files. They read and
        lock no table of anybody. Each takes a core, or the disk, from the application's
        statements.
    Why it matters:
        A report, a missing index or a neighbour makes every statement slower without an error
        anywhere. A service that waits without bound then holds all its connections and threads.
    What a failure looks like:
        Latency grows without end, because slow statements hold the pool and requests queue for
        it; time-outs are retried and add to the load; latency stays up after the undo.
    Limits:
        How slow statements get depends on the server's cores: it is measured with a statement of
        our own and told, and less than 1.25 times as slow counts as no effect. Statements that
        only wait for locks get no slower. A given delay is had by `link-latency` on the link to
        the database, for each round trip and not each statement.
    Source:
        PostgreSQL's documentation of work_mem and of temporary files.
    """

    def __init__(self, server: Server, planned: PlannedFault) -> None:
        self._server = server
        self._name = planned.name
        self._wanted = int(planned.settings["connections"])
        self._work = str(planned.settings["work"])
        self._before_s = 0.0
        self._sessions: list[Session] = []
        self._working: list[asyncio.Task[None]] = []

    async def inject(self) -> str:
        """Start the statements; return once all connections are there."""
        async with session_on(self._server) as own:
            self._before_s = await _measure(own)
        try:
            for _ in range(self._wanted):
                session = await open_session(self._server, self._name, statement_s=STATEMENT_S)
                self._sessions.append(session)
                await session.execute(_ALONE)
        except (SqlRefused, FaultRefused) as refusal:
            await self._let_go()
            raise refused(self._server, refusal) from refusal
        loop = asyncio.get_running_loop()
        self._working = [loop.create_task(self._run(session)) for session in self._sessions]
        return f"{self._wanted} connections run expensive statements ({self._work})"

    async def witness(self) -> str | None:
        """Show that the statements run and that one of our own takes longer than before."""
        deadline = asyncio.get_running_loop().time() + WITNESS_S
        async with session_on(self._server) as own:
            while True:
                running = await own.whole(_RUNNING, application_of(self._name))
                now_s = await _measure(own)
                slower = now_s / self._before_s
                if running and slower >= SLOWER_MIN:
                    return (
                        f"{running} of {self._wanted} connections run expensive statements; a "
                        f"statement of our own took {1_000 * self._before_s:.1f} ms before and "
                        f"takes {1_000 * now_s:.1f} ms now ({slower:.1f} times)"
                    )
                if asyncio.get_running_loop().time() >= deadline:
                    return None

    async def undo(self) -> str:
        """Cut all connections; the server stops their statements when it notices."""
        cut, lost = await self._let_go()
        if lost:
            raise FaultLapsed(f"the server had ended {lost} of its {cut} sessions")
        return f"{cut} connections are cut"

    async def residue(self) -> str | None:
        """Show sessions of the fault that the server still has."""
        return await sessions_left(self._server, self._name)

    async def _let_go(self) -> tuple[int, int]:
        """Cut all sessions; return how many there were, and how many of them had ended before."""
        for task in self._working:
            task.cancel()
        await asyncio.gather(*self._working, return_exceptions=True)
        sessions, self._sessions, self._working = self._sessions, [], []
        lost = sum(session.is_lost for session in sessions)
        for session in sessions:
            session.drop()
        return len(sessions), lost

    async def _run(self, session: Session) -> None:
        """Run one statement after the other, until told to stop or the server ends us."""
        while not session.is_lost:
            try:
                await session.value(_WORK[self._work])
            except SqlRefused:
                await asyncio.sleep(0.1)  # cancelled by somebody, or over its time


async def _measure(session: Session) -> float:
    """Return the seconds that a small statement of our own takes, the median of some tries."""
    taken: list[float] = []
    for _ in range(_TRIES):
        began = monotonic()
        await session.value(_MEASURED)
        taken.append(monotonic() - began)
    return max(1e-6, sorted(taken)[_TRIES // 2])
