"""The fault `database-exhaustion`."""

from __future__ import annotations

import asyncio
from typing import Final, NamedTuple

from stormproof.faults.databases import (
    LOOK_EVERY_S,
    TOO_MANY,
    open_session,
    refused,
    sessions_left,
)
from stormproof.kernel.errors import FaultLapsed, FaultRefused
from stormproof.model.part import Server
from stormproof.model.plan import PlannedFault
from stormproof.servers.postgres import APPLICATION, Session, SqlRefused

HELD_MAX: Final = 1_000  # each is a process of the server
AT_ONCE: Final = 4  # connections that are opened at the same time: signing in costs us, too
FULL_WITHIN_S: Final = 10.0
WITNESS_S: Final = 2.0
REFILL_EVERY_S: Final = 0.1

# `reserved_connections` came with PostgreSQL 16. Who watches for us is not of the others.
_COUNTS: Final = """
SELECT current_setting('max_connections')::int,
       (SELECT coalesce(sum(setting::int), 0) FROM pg_settings
         WHERE name IN ('superuser_reserved_connections', 'reserved_connections'))::int,
       count(*) FILTER (WHERE starts_with(application_name, $1))::int,
       count(*) FILTER (WHERE NOT starts_with(application_name, $1))::int,
       (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)::int
  FROM pg_stat_activity WHERE backend_type = 'client backend'
"""
# Counted and ended in one look: one that has gone since an earlier count is not made up for.
_END_OTHERS: Final = """
WITH others AS MATERIALIZED (
    SELECT pid, backend_start FROM pg_stat_activity
     WHERE backend_type = 'client backend' AND NOT starts_with(application_name, $1))
SELECT count(pg_terminate_backend(pid)) FROM (
    SELECT pid FROM others ORDER BY backend_start
     LIMIT (SELECT greatest(0, count(*) - $2::int) FROM others)) AS oldest
"""


class _Counts(NamedTuple):
    """How the server's places for sessions are taken now."""

    places: int
    reserved: int  # for superusers, and for whom they let use them
    ours: int  # those who watch included
    others: int
    superuser: int  # 1 when we are one

    @property
    def free(self) -> int:
        """Count the places that an ordinary role can still have."""
        return max(0, self.places - self.reserved - self.ours - self.others)

    def __str__(self) -> str:
        """Say it for people."""
        return (
            f"of {self.places} connections others have {self.others}, {self.ours} are held, "
            f"{self.reserved} reserved and {self.free} left"
        )


