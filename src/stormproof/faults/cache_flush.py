"""The fault `cache-flush`."""

from __future__ import annotations

from typing import Final

from stormproof.faults.caches import cache_on, whole
from stormproof.model.part import Server
from stormproof.model.plan import PlannedFault
from stormproof.servers.resp import RespConnection

ALL: Final = "*"
PAGE_KEYS: Final = 1_000
FLUSH_WITHIN_S: Final = 20.0


class CacheFlush:
    """Remove keys from a cache, all of them or those of a pattern.

    What it does:
        With `keys` "*" it empties every database of the server (FLUSHALL); with another pattern
        it removes what SCAN finds of it in the database that the server's address names. It ends
        by itself: what was removed is gone, and no undo brings it back.
    Why it matters:
        Caches are emptied by operators, by a restart, by a full memory. All readers then go to
        the database at once, and whatever was kept in the cache alone - sessions, limits,
        streams of events - is lost.
    What a failure looks like:
        The database falls over under the readers; users are signed out; messages that were
        acknowledged are lost with the stream; a consumer never makes its group again.
    Limits:
        FLUSHALL removes streams and their groups, too. Keys that are made while a pattern is
        looked through may stay.
    Source:
        Valkey's documentation of FLUSHALL, SCAN and UNLINK.
    """

    def __init__(self, server: Server, planned: PlannedFault) -> None:
        self._server = server
        self._pattern = str(planned.settings["keys"])
        self._removed = 0

    async def inject(self) -> str:
        """Remove the keys."""
        patience_s = FLUSH_WITHIN_S
        async with cache_on(self._server, patience_s=patience_s) as connection:
            if self._pattern == ALL:
                self._removed = await _keys_in_all(connection)
                await connection.call("FLUSHALL", "ASYNC")
            else:
                self._removed = await _unlink(connection, self._pattern)
        return f"{self._removed} keys were removed ({self._pattern})"

    async def witness(self) -> str | None:
        """Tell how many keys were there to be removed; none is no effect."""
        if not self._removed:
            return None
        async with cache_on(self._server) as connection:
            left = await _keys_in_all(connection)
        return f"{self._removed} keys were removed, the server holds {left} now"

    async def undo(self) -> str:
        """Say that there is nothing to undo."""
        return "what was removed stays removed: it comes back as the service makes it again"

    async def residue(self) -> str | None:
        """Say that nothing of the fault is left: missing keys are its effect."""
        return None


async def _keys_in_all(connection: RespConnection) -> int:
    """Count the keys of all databases, which INFO lists as `db0:keys=3,expires=1,..`."""
    told = str(await connection.call("INFO", "keyspace"))
    counts = [line.partition("keys=")[2].partition(",")[0] for line in told.splitlines()]
    return sum(int(count) for count in counts if count.isdigit())


async def _unlink(connection: RespConnection, pattern: str) -> int:
    removed, cursor = 0, "0"
    while True:
        reply = await connection.call("SCAN", cursor, "MATCH", pattern, "COUNT", str(PAGE_KEYS))
        match reply:
            case [str(cursor), list(found)]:
                if found:
                    removed += whole(await connection.call("UNLINK", *map(str, found)))
            case _:
                raise ValueError("SCAN gives no keys")
        if cursor == "0":
            return removed
