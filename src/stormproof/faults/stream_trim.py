"""The fault `stream-trim`."""

from __future__ import annotations

from typing import Final, NamedTuple

from stormproof.faults.caches import cache_on, whole
from stormproof.kernel.errors import FaultRefused
from stormproof.model.part import Server
from stormproof.model.plan import PlannedFault
from stormproof.servers.resp import Reply, RespConnection

PENDING_LOOKED_AT: Final = 10_000  # of each group
_PAGE: Final = 1_000


class _Bodiless(NamedTuple):
    """Entries of a group that were delivered, are not acknowledged, and are no more."""

    group: str
    entries: int


class StreamTrim:
    """Trim a stream, so that entries go which nobody has read or acknowledged yet.

    What it does:
        Leaves a stream its newest `keep` entries (XTRIM MAXLEN) and removes the others. What a
        group was not given yet it never gets; what it was given and has not acknowledged stays
        pending, without a body. It ends by itself, and no undo brings entries back.
    Why it matters:
        Streams are bounded, and a consumer that is away longer than the bound lasts loses
        messages without any error: the server reports lag only, and later not even that.
    What a failure looks like:
        Messages that were acknowledged to their senders never arrive and nobody notices; a
        consumer that claims a pending entry without a body crashes, or tries it for ever.
    Limits:
        Of each group up to 10,000 pending entries are looked at. A service that can publish again
        from an outbox of its own loses nothing, which is what is to be seen.
    Source:
        Valkey's documentation of XTRIM, XPENDING and XAUTOCLAIM, which returns deleted entries
        as such.
    """

    def __init__(self, server: Server, planned: PlannedFault) -> None:
        self._server = server
        self._stream = str(planned.settings["stream"])
        self._keep = int(planned.settings["keep"])
        self._removed = 0
        self._bodiless: list[_Bodiless] = []

    async def inject(self) -> str:
        """Trim."""
        async with cache_on(self._server) as connection:
            if await connection.call("TYPE", self._stream) != "stream":
                raise FaultRefused(f"{self._server.part} has no stream {self._stream}")
            trimmed = await connection.call("XTRIM", self._stream, "MAXLEN", str(self._keep))
            self._removed = whole(trimmed)
        return f"{self._removed} entries were trimmed from {self._stream}"

    async def witness(self) -> str | None:
        """Tell how many entries went, and how many are pending that are no more."""
        if not self._removed:
            return None
        async with cache_on(self._server) as connection:
            oldest = await _oldest(connection, self._stream)
            groups = await connection.call("XINFO", "GROUPS", self._stream)
            listed = groups if isinstance(groups, list) else []
            names = [str(one[1]) for one in listed if isinstance(one, list)]
            self._bodiless = [
                _Bodiless(name, await _pending_before(connection, self._stream, name, oldest))
                for name in names
            ]
        pending = [f"{one.entries} pending in {one.group} have none" for one in self._bodiless]
        told = f"{self._removed} entries lost their body"
        return f"{told}; {', '.join(pending)}" if pending else told

    async def undo(self) -> str:
        """Say that there is nothing to undo."""
        return "what was trimmed is gone"

    async def residue(self) -> str | None:
        """Say that nothing of the fault is left: missing entries are its effect."""
        return None


async def _oldest(connection: RespConnection, stream: str) -> tuple[int, int]:
    """Return the id of the oldest entry that is left; beyond all ids where none is."""
    reply = await connection.call("XRANGE", stream, "-", "+", "COUNT", "1")
    match reply:
        case [[str(id_), *_]]:
            return _id(id_)
        case _:
            return (1 << 64, 0)


async def _pending_before(
    connection: RespConnection, stream: str, group: str, oldest: tuple[int, int]
) -> int:
    """Count the pending entries of a group that are older than all that are left."""
    count, after = 0, "-"
    for _ in range(PENDING_LOOKED_AT // _PAGE):
        page = await connection.call("XPENDING", stream, group, after, "+", str(_PAGE))
        ids = [_entry_id(one) for one in page] if isinstance(page, list) else []
        count += sum(_id(one) < oldest for one in ids)
        if len(ids) < _PAGE or _id(ids[-1]) >= oldest:
            break
        after = f"({ids[-1]}"
    return count


def _entry_id(reply: Reply) -> str:
    match reply:
        case [str(id_), *_]:
            return id_
        case _:
            raise ValueError("XPENDING lists no entry")


def _id(text: str) -> tuple[int, int]:
    """Read `milliseconds-sequence`."""
    first, _, second = text.partition("-")
    return int(first), int(second or 0)