class DatabaseExhaustion:
    """Hold a database's connections, so that hardly any are left for others.

    What it does:
        Opens sessions as the database's owner until an ordinary role can have only `left` more,
        and takes what others give back. With `sessions` "keep" the sessions that others have
        stay; with "end" they are ended, oldest first, until others have no more than `left` in
        all, so that pools come back with fewer connections or none. Held sessions do nothing.
    Why it matters:
        Each replica brings its pool, and the server has one bound for all. Past it new connections
        are refused (53300) and pools cannot grow, or come back after a failure.
    What a failure looks like:
        A refused connection crashes a process, or is tried again without pause; requests hang for
        a connection instead of being answered 503; when places are free again the pool stays
        small.
    Limits:
        A pool whose connections are all open notices nothing with "keep" until it wants one more.
        Places reserved for superusers stay free, save for the moment of the witness. Up to 1,000
        sessions are held.
    Source:
        PostgreSQL's documentation of max_connections and reserved connections.
    """

    def __init__(self, server: Server, planned: PlannedFault) -> None:
        self._server = server
        self._name = planned.name
        self._left = int(planned.settings["left"])
        self._ends_others = planned.settings["sessions"] == "end"
        self._held: list[Session] = []
        self._filling: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()  # of the first session, which asks and counts

    async def inject(self) -> str:
        """Hold what there is; return once no more than `left` are to be had."""
        self._held.append(await open_session(self._server, self._name))
        try:
            before = await self._counts()
            if before.free + self._ends_others * before.others - self._left > HELD_MAX:
                raise FaultRefused(
                    f"{self._server.part} has {before.free} free places and at most {HELD_MAX} "
                    "can be held: lower its max_connections, or leave more"
                )
            await asyncio.wait_for(self._fill_up(), FULL_WITHIN_S)
            told = str(await self._counts())
        except (FaultRefused, SqlRefused, TimeoutError) as error:
            await self._let_go()
            raise self._refusal(error) from error
        self._filling = asyncio.get_running_loop().create_task(self._stay_full())
        return told

    async def witness(self) -> str | None:
        """Show that a new connection is refused (53300), or, where some are left, how many."""
        deadline = asyncio.get_running_loop().time() + WITNESS_S
        try:
            while asyncio.get_running_loop().time() < deadline:
                counts = await self._counts()
                if self._left and 0 < counts.free <= self._left:
                    return str(counts)
                if not counts.free and await self._is_refused(counts):
                    return f"{counts}: a new connection is refused ({TOO_MANY})"
                await asyncio.sleep(LOOK_EVERY_S)
        except SqlRefused as refusal:
            raise refused(self._server, refusal) from refusal
        return None

    async def undo(self) -> str:
        """Let go of all connections at once."""
        held, is_lost = await self._let_go()
        if is_lost:
            raise FaultLapsed(f"the server had ended the session that kept {held} connections held")
        return f"{held} connections are let go"

    async def residue(self) -> str | None:
        """Show sessions of the fault that the server still has."""
        return await sessions_left(self._server, self._name)

    async def _let_go(self) -> tuple[int, bool]:
        """Cut all sessions; return how many there were, and whether nobody had filled up any more:
        the first one does."""
        has_ended = self._filling is not None and self._filling.done()
        if self._filling is not None:
            self._filling.cancel()
            await asyncio.gather(self._filling, return_exceptions=True)
        held, self._held = self._held, []
        is_lost = bool(held) and (held[0].is_lost or has_ended)
        for session in held:
            session.drop()
        return len(held), is_lost

    async def _counts(self) -> _Counts:
        async with self._turn:
            (row,) = await self._held[0].rows(_COUNTS, APPLICATION)
        return _Counts(*(int(str(one)) for one in row))

    async def _fill(self) -> bool:
        """Hold more, and end what others have too much of; say whether it is enough."""
        counts = await self._counts()
        too_many = counts.others - self._left if self._ends_others else 0
        if too_many > 0:
            async with self._turn:
                await self._held[0].value(_END_OTHERS, APPLICATION, self._left)
        allowed = max(0, self._left - counts.others) if self._ends_others else self._left
        missing = min(counts.free - allowed, AT_ONCE, HELD_MAX - len(self._held))
        if missing > 0:
            opened = await self._open(missing)
            kept = [self._held[0], *(one for one in self._held[1:] if not one.is_lost)]
            self._held = [*kept, *opened]
        return missing <= 0 and too_many <= 0

    async def _open(self, count: int) -> list[Session]:
        """Open as many of `count` sessions as are to be had: others may be quicker, so whether it
        is enough is counted, not hoped for. One who is cancelled meanwhile leaves none open."""
        opening = [
            asyncio.ensure_future(open_session(self._server, self._name)) for _ in range(count)
        ]
        try:
            opened = await asyncio.gather(*opening, return_exceptions=True)
        except asyncio.CancelledError:
            for one in await asyncio.gather(*opening, return_exceptions=True):
                if isinstance(one, Session):
                    one.drop()
            raise
        return [one for one in opened if isinstance(one, Session)]

    async def _fill_up(self) -> None:
        while True:
            if await self._fill():
                return
            await asyncio.sleep(LOOK_EVERY_S)

    async def _stay_full(self) -> None:
        """Take what others give back, until told to let go or until the server ends us."""
        while not self._held[0].is_lost:
            try:
                await self._fill()
            except SqlRefused:
                return  # the undo tells
            await asyncio.sleep(REFILL_EVERY_S)

    async def _is_refused(self, counts: _Counts) -> bool:
        """Try for a connection as an ordinary role would be turned away: what is reserved for
        superusers is held for that moment where we are one."""
        tried: list[Session] = []
        try:
            while len(tried) <= counts.reserved * counts.superuser:
                url = self._server.url
                one = await Session.open(url, application=APPLICATION, timeout_s=WITNESS_S)
                tried.append(one)
        except SqlRefused as refusal:
            if refusal.sqlstate != TOO_MANY:
                raise
            return True
        finally:
            for session in tried:
                session.drop()
        return False

    def _refusal(self, error: Exception) -> FaultRefused:
        match error:
            case FaultRefused() | SqlRefused():
                return refused(self._server, error)
            case _:
                what = f"the places of {self._server.part} are not full after {FULL_WITHIN_S:g} s"
                return FaultRefused(f"{what}: others take them as fast as they are freed")
